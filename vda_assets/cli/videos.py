"""`vda videos`: the clips of a dataset, and how far each is."""

from __future__ import annotations

import os

import click
import dagster as dg

from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.showing import json_option, show, show_json
from vda_assets.cli.world import dataset_and_deployment, dataset_option, load
from vda_assets.datasets.clips import list_clips
from vda_assets.flows.stages import OUTPUTS
from vda_assets.runs.names import VERDICT, asset_key
from vda_assets.runs.recording.finished import newest_materializations, text_of
from vda_assets.runs.status import DONE


@click.command()
@dataset_option
@json_option
def videos(dataset_name: str, as_json: bool) -> None:
    """List a dataset's clips and which outputs each has.

    \b
    Examples:
      vda videos --dataset street
      vda videos --dataset street --json
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    listing = list_clips(project.storage_of(deployment, os.environ), dataset.dataset_url)
    keys = [clip.key for clip in listing.clips]
    with dagster_instance(project) as instance:
        states = {output: newest_materializations(instance, asset_key(dataset, output), keys) for output in OUTPUTS}
    rows = [(clip, {output: _word(states[output].get(clip.key)) for output in OUTPUTS}) for clip in listing.clips]
    if as_json:
        show_json([{"clip": clip.key, "size_bytes": clip.size_bytes, "outputs": words} for clip, words in rows])
    else:
        lines = [
            [clip.key, f"{clip.size_bytes / 1e6:.1f} MB", *(word or "-" for word in words.values())]
            for clip, words in rows
        ]
        show(["clip", "size", *OUTPUTS], lines)
    for path, reason in listing.left_out.items():
        click.echo(f"left out: {path}: {reason}", err=True)
    for line in listing.skipped.lines:
        click.echo(line, err=True)


def _word(made: dg.AssetMaterialization | None) -> str | None:
    return (text_of(made, VERDICT) or DONE) if made else None
