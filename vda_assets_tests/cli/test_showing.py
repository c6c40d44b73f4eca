"""What a command lists, on a terminal and for a script."""

from __future__ import annotations

import pytest
from rich.console import Console

from vda_assets.cli.showing import show, wrapped

HEADER = ["clip", "output", "reason"]
KEY = "north=2Fcamera=203=2F" + "2026-01-31T08-00-00_" * 6 + ".mp4"
REASON = "[Errno 2] :warning: the [bold]label[/bold] file is not there; look at the last lines of its log " * 3


def test_a_table_fits_80_columns_and_cuts_nothing_off() -> None:
    console = Console(width=80, record=True)
    console.print(wrapped(HEADER, [[KEY, "augmented_labels", REASON]]))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    said = "".join("".join(lines).split())
    assert "…" not in said
    for letter in {*KEY, *REASON.replace(" ", "")}:
        assert said.count(letter) >= f"{KEY}{REASON}".count(letter), letter


def test_a_script_gets_lines_with_tabs_and_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    show(HEADER, [[KEY, "augmented_labels", REASON]])
    assert capsys.readouterr().out == f"clip\toutput\treason\n{KEY}\taugmented_labels\t{REASON}\n"
