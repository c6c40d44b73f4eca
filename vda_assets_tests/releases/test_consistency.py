"""Labels of an augmented clip are consistent with the original's when they show the same objects at the same places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from vda_assets.releases.boxes import Labels, Shape, Track
from vda_assets.releases.consistency import Consistency, compare
from vda_assets_tests.releases.made import PERSON, TRUCK, Motion

CAR = Motion("car_3", "car", 0, 5, 40.0, 45.0)


def labels(*motions: Motion) -> Labels:
    tracks = tuple(Track(number, one.object_id, one.category) for number, one in enumerate(motions, start=1))
    shown = {
        frame: tuple(
            (track, tuple(one.box(frame)))
            for track, one in zip(tracks, motions, strict=True)
            if one.first <= frame <= one.last
        )
        for frame in range(6)
    }
    return Labels(Shape(96, 64, 25.0, 6), tracks, shown, (), 0)  # type: ignore[arg-type]


def verdict(original: Sequence[Motion], augmented: Sequence[Motion]) -> Consistency:
    return compare(labels(*original), labels(*augmented))


def test_the_same_objects_in_another_order_are_consistent() -> None:
    assert verdict((TRUCK, PERSON, CAR), (CAR, TRUCK, PERSON)) == Consistency("consistent", 3, 3, 3, 3, 1.0)


def test_another_numbering_of_the_same_tracks_is_told_and_no_difference() -> None:
    renumbered = (replace(TRUCK, object_id="truck_9"), PERSON)
    assert verdict((TRUCK, PERSON), renumbered) == Consistency("consistent", 2, 2, 2, 1, 1.0)


def test_a_box_that_is_a_little_elsewhere_is_the_same_object() -> None:
    found = verdict((TRUCK,), (replace(TRUCK, left=TRUCK.left + 2),))
    assert (found.verdict, found.matched) == ("consistent", 1)
    assert 0.7 < found.mean_iou < 1


@pytest.mark.parametrize(
    ("augmented", "matched"),
    [
        ((TRUCK,), 1),  # one is lost
        ((TRUCK, PERSON, CAR), 2),  # one is invented
        ((TRUCK, replace(PERSON, category="rider")), 1),  # another kind
        ((TRUCK, replace(PERSON, left=5.0, top=50.0)), 1),  # elsewhere
        ((TRUCK, replace(PERSON, last=2)), 1),  # lost soon
        ((), 0),
    ],
)
def test_what_is_lost_invented_or_elsewhere_differs(augmented: Sequence[Motion], matched: int) -> None:
    found = verdict((TRUCK, PERSON), augmented)
    assert (found.verdict, found.matched, found.augmented_tracks) == ("differs", matched, len(augmented))


def test_an_enhanced_original_is_compared_in_the_size_of_the_augmented_clip() -> None:
    def twice(one: Motion) -> Motion:
        return replace(one, left=2 * one.left, top=2 * one.top, speed=2 * one.speed, width=41.0, height=24.5)

    enhanced = replace(labels(twice(TRUCK), twice(PERSON)), shape=Shape(192, 128, 25.0, 6))
    assert compare(enhanced, labels(TRUCK, PERSON)) == Consistency("consistent", 2, 2, 2, 2, 1.0)


def test_two_clips_in_which_nothing_moves_are_consistent() -> None:
    assert verdict((), ()).verdict == "consistent"


def test_without_the_original_nothing_is_compared() -> None:
    assert compare(None, labels(TRUCK)).verdict == "not compared"
