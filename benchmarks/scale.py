"""What grows with the pool: OSMO's calls, the dispatchers' CPU and idle GPUs, from one run on 16 GPUs to many on 1,000.

`python benchmarks/scale.py [--quick] [--json]`. Three clips for each GPU, in runs of at most 200, each of a dataset of
its own. The real dispatchers go on at once at an OSMO in memory, on a simulated clock; its own CPU is left out. Labels
take 6 to 15 minutes, augmentation 14 to 20. Neither Dagster nor storage is in it.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pool import chain, durations_of
from told import tell

from vda_assets.config.deployment import Deployment
from vda_assets.flows.stages import Stage, stage_of_task
from vda_assets.flows.workflow import LABEL_CLIP, clip_hash
from vda_assets.runs.step import CLIPS_PER_RUN
from vda_assets_tests.dispatch.desk import Books, Desk, Told, works
from vda_assets_tests.osmo.in_memory import InMemoryOsmo
from vda_assets_tests.osmo.in_memory_rows import Fate
from vda_assets_tests.simulated_clock import START, SharedClock

CLIPS_PER_GPU = 3
# OSMO answers with so many rows at most.
ROWS_PER_CALL = 1000
# A list of this moment, beside which the call itself is no work of the dispatcher.
LISTS = ("tasks", "workflows")


class Metered:
    """An OSMO in memory whose calls are counted by simulated minute, and whose CPU seconds are known."""

    def __init__(self, osmo: InMemoryOsmo, clock: SharedClock) -> None:
        self._osmo, self._clock = osmo, clock
        self.cpu_seconds = 0.0
        self.calls: Counter[int] = Counter()
        self.rows = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._osmo, name)
        if not callable(found):
            return found

        def ask(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            answer = found(*arguments, **options)
            if name in LISTS:
                answer = list(answer)
                self.rows += len(answer)
            pages = max(1, -(-len(answer) // ROWS_PER_CALL)) if name in LISTS else 1
            self.calls[int(self._clock.monotonic() // 60)] += pages
            self.cpu_seconds += time.process_time() - began
            return answer

        return ask


class MeteredClock(SharedClock):
    """What OSMO does while time moves on is counted as its CPU too."""

    cpu_seconds = 0.0

    def advance(self, seconds: float) -> None:
        began = time.process_time()
        super().advance(seconds)
        self.cpu_seconds += time.process_time() - began


def measure(gpus: int) -> Iterator[dict[str, Any]]:
    clips = gpus * CLIPS_PER_GPU
    runs = -(-clips // CLIPS_PER_RUN)
    each = -(-clips // runs)
    asked = {
        f"dataset{number:02d}": works(*(f"clip{one:03d}.mp4" for one in range(each)), dataset=f"dataset{number:02d}")
        for number in range(runs)
    }
    everything = [work for several in asked.values() for work in several]
    taken = {clip_hash(work.clip): durations_of(str(work.clip.url)) for work in everything}
    clock, books = MeteredClock(), Books()
    desk = Desk(
        lambda one: Fate(seconds=taken[one.labels[LABEL_CLIP]][stage_of_task(one.task.name) or Stage.ORIGINAL_LABELS]),
        clock=clock,
        gpus=gpus,
    )
    osmo = desk.osmo
    metered = Metered(osmo, clock)
    desk.osmo = metered  # type: ignore[assignment]
    deployment = Deployment.model_validate({"osmo": {"url": "http://osmo", "max_in_flight": gpus}, "images": {}})

    def run(number: int, dataset: str) -> Callable[[], None]:
        def go() -> None:
            name = f"run-{number:08x}"
            told = desk.run(
                asked[dataset],
                run=name,
                dataset=dataset,
                told=Told(),
                company=books.of_a_run(),
                deployment=deployment,
            )
            books.wishes.pop(name, None)
            assert told.completed.total() == len(asked[dataset]) * len(Stage)

        return go

    began = time.process_time()
    clock.act(*(run(number, dataset) for number, dataset in enumerate(asked)))
    cpu = time.process_time() - began - metered.cpu_seconds - clock.cpu_seconds
    ends = [(one.end_time - START).total_seconds() for one in osmo.workflows() if one.end_time]
    assert len(ends) == len(everything)
    busy = sum(sum(stages.values()) for stages in taken.values())
    bound = max(busy / gpus, *map(chain, taken.values()))
    calls = sum(metered.calls.values())
    values = {
        "makespan_over_bound": (max(ends) / bound, "of the bound"),
        "calls_per_clip": (calls / len(ends), "calls"),
        "calls_per_second_mean": (calls / max(ends), "calls/s"),
        "calls_per_second_busiest_minute": (max(metered.calls.values()) / 60, "calls/s"),
        "rows_per_call": (metered.rows / calls, "rows"),
        "dispatch_cpu_seconds_per_clip": (cpu / len(ends), "s"),
        "dispatch_cores": (cpu / max(ends), "of a core"),
    }
    for name, (value, unit) in values.items():
        yield {"name": f"{name}_{gpus}_gpus", "value": round(value, 4), "unit": unit, "gpus": gpus, "runs": runs}


def figures(sizes: list[int]) -> Iterator[dict[str, Any]]:
    for gpus in sizes:
        yield from measure(gpus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4 and 100 GPUs; under a minute")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    tell(figures([4, 100] if arguments.quick else [16, 125, 500, 1000]), as_json=arguments.json)


if __name__ == "__main__":
    main()
