"""A cookbook's question bank: what paidf-auto-labeling 1.0.0 asks about every window of a clip."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vda_assets.base.bounded import CREDENTIALS_IN_URL
from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import ConfigModel, problems_of

AggregationType = Literal["majority", "majority_tie_first", "first", "any", "supermajority"]


class Aggregation(ConfigModel):
    """How the answers of the windows become one; the numbers are those of a supermajority."""

    type: AggregationType
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.6
    min_yes: Annotated[int, Field(ge=1)] = 1


def _named_type(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class Question(BaseModel):
    """`include_if` maps the id of a gate question to the answer that it must have had.

    The container ignores keys that it does not know, so they are kept apart instead of refused.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    options: Annotated[list[str], Field(min_length=2)]
    aggregation: Annotated[Aggregation | None, BeforeValidator(_named_type)] = None
    include_if: dict[str, str] = {}

    @property
    def ignored_keys(self) -> list[str]:
        return sorted(self.model_extra or {})


class QuestionBank(BaseModel):
    """The worker passes on `name` and `questions` alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    questions: Annotated[list[Question], Field(min_length=1)]


def _misfits(questions: list[Question]) -> Iterator[str]:
    by_id: dict[str, Question] = {}
    for question in questions:
        if question.id in by_id:
            yield f"question {question.id} stands twice"
        if len(set(question.options)) < len(question.options):
            yield f"question {question.id} has an option twice"
        by_id.setdefault(question.id, question)
    for question in questions:
        for gate, answer in question.include_if.items():
            known = by_id.get(gate)
            if known is None or known is question:
                yield f"question {question.id}: include_if names {gate!r}, which is no other question's id"
            elif answer not in known.options:
                choices = ", ".join(map(repr, known.options))
                yield f"question {question.id}: include_if wants {answer!r} of {gate}, whose options are {choices}"


def parse_question_bank(path: Path, text: bytes) -> QuestionBank:
    """The question bank in the file at `path` that holds `text`.

    Raises BadConfigFile with all problems of the file; paidf-auto-labeling would die of them, or never ask.
    """
    try:
        decoded = text.decode("utf-8")
        if CREDENTIALS_IN_URL.search(decoded):
            raise BadConfigFile(path, ["holds a URL with credentials; take them out"])
        content = json.loads(decoded, object_pairs_hook=_without_doubles)
        json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise BadConfigFile(path, ["is nested too deep"]) from None
    # Half of a surrogate pair, `"\ud800"`, is valid JSON that no file can hold.
    except ValueError as error:
        raise BadConfigFile(path, [f"is not JSON: {error}"]) from None
    try:
        bank = QuestionBank.model_validate(content)
    except ValidationError as error:
        raise BadConfigFile(path, problems_of(error.errors(include_url=False), QuestionBank)) from None
    problems = list(_misfits(bank.questions))
    if problems:
        raise BadConfigFile(path, problems)
    return bank


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        ((double, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {double!r} stands twice")
    return content
