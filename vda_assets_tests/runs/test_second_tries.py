"""A rejected clip is augmented again with another seed, as often as the dataset says; the best try is taken."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.definitions.reconstruct import ReconstructableJob

from vda_assets.cli.backfill import backfill
from vda_assets.dagster_defs.io_managers import ReferenceIOManager
from vda_assets.flows.planning import item_of
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage
from vda_assets.osmo.errors import OsmoUnauthorized
from vda_assets.osmo.statuses import TaskStatus
from vda_assets.runs.listing import Tally, newest_runs
from vda_assets.runs.names import videos_partitions
from vda_assets.runs.recording.finished import hash_of, newest_materializations
from vda_assets.runs.recording.tries import FailedTry, ask_again
from vda_assets.runs.resources import StorageResource
from vda_assets.runs.standing import Stand, standings
from vda_assets.runs.status import status_of
from vda_assets_tests.osmo.in_memory_rows import Fate, Try
from vda_assets_tests.simulated_runs import SimulatedRuns, simulated_runs

VIDEOS, LABELS = Stage.AUGMENTED_VIDEOS, Stage.AUGMENTED_LABELS
SECONDS = 100.0
LOGGED = {"ASSET_MATERIALIZATION", "ASSET_OBSERVATION"}
REVOKED = OsmoUnauthorized("OSMO refused the login: Access Token is invalid", status=400)


class World:
    """One dataset; `ran` holds the workflows that were to make each result, by what its task is called and its name."""

    def __init__(self, runs: SimulatedRuns) -> None:
        self.runs, self.ran = runs, defaultdict[tuple[str, str], set[str]](set)
        self.fails: set[str] = set()
        self._kill_at, self._logged = "", ""
        self.rejected: set[str] = set()
        runs.script, runs.rejects, runs.heard = self._fate, self._rejects, self._heard

    def kill_at(self, moment: str) -> None:
        """OSMO refuses the login as soon as this task runs, this result is left, or this is logged of the videos."""
        self._kill_at, self._logged = moment, ""

    def _reached(self, moment: str) -> None:
        if moment == self._kill_at:
            self._kill_at, self.runs.osmo.login_error = "", REVOKED

    def _rejects(self, name: str) -> bool:
        self._reached(f"left {name[len('clip000') :]}")
        return name in self.rejected

    def _heard(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event and event.event_type_value in LOGGED and event.asset_key == self.runs.outputs[VIDEOS]:
            self._logged = f"{self._logged} {event.event_type_value}".strip()
            self._reached(self._logged)
            self._reached(event.event_type_value)

    def _fate(self, one: Try) -> Fate:
        name = one.task.args[one.task.args.index("--name") + 1]
        self.ran[one.task.name.rpartition("_worker")[0], name].add(one.workflow_id)
        self._reached(f"{one.task.name.rpartition('_worker')[0]} {name[len('clip000') :]}")
        if name in self.fails:
            return Fate(SECONDS, TaskStatus.FAILED, exit_code=3, log=("vda_worker: FAILED: no track at all",))
        return Fate(SECONDS)

    def augmented(self, key: str) -> list[str]:
        """The tries that ran for the clip, in their order."""
        video = key.removesuffix(".mp4")
        return [name.removeprefix(video) for stage, name in self.ran if stage == "cosmos" and name.startswith(video)]

    def labelled(self, key: str) -> list[str]:
        video = key.removesuffix(".mp4")
        return [name.removeprefix(video) for stage, name in self.ran if stage == "pl_augmented" and video in name]

    def made(self, key: str, output: Output = VIDEOS) -> dg.AssetMaterialization:
        return newest_materializations(self.runs.instance, self.runs.outputs[output], [key])[key]

    def attempts_in_books(self, key: str) -> dict[Output, int]:
        """For each output the attempt whose hash its newest materialization has."""
        scope, clip = self.runs.scope, self.runs.item(key).clip
        items = [
            item_of(
                clip, cookbook=scope.cookbook, images=scope.deployment.images, super_resolution=False, attempt=attempt
            )
            for attempt in range(1, 6)
        ]
        return {
            output: next(
                item.attempt for item in items if item.output_hashes[output] == hash_of(self.made(key, output))
            )
            for output in OUTPUTS
        }

    def stands(self, key: str) -> set[Stand]:
        clip = self.runs.item(key).clip
        return {*standings(self.runs.instance, self.runs.scope, OUTPUTS, [clip])[key].values()}

    def state(self, key: str, output: Output = VIDEOS) -> str:
        clip = self.runs.item(key).clip
        return status_of(self.runs.instance, self.runs.scope, [clip])[key][output].state

    def tally(self) -> Tally:
        """What the newest run's line says."""
        names = {self.runs.dataset.slug: self.runs.dataset.name}
        return newest_runs(self.runs.instance, names, only=None, limit=1)[0].tally


def of(key: str, *attempts: int) -> set[str]:
    endings = ["_aug0" if attempt == 1 else f"_aug0_try{attempt}" for attempt in attempts]
    return {f"{key.removesuffix('.mp4')}{ending}" for ending in endings}


def world_of(folder: Path, results: Path, *, clips: int, **said: object) -> AbstractContextManager[SimulatedRuns]:
    return simulated_runs(folder, results, clips=clips, verdicts={"unverified": "pass"}, **said)


@pytest.fixture
def world(tmp_path: Path, quick_results: Path) -> Iterator[World]:
    with world_of(tmp_path, quick_results, clips=4, retry_rejected=2) as runs:
        yield World(runs)


def ask(world: World, keys: Collection[str]) -> None:
    world.runs.ask_by_command(keys)


def test_each_clip_gets_as_many_tries_as_it_needs_and_only_the_one_that_is_taken_is_labelled(world: World) -> None:
    keys = world.runs.keys
    _, second, third, never = keys
    world.rejected = of(second, 1) | of(third, 1, 2) | of(never, 1, 2, 3)
    ask(world, keys)
    assert [world.augmented(key) for key in keys] == [
        ["_aug0"],
        ["_aug0", "_aug0_try2"],
        ["_aug0", "_aug0_try2", "_aug0_try3"],
        ["_aug0", "_aug0_try2", "_aug0_try3"],
    ]
    assert [world.labelled(key) for key in keys] == [["_aug0"], ["_aug0_try2"], ["_aug0_try3"], ["_aug0"]]
    assert {*map(len, world.ran.values())} == {1}, "nothing is made twice"
    assert world.runs.made() == {output: {*keys} for output in OUTPUTS}
    for key, taken in zip(keys, (1, 2, 3, 1), strict=True):
        of_draws = dict.fromkeys((VIDEOS, LABELS, Rendered.COMPARISONS), taken)
        assert world.attempts_in_books(key) == {Stage.ORIGINAL_LABELS: 1} | of_draws
        assert world.stands(key) == {Stand.MADE}
    assert [world.state(key) == "rejected" for key in keys] == [False, False, False, True]
    tally = world.tally()
    assert (tally.made["rejected"], tally.kept, tally.failed) == (6, 0, 0)

    io_manager = ReferenceIOManager(world.runs.dataset, StorageResource())
    for output in (VIDEOS, LABELS, Rendered.COMPARISONS):
        with dg.build_input_context(
            asset_key=world.runs.outputs[output],
            partition_key=third,
            asset_partitions_def=videos_partitions(world.runs.dataset),
            instance=world.runs.instance,
        ) as context:
            (url,) = io_manager.load_input(context).urls
        assert "_aug0_try3" in url.name, "downstream assets get the try that is taken"

    submitted = len(world.runs.osmo.workflows_taken)
    ask(world, keys)
    assert len(world.runs.osmo.workflows_taken) == submitted, "the next run finds all of it finished"


def test_a_person_may_ask_for_one_more_try_than_the_dataset_allows(
    tmp_path: Path, quick_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world_of(tmp_path, quick_results, clips=2) as runs:
        for name, value in runs.world.environment.items():
            monkeypatch.setenv(name, value)
        world, (good, bad) = World(runs), runs.keys
        world.rejected = of(bad, 1, 2)
        ask(world, runs.keys)
        asked = ["--dataset", runs.dataset.name, "--flow", "e2e", "--rejected"]
        for expected in (["_aug0"], ["_aug0", "_aug0_try2"]):
            ask(world, runs.keys)
            assert commanded(runs, *asked, "--dry-run").startswith("street: e2e for 1 clip")
            assert world.augmented(bad) == expected, "without being asked for it none is made"
            commanded(runs, *asked)
        assert world.augmented(bad) == ["_aug0", "_aug0_try2", "_aug0_try3"]
        assert world.augmented(good) == ["_aug0"]
        assert world.labelled(bad) == ["_aug0", "_aug0_try3"]
        assert world.stands(bad) == {Stand.MADE}
        assert commanded(runs, *asked).startswith("street: e2e for 0 clips")


def commanded(runs: SimulatedRuns, *arguments: str) -> str:
    """What `vda backfill` prints."""
    # The process may have loaded those of another test's project.
    sys.modules.pop("vda_assets.definitions", None)
    ReconstructableJob.get_repository_definition.cache_clear()
    ReconstructableJob.get_definition.cache_clear()
    with runs.at_the_simulated_osmo():
        done = CliRunner().invoke(backfill, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("asks_at", ["its hash", "what is kept of a failure"])
def test_a_failed_try_is_known_by_its_number(asks_at: str) -> None:
    hashes = ["a1" * 32, "b2" * 32 + "-try2", "c3" * 32 + "-try13"]
    for one, attempt in zip(hashes, (1, 2, 13), strict=True):
        failed = FailedTry.first(one, "no track", is_own=True)
        if asks_at != "its hash":
            failed = FailedTry.parse(str(failed)) or failed
        assert failed.attempt == attempt
        assert [failed.is_of(other) for other in hashes] == [other == one for other in hashes]


KILLS = [
    ("ASSET_MATERIALIZATION", {1}, 2),
    ("cosmos _aug0_try2", {1}, 2),
    ("left _aug0_try2", {1}, 2),
    ("ASSET_MATERIALIZATION ASSET_MATERIALIZATION", {1}, 2),
    ("left _aug0_try2", {1, 2}, 1),
    ("ASSET_OBSERVATION", {1, 2}, 1),
    ("ASSET_MATERIALIZATION ASSET_OBSERVATION ASSET_MATERIALIZATION", {1, 2}, 1),
]


def test_a_run_that_is_killed_at_any_time_is_gone_on_with_where_it_was(tmp_path: Path, quick_results: Path) -> None:
    with world_of(tmp_path, quick_results, clips=len(KILLS), retry_rejected=1) as runs:
        world = World(runs)
        for number, (key, (moment, rejected, taken)) in enumerate(zip(runs.keys, KILLS, strict=True)):
            world.rejected = of(key, *rejected)
            world.kill_at(moment)
            ask(world, [key])
            assert runs.osmo.login_error, f"{moment}: it was killed"
            runs.osmo.login_error = None
            if number % 2:
                runs.clock.advance(1000)
            ask(world, [key])
            name = "_aug0_try2" if taken == 2 else "_aug0"
            assert world.attempts_in_books(key)[VIDEOS] == taken, moment
            assert world.augmented(key) == ["_aug0", "_aug0_try2"], moment
            assert world.labelled(key) == [name], moment
            assert world.stands(key) == {Stand.MADE}, moment
        assert {*map(len, world.ran.values())} == {1}, "nothing is submitted twice"
        assert runs.osmo.calls["cancel"] == 0


def test_a_try_that_fails_twice_alike_is_not_asked_for_any_more(world: World) -> None:
    key = world.runs.keys[0]
    world.rejected, world.fails = of(key, 1), of(key, 2)
    for stand in (Stand.FAILED, Stand.QUARANTINED):
        ask(world, [key])
        assert world.tally().failed == 3, "its labels and comparisons cannot be made either"
        assert stand in world.stands(key)
    world.fails = set()
    ask_again(world.runs.instance, world.runs.dataset, VIDEOS, key)
    ask(world, [key])
    assert world.attempts_in_books(key)[VIDEOS] == 2
    assert world.stands(key) == {Stand.MADE}


def test_a_canary_waits_for_the_last_try(tmp_path: Path, quick_results: Path) -> None:
    canary = {"clips": 2, "accepted": 1.0}
    with world_of(tmp_path, quick_results, clips=4, retry_rejected=1, canary=canary) as runs:
        world = World(runs)
        world.rejected = of(runs.keys[0], 1) | of(runs.keys[1], 1)
        ask(world, runs.keys)
        assert runs.made()[Rendered.COMPARISONS] == {*runs.keys}
