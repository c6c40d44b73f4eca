"""`vda render`: the OSMO workflow of a clip, as the YAML that the `osmo` command accepts."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

import click

from vda_assets.base.failed import Failed
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.preflight import stop_if_blocked
from vda_assets.cli.world import (
    chosen_selection,
    dataset_and_deployment,
    dataset_option,
    flow_option,
    load,
    osmo_client,
    select_option,
    tell_left_out,
    usable_clips,
    video_option,
)
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import DEFAULT_POOL, Deployment
from vda_assets.datasets.clips import path_of
from vda_assets.flows.inputs import foresee_inputs, provide_inputs
from vda_assets.flows.place import Place
from vda_assets.flows.planning import Item, item_of, plan
from vda_assets.flows.selection import Selection
from vda_assets.flows.setup import setup_files, write_setup
from vda_assets.flows.stages import Output, Stage
from vda_assets.flows.workflow import build_workflow
from vda_assets.osmo.spec import to_yaml
from vda_assets.project import Project
from vda_assets.readiness.credentials import worker_credentials
from vda_assets.readiness.pools import check_service
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout


@click.command()
@dataset_option
@video_option
@flow_option
@select_option
@click.option(
    "--with-setup", is_flag=True, help="Write what the workflows read, so that they can be submitted by hand."
)
def render(
    dataset_name: str, videos: tuple[str, ...], flow: str | None, outputs: tuple[str, ...], with_setup: bool
) -> None:
    """Print the workflow of each clip as YAML. Submits nothing, and refuses what `vda run` does.

    What is selected is rendered though it be finished; what else it works on is taken from the run that made it. Its
    run id is new. With --with-setup the run's setup folder, and MP4s of other clips, are written; the first line of
    each workflow then is the command that submits it. Nothing in it is left to be set.

    Example: vda render --dataset street --video bikes.mp4 --flow e2e --with-setup > bikes.yaml
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    selection = chosen_selection(flow, outputs, dataset)
    if not selection.stages:
        raise click.UsageError("nothing of this runs on OSMO: comparisons are rendered by the pipeline itself")
    storage = project.storage_of(deployment, os.environ)
    clips, some_left_out = usable_clips(storage, dataset, videos)
    items = {
        clip.key: item_of(
            clip,
            cookbook=project.cookbooks[dataset.cookbook],
            images=deployment.images,
            super_resolution=selection.super_resolution,
        )
        for clip in clips
    }
    finished = _finished_elsewhere(project, storage, dataset, items, selection)
    plans = [plan(item, selection, finished.get(key, {})) for key, item in items.items()]
    layout = RunLayout(dataset.storage_url, dataset.name, f"run-{uuid.uuid4().hex[:8]}")
    place = _place(dataset, deployment)
    documents = []
    works = []
    for one in plans:
        for output, why in one.failed.items():
            tell_left_out(f"{one.work.clip.path} {output}", why.reason)
            some_left_out = True
    look = provide_inputs if with_setup else foresee_inputs
    for work, seen in look(storage, [one.work for one in plans if one.work.stages], layout=layout):
        if isinstance(seen, Failed):
            tell_left_out(work.clip.path, seen.reason)
            some_left_out = True
            continue
        for warning in seen.warnings:
            click.echo(f"warning: {warning}", err=True)
        spec = build_workflow(work, layout=layout, deployment=deployment, place=place, attempt=1)
        works.append(work)
        documents.append(f"{_command(place) if with_setup else ''}{to_yaml(spec)}")
    if with_setup and works:
        files = setup_files(
            {path_of(work.clip.key): work.draws for work in works},
            cookbook=project.cookbooks[dataset.cookbook],
            endpoints=deployment.endpoints,
            super_resolution=selection.super_resolution,
            images=deployment.images,
        )
        write_setup(storage, layout, files)
    click.echo("---\n".join(documents), nl=False)
    if some_left_out:
        raise click.exceptions.Exit(1)


def _finished_elsewhere(
    project: Project, storage: Storage, dataset: Dataset, items: Mapping[str, Item], selection: Selection
) -> Mapping[str, Mapping[Output, RunLayout]]:
    """By clip key, what is not selected and finished, and the run that made it; Dagster is asked only if needed."""
    compares = selection.comparisons and Stage.AUGMENTED_VIDEOS not in selection
    if not selection.taken_from_elsewhere() and not compares:
        return {}
    from vda_assets.runs.recording.finished import find_finished

    with dagster_instance(project) as instance:
        finished = find_finished(instance, storage, dataset, items)
    return {
        key: {output: run for output, run in finished.runs(key).items() if output not in selection.outputs}
        for key in items
    }


def _command(place: Place) -> str:
    """A comment: nothing in the workflow is a variable, so there is nothing to set."""
    return f"# osmo workflow submit THIS_FILE --pool {place.pool} --priority {place.priority}\n"


def _place(dataset: Dataset, deployment: Deployment) -> Place:
    """Where a run would submit, with the credentials that OSMO has now. The embedded OSMO need not run for it."""
    priority = dataset.priority or deployment.osmo.priority
    if deployment.osmo_local and len(deployment.osmo_local.platforms) == 1:
        (platform,) = deployment.osmo_local.platforms
        return Place(deployment.osmo.pool or DEFAULT_POOL, platform, worker_credentials(deployment, ()), priority)
    with osmo_client(deployment) as client:
        service = check_service(client, deployment)
        stop_if_blocked([finding for finding in service.findings if finding.subject in {"pool", "platform"}])
        assert service.pool is not None
        assert service.gpu_platform is not None
        return Place(service.pool, service.gpu_platform, worker_credentials(deployment, client.credentials()), priority)
