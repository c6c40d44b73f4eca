"""What every command needs: the project, what is chosen of a dataset, and the way to its OSMO."""

from __future__ import annotations

import os
from pathlib import Path

import click

from vda_assets.base.counted import counted
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.datasets.clips import Clip, Listing, list_clips
from vda_assets.flows.selection import DEFAULT_FLOW, Selection, flow_named, output_named, selection_of, wanted_of
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.connect import connect
from vda_assets.project import Project, load_project
from vda_assets.storage.access import Storage

dataset_option = click.option("--dataset", "dataset_name", required=True, metavar="NAME", help="A dataset's name.")
video_option = click.option(
    "--video",
    "videos",
    multiple=True,
    metavar="KEY",
    help="A clip: its key as `vda videos` lists it, its path in the dataset, or its name. May be repeated.",
)
flow_option = click.option("--flow", metavar="FLOW", help=f"Which flow to run; {DEFAULT_FLOW} when nothing is said.")
select_option = click.option(
    "--select",
    "outputs",
    multiple=True,
    metavar="OUTPUT",
    help="original_labels, augmented_videos, augmented_labels or comparisons instead of a flow. May be repeated.",
)


def chosen_selection(flow: str | None, outputs: tuple[str, ...], dataset: Dataset | None = None) -> Selection:
    """What the command says, else what the dataset's file does, else the default flow."""
    if flow and outputs:
        raise click.UsageError("--flow and --select exclude each other: a flow is a choice of outputs")
    if outputs:
        return selection_of(map(output_named, outputs))
    wanted = wanted_of(dataset) if dataset and not flow else None
    return wanted or flow_named(flow or DEFAULT_FLOW)


def osmo_client(deployment: Deployment) -> OsmoClient:
    """For commands that answer a person: trouble is told in seconds, not waited out."""
    return connect(
        deployment.osmo.url,
        token_env=deployment.osmo.token_env,
        token_file=deployment.token_file,
        user=deployment.osmo.user,
        environment=os.environ,
        answer_seconds=deployment.osmo.answer_seconds,
        retry_budget_seconds=3,
    )


def dataset_and_deployment(project: Project, name: str) -> tuple[Dataset, Deployment]:
    dataset = project.dataset(name)
    return dataset, project.deployment_of(dataset)


def load() -> Project:
    """The project of this environment; what of it is broken is told by the commands that need it."""
    return load_project(os.environ)


def usable_clips(storage: Storage, dataset: Dataset, videos: tuple[str, ...]) -> tuple[list[Clip], bool]:
    """The clips that were asked for, and whether others were left out, which are told with their reasons.

    Raises click.ClickException when there is none.
    """
    clips, unusable = chosen_clips(list_clips(storage, dataset.dataset_url), videos)
    for path, reason in unusable.items():
        tell_left_out(path, reason)
    if not clips:
        raise click.ClickException(f"no usable clip in {dataset.dataset_url}")
    return clips, bool(unusable)


def tell_left_out(what: str, reason: str) -> None:
    click.echo(f"left out: {what}: {reason}", err=True)


def chosen_clips(listing: Listing, videos: tuple[str, ...]) -> tuple[list[Clip], dict[str, str]]:
    """The clips that were asked for, all of them without any name, and why others cannot be used.

    Raises click.UsageError for a name that is not in the dataset.
    """
    if not videos:
        return list(listing.clips), dict(listing.left_out)
    by_name: dict[str, Clip] = {}
    for clip in listing.clips:
        for name in (clip.video, clip.path, clip.key):
            by_name[name] = clip
    chosen: dict[str, Clip] = {}
    unusable: dict[str, str] = {}
    for name in videos:
        path = _left_out_path(listing, name)
        if name in by_name:
            chosen[by_name[name].key] = by_name[name]
        elif path is not None:
            unusable[path] = listing.left_out[path]
        else:
            raise click.UsageError(
                f"the dataset has no clip {name!r}; `vda videos` lists its {counted(len(listing.clips), 'clip')}"
            )
    return list(chosen.values()), unusable


def _left_out_path(listing: Listing, name: str) -> str | None:
    return next((path for path in listing.left_out if name in (path, Path(path).stem)), None)
