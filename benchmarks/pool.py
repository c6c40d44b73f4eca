"""How full scattered clips keep the pool: 50 of 1,000, asked for by `vda run`, by a backfill and every night.

`python benchmarks/pool.py [--quick] [--json]`. Dagster's books, Siblings, Production and Dispatcher are the real ones;
OSMO is one in memory on a simulated clock, on which a task takes 10 to 25 minutes and 8 workflows may run at a time.
`busy_share` is what was on the pool of what might have been, in simulated time from the first submission to the last.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from vda_assets_tests.quick_results import make_quick_results  # noqa: E402
from vda_assets_tests.simulated_runs import SimulatedRuns, simulated_runs  # noqa: E402

ENTRY_POINTS = ("vda run", "backfill", "nightly")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="4 scattered clips of 8, 2 workflows at a time, no night; under a minute"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    clips, scattered, at_once = (8, 4, 2) if arguments.quick else (1000, 50, 8)
    logging.disable(logging.CRITICAL)  # Dagster writes every event of a run to the terminal
    warnings.simplefilter("ignore")
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="vda-bench-") as folder:
        results = make_quick_results(Path(folder))
        for entry_point in ENTRY_POINTS[:2] if arguments.quick else ENTRY_POINTS:
            world = Path(folder) / entry_point.replace(" ", "-")
            world.mkdir()
            with simulated_runs(world, results, clips=clips, max_in_flight=at_once) as runs:
                figures += measure(runs, entry_point, runs.keys[:: clips // scattered][:scattered])
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for figure in figures:
        print(f"{figure['entry_point']:<10} {figure['name']:<28} {figure['value']:>8.3f} {figure['unit']}")


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
