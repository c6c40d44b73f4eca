"""Configuration at its limits is read, or refused, within the seconds and megabytes that the page says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from vda_assets.base.bounded import MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES
from vda_assets.cookbooks.cookbook import WORKFLOW_CONFIG
from vda_assets.cookbooks.exclusions import MAX_COMBINATIONS, MAX_EXCLUSIONS, MAX_VARIABLES
from vda_assets.cookbooks.folder import MAX_FILES, MAX_FOLDER_BYTES
from vda_assets.project import LOADING_SECONDS
from vda_assets_tests.reading_cost import Cost, cost_of

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/limits.md").read_text()
COOKBOOK = REPOSITORY / "assets_cfg/cookbooks/city_traffic"
BANK = "auto_labeling/question_bank.json"
ROWS = "[a, b, c, d, e]," * (MAX_NODES // 6 - 10)
# Each is filled up to the largest file by a comment.
SHAPES = {
    "a comment": "",
    "the most values": f"a: [{ROWS}]",
    "unknown keys": "\n".join(f"deplo{n}: 1" for n in range(MAX_NODES // 2 - 10)),
    "an unknown key of every kind": "\n".join(f"'{n} é': [[1]]" for n in range(MAX_NODES // 4 - 10)),
    "a long text": f"url: {'x' * 990_000}",
    "a long text of variables": f"url: {'${A}' * 245_000}",
    "lists where a text belongs": "url: [" + "[], " * (MAX_NODES - 20) + "]",
}


def documented(file: str) -> tuple[float, float]:
    """Seconds and MiB of memory."""
    row = re.search(rf"^\| {re.escape(file)} \| [^|]+ \| (\d+) s \| (\d+) MiB \|$", PAGE, re.MULTILINE)
    assert row, file
    return float(row[1]), float(row[2])


def assert_within(cost: Cost, file: str) -> None:
    seconds, mib = documented(file)
    assert cost.seconds <= seconds
    assert cost.mib <= mib


def filled(text: str) -> bytes:
    content = text.encode() + b"\n"
    room = MAX_FILE_BYTES - len(content) - 1
    return content + b"#" + b"x" * room


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(pytest.param("deployment", text, id=shape) for shape, text in SHAPES.items()),
        pytest.param("dataset", SHAPES["unknown keys"], id="unknown keys, in a dataset"),
    ],
)
def test_a_file_at_its_limit_is_read_or_refused_within_what_the_page_says(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_bytes(filled(text))
    assert path.stat().st_size <= MAX_FILE_BYTES
    assert_within(cost_of(kind, path), "one file of `deployments/` or `datasets/`")


def many_files(folder: Path) -> None:
    count = MAX_FILES - sum(path.is_file() for path in folder.rglob("*"))
    for number in range(count):
        (folder / f"{number:03}.txt").write_bytes(b"x" * 31_000)


def large_configs(folder: Path) -> None:
    for path in (folder / "auto_labeling/auto_labeling_config.yaml", folder / "augmentation/augmentation.yaml"):
        path.write_bytes(filled(f"{path.read_text()}\nmore: [{ROWS[: -16 * 500]}]"))
    for number in range(12):
        (folder / f"{number}.txt").write_bytes(b"x" * MAX_FILE_BYTES)


def a_large_question_bank(folder: Path) -> None:
    bank = json.loads((folder / BANK).read_text())
    for kind, questions in bank.items():
        if isinstance(questions, list) and questions:
            one = len(json.dumps(questions[0])) + 2
            bank[kind] = questions[:1] * (MAX_FILE_BYTES // len(bank) // one)
    (folder / BANK).write_text(json.dumps(bank))


def many_exclusions(folder: Path) -> None:
    """Nearly the most values, all of which have to be looked up for each combination."""
    count = MAX_COMBINATIONS // 2
    weights = {f"v{number}": 1 / count for number in range(count)}
    each = [list(weights)[number::MAX_EXCLUSIONS] * 16 for number in range(MAX_EXCLUSIONS - 1)]
    augmentation = {
        "variables": {"a": weights, "b": {"x": 0.5, "y": 0.5}},
        "exclude": [{"a": values, "b": "x"} for values in each],
    }
    (folder / WORKFLOW_CONFIG).write_text(json.dumps({"augmentation": augmentation}))


@pytest.mark.parametrize("grow", [many_files, large_configs, a_large_question_bank, many_exclusions])
def test_a_cookbook_at_its_limit_is_read_or_refused_within_what_the_page_says(tmp_path: Path, grow) -> None:
    folder = tmp_path / "scene"
    shutil.copytree(COOKBOOK, folder)
    grow(folder)
    cost = cost_of("cookbook", folder)
    assert "is this a cookbook?" not in cost.refusal
    assert_within(cost, "a cookbook's folder")


def test_the_page_states_the_limits_that_hold() -> None:
    assert f"| one file of `deployments/` or `datasets/` | {MAX_FILE_BYTES // 1_000_000} MB |" in PAGE
    folder = f"{MAX_FOLDER_BYTES // 1_000_000} MB, {MAX_FILES} files of {MAX_FILE_BYTES // 1_000_000} MB"
    assert f"| a cookbook's folder | {folder} |" in PAGE
    assert f"| values of a YAML document, aliases written out | {MAX_NODES:,}, {MAX_DEPTH} levels deep," in PAGE
    excluded = f"{MAX_EXCLUSIONS} lines, which name {MAX_VARIABLES} variables with {MAX_COMBINATIONS:,} combinations"
    assert f"| `exclude` of a cookbook | {excluded} of values |" in PAGE
    assert f"| loading all of `assets_cfg/` | {LOADING_SECONDS:.0f} s by the clock" in PAGE
