"""What the labels of a clip say, in a few lines for a person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.labels import limits
from vda_assets.labels.scene import LabelScene

_NO = "| No |"


@dataclass(frozen=True)
class Answer:
    """`answer` in words: letters are resolved to their options."""

    question: str
    answer: str


@dataclass(frozen=True)
class LabelSummary:
    """`objects_by_type` counts tracks, most frequent first; `frame_count` is None where nothing was tracked."""

    objects_by_type: dict[str, int]
    frame_count: int | None
    frames_with_objects: int
    answers: tuple[Answer, ...]
    degraded_steps: tuple[str, ...]

    @property
    def counts(self) -> dict[str, Any]:
        """What can be added up over clips; of the classes the most frequent ones."""
        most = list(self.objects_by_type.items())[: limits.SUMMARISED_CLASSES]
        return {
            "frames": self.frame_count or 0,
            "frames_with_objects": self.frames_with_objects,
            "objects": {cut(kind): count for kind, count in most},
        }

    @property
    def yes_answers(self) -> tuple[str, ...]:
        """The questions that were answered with Yes."""
        return tuple(answer.question for answer in self.answers if answer.answer.strip().lower() == "yes")

    def as_markdown(self) -> str:
        """A table of two columns."""
        objects = ", ".join(f"{count} {kind}" for kind, count in self.objects_by_type.items()) or "none"
        frames = f"{self.frames_with_objects} of {self.frame_count}"
        left = len(self.answers) - limits.SUMMARISED_ANSWERS
        rows = [
            ("objects", objects if self.frame_count is not None else "not tracked"),
            *([("frames with objects", frames)] if self.frame_count is not None else []),
            *((answer.question, answer.answer) for answer in self.answers[: limits.SUMMARISED_ANSWERS]),
            *([("…", counted(left, "more answer"))] if left > 0 else []),
            *([("degraded", ", ".join(self.degraded_steps))] if self.degraded_steps else []),
        ]
        return "\n".join(["| label | value |", "| --- | --- |", *(f"| {_cell(a)} | {_cell(b)} |" for a, b in rows)])


def lines_of(tables: str) -> list[str]:
    """Tables that `as_markdown` made, with an empty line between them, each in a line. What was answered with No is
    only counted."""
    return [_line(table.splitlines()[2:]) for table in tables.split("\n\n") if table]


def _line(rows: list[str]) -> str:
    told = [row for row in rows if not row.endswith(_NO)]
    said = [row.strip("| ").replace(" | ", " ", 1).replace("\\|", "|") for row in told]
    return "; ".join([*said, *([f"answered No: {len(rows) - len(told)}"] if len(told) < len(rows) else [])])


def summarise(scene: LabelScene) -> LabelSummary:
    """Counts and answers of a scene that was read."""
    kinds = Counter(
        instance.object_type for instance in (scene.instances.instances if scene.instances else {}).values()
    )
    return LabelSummary(
        objects_by_type=dict(kinds.most_common()),
        frame_count=len(scene.objects.frames) if scene.objects else None,
        frames_with_objects=sum(bool(frame.detections) for frame in scene.frames),
        answers=tuple(Answer(item.question, item.answer_text) for item in scene.questions),
        degraded_steps=scene.status.degraded_steps if scene.status else (),
    )


def _cell(text: str) -> str:
    return cut(text).replace("|", "\\|")
