"""`vda videos`: the clips of a dataset, and how far each is."""

from __future__ import annotations

import os

import click

from vda_assets.cli.clips import show
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.world import dataset_and_deployment, dataset_option, load
from vda_assets.datasets.clips import list_clips
from vda_assets.flows.stages import OUTPUTS
from vda_assets.runs.names import VERDICT, asset_key
from vda_assets.runs.recording.finished import newest_materializations, text_of


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
