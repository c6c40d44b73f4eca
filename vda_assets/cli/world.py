"""What every command needs: the project, what is chosen of a dataset, and the way to its OSMO."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from vda_assets.base.counted import counted
from vda_assets.base.likely import likely
from vda_assets.cli.completing import complete_clip, complete_dataset, complete_flow, complete_output
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.datasets.clips import Clip, Listing, list_clips
from vda_assets.flows.selection import DEFAULT_FLOW, FLOWS, Selection, flow_named, output_named, selection_of, wanted_of
from vda_assets.flows.stages import OUTPUTS
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.connect import connect
from vda_assets.osmo.errors import OsmoError, OsmoUnavailable
from vda_assets.project import Project, load_project
from vda_assets.storage.access import Storage

dataset_option = click.option(
    "--dataset",
    "dataset_name",
    required=True,
    metavar="NAME",
    help="A dataset's name.",
    shell_complete=complete_dataset,
)
video_option = click.option(
    "--video",
    "videos",
    multiple=True,
    metavar="KEY",
    shell_complete=complete_clip,
    help="A clip: its key as `vda videos` lists it, its path in the dataset, or its name. May be repeated.",
)
flow_option = click.option(
    "--flow",
    metavar="FLOW",
    shell_complete=complete_flow,
    help=f"Which flow: {', '.join(FLOWS)}. {DEFAULT_FLOW} when neither this nor the dataset's file says one.",
)
select_option = click.option(
    "--select",
    "outputs",
    multiple=True,
    metavar="OUTPUT",
    shell_complete=complete_output,
    help=f"An output instead of a flow: {', '.join(OUTPUTS)}. May be repeated.",
)


def chosen_selection(flow: str | None, outputs: tuple[str, ...], dataset: Dataset | None = None) -> Selection:
    """What the command says, else what the dataset's file does, else the default flow."""
    if flow and outputs:
        raise click.UsageError("--flow and --select exclude each other: a flow is a choice of outputs")
    if outputs:
        return selection_of(map(output_named, outputs))
    wanted = wanted_of(dataset) if dataset and not flow else None
    return wanted or flow_named(flow or DEFAULT_FLOW)


@contextmanager
def osmo_client(deployment: Deployment) -> Iterator[OsmoClient]:
    """For commands that answer a person: trouble is told in seconds, not waited out.

    Raises OsmoUnavailable that says how to start the embedded OSMO when that is what is lacking.
    """
    try:
        with connect(
            deployment.osmo.url,
            token_env=deployment.osmo.token_env,
            token_file=deployment.token_file,
            user=deployment.osmo.user,
            environment=os.environ,
            answer_seconds=deployment.osmo.answer_seconds,
            retry_budget_seconds=3,
        ) as client:
            yield client
    except OsmoError:
        if asleep := why_asleep(deployment):
            raise OsmoUnavailable(asleep, maybe_delivered=False) from None
        raise


def why_asleep(deployment: Deployment) -> str | None:
    """What to do about an embedded OSMO that does not answer; None for one that does, and for a cluster."""
    if deployment.osmo_local is None or answers(deployment.osmo.url):
        return None
    return (
        f"the embedded OSMO does not run: nothing answers at {deployment.osmo.url}. Start it with `make ui`, or with "
        "`vda osmo-local serve` in another terminal, or put `vda osmo-local exec --` before this command"
    )


def answers(url: str) -> bool:
    """Whether an embedded OSMO is there."""
    try:
        return httpx.get(f"{url}/health", timeout=2.0).is_success
    except httpx.HTTPError:
        return False


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
            listed = f"`vda videos` lists its {counted(len(listing.clips), 'clip')}"
            raise click.UsageError(f"the dataset has no clip {name!r}; {listed}{likely(name, by_name)}")
    return list(chosen.values()), unusable


def _left_out_path(listing: Listing, name: str) -> str | None:
    return next((path for path in listing.left_out if name in (path, Path(path).stem)), None)
