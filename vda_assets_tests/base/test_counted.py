"""Counts as people say them, everywhere in the package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import vda_assets
from vda_assets.base.counted import counted

PACKAGE = Path(vda_assets.__file__).parent
_PLURALS = (
    "answers|boxes|clips|cookbooks|datasets|deployments|entries|errors|files|findings|frames|keys|labels|lines|"
    "objects|outputs|pages|partitions|parts|pictures|problems|reports|runs|tasks|times|tries|variables|videos|warnings|"
    "windows|workflows|GPUs|are|were|have"
)
# Directly before it, or with one word between: `{count} queued runs`, `{count} more answers`.
_COUNTED = re.compile(rf" (?:(?!as |that )[a-z]+ )?(?:{_PLURALS})\b")
# What is no count: names, limits that are never 1, shares.
_NO_NUMBER = re.compile(
    r"name|url|whom|gate|kind|join\(|result|repository|limit|\b_?[A-Z][A-Z_]+\b|\{asked\}|\{hub\}|%\}"
)
# The stand-ins say what the real ones do.
_OTHERS = ("embedded",)


def fixed_plurals(source: str) -> Iterator[str]:
    """The f-strings in which a value stands before a word in the plural, whatever the value is."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                said = ast.unparse(value)
                if _COUNTED.match(str(text.value)) and not _NO_NUMBER.search(said):
                    yield f"{said}{text.value}"


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("clip",), "0 clips"),
        (1, ("clip",), "1 clip"),
        (2, ("clip",), "2 clips"),
        (1, ("box is", "boxes are"), "1 box is"),
        (11, ("box is", "boxes are"), "11 boxes are"),
    ],
)
def test_one_is_one_and_all_else_is_several(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said


def test_no_count_stands_before_words_that_are_always_in_the_plural() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in _OTHERS]
    found = {path.relative_to(PACKAGE): [*fixed_plurals(path.read_text())] for path in sorted(paths)}
    assert {path: texts for path, texts in found.items() if texts} == {}


@pytest.mark.parametrize("text", ["{len(keys)} clips", "{n} queued runs wait", "done: {n} are gone", "{n:,} GPUs"])
def test_a_count_before_a_fixed_plural_is_found(text: str) -> None:
    assert [*fixed_plurals(f"f{text!r}")]
