"""The question bank, and how the answers of all windows become one.

BankError          the bank cannot be read (the container exits 2)
AggregationError   it names an aggregation that does not exist (the container exits 1)
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AGGREGATIONS = ("majority", "majority_tie_first", "first", "any", "supermajority")
SUPERMAJORITY_FRACTION = 0.6


class BankError(Exception):
    """The bank is missing or no bank."""


class AggregationError(Exception):
    """A question names an unknown aggregation."""


@dataclass(frozen=True)
class Question:
    """One question; `include_if` maps gate ids to the exact answer that they need. `include_if_any` is not known."""

    id: str
    text: str
    options: tuple[str, ...]
    aggregation: str
    fraction: float
    min_yes: int
    include_if: Mapping[str, str]

    @property
    def is_yes_no(self) -> bool:
        """Whether it belongs into bcq.json."""
        return set(self.options) == {"Yes", "No"}

    def aggregate(self, answers: Sequence[str]) -> str:
        """The one answer of windows in order; `answers` is not empty."""
        yes = answers.count("Yes")
        match self.aggregation:
            case "first":
                return answers[0]
            case "any":
                return ("Yes" if yes else "No") if self.is_yes_no else answers[0]
            case "supermajority" if self.is_yes_no:
                return "Yes" if yes >= max(self.min_yes, math.ceil(self.fraction * len(answers))) else "No"
            case _:
                counts = Counter(answers)
                return max(counts, key=lambda answer: (counts[answer], -answers.index(answer)))


def load_bank(path: Path) -> list[Question]:
    """The bank's questions; raises BankError or AggregationError."""
    try:
        document = json.loads(path.read_text())
        return [_question(entry) for entry in document["questions"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BankError(
            f"question bank {path}: {error!r}; give {{name, questions: [{{id, question, options}}]}}"
        ) from error


def _question(entry: dict[str, Any]) -> Question:
    options = tuple(str(option) for option in entry.get("options") or ())
    default = "supermajority" if set(options) == {"Yes", "No"} else "majority_tie_first"
    rule = entry.get("aggregation") or default
    details = rule if isinstance(rule, dict) else {"type": rule}
    kind = str(details.get("type", default))
    if kind not in AGGREGATIONS:
        raise AggregationError(f"question {entry['id']}: aggregation {kind!r} is none of {', '.join(AGGREGATIONS)}")
    return Question(
        id=str(entry["id"]),
        text=str(entry["question"]),
        options=options,
        aggregation=kind,
        fraction=float(details.get("threshold", SUPERMAJORITY_FRACTION)),
        min_yes=int(details.get("min_yes", 1)),
        include_if=dict(entry.get("include_if") or {}),
    )


def aggregate(questions: Sequence[Question], windows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The final answer per question id, sorted as strings; gates count only when there are two windows or more."""
    answers = {
        question.id: question.aggregate(given)
        for question in questions
        if (given := [window[question.id] for window in windows if question.id in window])
    }
    if len(windows) >= 2:
        closed = {q.id for q in questions if any(answers.get(gate) != text for gate, text in q.include_if.items())}
        answers = {key: text for key, text in answers.items() if key not in closed}
    return dict(sorted(answers.items()))
