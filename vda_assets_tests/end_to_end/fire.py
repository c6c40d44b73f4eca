"""Many clips are uploaded while the daemon, its code server and runs are killed; then what became of them is counted.

With as many clips as wanted:  python -m vda_assets_tests.end_to_end.fire --clips 300
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil

from vda_assets.flows.stages import OUTPUTS, Output, Stage
from vda_assets.flows.workflow import clip_hash_at
from vda_assets.project import Scope, load_project
from vda_assets.runs.names import FAILURE, WORKFLOW, asset_key
from vda_assets.runs.standing import Stand, clips_in_books, standings, worst_of
from vda_assets_tests.end_to_end.world import (
    DATASET,
    WORKSPACE,
    World,
    make_world,
    process_of,
    running,
    serving,
    wait_for,
)
from vda_assets_tests.quick_results import (
    change_yaml,
    fail_in_quick_container,
    make_quick_results,
    use_quick_container,
)

DAEMON = ("osmo-local", "exec", "--", "dagster-daemon", "run", "-w", WORKSPACE)
ENDED = {Stand.MADE, Stand.QUARANTINED}
NOT_ENDED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
LOTS = 2  # in which clips are uploaded


@dataclass(frozen=True)
class Ashes:
    """What is left. `made` has by clip and output the workflows of all its materializations (two runs that wait for one
    workflow both log what it made), `workflows` counts by clip what OSMO was ever sent; `reasons` are those of the
    quarantined clips."""

    clips: frozenset[str]
    failing: frozenset[str]
    stands: dict[str, Stand]
    made: dict[tuple[str, Stage], set[str]]
    workflows: Counter[str]
    foreign_workflows: int
    reasons: dict[str, str]
    killed: list[str]
    runs: Counter[str]
    seconds: float


def set_fire(folder: Path, results: Path, *, clips: int) -> Ashes:
    """`results` are those of the quick container. One clip in twenty fails in it, each time."""
    world = make_world(folder)
    names = [f"clip{number:03d}" for number in range(clips)]
    failing = names[::20]
    prepare(world, results, failing)
    started = time.monotonic()
    with serving(world), world.instance() as instance:
        killed = burn(world, instance, results, names)
        return collect(world, instance, names, failing, killed, seconds=time.monotonic() - started)


def prepare(world: World, results: Path, failing: Sequence[str]) -> None:
    """A world in which clips are asked for on arrival and each minute."""
    use_quick_container(world, results, seconds=0.2)
    fail_in_quick_container(world, *failing)
    when = {"arrival": True, "cron": "* * * * *", "started": True}
    change_yaml(world.folder / f"assets_cfg/datasets/{DATASET}.yaml", lambda one: one.update(when=when, flow="e2e"))
    # Dagster gives up a run whose process died before it began after three minutes by itself.
    quick = {"poll_interval_seconds": 5, "start_timeout_seconds": 60}
    change_yaml(world.folder / "dagster/dagster.yaml", lambda one: one["run_monitoring"].update(quick))


def burn(world: World, instance: dg.DagsterInstance, results: Path, names: Sequence[str]) -> list[str]:
    """Uploads and kills until nothing is left to do; returns what was killed."""
    killed: list[str] = []
    each = -(-len(names) // LOTS)
    lots = [names[start : start + each] for start in range(0, len(names), each)]
    most = 240 + 3.0 * len(names)

    def sent(count: int) -> Callable[[], bool]:
        return lambda: len(world.workflows()) >= count

    with daemon(world, instance, "first"):
        # What arrives before the arrival sensor's first tick is left to the schedule.
        upload(world, results, lots[0])
        wait_for(sent(len(lots[0]) // 3), "workflows of the first clips", seconds=most)
        killed += [*kill_a_run(instance), *kill_code_server(world)]
        upload(world, results, lots[1])
        wait_for(sent(len(lots[0]) + len(lots[1]) // 3), "workflows of the last clips", seconds=most)
        killed += [*kill_a_run(instance), *kill_daemon(world)]
    with daemon(world, instance, "second"):
        wait_for(lambda: is_over(world, instance, len(names)), "everything to be made or quarantined", seconds=most)
    return killed


@contextmanager
def daemon(world: World, instance: dg.DagsterInstance, which: str) -> Iterator[None]:
    began = time.time()
    with running(world, *DAEMON, log=f"daemon-{which}.log"):

        def beats() -> bool:
            beat = instance.get_daemon_heartbeats().get("SENSOR")
            return beat is not None and beat.timestamp >= began

        wait_for(beats, "the daemon")
        yield


def upload(world: World, results: Path, names: Sequence[str]) -> None:
    for name in names:
        shutil.copyfile(results / "clip.mp4", world.clips / f"{name}.mp4")


def processes(world: World, word: str) -> list[psutil.Process]:
    """Those of this world in whose command the word stands."""
    found = []
    for process in psutil.process_iter():
        try:
            if word in " ".join(process.cmdline()) and process.environ().get("DAGSTER_HOME") == str(
                world.folder / "dagster"
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def kill(process: psutil.Process, what: str) -> str:
    os.kill(process.pid, signal.SIGKILL)
    return what


def kill_a_run(instance: dg.DagsterInstance) -> list[str]:
    (run, *_) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]), limit=1)
    os.kill(process_of(instance, run), signal.SIGKILL)
    return ["a run"]


def kill_code_server(world: World) -> list[str]:
    return [kill(process, "a code server") for process in processes(world, "dagster api grpc")]


def kill_daemon(world: World) -> list[str]:
    """Together with its code servers, as the end of a machine would; runs go on."""
    return [kill(process, "the daemon") for process in processes(world, "dagster-daemon")] + kill_code_server(world)


def scope_of(world: World) -> Scope:
    project = load_project(world.environment)
    return project.scope_of(project.dataset(DATASET))


def stands_of(world: World, instance: dg.DagsterInstance) -> dict[str, dict[Output, Stand]]:
    scope = scope_of(world)
    return standings(instance, scope, OUTPUTS, clips_in_books(instance, scope.dataset))


def is_over(world: World, instance: dg.DagsterInstance, clips: int) -> bool:
    time.sleep(1)  # it asks Dagster's books, which the daemon needs as well
    stands = stands_of(world, instance)
    if len(stands) < clips or any(worst_of(outputs) not in ENDED for outputs in stands.values()):
        return False
    return not instance.get_runs(dg.RunsFilter(statuses=NOT_ENDED), limit=1)


def collect(
    world: World,
    instance: dg.DagsterInstance,
    names: Sequence[str],
    failing: Sequence[str],
    killed: list[str],
    *,
    seconds: float,
) -> Ashes:
    dataset = scope_of(world).dataset
    clips = frozenset(f"{name}.mp4" for name in names)
    made: dict[tuple[str, Stage], set[str]] = defaultdict(set)
    reasons: dict[str, str] = {}
    for output in Stage:
        filters = dg.AssetRecordsFilter(asset_key(dataset, output))
        for record in instance.fetch_materializations(filters, limit=10_000).records:
            made[record.partition_key, output].add(str(record.asset_materialization.metadata[WORKFLOW].value))
        for record in instance.fetch_observations(filters, limit=10_000).records:
            told = record.asset_observation.metadata.get(FAILURE)
            reasons.setdefault(record.partition_key, str(told.value) if told else "")
    hashes = {clip_hash_at(dataset.dataset_url, clip): clip for clip in clips}
    sent = Counter(hashes.get(name.split("-")[2], "") for name in world.workflows())
    return Ashes(
        clips,
        frozenset(f"{name}.mp4" for name in failing),
        {clip: worst_of(outputs) for clip, outputs in stands_of(world, instance).items()},
        made,
        sent,
        sent.pop("", 0),
        reasons,
        killed,
        Counter(run.status.value for run in instance.get_runs()),
        seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=300)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="vda-fire-"))
    ashes = set_fire(folder / "world", make_quick_results(folder), clips=arguments.clips)
    worst = Counter(ashes.stands.values())
    print(f"{len(ashes.clips)} clips in {ashes.seconds:.0f} s; killed: {', '.join(ashes.killed)}")
    print(f"clips: {dict(worst)}; runs: {dict(ashes.runs)}")
    print(f"workflows that made an output: {dict(Counter(map(len, ashes.made.values())))}")
    for kind, clips in (("failing", ashes.failing), ("other", ashes.clips - ashes.failing)):
        print(f"workflows per {kind} clip: {dict(Counter(ashes.workflows[clip] for clip in clips))}")
    print(f"books and logs are in {folder}")


if __name__ == "__main__":
    main()
