"""What a dataset asks for by itself: at the ticks of its schedule, and of what is uploaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from vda_assets.dagster_defs.clips_job import clips_config, clips_job_name
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import OUTPUTS, Rendered, Stage
from vda_assets.runs.names import ARRIVAL
from vda_assets.runs.neighbours import Neighbours
from vda_assets.runs.standing import Stand, clips_in_books, standings, worst_of
from vda_assets_tests.dagster_defs.asked import DATASET, Asked


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with dg.DagsterInstance.ephemeral() as instance:
        asked = Asked(tmp_path, instance)
        asked.say(when={"cron": "0 2 * * *"})
        yield asked


def stands(asked: Asked) -> dict[str, Stand]:
    clips = clips_in_books(asked.instance, asked.scope.dataset)
    found = standings(asked.instance, asked.scope, OUTPUTS, clips)
    return {key: worst_of(one) for key, one in found.items()}


def end_backfills(asked: Asked) -> None:
    for backfill in asked.instance.get_backfills():
        asked.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))


def test_a_tick_asks_in_one_backfill_for_what_is_unfinished_and_for_nothing_else(asked: Asked) -> None:
    asked.upload("a.mp4", "b.mp4", "c.mp4", "d.mp4")
    asked.make("a.mp4")
    asked.make("b.mp4", outputs=[Stage.ORIGINAL_LABELS])
    asked.fail("c.mp4")
    said = asked.tick()
    assert asked.backfills == [
        ("street: 3 clips (1 failed, 2 missing, 1 made)", {"b.mp4", "c.mp4", "d.mp4"}, {str(one) for one in OUTPUTS})
    ]
    assert "asks for 3 clips" in said


def test_a_tick_that_is_evaluated_once_more_asks_for_nothing_more(asked: Asked) -> None:
    asked.upload("a.mp4")
    asked.tick()
    end_backfills(asked)
    asked.moment -= asked.moment - asked.moment.replace(day=22)
    asked.tick()
    assert len(asked.backfills) == 1


def test_while_a_backfill_of_the_schedule_goes_on_no_other_is_made(asked: Asked) -> None:
    asked.upload("a.mp4")
    asked.tick()
    assert "is still going" in asked.tick()
    end_backfills(asked)
    asked.tick()
    assert len(asked.backfills) == 2


def test_clips_that_a_living_run_makes_are_left_to_it(asked: Asked) -> None:
    asked.upload("a.mp4", "b.mp4", "c.mp4")

    @dg.job
    def other() -> None: ...

    run = asked.instance.create_run_for_job(other, status=dg.DagsterRunStatus.STARTED)
    dataset, selection = asked.scope.dataset, FLOWS["e2e"]
    Neighbours(asked.instance, run.run_id, dataset=dataset, selection=selection, keys=["a.mp4", "b.mp4"])
    assert asked.tick().endswith("asks for 1 clip (1 missing); 2 are being made")
    assert asked.backfills[0][1] == {"c.mp4"}


def test_a_finished_dataset_asks_for_nothing(asked: Asked) -> None:
    asked.upload("a.mp4")
    asked.make("a.mp4")
    assert asked.tick() == "nothing to ask for: 1 made"
    assert asked.backfills == []


@pytest.mark.parametrize(("first", "taken"), [("oldest", {"a.mp4", "b.mp4"}), ("newest", {"c.mp4", "d.mp4"})])
def test_a_tick_asks_for_so_many_clips_as_the_file_says_the_oldest_or_newest_first(
    asked: Asked, first: str, taken: set[str]
) -> None:
    asked.say(when={"cron": "0 2 * * *", "limit": 2, "first": first}, flow="auto_labeling")
    asked.upload("a.mp4", "b.mp4", "c.mp4", "d.mp4")
    assert asked.tick().endswith("; 2 are left for the next ticks")
    ((_, clips, outputs),) = asked.backfills
    assert (clips, outputs) == (taken, {"original_labels"})


CHANGES = {
    "the clip": lambda asked: asked.upload("a.mp4", version="2"),
    "the cookbook": lambda asked: asked.say(cookbook="warehouse"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("redo", [False, True])
def test_what_was_made_of_something_else_is_kept_until_the_file_or_a_person_says_otherwise(
    asked: Asked, change: str, redo: bool
) -> None:
    asked.say(when={"cron": "0 2 * * *", "redo_changed": redo})
    asked.upload("a.mp4")
    asked.make("a.mp4")
    CHANGES[change](asked)
    assert stands(asked) == {"a.mp4": Stand.CHANGED}
    asked.tick()
    assert [clips for _, clips, _ in asked.backfills] == ([{"a.mp4"}] if redo else [])


def test_a_clip_that_failed_alike_twice_is_asked_for_no_more(asked: Asked) -> None:
    asked.upload("a.mp4", "b.mp4")
    asked.fail("a.mp4", reason="workflow vda-1 ended: exit code 3")
    assert stands(asked)["a.mp4"] is Stand.FAILED
    asked.fail("a.mp4", reason="workflow vda-2 ended: exit code 7")
    assert stands(asked)["a.mp4"] is Stand.QUARANTINED
    asked.tick()
    assert [clips for _, clips, _ in asked.backfills] == [{"b.mp4"}]


def test_failures_for_different_causes_and_those_of_the_cluster_do_not_add_up(asked: Asked) -> None:
    asked.upload("a.mp4", "b.mp4", "c.mp4")
    for reason in ("the video is cut off", "its labels are missing", "the video is cut off"):
        asked.fail("a.mp4", reason=reason)
    for _ in range(3):
        asked.fail("b.mp4", reason="the node is gone", is_own=False)
    asked.fail("c.mp4")
    asked.fail("c.mp4", reason="the node is gone", is_own=False)
    assert set(stands(asked).values()) == {Stand.FAILED}
    asked.fail("c.mp4")
    assert stands(asked)["c.mp4"] is Stand.QUARANTINED, "the cluster's failure in between does not excuse the clip's"


@pytest.mark.parametrize("change", CHANGES)
def test_a_quarantined_clip_is_asked_for_again_once_what_it_is_made_of_has_changed(asked: Asked, change: str) -> None:
    asked.upload("a.mp4")
    asked.fail("a.mp4")
    asked.fail("a.mp4")
    CHANGES[change](asked)
    assert stands(asked) == {"a.mp4": Stand.MISSING}


def test_one_output_in_quarantine_keeps_the_clip_from_being_asked_for(asked: Asked) -> None:
    asked.upload("a.mp4")
    asked.make("a.mp4", outputs=[Stage.ORIGINAL_LABELS])
    for _ in range(2):
        asked.fail("a.mp4", outputs=[Stage.AUGMENTED_VIDEOS])
        asked.fail("a.mp4", outputs=[Stage.AUGMENTED_LABELS, Rendered.COMPARISONS], is_own=False)
    assert stands(asked) == {"a.mp4": Stand.QUARANTINED}


def test_uploads_are_asked_for_many_clips_to_a_run_and_each_once(asked: Asked) -> None:
    asked.say(when={"arrival": True}, flow="auto_labeling")
    asked.upload("old.mp4")
    runs, said = asked.arrive()
    assert runs == []
    assert "vda backfill" in said, "what was there before is no upload"
    assert asked.arrive()[0] == []
    asked.upload("a.mp4", "b.mp4")
    assert asked.arrive()[0] == [["a.mp4", "b.mp4"]]
    assert asked.arrive()[0] == []
    asked.upload("a.mp4", version="2")
    assert asked.arrive()[0] == [["a.mp4"]], "a clip that is uploaded again under its name is work again"


def test_a_burst_of_uploads_is_a_few_runs(asked: Asked) -> None:
    asked.say(when={"arrival": True})
    asked.arrive()
    asked.upload(*(f"{number:03}.mp4" for number in range(500)))
    runs, _ = asked.arrive()
    assert [len(run) for run in runs] == [200, 200, 100]


def test_uploads_wait_while_a_run_for_earlier_ones_is_queued(asked: Asked) -> None:
    asked.say(when={"arrival": True})
    asked.arrive()
    asked.upload("a.mp4")
    job = asked.definitions.resolve_job_def(clips_job_name("local"))
    asked.arrive()
    config = clips_config(asked.scope.dataset, FLOWS["e2e"], ["a.mp4"])
    queued = dg.DagsterRunStatus.QUEUED
    origin = RemoteJobOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("vda_assets"), "__repository__"), job.name
    )
    run = asked.instance.create_run_for_job(
        job, run_config=config, tags={ARRIVAL: DATASET}, status=queued, remote_job_origin=origin
    )
    asked.upload("b.mp4")
    runs, said = asked.arrive()
    assert (runs, "is still queued" in said) == ([], True)
    asked.upload("c.mp4")
    asked.instance.report_run_canceled(run)
    assert asked.arrive()[0] == [["b.mp4", "c.mp4"]]


def test_a_cursor_that_cannot_be_read_asks_for_nothing_of_before(asked: Asked) -> None:
    asked.say(when={"arrival": True})
    asked.upload("a.mp4")
    asked.cursor = "{broken"
    assert asked.arrive()[0] == []
    asked.upload("b.mp4")
    assert asked.arrive()[0] == [["b.mp4"]]


def test_the_clips_job_of_a_deployment_says_which_datasets_it_knows(asked: Asked) -> None:
    job = asked.definitions.resolve_job_def(clips_job_name("local"))
    config = clips_config(asked.scope.dataset, FLOWS["e2e"], ["a.mp4"])
    config["ops"]["local__make"]["config"]["dataset"] = "elsewhere"
    unused = {"osmo__local": None, "storage__local": None}
    ended = job.execute_in_process(run_config=config, instance=asked.instance, resources=unused, raise_on_error=False)
    (failure,) = [event.step_failure_data for event in ended.all_events if event.is_step_failure]
    assert failure.user_failure_data.description == "no dataset 'elsewhere' on local; there are: street"
    assert not asked.instance.get_materialized_partitions(dg.AssetKey(["street", "original_labels"]))
