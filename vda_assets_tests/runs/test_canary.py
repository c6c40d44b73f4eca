"""Of what was never tried a few clips are made first; the rest follows when enough of them pass, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets.dagster_defs.schedules import ask, wanted_selection
from vda_assets.flows.selection import FLOWS
from vda_assets.osmo.statuses import TaskStatus
from vda_assets.runs.canary import Canary
from vda_assets.runs.status import status_of
from vda_assets_tests.osmo.in_memory_rows import Fate, Try
from vda_assets_tests.simulated_runs import SimulatedRuns, simulated_runs

CLIPS, FIRST = 10, 3
FLOW = "auto_labeling"


@pytest.fixture
def runs(tmp_path: Path, quick_results: Path) -> Iterator[SimulatedRuns]:
    canary = {"clips": FIRST, "accepted": 0.6}
    with simulated_runs(tmp_path, quick_results, clips=CLIPS, canary=canary, flow=FLOW) as runs:
        yield runs


def failing(*clips: str):
    """These clips fail, and others take an hour."""

    def fate(one: Try) -> Fate:
        if any(word.startswith(clip.removesuffix(".mp4")) for clip in clips for word in one.task.args):
            return Fate(600, TaskStatus.FAILED, exit_code=3, log=("vda_worker: FAILED: no track at all",))
        return Fate(600)

    return fate


def taken(runs: SimulatedRuns) -> int:
    return len(runs.osmo.workflows_taken)


def canary_of(runs: SimulatedRuns) -> Canary:
    return Canary(runs.instance, runs.scope, FLOWS[FLOW])


@pytest.mark.parametrize("failed", [0, 1])
def test_the_rest_follows_when_enough_of_the_first_clips_pass(runs: SimulatedRuns, failed: int) -> None:
    runs.script = failing(*runs.keys[:failed])
    with runs.measuring():
        runs.ask_by_command(runs.keys, flow=FLOW)
    assert taken(runs) == CLIPS
    on_the_pool = [alive for alive, submitted in runs.samples if submitted <= FIRST]
    assert max(on_the_pool) == FIRST, "nothing else is submitted before they are judged"
    assert runs.made()["original_labels"] == {*runs.keys[failed:]}


def test_when_too_few_pass_nothing_else_is_submitted_and_the_run_says_why(runs: SimulatedRuns) -> None:
    runs.script = failing(*runs.keys[:2])
    runs.ask_by_command(runs.keys, flow=FLOW)
    assert taken(runs) == FIRST
    (last,) = status_of(runs.instance, runs.scope, [runs.item(runs.keys[-1]).clip]).values()
    said = {one.reason for one in last.values() if one.reason}
    assert len(said) == 1
    assert said.pop().startswith("not begun: the canary: 1 of 3 clips passed, 60% have to before the rest follows; ")
    assert runs.made()["original_labels"] == {runs.keys[2]}


def test_what_was_decided_holds_for_later_runs_and_ticks_until_a_person_or_a_change_says_otherwise(
    runs: SimulatedRuns,
) -> None:
    runs.script = failing(*runs.keys[:2])
    runs.ask_by_command(runs.keys, flow=FLOW)
    runs.ask_by_command(runs.keys[5:], flow=FLOW)
    assert taken(runs) == FIRST
    runs.see_all_clips()
    repository = runs.definitions.get_repository_def()
    said = ask(runs.instance, repository, runs.scope, schedule="nightly", tick=runs.clock.now())
    assert said.startswith("the canary: 1 of 3 clips passed")
    assert runs.instance.get_backfills() == []
    assert wanted_selection(runs.dataset).outputs == FLOWS[FLOW].outputs

    assert canary_of(runs).let_in()
    assert not canary_of(runs).let_in()
    runs.ask_by_command(runs.keys[5:], flow=FLOW)
    assert taken(runs) == CLIPS - 5 + FIRST


def test_a_canary_that_passed_is_made_once(runs: SimulatedRuns) -> None:
    runs.ask_by_command(runs.keys[:FIRST], flow=FLOW)
    with runs.measuring():
        runs.ask_by_command(runs.keys[FIRST:], flow=FLOW)
    assert max(alive for alive, _ in runs.samples) == CLIPS - FIRST


def test_clips_of_a_run_that_is_gone_give_their_place_to_others(runs: SimulatedRuns) -> None:
    canary = canary_of(runs)
    took = canary.release(runs.keys, item_of=runs.item, made_by_others=lambda _: (), begun=())
    assert took == runs.keys[:FIRST]
    waits = canary.release(runs.keys[5:], item_of=runs.item, made_by_others=lambda keys: keys, begun=())
    assert waits == [], "another run makes the canary"
    assert canary.release(runs.keys[5:], item_of=runs.item, made_by_others=lambda _: (), begun=()) == runs.keys[5:8]


def test_fewer_clips_than_a_canary_are_made_and_decide_nothing(runs: SimulatedRuns) -> None:
    runs.ask_by_command(runs.keys[:2], flow=FLOW)
    assert taken(runs) == 2
    runs.script = failing(*runs.keys[2:])
    runs.ask_by_command(runs.keys, flow=FLOW)
    assert taken(runs) == CLIPS, "two of three passed"
