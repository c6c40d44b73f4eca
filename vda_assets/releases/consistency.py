"""Whether the labels of an augmented clip show its original's motion: counts, tracks and ids. Told, not decided by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from vda_assets.labels.scene import Box
from vda_assets.releases.boxes import Labels

CONSISTENT, DIFFERS, NOT_COMPARED = "consistent", "differs", "not compared"
# Two tracks are the same object when their boxes share that much, on average over all frames that either is in.
_SAME = 0.5


@dataclass(frozen=True)
class Consistency:
    """`matched` are tracks of the same object in both, `same_id` those of them that have the same id as well."""

    verdict: str
    original_tracks: int = 0
    augmented_tracks: int = 0
    matched: int = 0
    same_id: int = 0
    mean_iou: float = 0.0

    @property
    def row(self) -> dict[str, Any]:
        return asdict(self)


def compare(original: Labels | None, augmented: Labels) -> Consistency:
    """`original` is None where the original is not released too."""
    if original is None:
        return Consistency(NOT_COMPARED, augmented_tracks=len(augmented.tracks))
    pairs = sorted(_overlaps(original, augmented).items(), key=lambda pair: (-pair[1], pair[0]))
    matches: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for (mine, theirs), share in pairs:
        if share >= _SAME and mine not in matches and theirs not in taken:
            matches[mine] = (theirs, share)
            taken.add(theirs)
    ids = {track.number: track.object_id for track in original.tracks}
    other_ids = {track.number: track.object_id for track in augmented.tracks}
    is_same = len(matches) == len(original.tracks) == len(augmented.tracks)
    return Consistency(
        CONSISTENT if is_same else DIFFERS,
        original_tracks=len(original.tracks),
        augmented_tracks=len(augmented.tracks),
        matched=len(matches),
        same_id=sum(ids[mine] == other_ids[theirs] for mine, (theirs, _) in matches.items()),
        mean_iou=round(sum(share for _, share in matches.values()) / len(matches), 4) if matches else 0.0,
    )


def _overlaps(original: Labels, augmented: Labels) -> dict[tuple[int, int], float]:
    """For each pair of tracks of one category that ever overlap, their mean intersection over union.

    With super-resolution the original is larger than the augmented clip.
    """
    sums: dict[tuple[int, int], float] = {}
    across, down = (
        theirs / own if own else 1.0
        for own, theirs in zip(
            (original.shape.width, original.shape.height),
            (augmented.shape.width, augmented.shape.height),
            strict=True,
        )
    )
    for frame, boxes in original.frames.items():
        for track, (x_min, y_min, x_max, y_max) in boxes:
            box = (x_min * across, y_min * down, x_max * across, y_max * down)
            for other, other_box in augmented.frames.get(frame, ()):
                if track.category == other.category and (share := _iou(box, other_box)):
                    pair = track.number, other.number
                    sums[pair] = sums.get(pair, 0.0) + share
    mine, theirs = original.by_track, augmented.by_track
    return {(one, other): sums[one, other] / len(mine[one].keys() | theirs[other].keys()) for one, other in sums}


def _iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
