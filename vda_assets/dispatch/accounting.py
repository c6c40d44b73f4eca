"""What the stages of a clip took of the pool: GPU seconds, time in the queue, time that they ran, submissions.

Everything comes from the tasks that are looked at anyway, by the service's clock. A workflow's GPU seconds are counted
by the process that saw it end, once: those of a try that failed go with the try that ends the stage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from vda_assets.dispatch.in_flight import InFlight
from vda_assets.dispatch.submissions import Submitted
from vda_assets.dispatch.watching import WatchedWorkflow
from vda_assets.flows.stages import Stage
from vda_assets.osmo.models import TaskEntry


@dataclass(frozen=True)
class Usage:
    """What one stage of one clip took; None is what the service does not say.

    `gpu_seconds` are of all its tries, `queue_seconds` (since all that it waits for was there) and `run_seconds` (from
    the first start to the last end) of the last. `tries` counts its submissions in the run that holds it, and OSMO's
    own retries.
    """

    gpu_seconds: float | None = None
    queue_seconds: float | None = None
    run_seconds: float | None = None
    tries: int | None = None


NOTHING_KNOWN = Usage()


def usage_of(watched: WatchedWorkflow, stage: Stage, *, waits_for: Stage | None, history: Sequence[Submitted]) -> Usage:
    """`history` are the submissions up to the watched one, which is the last; empty when it is not known."""
    tasks = watched.tasks_of(stage)
    starts = [task.start_time for task in tasks if task.start_time]
    ends = [task.end_time for task in tasks if task.start_time and task.end_time]
    ready = [one.submit_time for one in history[-1:]]
    if ready and waits_for and starts:
        # With a group per index, a task starts while tasks of the stage before still run.
        before = [task.end_time for task in watched.tasks_of(waits_for) if task.end_time]
        ready += [end for end in before if end <= min(starts)]
    submissions = sum(stage in one.stages for one in history)
    return Usage(
        gpu_seconds=_gpu_seconds([*tasks, *watched.former_of(stage)]),
        queue_seconds=_between(max(ready), min(starts)) if ready and starts else None,
        run_seconds=_between(min(starts), max(ends)) if ends else None,
        tries=submissions + max((task.retry_id for task in tasks), default=0) if submissions else None,
    )


class Accounts:
    """The usage of a run's stages. It keeps the GPU seconds of tries that failed until their stage ends."""

    def __init__(self) -> None:
        self._tried: defaultdict[tuple[str, Stage], float] = defaultdict(float)

    def usage(self, flying: InFlight, stage: Stage, watched: WatchedWorkflow) -> Usage:
        """What the stage took, now that it has ended."""
        usage = self._of_this_try(flying, stage, watched)
        tried = self._tried.pop((flying.work.clip.key, stage), None)
        return usage if tried is None else replace(usage, gpu_seconds=tried + (usage.gpu_seconds or 0.0))

    def is_tried_again(self, flying: InFlight, stages: Iterable[Stage], watched: WatchedWorkflow) -> None:
        """Keeps what the stages took of a workflow that ended before they did."""
        for stage in stages:
            taken = self._of_this_try(flying, stage, watched).gpu_seconds
            if taken is not None:
                self._tried[flying.work.clip.key, stage] += taken

    def _of_this_try(self, flying: InFlight, stage: Stage, watched: WatchedWorkflow) -> Usage:
        return usage_of(watched, stage, waits_for=flying.work.selection.waits_for(stage), history=flying.history)


def _gpu_seconds(tasks: Iterable[TaskEntry]) -> float | None:
    spans = [
        _between(task.start_time, task.end_time) * task.gpu
        for task in tasks
        if task.start_time and task.end_time and task.gpu is not None
    ]
    return sum(spans) if spans else None


def _between(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()
