"""What Dagster's daemon and code server are made to do by datasets of many clips, and by many datasets.

python benchmarks/datasets.py [--quick] [--json]

Clips are listed from S3 (its ListObjectsV2 alone, answered from memory), Dagster's books are SQLite, filled by the lot.
Each job is done in a process of its own, whose memory is told. Seconds are those of the process's CPU unless it says
`wall`; ratios compare with a tenth of the clips, or with one dataset.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from dataset_books import listed_on_s3, log_by_the_lot  # noqa: E402
from told import tell  # noqa: E402

from vda_assets.dagster_defs.build import build_definitions  # noqa: E402
from vda_assets.dagster_defs.schedules import ask  # noqa: E402
from vda_assets.dagster_defs.sensors import arrivals, uploads  # noqa: E402
from vda_assets.definitions import defs  # noqa: E402
from vda_assets.flows.planning import item_of  # noqa: E402
from vda_assets.flows.stages import OUTPUTS  # noqa: E402
from vda_assets.project import Project, load_project  # noqa: E402
from vda_assets.runs.names import asset_key, videos_partitions  # noqa: E402
from vda_assets.runs.private import DATA_VERSION_TAG  # noqa: E402
from vda_assets.runs.recording.tries import FailedTry  # noqa: E402
from vda_assets.runs.standing import clips_in_books  # noqa: E402
from vda_assets_tests.end_to_end.world import free_port  # noqa: E402
from vda_assets_tests.quick_results import change_yaml  # noqa: E402

warnings.simplefilter("ignore")  # what Dagster calls beta
BUCKET, DATASET = "bench", "street"
FAILED_SHARE = 20  # one clip in so many


@dataclass(frozen=True)
class Spent:
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float  # of the process, at its most
    said: str = ""


@dataclass(frozen=True)
class World:
    """One dataset of so many clips, and a Dagster instance."""

    home: Path
    clips: int

    @property
    def project(self) -> Project:
        return load_project({"VDA_ASSETS_CFG": str(self.home / "assets_cfg"), "VDA_HOME": str(self.home)})

    def instance(self) -> dg.DagsterInstance:
        books = self.home / "dagster"
        books.mkdir(exist_ok=True)
        return dg.DagsterInstance.local_temp(tempdir=str(books))


def spent(work: Callable[[], str]) -> Spent:
    cpu, wall = time.process_time(), time.perf_counter()
    said = work()
    used = time.process_time() - cpu, time.perf_counter() - wall
    return Spent(*used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, said)


def first_pass(world: World) -> tuple[Spent, Spent]:
    """All ticks until everything is reported, and adding their partitions; the reports themselves go in by the lot."""
    dataset, ticks, added = world.project.dataset(DATASET), [], []
    cursor: str | None = None
    with world.instance() as instance:
        while True:
            answers: list[dg.SensorResult] = []
            ticks.append(spent(partial(tick, world, instance, cursor, answers)))
            (answer,) = answers
            cursor = answer.cursor
            if not answer.asset_events:
                break
            example, *_ = events = list(answer.asset_events)
            versions = [(one.partition, one.tags[DATA_VERSION_TAG]) for one in events[1:]]
            log_by_the_lot(instance, world.home / "dagster", example, versions)
            name, keys = videos_partitions(dataset).name, [one.partition for one in events]
            added.append(spent(lambda name=name, keys=keys: str(instance.add_dynamic_partitions(name, keys))))
    return in_all(ticks), in_all(added)


def in_all(parts: Sequence[Spent]) -> Spent:
    return Spent(
        sum(one.cpu_seconds for one in parts),
        sum(one.wall_seconds for one in parts),
        max(one.memory_mb for one in parts),
    )


def tick(world: World, instance: dg.DagsterInstance, cursor: str | None, answers: list[dg.SensorResult]) -> str:
    project = world.project
    dataset = project.dataset(DATASET)
    storage = project.storage_of(project.deployment_of(dataset), {"KEY": "x", "SECRET": "x"})
    answers.append(uploads.evaluate(dg.build_sensor_context(instance=instance, cursor=cursor), dataset, storage))
    return str(answers[0].skip_reason)


def no_change(world: World) -> Spent:
    with world.instance() as instance:
        return spent(lambda: tick(world, instance, None, []))


def schedule(world: World) -> Spent:
    """One evaluation; the backfill that it asks for is ended."""
    project = world.project
    scope, repository = project.scope_of(project.dataset(DATASET)), build_definitions(project).get_repository_def()
    now = datetime.now(UTC)
    with world.instance() as instance:
        measured = spent(lambda: ask(instance, repository, scope, schedule="benchmark", tick=now))
        for backfill in instance.get_backfills():
            instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
        return measured


def arrival(world: World, cursor: int) -> Spent:
    project = world.project
    scope = project.scope_of(project.dataset(DATASET))
    with world.instance() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=str(cursor))
        return spent(lambda: str(arrivals.evaluate(context, scope).skip_reason))


def make_everything(world: World) -> None:
    """As if every output of every clip had been made."""
    project = world.project
    scope = project.scope_of(project.dataset(DATASET))
    with world.instance() as instance:
        items = items_of(instance, scope)
        for output in OUTPUTS:
            (key, version), *rest = [(item.clip.key, item.output_hashes[output]) for item in items]
            tags = {DATA_VERSION_TAG: version}
            example = dg.AssetMaterialization(asset_key(scope.dataset, output), partition=key, tags=tags)
            log_by_the_lot(instance, world.home / "dagster", example, rest)


def fail_some(world: World) -> None:
    project = world.project
    scope = project.scope_of(project.dataset(DATASET))
    with world.instance() as instance:
        items = items_of(instance, scope)[::FAILED_SHARE]
        for output in OUTPUTS:
            tries = [(i.clip.key, str(FailedTry.first(i.output_hashes[output], "x", is_own=True))) for i in items]
            (key, version), *rest = tries
            tags = {DATA_VERSION_TAG: version}
            example = dg.AssetObservation(asset_key(scope.dataset, output), partition=key, tags=tags)
            log_by_the_lot(instance, world.home / "dagster", example, rest)


def items_of(instance: dg.DagsterInstance, scope: Any) -> list[Any]:
    known = {"cookbook": scope.cookbook, "images": scope.deployment.images, "super_resolution": False}
    return [item_of(clip, **known) for clip in clips_in_books(instance, scope.dataset)]


def load(home: Path, datasets: int) -> tuple[Spent, int]:
    """What the code server does when it is loaded, from the start of its process on; and the bytes that it sends."""
    world = World(home / f"datasets-{datasets}", 0)
    shutil.copytree(REPOSITORY / "assets_cfg", world.home / "assets_cfg")
    one = (world.home / "assets_cfg/datasets/street.yaml").read_text()
    for number in range(1, datasets):
        text = one.replace("datasets/street", f"datasets/more{number}")
        (world.home / f"assets_cfg/datasets/more{number}.yaml").write_text(text)

    os.environ |= {"VDA_ASSETS_CFG": str(world.home / "assets_cfg"), "VDA_HOME": str(world.home)}

    def work() -> str:
        repository = defs().get_repository_def()
        repository.load_all_definitions()
        return serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True))

    measured = spent(work)
    return replace(measured, cpu_seconds=time.process_time()), len(measured.said)


def make_world(home: Path, clips: int, port: int) -> World:
    world = World(home / f"clips-{clips}", clips)
    shutil.copytree(REPOSITORY / "assets_cfg", world.home / "assets_cfg")
    profile = {"profile": f"s3://{BUCKET}", "region": "eu-central-1", "override_url": f"http://127.0.0.1:{port}"}
    profile |= {"access_key_id_env": "KEY", "access_key_env": "SECRET", "addressing_style": "path"}
    change_yaml(world.home / "assets_cfg/deployments/local.yaml", lambda one: one.update(storage=[profile]))
    change_yaml(
        world.home / f"assets_cfg/datasets/{DATASET}.yaml",
        lambda one: one.update(url=f"s3://{BUCKET}/datasets/{DATASET}", when={"arrival": True, "cron": "0 2 * * *"}),
    )
    assert not world.project.broken, world.project.broken
    return world


def clip_figures(home: Path, clips: int, alone: Callable[..., Any]) -> Iterator[tuple[str, Spent]]:
    port = free_port()
    world = make_world(home, clips, port)
    with listed_on_s3(f"datasets/{DATASET}", clips, port):
        ticks, adding = alone(first_pass, world)
        yield "upload_ticks.all_new", ticks
        yield "adding_partitions", adding
        yield "upload_tick.nothing_new", alone(no_change, world)
    yield "arrival_tick.1000_new", alone(arrival, world, 0)
    yield "arrival_tick.nothing_new", alone(arrival, world, 10**9)
    yield "schedule.all_missing", alone(schedule, world)
    alone(make_everything, world)
    yield "schedule.all_made", alone(schedule, world)
    alone(fail_some, world)
    yield "schedule.1_in_20_failed", alone(schedule, world)


def figures(home: Path, sizes: Sequence[int], datasets: Sequence[int]) -> Iterator[dict[str, Any]]:
    def alone(work: Callable[..., Any], *arguments: Any) -> Any:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(work, *arguments).result()

    fewer: dict[str, float] = {}
    for clips in sizes:
        for name, one in clip_figures(home, clips, alone):
            yield from told(f"{name}.{clips}_clips", one, fewer.get(name))
            fewer[name] = one.cpu_seconds
    single: float | None = None
    for number in datasets:
        one, sent_bytes = alone(load, home, number)
        yield from told(f"definitions.{number}_datasets", one, single)
        yield {"name": f"definitions.{number}_datasets.sent", "value": round(sent_bytes / 1e6, 2), "unit": "MB"}
        single = single or one.cpu_seconds


def told(name: str, one: Spent, against: float | None) -> Iterator[dict[str, Any]]:
    yield {"name": f"{name}.cpu", "value": round(one.cpu_seconds, 3), "unit": "s"}
    yield {"name": f"{name}.wall", "value": round(one.wall_seconds, 3), "unit": "s"}
    yield {"name": f"{name}.memory", "value": round(one.memory_mb), "unit": "MB"}
    if against:
        yield {"name": f"{name}.grown", "value": round(one.cpu_seconds / against, 1), "unit": "ratio"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="500 clips, 1 and 10 datasets; under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sizes, datasets = ((500,), (1, 10)) if arguments.quick else ((1_000, 10_000, 100_000), (1, 20, 200))
    with tempfile.TemporaryDirectory(prefix="vda-bench-") as home:
        tell(figures(Path(home), sizes, datasets), as_json=arguments.json)


if __name__ == "__main__":
    main()
