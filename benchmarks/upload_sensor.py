"""What a tick of the upload sensor costs: a dataset of local files, Dagster's books in SQLite.

python benchmarks/upload_sensor.py [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.sensors.uploads import Cursor, evaluate
from vda_assets.project import load_project
from vda_assets.storage.access import Storage

PROJECT = Path(__file__).parents[1]


def figures(clips: int, home: Path) -> dict[str, float]:
    project = load_project({"VDA_ASSETS_CFG": str(PROJECT / "assets_cfg"), "VDA_HOME": str(home)})
    dataset = project.dataset("street")
    folder = Path("/" + dataset.dataset_url.key)
    folder.mkdir(parents=True)
    for number in range(clips):
        (folder / f"{number:06}.mp4").write_bytes(b"x")
    time.sleep(3.1)  # younger files are left out
    with dg.DagsterInstance.local_temp(tempdir=str(home)) as instance:
        cursor, first, storing, ticks = None, 0.0, 0.0, 0
        while True:
            seconds, answer = tick(dataset, instance, cursor)
            cursor = answer.cursor
            if not answer.asset_events:
                break
            first, ticks = max(first, seconds), ticks + 1
            began = time.perf_counter()
            store(instance, answer)
            storing += time.perf_counter() - began
        assert not Cursor.parse(cursor).after, "an unchanged dataset takes one tick"
        return {
            "ticks that report": ticks,
            "seconds of the slowest of them": first,
            "seconds of a tick over the unchanged dataset": seconds,
            "milliseconds to store a materialization": 1000 * storing / clips,
            "peak memory of the process, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def tick(dataset: Dataset, instance: dg.DagsterInstance, cursor: str | None) -> tuple[float, dg.SensorResult]:
    began = time.perf_counter()
    answer = evaluate(dg.build_sensor_context(instance=instance, cursor=cursor), dataset, Storage())
    return time.perf_counter() - began, answer


def store(instance: dg.DagsterInstance, answer: dg.SensorResult) -> None:
    """As the daemon does."""
    for event in answer.asset_events:
        instance.report_runless_asset_event(event)
    for request in answer.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 clips instead of 100,000")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    clips = 2_000 if arguments.quick else 100_000
    with tempfile.TemporaryDirectory() as home:
        measured = figures(clips, Path(home))
    if arguments.json:
        print(json.dumps({"figures": [{"name": name, "value": round(value, 2)} for name, value in measured.items()]}))
    else:
        for name, value in measured.items():
            print(f"{name:50} {value:10.1f}")


if __name__ == "__main__":
    main()
