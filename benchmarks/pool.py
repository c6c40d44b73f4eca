"""How full a pool is kept: the time that all work takes over what no schedule could beat, and how idle GPUs are.

`python benchmarks/pool.py [--quick] [--json]`. First 500 clips on 16 GPUs, asked for as a backfill does, side by side
or scattered, alone and beside a second dataset that is asked for an hour later. The real dispatchers go on at once at
an OSMO in memory, on a simulated clock. What people do by hand instead is reckoned from the same durations:
`one_at_a_time`, clip after clip, and `stage_barrier`, a stage of all clips before the next. With `--quick` there are so
few clips that the end, when nothing waits any more, weighs much more.

Then `busy_share` of 50 scattered clips of 1,000, asked for by `vda run`, by a backfill and every night: Dagster's
books, Siblings and Production are real ones as well, and 8 workflows may be on the pool.
"""

from __future__ import annotations

import argparse
import heapq
import json
import logging
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from vda_assets.config.deployment import Deployment  # noqa: E402
from vda_assets.flows.stages import Stage, stage_of_task  # noqa: E402
from vda_assets.flows.work import ClipWork  # noqa: E402
from vda_assets.flows.workflow import LABEL_CLIP, clip_hash  # noqa: E402
from vda_assets.runs.step import CLIPS_PER_RUN  # noqa: E402
from vda_assets_tests.dispatch.desk import Books, Desk, Told, works  # noqa: E402
from vda_assets_tests.osmo.in_memory_rows import Fate  # noqa: E402
from vda_assets_tests.quick_results import make_quick_results  # noqa: E402
from vda_assets_tests.simulated_clock import START, SharedClock  # noqa: E402
from vda_assets_tests.simulated_runs import SimulatedRuns, simulated_runs  # noqa: E402

# Minutes of each task: labels take 6 to 15, augmentation and labels together 20 to 35.
MINUTES = {Stage.ORIGINAL_LABELS: (6, 15), Stage.AUGMENTED_VIDEOS: (14, 20), Stage.AUGMENTED_LABELS: (6, 15)}
# How many clips the run that starts first has, before it takes over those of queued ones.
FIRST_RUN = {"contiguous": CLIPS_PER_RUN, "scattered": 1}
SECOND_BEGINS_SECONDS = 3600.0
Durations = dict[str, dict[Stage, float]]

ENTRY_POINTS = ("vda run", "backfill", "nightly")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="24 clips on 4 GPUs; a backfill of 4 scattered clips of 8; under a minute"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    clips, scattered, at_once = (8, 4, 2) if arguments.quick else (1000, 50, 8)
    logging.disable(logging.CRITICAL)  # Dagster writes every event of a run to the terminal
    warnings.simplefilter("ignore")
    figures: list[dict[str, Any]] = []
    for company in ("alone", "second dataset"):
        for lie in FIRST_RUN:
            figures += schedule(lie, company, **({"clips": 24, "gpus": 4} if arguments.quick else {}))
    with tempfile.TemporaryDirectory(prefix="vda-bench-") as folder:
        results = make_quick_results(Path(folder))
        for entry_point in ("backfill",) if arguments.quick else ENTRY_POINTS:
            world = Path(folder) / entry_point.replace(" ", "-")
            world.mkdir()
            with simulated_runs(world, results, clips=clips, max_in_flight=at_once) as runs:
                figures += measure(runs, entry_point, runs.keys[:: clips // scattered][:scattered])
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for figure in figures:
        who = figure.get("entry_point") or f"{figure['policy']}, {figure['clips']}, {figure['company']}"
        print(f"{who:<42} {figure['name']:<28} {figure['value']:>8.3f} {figure['unit']}")


@dataclass
class Outcome:
    """When each clip ended, in seconds from the beginning."""

    ends: list[float]

    @property
    def makespan(self) -> float:
        return max(self.ends)

    @property
    def ended_at_half(self) -> float:
        return sum(end <= self.makespan / 2 for end in self.ends) / len(self.ends)


def schedule(lie: str, company: str, *, clips: int = 500, gpus: int = 16) -> list[dict[str, Any]]:
    datasets = ["street"] if company == "alone" else ["street", "yard"]
    asked = {name: works(*(f"clip{number:03d}.mp4" for number in range(clips)), dataset=name) for name in datasets}
    everything = [work for several in asked.values() for work in several]
    taken = {clip_hash(work.clip): durations_of(str(work.clip.url)) for work in everything}
    busy = sum(sum(stages.values()) for stages in taken.values())
    bound = max(busy / gpus, *map(chain, taken.values()))
    policies = {
        "ours": ours(asked, taken, first=FIRST_RUN[lie], gpus=gpus),
        "one_at_a_time": one_at_a_time(taken.values()),
        "stage_barrier": stage_barrier(taken.values(), gpus),
    }
    return [
        {"name": name, "value": round(value, 4), "unit": unit, "policy": policy, "clips": lie, "company": company}
        for policy, outcome in policies.items()
        for name, value, unit in (
            ("makespan_over_bound", outcome.makespan / bound, "of the bound"),
            ("idle_share", 1 - busy / gpus / outcome.makespan, "of the GPUs' time"),
            ("clips_ended_at_half_time", outcome.ended_at_half, "of the clips"),
        )
    ]


def durations_of(clip: str) -> dict[Stage, float]:
    """Seconds of each task of a clip, the same in every policy."""
    return {stage: 60 * random.Random(f"{clip} {stage}").uniform(*minutes) for stage, minutes in MINUTES.items()}


def chain(stages: dict[Stage, float]) -> float:
    """How long a clip takes at least: its labels are made while it is augmented."""
    return max(stages[Stage.ORIGINAL_LABELS], stages[Stage.AUGMENTED_VIDEOS] + stages[Stage.AUGMENTED_LABELS])


def ours(asked: dict[str, list[ClipWork]], taken: Durations, *, first: int, gpus: int) -> Outcome:
    clock, books = SharedClock(), Books()
    desk = Desk(
        lambda one: Fate(seconds=taken[one.labels[LABEL_CLIP]][stage_of_task(one.task.name) or Stage.ORIGINAL_LABELS]),
        clock=clock,
        gpus=gpus,
    )
    deployment = Deployment.model_validate({"osmo": {"url": "http://osmo", "max_in_flight": gpus}, "images": {}})

    def run(number: int, dataset: str) -> Callable[[], None]:
        def go() -> None:
            clock.sleep(number * SECOND_BEGINS_SECONDS)
            told, queue = Told(), Queue(asked[dataset], first)
            dispatcher = desk.dispatcher(
                run=f"run-{number:08x}", dataset=dataset, told=told, company=books.of_a_run(), deployment=deployment
            )
            dispatcher.run(queue.take(told), more=lambda: queue.take(told))
            del books.wishes[f"run-{number:08x}"]
            assert told.completed.total() == len(asked[dataset]) * len(Stage)

        return go

    clock.act(*(run(number, dataset) for number, dataset in enumerate(asked)))
    return Outcome([(one.end_time - START).total_seconds() for one in desk.osmo.workflows() if one.end_time])


@dataclass
class Queue:
    """The clips of a backfill: those of its first run, then those that this takes over from its queued runs."""

    works: Sequence[ClipWork]
    first: int
    given: int = field(default=0)

    def take(self, told: Told) -> Sequence[ClipWork]:
        left = self.given - told.completed.total() // len(Stage)
        more = CLIPS_PER_RUN - left if self.given else self.first
        taken = self.works[self.given : self.given + more]
        self.given += len(taken)
        return taken


def one_at_a_time(clips: Iterable[dict[Stage, float]]) -> Outcome:
    ends = [0.0]
    for stages in clips:
        ends.append(ends[-1] + chain(stages))
    return Outcome(ends[1:])


def stage_barrier(clips: Collection[dict[Stage, float]], gpus: int) -> Outcome:
    begin, ends = 0.0, [0.0]
    for stage in MINUTES:
        free = [begin] * gpus
        ends = [heapq.heapreplace(free, free[0] + stages[stage]) + stages[stage] for stages in clips]
        begin = max(ends)
    return Outcome(ends)


def measure(runs: SimulatedRuns, entry_point: str, wanted: Collection[str]) -> list[dict[str, Any]]:
    with runs.measuring():
        started = ask(runs, entry_point, wanted)
    made = runs.keys if entry_point == "nightly" else wanted
    assert runs.made() == {output: set(made) for output in runs.outputs}
    assert len(runs.osmo.workflows_taken) == len(wanted)
    name = entry_point.replace(" ", "_")
    values = {"busy_share": (runs.busy_share, "of the pool"), "runs_started": (started, "runs")}
    return [
        {"name": f"{figure}_{name}", "value": round(value, 4), "unit": unit, "entry_point": entry_point}
        for figure, (value, unit) in values.items()
    ]


def ask(runs: SimulatedRuns, entry_point: str, wanted: Collection[str]) -> int:
    """Asks, and returns how many runs were started until everything was made."""
    match entry_point:
        case "vda run":
            runs.ask_by_command(wanted)
            return 1
        case "backfill":
            runs.ask_by_backfill(wanted)
        case _:
            runs.finish(set(runs.keys) - set(wanted))
            runs.ask_at_night()
    return len(runs.work_off())


if __name__ == "__main__":
    main()
