"""`vda datasets`: what there is, and what else is done with one."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.table import Table

from vda_assets.cli.adding import add
from vda_assets.cli.demo import fetch_demo
from vda_assets.cli.world import load


@click.group(invoke_without_command=True)
@click.pass_context
def datasets(context: click.Context) -> None:
    """List the datasets of assets_cfg/; with a command, do something else with one.

    Example: vda datasets
    """
    if context.invoked_subcommand is not None:
        return
    project = load()
    rows = [[one.name, one.deployment, one.cookbook, str(one.dataset_url)] for one in project.datasets.values()]
    show(["dataset", "deployment", "cookbook", "clips at"], rows)
    for broken in project.broken:
        click.echo(f"broken {broken.kind} {broken.name}:\n{broken.error}", err=True)


datasets.add_command(add)
datasets.add_command(fetch_demo)


def show(header: list[str], rows: list[list[str]]) -> None:
    """A table on a terminal, tab-separated lines for a script."""
    if not sys.stdout.isatty():
        click.echo("\n".join("\t".join(row) for row in [header, *rows]))
        return
    table = Table(*header, box=None)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
