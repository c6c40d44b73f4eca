"""`vda retry` and `vda forget`: clips that are let in again, and clips that are gone."""

from __future__ import annotations

import os

import click

from vda_assets.base.counted import counted
from vda_assets.cli.completing import complete_clip
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.world import (
    chosen_clips,
    chosen_selection,
    dataset_and_deployment,
    dataset_option,
    flow_option,
    load,
    video_option,
)
from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.partitions import forget_clips
from vda_assets.datasets.clips import list_clips, path_of
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import OUTPUTS
from vda_assets.project import Project
from vda_assets.runs.canary import Canary
from vda_assets.runs.recording.tries import ask_again
from vda_assets.runs.standing import Stand, further_in_books, standings

_UNMADE = frozenset({Stand.QUARANTINED, Stand.FAILED})


@click.command()
@dataset_option
@video_option
@flow_option
@click.option("--canary", is_flag=True, help="Instead: have the rest follow a canary of this flow that stopped it.")
def retry(dataset_name: str, videos: tuple[str, ...], flow: str | None, canary: bool) -> None:
    """Let clips in again that were quarantined because they failed alike twice; all of them when none is named.

    The next tick, backfill or run asks for them.

    \b
    Examples:
      vda retry --dataset street --video bikes.mp4
      vda retry --dataset street --canary
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    if canary:
        _let_in(project, dataset, chosen_selection(flow, (), dataset))
        return
    clips, _ = chosen_clips(list_clips(project.storage_of(deployment, os.environ), dataset.dataset_url), videos)
    with dagster_instance(project) as instance:
        clips += further_in_books(instance, dataset, clips)
        found = standings(instance, project.scope_of(dataset), OUTPUTS, clips)
        let_in = {key: stands for key, stands in found.items() if Stand.QUARANTINED in stands.values()}
        for key, stands in let_in.items():
            for output, stand in stands.items():
                if stand in _UNMADE:
                    ask_again(instance, dataset, output, key)
            click.echo(f"{key}: is asked for again")
    click.echo(f"quarantined: {len(let_in)} of {counted(len(clips), 'clip')}", err=True)


def _let_in(project: Project, dataset: Dataset, selection: Selection) -> None:
    with dagster_instance(project) as instance:
        let_in = Canary(instance, project.scope_of(dataset), selection).let_in()
    click.echo("the rest follows at the next tick, backfill or run" if let_in else "no canary had stopped anything")


@click.command()
@dataset_option
@click.argument("keys", nargs=-1, required=True, metavar="KEY...", shell_complete=complete_clip)
def forget(dataset_name: str, keys: tuple[str, ...]) -> None:
    """Take clips out of Dagster that were deleted in the bucket. Their outputs, and what is known of them, stay.

    A clip that is uploaded again comes back with its history.

    Example: vda forget --dataset street old.mp4
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    storage = project.storage_of(deployment, os.environ)
    refused = [key for key in keys if storage.exists(dataset.dataset_url / path_of(key))]
    for key in refused:
        click.echo(f"{key}: still lies in {dataset.dataset_url}: delete it there first, or it comes back", err=True)
    with dagster_instance(project) as instance:
        forgotten = forget_clips(instance, dataset, [key for key in keys if key not in refused])
    for key in forgotten:
        click.echo(f"{key}: forgotten")
    for key in sorted({*keys} - {*refused} - {*forgotten}):
        click.echo(f"{key}: is no clip of {dataset.name}, or a run works on it", err=True)
    if len(forgotten) < len({*keys}):
        raise click.exceptions.Exit(1)
