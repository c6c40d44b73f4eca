"""What of a clip is released: a video whose labels, and whose own verdict, the policy accepts. Values in, values out.

Labels are worth no more than the clip that they are of, and no more than the match between the two: both must have been
made from the version of the clip that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vda_assets.config.dataset import VerdictPolicy
from vda_assets.cookbooks.draw import Draw
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Verdict
from vda_assets.releases.candidates import Candidate, Made
from vda_assets.releases.layout import released_name
from vda_assets.releases.splits import split_of

# What may be asked for; a rejected or unverified output is never released.
RELEASABLE = (Verdict.ACCEPTED, Verdict.DEGRADED)
_CLIP_PART = "clip"
# Hashes stand in the books by their beginnings.
_LEAST_DIGITS = 12


@dataclass(frozen=True)
class Wanted:
    """`verdicts` are released besides what is accepted. `where` are values that must have been drawn: with any,
    originals are left out, for which nothing was drawn."""

    verdicts: frozenset[Verdict] = frozenset()
    where: Mapping[str, str] = field(default_factory=dict)
    with_stand_ins: bool = False
    policy: VerdictPolicy = field(default_factory=VerdictPolicy)

    def takes(self, verdict: str) -> bool:
        asked_for = {Verdict.ACCEPTED, *(self.verdicts & set(RELEASABLE))}
        return verdict in asked_for and self.policy.treatment(verdict) == "pass"


@dataclass(frozen=True)
class Pick:
    """One video to be released. `draw` and `video` are None for an original, whose labels say all that is known."""

    candidate: Candidate
    labels: Made
    video: Made | None = None
    draw: Draw | None = None

    @property
    def name(self) -> str:
        clip = self.candidate.clip
        return released_name(clip.key, clip.video, self.draw.index if self.draw else None)

    @property
    def split(self) -> str:
        return split_of(self.candidate.clip.key)


@dataclass(frozen=True)
class LeftOut:
    """`what` is a name for people, such as `a.mp4, augmented`."""

    what: str
    reason: str


def choose(candidate: Candidate, wanted: Wanted) -> Iterator[Pick | LeftOut]:
    if candidate.further is None:
        yield _original(candidate, wanted)
    yield from _augmented(candidate, wanted)


def _original(candidate: Candidate, wanted: Wanted) -> Pick | LeftOut:
    labels = candidate.of(Stage.ORIGINAL_LABELS)
    reason = "nothing was drawn for an original" if wanted.where else _why_not(labels, "labels", wanted)
    if not reason and not _same(labels.made_from.get(_CLIP_PART, ""), candidate.clip.version):
        reason = "its labels are of another version of the clip; label it again"
    return LeftOut(f"{candidate.clip.key}, original", reason) if reason else Pick(candidate, labels)


def _augmented(candidate: Candidate, wanted: Wanted) -> Iterator[Pick | LeftOut]:
    videos, labels = candidate.of(Stage.AUGMENTED_VIDEOS), candidate.of(Stage.AUGMENTED_LABELS)
    reason = _why_not(videos, "video", wanted) or _why_not(labels, "labels", wanted)
    if not reason and not _same(videos.made_from.get(_CLIP_PART, ""), candidate.clip.version):
        reason = "its video is made of another version of the clip; make it again"
    upstream = {f"{name} of {Stage.AUGMENTED_VIDEOS}": part for name, part in videos.made_from.items()}
    if not reason and not upstream.items() <= labels.made_from.items():
        reason = "its labels are of another augmented video; label it again"
    if reason:
        index = "" if candidate.further is None else f" {candidate.further}"
        yield LeftOut(f"{candidate.clip.key}, augmented{index}", reason)
        return
    for draw in candidate.draws():
        missed = [f"{name}={value}" for name, value in wanted.where.items() if draw.sampled_vars.get(name) != value]
        if missed:
            yield LeftOut(f"{candidate.clip.key}, augmented {draw.index}", f"not {' '.join(missed)}")
        else:
            yield Pick(candidate, labels, videos, draw)


def _why_not(made: Made, what: str, wanted: Wanted) -> str:
    """Empty when the policy accepts the output."""
    if not made.is_made or not wanted.takes(made.said):
        return f"its {what}: {made.said}"
    if made.parent and not wanted.takes(made.parent):
        return f"its {what}, of a clip that is {made.parent}"
    if made.has_doubts:
        return "its labels: answers do not fit what was drawn"
    if made.stand_in and not wanted.with_stand_ins:
        return f"its {what}: a stand-in's (--with-stand-ins releases them for a trial)"
    return ""


def _same(part: str, version: str) -> bool:
    return part == version or (len(part) >= _LEAST_DIGITS and len(version) == 64 and version.startswith(part))
