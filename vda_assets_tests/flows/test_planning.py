"""What is left to do for a clip, by what is wanted and what is finished."""

from __future__ import annotations

import pytest

from vda_assets.base.failed import Failed
from vda_assets.cookbooks.draw import Draw
from vda_assets.datasets.clips import Clip
from vda_assets.flows.planning import Item, plan
from vda_assets.flows.selection import FLOWS, Selection, selection_of
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl

ROOT = StorageUrl.parse("s3://bucket")
FORMER = RunLayout(ROOT, "street", "run-00000000")
CLIP = Clip("a.mp4", ROOT / "datasets/street/a.mp4", 1, "v1", 0.0)
ITEM = Item(CLIP, (Draw("a", 0, {"weather": "rain"}, 1, 2),), {output: {"clip": output} for output in OUTPUTS})
LABELS, VIDEOS, NEW_LABELS = Stage.ORIGINAL_LABELS, Stage.AUGMENTED_VIDEOS, Stage.AUGMENTED_LABELS


def test_without_anything_finished_all_selected_stages_are_left() -> None:
    made = plan(ITEM, FLOWS["e2e"], {})
    assert made.work.stages == tuple(Stage)
    assert (made.failed, made.compare_with, made.work.existing) == ({}, None, {})


def test_with_everything_finished_nothing_is_left() -> None:
    made = plan(ITEM, FLOWS["e2e"], dict.fromkeys(OUTPUTS, FORMER))
    assert (made.work.stages, made.failed, made.compare_with) == ((), {}, None)


def test_a_finished_stage_is_the_input_of_what_is_left() -> None:
    made = plan(ITEM, FLOWS["e2e"], {LABELS: FORMER, VIDEOS: FORMER})
    assert made.work.stages == (NEW_LABELS,)
    assert made.work.existing == {VIDEOS: FORMER}
    assert made.compare_with == FORMER


@pytest.mark.parametrize(
    ("selection", "finished", "failed"),
    [
        (selection_of([NEW_LABELS]), {}, {NEW_LABELS: VIDEOS}),
        (selection_of([NEW_LABELS, LABELS]), {}, {NEW_LABELS: VIDEOS}),
        (selection_of([VIDEOS, NEW_LABELS], super_resolution=True), {}, {VIDEOS: LABELS, NEW_LABELS: LABELS}),
        (selection_of([VIDEOS], super_resolution=True), {LABELS: FORMER}, {}),
    ],
)
def test_a_stage_whose_input_is_neither_finished_nor_selected_fails_and_says_what_to_select(
    selection: Selection, finished: dict[Output, RunLayout], failed: dict[Output, Stage]
) -> None:
    made = plan(ITEM, selection, finished)
    reasons = {
        one: f"there are no {lacking} of this clip yet; select {lacking} as well" for one, lacking in failed.items()
    }
    assert made.failed == {one: Failed(reason, is_own=False) for one, reason in reasons.items()}
    assert set(made.work.stages) == selection.stages - failed.keys()


def test_comparisons_alone_need_augmented_videos_that_are_finished() -> None:
    alone = selection_of([Rendered.COMPARISONS])
    assert plan(ITEM, alone, {VIDEOS: FORMER}).compare_with == FORMER
    lacking = plan(ITEM, alone, {})
    assert lacking.failed.keys() == {Rendered.COMPARISONS}
    assert "select them too" in lacking.failed[Rendered.COMPARISONS].reason


def test_comparisons_fail_with_the_augmented_videos_that_they_would_show() -> None:
    selection = selection_of([VIDEOS, Rendered.COMPARISONS], super_resolution=True)
    assert plan(ITEM, selection, {}).failed.keys() == {VIDEOS, Rendered.COMPARISONS}
