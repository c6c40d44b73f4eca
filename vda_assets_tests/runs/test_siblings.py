"""Scattered clips of a backfill: the run that has started makes those of the runs that are queued behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.dispatch.pace import Pace
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import Stage
from vda_assets.osmo.statuses import TaskStatus
from vda_assets.runs.names import videos_partitions
from vda_assets.runs.neighbours import Neighbours
from vda_assets.runs.own_runs import planned_partitions
from vda_assets.runs.siblings import Siblings
from vda_assets_tests.osmo.in_memory_rows import Fate
from vda_assets_tests.simulated_runs import SimulatedRuns, simulated_runs

# Every other clip: each of them is a run of its own.
CLIPS = 20
OTHER_RUN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def runs(tmp_path: Path, quick_results: Path) -> Iterator[SimulatedRuns]:
    with simulated_runs(tmp_path, quick_results, clips=CLIPS) as runs:
        yield runs


@pytest.fixture
def wanted(runs: SimulatedRuns) -> list[str]:
    return runs.keys[::2]


def ends(runs: SimulatedRuns, queued: list[dg.DagsterRun]) -> dict[str, str]:
    """By run, how the runs that were queued ended."""
    found = {run.run_id: runs.instance.get_run_by_id(run.run_id) for run in queued}
    return {run_id: run.status.value for run_id, run in found.items() if run}


def only_one(started: list[str], runs: SimulatedRuns) -> str:
    said = [entry.user_message or entry.message for entry in runs.instance.all_logs(started[0])]
    assert len(started) == 1, "\n".join(said)
    return started[0]


def test_scattered_clips_are_made_by_the_run_that_starts_first_and_keep_the_pool_full(
    runs: SimulatedRuns, wanted: list[str]
) -> None:
    runs.ask_by_backfill(wanted)
    queued = runs.queued
    assert len(queued) == len(wanted)
    with runs.measuring():
        leader = only_one(runs.work_off(), runs)
    assert runs.made() == {output: set(wanted) for output in runs.outputs}
    assert len(runs.osmo.workflows_taken) == len(wanted)
    assert runs.busy_share >= 0.95
    assert ends(runs, queued) == {run.run_id: "SUCCESS" if run.run_id == leader else "CANCELED" for run in queued}


def test_a_clip_that_fails_fails_the_run_that_asked_for_it(runs: SimulatedRuns, wanted: list[str]) -> None:
    bad = wanted[3]
    runs.script = lambda one: (
        Fate(10, TaskStatus.FAILED, exit_code=3, log=("vda_worker: FAILED: no track at all",))
        if any(one_of.startswith(bad.removesuffix(".mp4")) for one_of in one.task.args)
        else Fate(10)
    )
    runs.ask_by_backfill(wanted)
    queued = runs.queued
    leader = only_one(runs.work_off(), runs)
    assert runs.made() == {output: set(wanted) - {bad} for output in runs.outputs}
    failed = {run_id for run_id, end in ends(runs, queued).items() if end == "FAILURE"} - {leader}
    assert len(failed) == 1
    (entry,) = runs.instance.all_logs(failed.pop(), of_type=dg.DagsterEventType.RUN_FAILURE)
    assert entry.message.startswith(f"{bad} ")
    assert "no track at all" in entry.message
    assert leader in entry.message


def test_runs_whose_leader_ends_before_them_are_still_queued_and_adopt_its_workflows(
    runs: SimulatedRuns, wanted: list[str]
) -> None:
    runs.clock.after(300, lambda: runs.osmo.go_away(Pace().patience_seconds + 600))
    runs.ask_by_backfill(wanted)
    started = runs.work_off()
    assert runs.instance.get_run_by_id(started[0]).status is dg.DagsterRunStatus.FAILURE
    assert len(started) == 2, "the second one leads the others"
    assert runs.made() == {output: set(wanted[1:]) for output in runs.outputs}
    assert len(runs.osmo.workflows_taken) == len(wanted), "nothing is submitted twice"


def siblings_of_first(runs: SimulatedRuns, *, most: int) -> Siblings:
    first, *_ = runs.queued
    own = planned_partitions(runs.instance, first.run_id, next(iter(runs.outputs.values())))
    runs.start(first)
    company = Neighbours(runs.instance, first.run_id, dataset=runs.dataset, selection=FLOWS["e2e"], keys=sorted(own))
    partitions = str(videos_partitions(runs.dataset).name)
    return Siblings(runs.instance, first, company=company, partitions=partitions, most=most, log=lambda _: None)


def test_clips_that_another_living_run_works_on_are_not_taken_over(runs: SimulatedRuns, wanted: list[str]) -> None:
    job = runs.definitions.resolve_implicit_global_asset_job_def()
    runs.instance.create_run_for_job(job, run_id=OTHER_RUN, status=dg.DagsterRunStatus.STARTED)
    Neighbours(runs.instance, OTHER_RUN, dataset=runs.dataset, selection=FLOWS["e2e"], keys=[wanted[2]])
    runs.ask_by_backfill(wanted)
    taken = siblings_of_first(runs, most=200).take_over()
    assert len(taken) == len(wanted) - 2
    assert wanted[2] not in taken


def test_runs_of_another_backfill_or_other_outputs_are_not_taken_over(runs: SimulatedRuns, wanted: list[str]) -> None:
    runs.ask_by_backfill(wanted[:3])
    runs.ask_by_backfill(wanted[3:5], backfill="another")
    runs.ask_by_backfill(wanted[5:], outputs=[Stage.ORIGINAL_LABELS])
    assert len(siblings_of_first(runs, most=200).take_over()) == 2


def test_no_more_clips_are_taken_over_than_a_run_works_on_at_once(runs: SimulatedRuns, wanted: list[str]) -> None:
    runs.ask_by_backfill(wanted)
    siblings = siblings_of_first(runs, most=4)
    assert len(siblings.take_over()) == 3
    assert siblings.take_over() == []
