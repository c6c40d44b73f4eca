"""Answers the bank's questions from simple image statistics and tracks; what these cannot tell is answered with No.

Every answer is one of the question's options, with the reason and whether it rests on something measured.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import fmean, median

from vda_assets.embedded.containers.auto_labeling.observation import Appearance, Observation
from vda_assets.embedded.containers.auto_labeling.question_bank import Question
from vda_assets.embedded.containers.auto_labeling.tracking import Box, Track

SCALES = ("clear overcast rain", "morning midday evening", "bright moderate dim", "dry wet")
AMOUNTS = {"light", "quiet", "none", "heavy", "busy", "3+"}
TWO_WHEELERS = {"bicycle", "motorcycle"}
NEAR_OVERLAP, CONTACT_OVERLAP = 0.1, 0.5


@dataclass(frozen=True)
class Answer:
    """An option of the question, why, and whether something measured speaks for it."""

    text: str
    reason: str
    measured: bool


@dataclass(frozen=True)
class View:
    """One window of the clip: frames `start` to `end`, both included."""

    start: int
    end: int
    tracks: Sequence[Track]
    look: Appearance

    @property
    def closest(self) -> tuple[float, Track, Track] | None:
        """The two tracks whose boxes overlap most in one frame, with that intersection over union."""
        meetings = [
            (_overlap(one.boxes[frame], other.boxes[frame]), one, other)
            for one, other in combinations(self.tracks, 2)
            for frame in one.boxes.keys() & other.boxes.keys()
            if self.start <= frame <= self.end
        ]
        return max(meetings, key=lambda meeting: meeting[0], default=None)


def view(observation: Observation, *, start: int, end: int) -> View:
    """What was seen in the frames of a window."""
    looks = [look for frame, look in observation.appearances.items() if start <= frame <= end]
    nearest = min(observation.appearances, key=lambda frame: abs(frame - start))
    looks = looks or [observation.appearances[nearest]]
    names = list(Appearance.__dataclass_fields__)
    return View(
        start=start,
        end=end,
        tracks=[track for track in observation.tracks if any(start <= frame <= end for frame in track.boxes)],
        look=Appearance(**{name: median(getattr(look, name) for look in looks) for name in names}),
    )


def answer(question: Question, seen: View) -> Answer:
    """One of the question's options."""
    words = [set(re.findall(r"[a-z]+|\d\+?", option.lower())) for option in question.options]
    for scale in SCALES:
        names = scale.split()
        positions = [next((n for n, option in enumerate(words) if name in option), None) for name in names]
        if len(words) == len(names) and None not in positions:
            name, reason = _appearance_answer(scale, seen.look)
            return Answer(question.options[positions[names.index(name)] or 0], reason, measured=True)
    if question.is_yes_no:
        return _yes_no(question.text.lower(), seen)
    if len(words) == 3 and AMOUNTS & set().union(*words):
        few, some = (0, 2) if "none" in words[0] else (2, 6)
        count = len(seen.tracks)
        index = 0 if count <= few else 1 if count <= some else 2
        return Answer(question.options[index], f"{count} tracks in the window", measured=True)
    return _choice(question, words, seen)


def _appearance_answer(scale: str, look: Appearance) -> tuple[str, str]:
    match scale:
        case "clear overcast rain":
            flat = look.contrast / max(1.0, look.luma)
            name = "rain" if look.streaks > 0.01 else "overcast" if flat < 0.36 else "clear"
            return name, f"new thin lines {look.streaks:.2%} of the picture, contrast/luma {flat:.2f}"
        case "morning midday evening":
            name = (
                "evening" if look.tone_warmth > 3 and look.luma < 90 else "morning" if look.warmth > 8.5 else "midday"
            )
            return name, f"warmth {look.warmth:.1f}, of highlights over shadows {look.tone_warmth:.1f}"
        case "bright moderate dim":
            name = "bright" if look.luma > 112 else "dim" if look.luma < 68 else "moderate"
            return name, f"mean luma {look.luma:.0f}"
        case _:
            name = "wet" if look.ground_gain < 0.95 else "dry"
            return name, f"ground luma {look.ground_gain:.2f} of the rest"


def _yes_no(text: str, seen: View) -> Answer:
    overlap = seen.closest[0] if seen.closest else 0.0
    if re.search(r"contact|collid|collision|\bhit|strike|touch", text):
        return _verdict(overlap > CONTACT_OVERLAP, f"largest overlap of two tracks {overlap:.2f}")
    if re.search(r"\bclose|\bnear|distance", text):
        return _verdict(overlap > NEAR_OVERLAP, f"largest overlap of two tracks {overlap:.2f}")
    if re.search(r"\bbrak|sudden", text):
        drop = max((_speed_drop(track, seen) for track in seen.tracks), default=0.0)
        return _verdict(drop > 0.8, f"largest loss of speed of a track {drop:.0%}")
    if re.search(r"two-wheel|bicycle|motorcycle|cyclist", text):
        found = sorted({track.object_type for track in seen.tracks} & TWO_WHEELERS)
        return _verdict(bool(found), f"tracks guessed as two-wheelers: {', '.join(found) or 'none'}")
    return Answer("No", "image statistics cannot tell", measured=False)


def _verdict(holds: bool, reason: str) -> Answer:
    return Answer("Yes" if holds else "No", reason, measured=True)


def _choice(question: Question, words: list[set[str]], seen: View) -> Answer:
    """Of options that describe an encounter: the one that fits the two closest tracks, else the one that says no."""
    closest = seen.closest
    if closest and closest[0] > NEAR_OVERLAP:
        kinds = {closest[1].object_type, closest[2].object_type}
        if kinds & {"person", *TWO_WHEELERS}:
            kinds |= {"pedestrian", "cyclist"}
        fitting = next((n for n, option in enumerate(words) if option & kinds), 0)
        return Answer(question.options[fitting], f"closest tracks: {', '.join(sorted(kinds))}", measured=True)
    denial = next((n for n, option in enumerate(words) if option & {"no", "none", "idle", "stationary"}), 0)
    return Answer(question.options[denial], "no two tracks meet", measured=False)


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _speed_drop(track: Track, seen: View) -> float:
    """How much of its speed a track loses from the window's first to its second half, 0 to 1; 0 for short tracks."""
    centres = [
        ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        for frame, box in sorted(track.boxes.items())
        if seen.start <= frame <= seen.end
    ]
    steps = [((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2) ** 0.5 for a, b in pairwise(centres)]
    if len(steps) < 12:
        return 0.0
    before, after = fmean(steps[: len(steps) // 2]), fmean(steps[len(steps) // 2 :])
    return max(0.0, 1 - after / before) if before > 2 else 0.0
