"""A dataset's Dagster runs at an OSMO in memory, on a simulated clock: hours of a backfill pass in seconds.

Dagster's books, the clips, the setup and the results are real ones on disk. Simulated are OSMO, what is ready on it,
and the daemons: runs are made as a backfill makes them, and executed here one after the other, as a pool of one allows.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import dagster as dg
from dagster._core.definitions.automation_tick_evaluation_context import build_run_requests_with_backfill_policies
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.dagster_defs.clips_job import clips_config, clips_job_name
from vda_assets.dagster_defs.partitions import add_clips as add_partitions
from vda_assets.dagster_defs.schedules import ask
from vda_assets.datasets.clips import list_clips
from vda_assets.flows.place import Place
from vda_assets.flows.planning import Item, item_of
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import OUTPUTS, Output, Stage, stage_of_task
from vda_assets.flows.work import ClipWork
from vda_assets.osmo.statuses import TaskStatus
from vda_assets.outcomes.judging import Judging
from vda_assets.outcomes.stage import judge_stage
from vda_assets.outcomes.verdict import Judgement
from vda_assets.project import load_project
from vda_assets.readiness.gate import Gate
from vda_assets.runs.names import SOURCE_VIDEOS, asset_key
from vda_assets.runs.private import DATA_VERSION_TAG, listen
from vda_assets.runs.production import Production
from vda_assets.runs.resources import OsmoResource
from vda_assets_tests.dispatch.desk import Inline
from vda_assets_tests.end_to_end.world import DATASET, World, make_world
from vda_assets_tests.osmo.in_memory import InMemoryOsmo
from vda_assets_tests.osmo.in_memory_rows import Fate, Script, TaskRow, Try, WorkflowRow
from vda_assets_tests.quick_results import add_clips, change_yaml, use_quick_container
from vda_assets_tests.simulated_clock import SimulatedClock

NOTHING_FORESEEN = SimpleNamespace(lines=list, gpu_hours=(0.0, 0.0))
SECONDS_OF_A_TASK = (600.0, 1500.0)


def varied(one: Try) -> Fate:
    """Every task takes 10 to 25 minutes, the same in each run of a test."""
    return Fate(seconds=random.Random(one.task.name + one.workflow_id).uniform(*SECONDS_OF_A_TASK))


@dataclass
class SimulatedRuns:
    """`rejects` is asked with the name of each augmented clip, whether it fails a quality gate. `heard` is told each
    event that a run adds to Dagster's books.

    `samples` fill while `measuring`: every simulated second, how many workflows have not ended and how many were
    submitted so far."""

    world: World
    results: Path
    instance: dg.DagsterInstance
    script: Script = varied
    rejects: Callable[[str], bool] = lambda _: False
    heard: Callable[[dg.EventLogEntry], object] = lambda _: None
    samples: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = SimulatedClock()
        self.osmo = InMemoryOsmo(self.clock, lambda one: self.script(one), gpus=1000, on_end=self._leave_results)
        project = load_project(self.world.environment)
        self.dataset = project.dataset(DATASET)
        self.max_in_flight = project.deployment_of(self.dataset).osmo.max_in_flight
        self.definitions = dg.Definitions.merge(
            dg.Definitions(executor=dg.in_process_executor), build_definitions(project)
        )
        self.scope = project.scope_of(self.dataset)
        storage = project.storage_of(self.scope.deployment, {})
        self._clips = {clip.key: clip for clip in list_clips(storage, self.dataset.dataset_url).clips}
        self.keys = sorted(path.name for path in self.world.clips.iterdir())
        self.outputs = {output: asset_key(self.dataset, output) for output in OUTPUTS}
        add_partitions(self.instance, self.dataset, self.keys)

    # Three ways to ask for clips

    def ask_by_command(self, keys: Collection[str], *, flow: str = "e2e") -> None:
        """What `vda run` executes."""
        name = clips_job_name(self.dataset.deployment)
        config = clips_config(self.dataset, FLOWS[flow], sorted(keys))
        job = self.definitions.resolve_job_def(name)
        self.execute(self.instance.create_run_for_job(job, run_config=config, tags=job.tags))

    def ask_by_backfill(
        self, keys: Collection[str], *, backfill: str = "asked", outputs: Collection[Output] = OUTPUTS
    ) -> None:
        """The runs of a backfill of these clips, queued."""
        wanted = {AssetKeyPartitionKey(self.outputs[output], key) for output in outputs for key in keys}
        graph = self.definitions.resolve_asset_graph()
        job = self.definitions.resolve_implicit_global_asset_job_def()
        location = RegisteredCodeLocationOrigin("vda_assets")
        with partition_loading_context(dynamic_partitions_store=self.instance):
            requests = build_run_requests_with_backfill_policies(wanted, graph, self.instance)
        for request in requests:
            selection = frozenset(request.asset_selection or ())
            self.instance.create_run_for_job(
                job.get_subset(asset_selection=selection),
                asset_selection=selection,
                tags={**request.tags, "dagster/backfill": backfill},
                status=dg.DagsterRunStatus.QUEUED,
                remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job.name),
            )

    def ask_at_night(self) -> None:
        """The runs of the backfill that the dataset's schedule asks for, once its upload sensor has seen all clips."""
        self.see_all_clips()
        night = datetime(2026, 11, 22, 2, tzinfo=UTC)
        repository = self.definitions.get_repository_def()
        ask(self.instance, repository, self.scope, schedule="nightly", tick=night)
        (backfill,) = self.instance.get_backfills()
        subset = backfill.asset_backfill_data.target_subset
        (keys,) = {frozenset(subset.get_partitions_subset(one).get_partition_keys()) for one in self.outputs.values()}
        self.ask_by_backfill(sorted(keys), backfill=backfill.backfill_id)

    def see_all_clips(self) -> None:
        """What the upload sensor reports of them."""
        source = asset_key(self.dataset, SOURCE_VIDEOS)
        for clip in self._clips.values():
            tags = {DATA_VERSION_TAG: clip.version}
            self.instance.report_runless_asset_event(dg.AssetMaterialization(source, partition=clip.key, tags=tags))

    def item(self, key: str) -> Item:
        scope = self.scope
        return item_of(
            self._clips[key], cookbook=scope.cookbook, images=scope.deployment.images, super_resolution=False
        )

    def finish(self, keys: Collection[str]) -> None:
        """Dagster's books have everything of these clips from now on."""
        for key in keys:
            item = self.item(key)
            for output, asset in self.outputs.items():
                tags = {DATA_VERSION_TAG: item.output_hashes[output]}
                self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key, tags=tags))

    # What the daemon does

    @property
    def queued(self) -> list[dg.DagsterRun]:
        queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
        return list(self.instance.get_runs(queued, ascending=True))

    def work_off(self) -> list[str]:
        """Executes what is queued, the oldest first; returns the runs that were started."""
        started = []
        while queued := self.queued:
            started.append(queued[0].run_id)
            self.execute(queued[0])
        return started

    def execute(self, run: dg.DagsterRun) -> None:
        """In this process, as one that the daemon started would."""
        with self.at_the_simulated_osmo():
            run = self.start(run)
            listen(self.instance, run.run_id, lambda entry: self.heard(entry))
            job = self.definitions.resolve_job_def(run.job_name)
            if run.asset_selection:
                job = job.get_subset(asset_selection=run.asset_selection)
            execute_run(InMemoryJob(job), run, self.instance)

    def start(self, run: dg.DagsterRun) -> dg.DagsterRun:
        """The run, no longer in the queue."""
        if run.status is dg.DagsterRunStatus.QUEUED:
            starting = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_STARTING.value, run.job_name)
            self.instance.report_dagster_event(starting, run.run_id)
        started = self.instance.get_run_by_id(run.run_id)
        assert started is not None
        return started

    def made(self) -> dict[str, set[str]]:
        """Output -> the clips that Dagster's books have it of."""
        return {output: self.instance.get_materialized_partitions(key) for output, key in self.outputs.items()}

    # How full the pool is

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Samples are taken meanwhile."""
        is_over = False

        def sample() -> None:
            if not is_over:
                self.samples.append((len(self.osmo.alive()), len(self.osmo.workflows_taken)))
                self.clock.after(1.0, sample)

        self.clock.after(1.0, sample)
        try:
            yield
        finally:
            is_over = True

    @property
    def busy_share(self) -> float:
        """Of what the run may have on the pool, the share that is there, from the first submission to the last."""
        last = len(self.osmo.workflows_taken)
        waiting = [min(alive, self.max_in_flight) for alive, taken in self.samples if 0 < taken < last]
        return sum(waiting) / (len(waiting) * self.max_in_flight)

    def at_the_simulated_osmo(self) -> AbstractContextManager[object]:
        """Runs of this process find it meanwhile; what lies ahead of them, it cannot tell."""
        stack = ExitStack()
        ready = Gate((), Place("default", "cpu-stand-in"))
        stack.enter_context(patch("vda_assets.cli.backfill.foreseen", lambda *_: NOTHING_FORESEEN))
        stack.enter_context(patch.object(OsmoResource, "client", lambda _: nullcontext(self.osmo)))
        stack.enter_context(patch("vda_assets.runs.step.check_gate", lambda *_, **__: ready))
        stack.enter_context(
            patch("vda_assets.runs.step.Production", partial(Production, clock=self.clock, judging=_JudgingAtOnce))
        )
        return stack

    def _leave_results(self, _: WorkflowRow, task: TaskRow) -> None:
        """What the worker and its container would have left."""
        if task.status != TaskStatus.COMPLETED or stage_of_task(task.name) is None:
            return
        arguments = task.spec.args
        container, options = arguments[1], dict(pairwise(arguments[2:]))
        (output,) = task.spec.outputs
        folder = Path(output.url.removeprefix("file://"))
        shutil.copytree(self.results / container, folder, copy_function=link, dirs_exist_ok=True)
        outcome = json.loads((self.results / f"{container}.outcome.json").read_text())
        outcome.update(name=options["--name"], work=options["--work"], attempt=int(options["--attempt"]))
        if container == "augmentation" and self.rejects(options["--name"]):
            reject(folder, outcome)
        (folder / "outcome.json").write_text(json.dumps(outcome))


class _JudgingAtOnce(Judging):
    """In the run's own process: no time passes meanwhile, on no clock."""

    def begin(self, work: ClipWork, stage: Stage, **known: Any) -> Future[list[Judgement]]:
        return Inline().submit(judge_stage, self._storage, work, stage, cookbook=self._cookbook, **known)


def reject(folder: Path, outcome: dict[str, Any]) -> None:
    """Lets an augmented clip fail a quality gate, as its container writes it."""
    written = folder / "metadata.json"
    metadata = json.loads(written.read_text())
    metadata["hallucination_check"].update(passed=False, score=0.1, threshold=0.5)
    content = json.dumps(metadata).encode()
    written.unlink()  # it is a link to what others have
    written.write_bytes(content)
    (marked,) = (file for file in outcome["files"] if file["path"] == written.name)
    marked.update(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def link(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    Path(target).hardlink_to(source)


@contextmanager
def simulated_runs(
    folder: Path,
    results: Path,
    *,
    clips: int,
    script: Callable[[Try], Fate] = varied,
    max_in_flight: int = 8,
    **said: Any,
) -> Iterator[SimulatedRuns]:
    """`said` is what the dataset's file says besides."""
    world = make_world(folder)
    change_yaml(world.folder / f"assets_cfg/datasets/{DATASET}.yaml", lambda one: one.update(said))
    use_quick_container(world, results, seconds=0)
    deployment = world.folder / "assets_cfg/deployments/local.yaml"
    change_yaml(deployment, lambda one: one["osmo"].update(max_in_flight=max_in_flight))
    add_clips(world, results, clips)
    with world.instance() as instance:
        yield SimulatedRuns(world, results, instance, script)
