"""`vda report`: a page with pictures, numbers and reasons of a dataset's clips, and the same for programs."""

from __future__ import annotations

import os
from pathlib import Path

import click

from vda_assets.base.counted import counted
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.world import dataset_and_deployment, dataset_option, load
from vda_assets.runs.reporting import report_on


@click.command()
@dataset_option
@click.option("--run", "run", default="", metavar="RUN", help="Only clips that this run made, kept or failed to make.")
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write it here, with small pictures of the clips beside it; without, into the dataset's storage.",
)
def report(dataset_name: str, run: str, folder: Path | None) -> None:
    """Write a report on a dataset: a page, report.json and report.csv.

    It reads Dagster's books, and lists clips and pictures in storage.

    \b
    Examples:
      vda report --dataset street
      vda report --dataset street --run run-2db919af --output ~/street-report
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    storage = project.storage_of(deployment, os.environ)
    with dagster_instance(project) as instance:
        try:
            found = report_on(instance, project.scope_of(dataset), storage, run=run, folder=folder)
        except OSError as error:
            raise click.ClickException(f"the report cannot be written: {error}") from None
    click.echo(f"report={found.page}")
    if found.link:
        click.echo(f"link={found.link}")
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.summary.verdicts.items() if count)
    more = f" and {counted(further, 'further augmentation')}" if (further := found.summary.further) else ""
    click.echo(f"{counted(found.summary.clips, 'clip')}{more}: {counts or 'nothing to tell of'}", err=True)
