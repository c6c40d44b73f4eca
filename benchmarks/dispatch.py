"""How much it costs to drive OSMO: calls, CPU and delay of a run, against the embedded OSMO with instant tasks.

`python benchmarks/dispatch.py [--quick] [--json]`. Every figure of a size comes from one run of that many clips; ratios
(per clip, per tick) travel between machines, seconds do not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from vda_assets_tests.chaos_proxy import Proxy, Trouble, proxying  # noqa: E402
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving  # noqa: E402
from vda_assets_tests.quick_results import add_clips, go_through, make_quick_results, use_quick_container  # noqa: E402

OUTPUTS = ("original_labels", "augmented_videos", "augmented_labels")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 and 10 clips, under a minute")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--run", nargs=2, metavar=("COUNT", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run_here(int(arguments.run[0]), Path(arguments.run[1]))
        return
    sizes = (1, 10) if arguments.quick else (1, 10, 100, 500)
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="vda-bench-") as folder:
        results = make_quick_results(Path(folder))
        for clips in sizes:
            figures += measure(clips, results, Path(folder) / f"clips{clips}")
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for figure in figures:
        print(f"{figure['clips']:>4} clips  {figure['name']:<36} {figure['value']:>10.3f} {figure['unit']}")


def measure(clips: int, results: Path, folder: Path) -> list[dict[str, Any]]:
    folder.mkdir()
    world = make_world(folder)
    use_quick_container(world, results, seconds=0)
    add_clips(world, results, clips)
    proxy = Proxy(world.osmo_url, Trouble())
    with serving(world), proxying(proxy):
        go_through(world, proxy.url)
        report = folder / "report.json"
        command = [sys.executable, __file__, "--run", str(clips), str(report)]
        subprocess.run(command, env=world.environment, cwd=world.folder, check=True, stdout=subprocess.DEVNULL)
        ended = task_ends(world)
    told = json.loads(report.read_text())
    assert len(told["materialized"]) == clips * len(OUTPUTS)
    delays = [at - ended[key] for key, at in told["materialized"].items()]
    calls = sum(proxy.calls.values())
    ticks = told["ticks"]
    values = {
        "calls_per_clip": (calls / clips, "calls"),
        "calls_per_tick": (proxy.calls["GET tasks"] / ticks, "calls"),
        "ticks": (ticks, "ticks"),
        "cpu_seconds_per_clip": (told["cpu_seconds"] / clips, "s"),
        "seconds_end_to_materialization_median": (statistics.median(delays), "s"),
        "seconds_end_to_materialization_p95": (sorted(delays)[int(0.95 * (len(delays) - 1))], "s"),
        "peak_rss_mb": (told["peak_rss_mb"], "MB"),
    }
    return [
        {"name": f"{name}_{clips}", "value": round(value, 4), "unit": unit, "clips": clips}
        for name, (value, unit) in values.items()
    ]


def task_ends(world: World) -> dict[str, float]:
    """`<clip hash> <output>` -> when its task ended, in seconds since 1970."""
    import httpx

    from vda_assets.flows.stages import stage_of_task
    from vda_assets.osmo.models import TaskEntry

    ends: dict[str, float] = {}
    for offset in range(0, 100_000, 1000):
        params = {"workflow_id": "vda-", "all_users": True, "all_pools": True, "limit": 1000, "offset": offset}
        page = httpx.get(f"{world.osmo_url}/api/task", params=params, headers=world.login, timeout=60).json()["tasks"]
        for raw in page:
            task = TaskEntry.model_validate(raw)
            if task.end_time is not None:
                ends[f"{task.workflow_id.split('-')[2]} {stage_of_task(task.task_name)}"] = task.end_time.timestamp()
        if len(page) < 1000:
            return ends
    raise AssertionError("more tasks than this benchmark makes")


def run_here(clips: int, report: Path) -> None:
    """The run process itself: one Dagster run over all clips, and what it cost."""
    import dagster as dg

    from vda_assets.dagster_defs.build import build_definitions
    from vda_assets.dagster_defs.clips_job import clips_config, clips_job_name
    from vda_assets.datasets.clips import list_clips
    from vda_assets.dispatch import dispatcher
    from vda_assets.flows.selection import output_named, selection_of
    from vda_assets.flows.workflow import clip_hash
    from vda_assets.project import load_project
    from vda_assets.runs.names import asset_key

    project = load_project(os.environ)
    dataset = project.dataset(DATASET)
    definitions = build_definitions(project)
    keys = [f"clip{number:03d}.mp4" for number in range(clips)]
    found = list_clips(project.storage_of(project.deployment_of(dataset), os.environ), dataset.dataset_url)
    clips_by_key = {clip.key: clip for clip in found.clips}
    ticks = 0
    look = dispatcher.look

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal ticks
        ticks += 1
        return look(*arguments, **options)

    dispatcher.look = counted
    selection = selection_of(map(output_named, OUTPUTS))
    config = clips_config(dataset, selection, keys) | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("street_videos", keys)
        before = resource.getrusage(resource.RUSAGE_SELF)
        done = definitions.resolve_job_def(clips_job_name(dataset.deployment)).execute_in_process(
            instance=instance, run_config=config
        )
        after = resource.getrusage(resource.RUSAGE_SELF)
        assert done.success
        materialized: dict[str, float] = {}
        for output in OUTPUTS:
            cursor = None
            while True:
                page = instance.fetch_materializations(asset_key(dataset, output), limit=1000, cursor=cursor)
                for record in page.records:
                    materialized[f"{clip_hash(clips_by_key[str(record.partition_key)])} {output}"] = record.timestamp
                cursor = page.cursor
                if not page.has_more:
                    break
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report.write_text(
        json.dumps(
            {
                "materialized": materialized,
                "ticks": ticks,
                "cpu_seconds": cpu_seconds,
                "peak_rss_mb": after.ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
