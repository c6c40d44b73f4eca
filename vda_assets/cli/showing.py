"""What a command lists: a table on a terminal, tab-separated lines for a script, one JSON document for a program."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

json_option = click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document, times in UTC.")


def show(header: list[str], rows: list[list[str]]) -> None:
    """On a terminal a long cell goes on in the next line: what is cut off could not be copied."""
    if not sys.stdout.isatty():
        click.echo("\n".join("\t".join(row) for row in [header, *rows]))
        return
    show_table(wrapped(header, rows))


def wrapped(header: list[str], rows: list[list[str]]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as it is: a reason may hold what rich takes for markup
    return table


def show_table(table: Table) -> None:
    Console(highlight=False).print(table)


def show_json(document: object) -> None:
    click.echo(json.dumps(document, indent=1, ensure_ascii=False))
