"""`vda datasets` and `vda videos`: what there is, and how far each clip is."""

from __future__ import annotations

import os
import sys

import click
from rich.console import Console
from rich.table import Table

from vda_assets.cli.adding import add
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.demo import fetch_demo
from vda_assets.cli.world import dataset_and_deployment, dataset_option, load
from vda_assets.datasets.clips import list_clips
from vda_assets.flows.stages import OUTPUTS
from vda_assets.runs.names import VERDICT, asset_key
from vda_assets.runs.recording.finished import newest_materializations, text_of


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


@click.command()
@dataset_option
def videos(dataset_name: str) -> None:
    """List a dataset's clips and which outputs each has.

    Example: vda videos --dataset street
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    listing = list_clips(project.storage_of(deployment, os.environ), dataset.dataset_url)
    keys = [clip.key for clip in listing.clips]
    with dagster_instance(project) as instance:
        states = {output: newest_materializations(instance, asset_key(dataset, output), keys) for output in OUTPUTS}
    rows = []
    for clip in listing.clips:
        found = [states[output].get(clip.key) for output in OUTPUTS]
        cells = [(text_of(one, VERDICT) or "done") if one else "-" for one in found]
        rows.append([clip.key, f"{clip.size_bytes / 1e6:.1f} MB", *cells])
    show(["clip", "size", *OUTPUTS], rows)
    for path, reason in listing.left_out.items():
        click.echo(f"left out: {path}: {reason}", err=True)
    for line in listing.skipped.lines:
        click.echo(line, err=True)


def show(header: list[str], rows: list[list[str]]) -> None:
    """A table on a terminal, tab-separated lines for a script."""
    if not sys.stdout.isatty():
        click.echo("\n".join("\t".join(row) for row in [header, *rows]))
        return
    table = Table(*header, box=None)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
