"""NVIDIA's public demo clips: `vda datasets fetch-demo`, and what `vda run` works on when no dataset is named."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

import click

from vda_assets.base.counted import counted
from vda_assets.cli.adding import add_dataset, only_deployment
from vda_assets.cli.completing import complete_dataset
from vda_assets.cli.copying import finish
from vda_assets.cli.transfer import put_clips, storage_and_url
from vda_assets.cli.world import load
from vda_assets.config.deployment import Deployment
from vda_assets.config.errors import UnknownName
from vda_assets.datasets.origin import Origin, read_origin, write_origin
from vda_assets.project import Project
from vda_assets.storage.errors import BadStorageUrl
from vda_assets.storage.transfer import NotCopied, only_one
from vda_assets.storage.url import DATASETS_FOLDER, StorageUrl

DEMO_REPOSITORY = "nvidia/video-data-augmentation-demo"
DEMO_DATASET = "vda-demo"


@click.command("fetch-demo")
@click.option(
    "--dataset",
    "dataset_name",
    metavar="NAME",
    shell_complete=complete_dataset,
    help=f"Where to; without one {DEMO_DATASET}.",
)
@click.option("--revision", default="main", show_default=True, help="A branch, tag or commit; resolved to a commit.")
@click.option("--repository", default=DEMO_REPOSITORY, show_default=True, help="Another dataset repository instead.")
def fetch_demo(dataset_name: str | None, revision: str, repository: str) -> None:
    """Fetch the public demo clips into a dataset. A Hugging Face token is used when there is one.

    What comes is kept: when some did not come, or when killed, the same command goes on where it was.

    Example: vda datasets fetch-demo
    """
    project = load()
    if dataset_name is None:
        project, dataset_name = with_demo_dataset(project, None)
    finish(fetch_clips(project, dataset_name, repository=repository, revision=revision))


def fetch_clips(project: Project, dataset_name: str, *, repository: str, revision: str) -> list[NotCopied]:
    """Puts every clip of the repository into the dataset; returns what went wrong. Raises click.ClickException."""
    # The hub's library takes a fifth of a second to load; no other command needs it.
    from vda_assets.cli.hub import HubClips, NotFetched

    storage, dataset_url = storage_and_url(project, dataset_name)
    clips = HubClips.find(repository, revision)
    click.echo(f"{repository} at {clips.commit}: {counted(len(clips.names), 'clip')}", err=True)
    folder = project.home / "fetched" / repository.replace("/", "--")
    with only_one(folder):
        problems = put_clips(storage, dataset_url, clips.fetch(folder))
        # As long as some are missing, those that came need not come again.
        if not any(isinstance(problem, NotFetched) for problem in problems):
            shutil.rmtree(folder)
            write_origin(storage, dataset_url, Origin(repository=repository, commit=clips.commit))
    return problems


def demo_dataset(project: Project, deployment_name: str | None) -> tuple[Project, str]:
    """The project with the dataset `vda-demo`, and that name; its file is written and its clips fetched when missing.

    Raises click.ClickException when something has to be said first, and exits with 1 when not all clips came.
    """
    project, _ = with_demo_dataset(project, deployment_name)
    dataset = project.dataset(DEMO_DATASET)
    storage = project.storage_of(project.deployment_of(dataset), os.environ)
    origin = read_origin(storage, dataset.dataset_url)
    if origin is None:
        finish(fetch_clips(project, DEMO_DATASET, repository=DEMO_REPOSITORY, revision="main"))
        origin = read_origin(storage, dataset.dataset_url)
    click.echo(f"no dataset was named: {DEMO_DATASET}, the clips of {origin}", err=True)
    return project, DEMO_DATASET


def with_demo_dataset(project: Project, deployment_name: str | None) -> tuple[Project, str]:
    """The project with the dataset, whose file is written when there is none, and its name."""
    try:
        dataset = project.dataset(DEMO_DATASET)
    except UnknownName:
        chosen = deployment_name or only_deployment(project)
        root = storage_root(project, chosen)
        url = root / f"{DATASETS_FOLDER}/{DEMO_DATASET}"
        path = add_dataset(project, DEMO_DATASET, str(url), deployment_name=chosen)
        click.echo(f"wrote {path}", err=True)
        project = load()
        dataset = project.dataset(DEMO_DATASET)
    if deployment_name not in (None, dataset.deployment):
        message = (
            f"{DEMO_DATASET} is worked on by {dataset.deployment}, as its file in {project.folder / 'datasets'} says: "
            f"edit that, or leave out --deployment"
        )
        raise click.ClickException(message)
    return project, DEMO_DATASET


def storage_root(project: Project, deployment_name: str) -> StorageUrl:
    """Where new clips of a deployment go: the root of its datasets, else its only bucket.

    Raises click.ClickException where that says nothing, or more than one.
    """
    roots = {dataset.storage_url for dataset in project.datasets.values() if dataset.deployment == deployment_name}
    roots = roots or set(_buckets(project.deployment(deployment_name)))
    if len(roots) != 1:
        several = f"; choose from: {', '.join(sorted(map(str, roots)))}" if roots else ""
        raise click.ClickException(
            f"USER_INPUT_REQUIRED: say where the clips go: vda datasets add {DEMO_DATASET} "
            f"<storage root>/{DATASETS_FOLDER}/{DEMO_DATASET} --deployment {deployment_name}{several}"
        )
    return roots.pop()


def _buckets(deployment: Deployment) -> list[StorageUrl]:
    """Those that a storage profile names whole; one of Azure or Swift names an account alone."""
    urls = []
    for profile in deployment.storage:
        with suppress(BadStorageUrl):
            urls.append(StorageUrl.parse(profile.profile))
    return urls
