"""How many connections PostgreSQL has while runs go on in pods, and how long they take from their backfill on.

`python benchmarks/cluster.py [--quick] [--json]`. 25 runs of a clip each begin at once, with `--quick` two. Daemon,
code server, run launcher and PostgreSQL are real ones; pods are processes of this machine, which share its CPUs, so the
times say little of a cluster. Needs Debian's package postgresql.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from told import tell  # noqa: E402

from vda_assets_tests.cluster.deployed import deployed, wait_for  # noqa: E402
from vda_assets_tests.postgres import PostgresServer, serving_postgres  # noqa: E402
from vda_assets_tests.quick_results import held_quick_container, make_quick_results  # noqa: E402

_START_SECONDS = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two runs instead of 25; under a minute")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="vda-bench-") as folder, serving_postgres() as postgres:
        figures = measure(Path(folder), postgres, runs=2 if arguments.quick else 25)
    tell(figures, as_json=arguments.json)


def measure(folder: Path, postgres: PostgresServer, *, runs: int) -> list[dict[str, Any]]:
    results = make_quick_results(folder)
    with (
        deployed(folder / "world", postgres, results, clips=2 * runs, start_timeout_seconds=_START_SECONDS) as cluster,
        cluster.instance() as instance,
    ):
        cluster.start_code_server()
        cluster.start_daemon(instance)
        cluster.start_webserver()
        with postgres.most_connections() as without_runs:
            time.sleep(10)
        began = time.monotonic()
        with postgres.most_connections() as with_runs:
            with held_quick_container(cluster.world):
                # Each beside a clip that nobody asks for, so that each is a run.
                cluster.ask_for_runs_at_once(instance, [[2 * number] for number in range(runs)], name="all")
                wait_for(lambda: len(cluster.world.workflows()) >= runs, "their workflows", seconds=_START_SECONDS)
                at_work = time.monotonic()
            asked = cluster.runs_of(instance, "all")
            wait_for(
                lambda: all(instance.get_run_by_id(run.run_id).is_finished for run in asked),
                "their ends",
                seconds=_START_SECONDS,
            )
        assert len(cluster.made(instance)) == runs
    figures = {
        "runs at once": (runs, "runs"),
        "connections without runs": (without_runs[0], "connections"),
        "connections with runs": (with_runs[0], "connections"),
        "asked until all are submitted": (round(at_work - began, 1), "s"),
        "submitted until all have ended": (round(time.monotonic() - at_work, 1), "s"),
    }
    return [{"name": name, "value": value, "unit": unit} for name, (value, unit) in figures.items()]


if __name__ == "__main__":
    main()
