"""How the commands that copy show what they do: a bar on a terminal, one line per cause of what went wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from vda_assets.storage.transfer import Done, NotCopied


def show(results: Iterable[Done | NotCopied], *, total_bytes: int, line: Callable[[Done], str]) -> list[NotCopied]:
    """Prints a line per finished copy, and a bar on standard error when that is a terminal; returns the problems."""
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    problems = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total_bytes)
        for result in results:
            if isinstance(result, NotCopied):
                problems.append(result)
            else:
                progress.advance(task, result.size_bytes)
                click.echo(line(result))
    return problems


def finish(problems: Sequence[NotCopied]) -> None:
    """One line per cause on standard error, and exit code 1 when there is any."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        by_reason[problem.reason].append(problem.subject)
    for reason, subjects in by_reason.items():
        others = f" (and {len(subjects) - 1} more)" if len(subjects) > 1 else ""
        click.echo(f"FAILED: {subjects[0]}{others}: {reason}", err=True)
    if problems:
        raise click.exceptions.Exit(1)
