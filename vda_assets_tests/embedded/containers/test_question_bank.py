"""How the answers of several windows become one."""

import json
from pathlib import Path
from typing import Any

import pytest

from vda_assets.embedded.containers.auto_labeling.question_bank import aggregate, load_bank

YES_NO = ["Yes", "No"]


def questions(tmp_path: Path, *entries: dict[str, Any]) -> Any:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps({"name": "bank", "questions": [{"question": "?", **entry} for entry in entries]}))
    return load_bank(path)


@pytest.mark.parametrize(
    ("aggregation", "options", "answers", "expected"),
    [
        ("any", YES_NO, ["No", "Yes", "No"], "Yes"),
        ("any", YES_NO, ["No", "No"], "No"),
        ("any", ["A. x", "B. y"], ["B. y", "A. x"], "B. y"),
        ("first", YES_NO, ["No", "Yes", "Yes"], "No"),
        ("majority", ["A. x", "B. y"], ["A. x", "B. y", "B. y"], "B. y"),
        ("majority", ["A. x", "B. y"], ["B. y", "A. x"], "B. y"),
        (None, YES_NO, ["Yes", "Yes", "No", "No"], "No"),
        (None, YES_NO, ["Yes", "Yes", "Yes", "No"], "Yes"),
        ({"type": "supermajority", "threshold": 0.5}, YES_NO, ["Yes", "No"], "Yes"),
        ({"type": "supermajority", "threshold": 0.1, "min_yes": 2}, YES_NO, ["Yes", "No", "No"], "No"),
    ],
)
def test_the_rule_decides(
    tmp_path: Path, aggregation: object, options: list[str], answers: list[str], expected: str
) -> None:
    entry = {"id": "1", "options": options} | ({"aggregation": aggregation} if aggregation else {})
    windows = [{"1": answer} for answer in answers]
    assert aggregate(questions(tmp_path, entry), windows) == {"1": expected}


def test_a_gate_counts_from_two_windows_on_and_one_of_several_gates_is_not_known(tmp_path: Path) -> None:
    bank = questions(
        tmp_path,
        {"id": "1_1", "options": YES_NO, "aggregation": "any"},
        {"id": "1_2", "options": YES_NO, "include_if": {"1_1": "Yes"}},
        {"id": "1_10", "options": YES_NO, "include_if_any": {"1_1": "Yes"}},
    )
    window = {"1_1": "No", "1_2": "No", "1_10": "No"}
    assert list(aggregate(bank, [window, window])) == ["1_1", "1_10"]
    assert list(aggregate(bank, [window])) == ["1_1", "1_10", "1_2"]
    assert list(aggregate(bank, [window, {**window, "1_1": "Yes"}])) == ["1_1", "1_10", "1_2"]
