"""A card tells the truth about all clips of its dataset, whichever of them a run has worked on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.flows.stages import Rendered, Stage
from vda_assets.runs.checks import CLIPS_CHECK, LOOK_CHECK, evaluations
from vda_assets_tests.dagster_defs.asked import Asked

VIDEOS, LABELS = Stage.AUGMENTED_VIDEOS, Stage.AUGMENTED_LABELS


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with dg.DagsterInstance.ephemeral() as instance:
        asked = Asked(tmp_path, instance)
        asked.say(cookbook="city_traffic")
        asked.upload("a.mp4", "b.mp4", "c.mp4", "d.mp4")
        yield asked


def check(asked: Asked, output: Stage | Rendered = VIDEOS, name: str = CLIPS_CHECK) -> dg.AssetCheckEvaluation:
    found = {one.check_name: one for one in evaluations(asked.instance, asked.scope.dataset, [output])}
    return found[name]


def listed(evaluation: dg.AssetCheckEvaluation) -> list[tuple[str, str, str]]:
    return [tuple(row.data.values()) for row in evaluation.metadata["not passed"].records]


def test_it_passes_while_every_clip_that_is_made_passes(asked: Asked) -> None:
    assert check(asked).passed, "what is missing is no fault"
    asked.make("a.mp4", "b.mp4", outputs=[VIDEOS], verdict="accepted")
    asked.make("c.mp4", outputs=[VIDEOS], verdict="degraded")
    found = check(asked)
    assert found.passed
    assert found.description == "4 clips: 2 accepted, 1 degraded, 1 missing"


@pytest.mark.parametrize("verdict", ["rejected", "unverified"])
def test_one_flagged_clip_is_a_warning_with_its_name_wherever_it_was_made(asked: Asked, verdict: str) -> None:
    asked.make("b.mp4", outputs=[VIDEOS], verdict=verdict)
    asked.make("a.mp4", "c.mp4", "d.mp4", outputs=[VIDEOS], verdict="accepted")
    found = check(asked)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == f"4 clips: 3 accepted, 1 {verdict}"
    assert [row[:2] for row in listed(found)] == [("b.mp4", verdict)]
    asked.say(verdicts={verdict: "pass"})
    assert check(asked).passed, "the dataset's policy decides"


def test_a_failed_clip_is_an_error_with_its_reason(asked: Asked) -> None:
    asked.make("a.mp4", outputs=[VIDEOS], verdict="accepted")
    asked.fail("b.mp4", outputs=[VIDEOS], reason="exit code 3: no track at all")
    found = check(asked)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert listed(found) == [("b.mp4", "failed", "exit code 3: no track at all")]
    asked.fail("b.mp4", outputs=[VIDEOS], reason="exit code 3: no track at all")
    assert check(asked).description == "4 clips: 2 missing, 1 accepted, 1 quarantined"
    asked.make("b.mp4", outputs=[VIDEOS], verdict="accepted")
    assert check(asked).passed


def test_labels_are_worth_no_more_than_the_clip_that_they_are_of(asked: Asked) -> None:
    asked.make("a.mp4", outputs=[LABELS], verdict="accepted", parent="rejected")
    found = check(asked, LABELS)
    assert (found.passed, found.description) == (False, "4 clips: 3 missing, 1 accepted")


def test_doubts_are_counted_by_a_check_of_their_own(asked: Asked) -> None:
    asked.make("a.mp4", outputs=[LABELS], verdict="accepted")
    assert check(asked, LABELS, LOOK_CHECK).passed
    asked.make("b.mp4", outputs=[LABELS], verdict="accepted", has_doubts=True)
    found = check(asked, LABELS, LOOK_CHECK)
    assert (found.passed, found.metadata["clips"].value) == (False, "b.mp4")
    assert check(asked, LABELS).passed


def test_of_many_bad_clips_some_are_listed_and_all_are_counted(asked: Asked) -> None:
    keys = [f"{number:03}.mp4" for number in range(60)]
    asked.upload(*keys)
    asked.make(*keys, outputs=[VIDEOS], verdict="rejected")
    found = check(asked)
    assert found.metadata["rejected"].value == 60
    assert len(listed(found)) == 51
    assert listed(found)[-1][0] == "and 10 more"


def test_a_comparison_has_no_verdict(asked: Asked) -> None:
    asked.make("a.mp4", outputs=[Rendered.COMPARISONS])
    assert check(asked, Rendered.COMPARISONS).description == "4 clips: 3 missing, 1 made"


def test_a_check_is_executed_by_itself_as_its_button_does(asked: Asked) -> None:
    asked.make("a.mp4", outputs=[VIDEOS], verdict="rejected")
    keys = {dg.AssetCheckKey(dg.AssetKey(["street", str(output)]), CLIPS_CHECK) for output in (VIDEOS, LABELS)}
    job = asked.definitions.resolve_implicit_global_asset_job_def()
    done = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(instance=asked.instance)
    found = {one.asset_key.path[-1]: one.passed for one in done.get_asset_check_evaluations()}
    assert found == {"augmented_videos": False, "augmented_labels": True}
    assert done.get_asset_materialization_events() == []
