"""Doubts: answers in the labels of an augmented clip, about weather or light, that do not fit what was drawn for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vda_assets.labels.scene import Question

_LETTER = re.compile(r"^[A-Z][.)]\s*")


@dataclass(frozen=True)
class Drawn:
    """What was drawn for one variable, and all that could have been drawn."""

    value: str
    vocabulary: frozenset[str]


def doubts_about(questions: Iterable[Question], draw: Mapping[str, Drawn]) -> Iterator[str]:
    """One line per question whose options are a variable's vocabulary and whose answer is another value than the drawn.

    Cookbooks' questions 2_1 and 2_2 mirror their variables so (`Clear, Overcast, Rain` for the variable weather).
    """
    for question in questions:
        options = frozenset(folded(option) for option in question.options.values())
        answer = folded(question.answer_text)
        for variable, drawn in draw.items():
            if options == frozenset(map(folded, drawn.vocabulary)) and answer != folded(drawn.value):
                yield f"meant to be {variable} {drawn.value}, answered {answer!r} to {question.question!r}"


def folded(option: str) -> str:
    """An option without its letter and case, which banks, answers and vocabularies put differently."""
    return _LETTER.sub("", option).strip().casefold()
