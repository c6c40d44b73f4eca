"""Small files that would take much: refused in a second, whatever they hold."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from vda_assets.base.bounded import MAX_FILE_BYTES
from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import parse_yaml, read_file

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
MERGE_BOMB = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
HEAVY = {
    "an alias bomb": BOMB,
    "a bomb of merged keys": MERGE_BOMB,
    "many lists in each other": "[" * 400_000,
    "many mappings in each other": "{a: " * 200_000,
    "blocks in each other": "\n".join(" " * n + "a:" for n in range(1_000)),
    "many values": "[" + "1," * 400_000 + "]",
    "many keys": "\n".join(f"k{n}: 1" for n in range(90_000)),
    "a long number": "a: " + "9" * 900_000,
    "a repetition of itself": "a: &a {b: *a}",
    "nothing but schemes": "a: [" + "://" * 250_000,
    "nothing but parameters": "a: [://h" + "?a&" * 250_000,
    "a number in base sixty": "a: 1" + ":59" * 300_000,
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
def test_a_document_that_would_take_much_is_refused_in_seconds(text: str) -> None:
    started = time.process_time()
    with pytest.raises(BadConfigFile):
        parse_yaml(Path("some.yaml"), text.encode())
    assert time.process_time() - started < 5


def test_the_largest_document_that_is_taken_takes_seconds_and_megabytes() -> None:
    text = f"[{'[a, b, c, d, e], ' * 8_000}]".encode()
    started = time.process_time()
    parse_yaml(Path("some.yaml"), text)
    assert time.process_time() - started < 5
    tracemalloc.start()
    parse_yaml(Path("some.yaml"), text)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_what_an_alias_repeats_is_a_copy_of_its_own() -> None:
    content = parse_yaml(Path("some.yaml"), b"a: &x {k: 1}\nb: *x\n")
    content["a"]["k"] = 2
    assert content["b"] == {"k": 1}


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(BadConfigFile, match=f"is larger than {MAX_FILE_BYTES:,} bytes"):
        read_file(path)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero")):
        with pytest.raises(BadConfigFile, match="is no regular file"):
            read_file(path)
    for path in (tmp_path, tmp_path / "missing.yaml"):
        with pytest.raises(BadConfigFile, match=r"is no regular file|cannot be read"):
            read_file(path)


def test_the_problems_of_a_file_are_told_up_to_a_number() -> None:
    error = BadConfigFile(Path("x"), [f"k{n}: unknown key" for n in range(1_000)])
    assert len(error.problems) == 51
    assert error.problems[-1] == "and 950 more problems"


def test_a_problem_is_cut_to_what_people_read_without_half_a_secret() -> None:
    long = "x" * 400_000
    text = f"{long} http://u:hunter2{long}@host {'://' * 100_000} http://u:hunter2@host is no storage URL"
    started = time.process_time()
    (problem,) = BadConfigFile(Path("x"), [text]).problems
    assert time.process_time() - started < 5
    assert len(problem) < 700
    assert "hunter2" not in problem
    assert problem.endswith("…host is no storage URL")
