"""A dispatcher at an OSMO in memory, on a simulated clock: hours of a run pass in milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from vda_assets.base.log import Log
from vda_assets.config.deployment import Deployment
from vda_assets.cookbooks.draw import Draw
from vda_assets.datasets.clips import Clip
from vda_assets.dispatch.accounting import Usage
from vda_assets.dispatch.company import Alone, Company, Wish
from vda_assets.dispatch.dispatcher import Dispatcher
from vda_assets.dispatch.failures import StageFailure
from vda_assets.dispatch.pace import Pace
from vda_assets.flows.place import Place
from vda_assets.flows.selection import FLOWS, Selection
from vda_assets.flows.stages import OUTPUTS, Stage, stage_of_task
from vda_assets.flows.work import ClipWork, digest
from vda_assets.flows.workflow import LABEL_CLIP, LABEL_RUN, LABEL_WORK, clip_hash
from vda_assets.osmo.statuses import TaskStatus
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.osmo.in_memory import InMemoryOsmo
from vda_assets_tests.osmo.in_memory_rows import Fate, Script, TaskRow, WorkflowRow
from vda_assets_tests.simulated_clock import SimulatedClock

ROOT = StorageUrl.parse("s3://bucket")
DEPLOYMENT = {"osmo": {"url": "http://osmo", "max_in_flight": 4}, "images": {}}


class Killed(BaseException):
    """The run's process ended without a word."""


class Inline(Executor):
    """Submissions happen one after the other, so that the simulated time is the same in every run of a test."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **options))
        except BaseException as error:  # noqa: BLE001 - it is for whoever waits for the result
            future.set_exception(error)
        return future


@dataclass
class Told:
    """The run's report. `pauses` counts them; `at_pause` may raise."""

    completed: Counter[tuple[str, Stage]] = field(default_factory=Counter)
    failed: dict[tuple[str, Stage], str] = field(default_factory=dict)
    runs: dict[tuple[str, Stage], str] = field(default_factory=dict)
    usage: dict[tuple[str, Stage], Usage] = field(default_factory=dict)
    at_pause: Callable[[], None] = lambda: None

    def stage_completed(
        self, work: ClipWork, stage: Stage, *, layout: RunLayout, workflow_id: str, usage: Usage
    ) -> None:
        self.completed[work.clip.key, stage] += 1
        self.usage[work.clip.key, stage] = usage
        self.runs[work.clip.key, stage] = layout.run_id

    def stage_failed(self, work: ClipWork, failure: StageFailure, *, usage: Usage) -> None:
        assert (work.clip.key, failure.stage) not in self.failed
        self.usage[work.clip.key, failure.stage] = usage
        self.failed[work.clip.key, failure.stage] = failure.message

    @property
    def being_recorded(self) -> Collection[str]:
        return ()

    def while_waiting(self) -> None:
        self.at_pause()


class Books:
    """What living runs tell each other of the pool, for runs whose clips are their own."""

    def __init__(self) -> None:
        self.wishes: dict[str, Wish] = {}

    def of_a_run(self) -> Company:
        return _InBooks(self.wishes)


class _InBooks(Alone):
    def __init__(self, wishes: dict[str, Wish]) -> None:
        self._wishes = wishes

    def share(self, wish: Wish) -> list[Wish]:
        self._wishes[wish.run_id] = wish
        return [one for run_id, one in self._wishes.items() if run_id != wish.run_id]


class Desk:
    """`osmo` is the service; `whole` the outputs that lie whole in storage, with the work that left each."""

    def __init__(
        self,
        script: Script = lambda _: Fate(),
        *,
        clock: SimulatedClock | None = None,
        gpus: int = 1000,
        executor: Executor | None = None,
        **options: Any,
    ) -> None:
        self._executor = executor or Inline()
        self.clock = clock or SimulatedClock()
        self.whole: dict[tuple[str, str, Stage], str] = {}
        self.most_alive = 0
        self.osmo = InMemoryOsmo(self.clock, script, on_end=self._on_end, gpus=gpus, **options)

    def _on_end(self, row: WorkflowRow, task: TaskRow) -> None:
        stage = stage_of_task(task.name)
        # On a service without labels nobody knows whose they are.
        if stage and task.status == TaskStatus.COMPLETED and row.labels:
            self.whole[row.labels[LABEL_RUN], row.labels[LABEL_CLIP], stage] = row.labels[LABEL_WORK]

    def run(
        self,
        works: Collection[ClipWork],
        *,
        run: str = "run-0a1b2c3d",
        dataset: str = "street",
        told: Told | None = None,
        company: Company = Alone(),  # noqa: B008 - has no state
        deployment: Deployment | None = None,
        log: list[str] | None = None,
        pace: Pace = Pace(),  # noqa: B008 - a frozen value
    ) -> Told:
        told = told or Told()
        dispatcher = self.dispatcher(
            run=run, dataset=dataset, told=told, company=company, deployment=deployment, log=log, pace=pace
        )
        dispatcher.run(list(works))
        return told

    def dispatcher(
        self,
        *,
        run: str = "run-0a1b2c3d",
        dataset: str = "street",
        told: Told,
        company: Company = Alone(),  # noqa: B008 - has no state
        deployment: Deployment | None = None,
        log: list[str] | None = None,
        pace: Pace = Pace(),  # noqa: B008 - a frozen value
    ) -> Dispatcher:
        def is_whole(work: ClipWork, stage: Stage, *, layout: RunLayout, work_hash: str) -> bool:
            return self.whole.get((layout.run_id, clip_hash(work.clip), stage), "-").startswith(work_hash)

        deployment = deployment or Deployment.model_validate(DEPLOYMENT)
        return Dispatcher(
            client=self.osmo,
            deployment=deployment,
            place=Place("default", "h100", priority=deployment.osmo.priority),
            layout=RunLayout(ROOT, dataset, run),
            report=told,
            is_whole=is_whole,
            log=Log((log if log is not None else []).append),
            company=company,
            pace=pace,
            clock=self.clock,
            executor=self._executor,
        )


def works(
    *keys: str, dataset: str = "street", selection: Selection = FLOWS["e2e"], configuration: str = "first"
) -> list[ClipWork]:
    """`configuration` stands for everything but the clip that decides its outputs."""
    made = []
    for key in keys:
        clip = Clip(key, ROOT / f"datasets/{dataset}/{key}", 6, "v1", 0.0)
        draws = (Draw(clip.video, 0, {"weather": "rain"}, 1, 2),)
        hashes = {output: digest(str(clip.url), configuration, str(output)) for output in OUTPUTS}
        made.append(ClipWork(clip, selection, draws, hashes))
    return made
