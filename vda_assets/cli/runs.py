"""`vda runs`: what the newest runs made, how long they took and what they cost."""

from __future__ import annotations

import sys
from typing import Any

import click
from rich.table import Table

from vda_assets.base.counted import counted
from vda_assets.cli.completing import complete_dataset
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.showing import json_option, show, show_json, show_table, wrapped
from vda_assets.cli.world import load
from vda_assets.runs.listing import RunSummary, Tally, newest_runs, total_of

_MINUTE, _HOUR = 60, 3600


@click.command()
@click.option(
    "--dataset", "dataset_name", metavar="NAME", shell_complete=complete_dataset, help="Only runs of this dataset."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@json_option
def runs(dataset_name: str | None, limit: int, as_json: bool) -> None:
    """List the newest runs: what each made and how good, what failed, GPU hours, and the cost where there is a price.

    It reads Dagster's books alone.

    \b
    Examples:
      vda runs
      vda runs --dataset street --limit 100 --json
    """
    project = load()
    only = project.dataset(dataset_name).name if dataset_name else None
    names = {one.slug: one.name for one in project.datasets.values()}
    with dagster_instance(project) as instance:
        found = newest_runs(instance, names, only=only, limit=limit)
    if as_json:
        show_json([_document(one) for one in found])
        return
    if sys.stdout.isatty():
        show_table(table(found))
    else:
        header = ["run", "dataset", "flow", "status", "started", "took", "clips", "made", "failed", "GPU hours", "cost"]
        show(header, [_row(one) for one in found])
    total = total_of(found)
    failed = [f"{total.failed} failed"] if total.failed else []
    took = [part for part in (_gpu_hours(total), _cost(total)) if part != "-"]
    click.echo(
        f"{counted(len(found), 'run')}: {', '.join([*_made(total), *failed, *took]) or 'nothing made'}", err=True
    )


def table(found: list[RunSummary]) -> Table:
    """Two or more lines for each run, so that it fits into 80 columns."""
    header = ["run\nstatus", "dataset\nflow", "started\ntook", "clips", "outputs", "GPU hours\ncost"]
    rows = []
    for one in found:
        failed = [f"{one.tally.failed} failed"] if one.tally.failed else []
        rows.append(
            [
                f"{one.run_id}\n{one.status}",
                f"{one.dataset}\n{one.flow}",
                f"{_started(one)}\n{_took(one)}",
                str(one.clips),
                "\n".join([*_made(one.tally), *failed]) or "-",
                f"{_gpu_hours(one.tally)}\n{_cost(one.tally)}",
            ]
        )
    return wrapped(header, rows)


def _row(one: RunSummary) -> list[str]:
    made, tally = ", ".join(_made(one.tally)) or "-", one.tally
    head = [one.run_id, one.dataset, one.flow, one.status, _started(one), _took(one), str(one.clips)]
    return [*head, made, str(tally.failed), _gpu_hours(tally).removesuffix(" h"), _cost(tally)]


def _document(one: RunSummary) -> dict[str, Any]:
    return {
        "run": one.run_id,
        "dagster_run": one.dagster_run,
        "dataset": one.dataset,
        "flow": one.flow,
        "status": one.status,
        "started": one.started.isoformat(timespec="seconds") if one.started else None,
        "seconds": None if one.seconds is None else round(one.seconds, 1),
        "clips": one.clips,
        "made": one.tally.made,
        "kept": one.tally.kept,
        "failed": one.tally.failed,
        "gpu_hours": None if one.tally.gpu_seconds is None else round(one.tally.gpu_seconds / _HOUR, 6),
        "cost": {currency: round(amount, 6) for currency, amount in one.tally.cost.items()},
    }


def _made(tally: Tally) -> list[str]:
    kept = [f"{tally.kept} kept"] if tally.kept else []
    return [f"{count} {verdict}" for verdict, count in tally.made.most_common()] + kept


def _started(one: RunSummary) -> str:
    return f"{one.started.astimezone():%m-%d %H:%M}" if one.started else "-"


def _took(one: RunSummary) -> str:
    if one.seconds is None:
        return "-"
    if one.seconds < 2 * _MINUTE:
        return f"{one.seconds:.0f} s"
    return f"{one.seconds / _MINUTE:.0f} min" if one.seconds < 2 * _HOUR else f"{one.seconds / _HOUR:.1f} h"


def _gpu_hours(tally: Tally) -> str:
    return "-" if tally.gpu_seconds is None else f"{tally.gpu_seconds / _HOUR:.2f} h"


def _cost(tally: Tally) -> str:
    return ", ".join(f"{amount:.2f} {currency}" for currency, amount in sorted(tally.cost.items())) or "-"
