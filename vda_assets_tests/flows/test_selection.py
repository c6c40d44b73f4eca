"""Flows and outputs by name, and which stages wait for which."""

from __future__ import annotations

import pytest

from vda_assets.config.errors import UnknownName
from vda_assets.flows.selection import FLOWS, flow_named, output_named, selection_of
from vda_assets.flows.stages import OUTPUTS, Rendered, Stage


def test_a_flow_is_a_choice_of_outputs_and_a_choice_of_outputs_may_be_a_flow() -> None:
    for name, selection in FLOWS.items():
        assert flow_named(name) == selection
        assert selection.flow == name
    assert flow_named("augmentation_and_pl") == FLOWS["augmentation_and_al"]
    assert selection_of([Stage.ORIGINAL_LABELS]).flow == "auto_labeling"
    assert selection_of([Stage.AUGMENTED_LABELS]).flow is None


def test_unknown_flows_and_outputs_list_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="unknown flow 'x'; choose from: augmentation_and_al, augmentation_and_pl"):
        flow_named("x")
    with pytest.raises(UnknownName, match=", ".join(sorted(OUTPUTS))):
        output_named("labels")


def test_a_selection_lists_its_outputs_in_the_order_of_the_work() -> None:
    selection = selection_of([Rendered.COMPARISONS, Stage.AUGMENTED_LABELS, Stage.ORIGINAL_LABELS])
    assert selection.outputs == (Stage.ORIGINAL_LABELS, Stage.AUGMENTED_LABELS, Rendered.COMPARISONS)
    assert FLOWS["e2e"].outputs == OUTPUTS


def test_augmented_labels_need_augmented_videos_from_elsewhere_unless_both_are_selected() -> None:
    assert selection_of([Stage.AUGMENTED_LABELS]).taken_from_elsewhere() == {Stage.AUGMENTED_VIDEOS}
    assert FLOWS["augmentation_and_al"].taken_from_elsewhere() == frozenset()


def test_only_super_resolution_lets_the_augmentation_wait_for_the_original_labels() -> None:
    e2e, gated = FLOWS["e2e"], FLOWS["e2e_super_resolution"]
    assert e2e.depending_on({Stage.ORIGINAL_LABELS}) == frozenset()
    assert gated.depending_on({Stage.ORIGINAL_LABELS}) == {Stage.AUGMENTED_VIDEOS, Stage.AUGMENTED_LABELS}
    assert gated.only([Stage.AUGMENTED_VIDEOS]).taken_from_elsewhere() == {Stage.ORIGINAL_LABELS}
