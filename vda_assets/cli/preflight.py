"""`vda preflight`: is everything ready, and how long will it take."""

from __future__ import annotations

import os

import click

from vda_assets.cli.world import (
    chosen_selection,
    dataset_and_deployment,
    dataset_option,
    flow_option,
    load,
    osmo_client,
    select_option,
)
from vda_assets.readiness.finding import Level
from vda_assets.readiness.preflight import check_everything

_MARKS = {Level.READY: "ok  ", Level.NOTE: "note", Level.BLOCKING: "STOP"}


@click.command()
@dataset_option
@flow_option
@select_option
def preflight(dataset_name: str, flow: str | None, outputs: tuple[str, ...]) -> None:
    """Check pool, platform, storage, caches, endpoints and dataset, and have OSMO validate the workflow of one clip.

    Prints the time overview. Submits nothing, and leaves nothing.

    Example: vda preflight --dataset vda-demo --flow e2e
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    selection = chosen_selection(flow, outputs)
    with osmo_client(deployment) as client:
        result = check_everything(
            client,
            project.storage_of(deployment, os.environ),
            dataset=dataset,
            deployment=deployment,
            cookbook=project.cookbooks[dataset.cookbook],
            selection=selection,
        )
    for finding in result.findings:
        click.echo(f"{_MARKS[finding.level]} {finding.subject}: {finding.message}")
    for line in result.overview.lines():
        click.echo(line)
    if not result.ready:
        for finding in result.findings:
            if finding.level is Level.BLOCKING:
                click.echo(f"USER_INPUT_REQUIRED: {finding.message}", err=True)
        raise click.exceptions.Exit(1)
