"""`vda preflight`: is everything ready, and how long will it take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict

import click

from vda_assets.cli.completing import complete_dataset, complete_deployment
from vda_assets.cli.showing import json_option, show_json
from vda_assets.cli.world import (
    chosen_selection,
    dataset_and_deployment,
    dataset_option,
    flow_option,
    load,
    osmo_client,
    select_option,
)
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.datasets.clips import Clip, list_clips
from vda_assets.flows.selection import Selection
from vda_assets.project import Project
from vda_assets.readiness.credentials import Replace
from vda_assets.readiness.finding import Finding, Level, NotReady, require
from vda_assets.readiness.gate import check_deployment
from vda_assets.readiness.overview import Overview
from vda_assets.readiness.preflight import Preflight, check_everything, foresee

_MARKS = {Level.READY: "ok  ", Level.NOTE: "note", Level.COLD: "cold", Level.BLOCKING: "STOP"}


@click.command()
@click.option("--dataset", "dataset_name", metavar="NAME", shell_complete=complete_dataset, help="A dataset's name.")
@click.option(
    "--deployment",
    "deployment_name",
    metavar="NAME",
    shell_complete=complete_deployment,
    help="Instead of a dataset: what all of its share.",
)
@flow_option
@select_option
@click.option("--no-probe", is_flag=True, help="Ask neither the images' registries, nor NGC, nor the model hub.")
@click.option("--refresh", is_flag=True, help="Replace OSMO's credentials also by secrets of huggingface_hub's file.")
@json_option
def preflight(
    dataset_name: str | None,
    deployment_name: str | None,
    flow: str | None,
    outputs: tuple[str, ...],
    no_probe: bool,
    refresh: bool,
    as_json: bool,
) -> None:
    """Check pool, platform, images, storage, caches, endpoints and dataset; have OSMO validate one clip's workflow.

    Prints the time overview. Submits nothing, and leaves nothing but OSMO's credentials hf_token and nvcr_io, which it
    makes from HF_TOKEN and NGC_API_KEY, or replaces where one of these is set. What is cold a run makes by itself.

    Example: vda preflight --dataset street --flow e2e
    """
    if (dataset_name is None) == (deployment_name is None):
        raise click.UsageError("give either --dataset or --deployment")
    project = load()
    dataset = project.dataset(dataset_name) if dataset_name else None
    selection = chosen_selection(flow, outputs, dataset)
    replacing = Replace.KNOWN if refresh else Replace.SUPPLIED
    if deployment_name:
        deployment = project.deployment(deployment_name)
        findings = deployment_findings(deployment, selection, replacing=replacing, probe=not no_probe)
        foreseen_time = None
    else:
        result = _checked(project, str(dataset_name), selection, replacing=replacing, probe=not no_probe)
        findings, foreseen_time = result.findings, result.overview
    if as_json:
        time = foreseen_time.document() if foreseen_time else None
        show_json({"findings": list(map(asdict, findings)), "overview": time})
    else:
        tell(findings)
        for line in foreseen_time.lines() if foreseen_time else ():
            click.echo(line)
    stop_if_blocked(findings)


@click.command()
@dataset_option
@flow_option
@select_option
@json_option
def overview(dataset_name: str, flow: str | None, outputs: tuple[str, ...], as_json: bool) -> None:
    """Say how long a flow will take for a dataset: what is cold, how many clips of what length, how many GPUs are free.

    Changes nothing. The minutes are those of the dataset's own workflows as soon as there are some.

    Example: vda overview --dataset street --flow e2e
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    clips = list_clips(project.storage_of(deployment, os.environ), dataset.dataset_url).clips
    found = foreseen(project, dataset, chosen_selection(flow, outputs, dataset), clips)
    if as_json:
        show_json(found.document())
        return
    for line in found.lines():
        click.echo(line)


def foreseen(project: Project, dataset: Dataset, selection: Selection, clips: Sequence[Clip]) -> Overview:
    """What lies ahead of a run of these clips."""
    deployment = project.deployment_of(dataset)
    with osmo_client(deployment) as client:
        return foresee(
            client,
            project.storage_of(deployment, os.environ),
            dataset=dataset,
            deployment=deployment,
            cookbook=project.cookbooks[dataset.cookbook],
            selection=selection,
            environment=os.environ,
            clips=clips,
        )


def deployment_findings(
    deployment: Deployment, selection: Selection, *, replacing: Replace, probe: bool = True
) -> tuple[Finding, ...]:
    """What all datasets of the deployment share."""
    with osmo_client(deployment) as client:
        gate = check_deployment(
            client,
            deployment=deployment,
            selection=selection,
            environment=os.environ,
            replacing=replacing,
            probe=probe,
        )
    return gate.findings


def _checked(
    project: Project, dataset_name: str, selection: Selection, *, replacing: Replace, probe: bool
) -> Preflight:
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    with osmo_client(deployment) as client:
        return check_everything(
            client,
            project.storage_of(deployment, os.environ),
            dataset=dataset,
            deployment=deployment,
            cookbook=project.cookbooks[dataset.cookbook],
            selection=selection,
            environment=os.environ,
            replacing=replacing,
            probe=probe,
        )


def tell(findings: Sequence[Finding]) -> None:
    for finding in findings:
        click.echo(f"{_MARKS[finding.level]} {finding.subject}: {finding.message}")


def stop_if_blocked(findings: Sequence[Finding]) -> None:
    """Says on standard error what is to be provided, and exits with 1, when something blocks."""
    try:
        require(findings)
    except NotReady as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(1) from None
