"""`vda render`: the OSMO workflow of a clip, as the YAML that the `osmo` command accepts."""

from __future__ import annotations

import os
import uuid

import click

from vda_assets.cli.world import (
    chosen_clips,
    chosen_selection,
    dataset_and_deployment,
    dataset_option,
    flow_option,
    load,
    osmo_client,
    select_option,
    video_option,
)
from vda_assets.config.deployment import Deployment
from vda_assets.datasets.clips import MP4, list_clips
from vda_assets.flows.inputs import check_clip, remuxed_url
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork, output_hashes
from vda_assets.flows.workflow import build_workflow
from vda_assets.media.errors import MediaError
from vda_assets.osmo.spec import to_yaml
from vda_assets.readiness.checks import check_service
from vda_assets.readiness.finding import require
from vda_assets.storage.layout import RunLayout


@click.command()
@dataset_option
@video_option
@flow_option
@select_option
def render(dataset_name: str, videos: tuple[str, ...], flow: str | None, outputs: tuple[str, ...]) -> None:
    """Print the workflow of each clip as YAML. Submits and writes nothing, and refuses the clips that `vda run` does.

    Its run id is new; the run's setup folder, and MP4s of other clips, are written by `vda run`, not here.

    Example: vda render --dataset vda-demo --video bikes.mp4 --flow e2e > bikes.yaml
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    selection = chosen_selection(flow, outputs)
    storage = project.storage_of(deployment, os.environ)
    listing = list_clips(storage, dataset.dataset_url)
    clips, _ = chosen_clips(listing, videos)
    layout = RunLayout(dataset.storage_url, dataset.name, f"run-{uuid.uuid4().hex[:8]}")
    platform = _gpu_platform(deployment)
    documents = []
    refused = False
    for clip in clips:
        try:
            warnings = check_clip(storage, clip, selection)
        except (MediaError, OSError) as error:
            click.echo(f"left out: {clip.path}: {error}", err=True)
            refused = True
            continue
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
        draws, hashes = output_hashes(
            clip,
            cookbook=project.cookbooks[dataset.cookbook],
            images=deployment.images,
            super_resolution=selection.super_resolution,
        )
        # Stages that are not selected are taken to lie where this run would have put them.
        existing = {stage: layout for stage in Stage if stage not in selection}
        remuxed = None if clip.suffix == MP4 else remuxed_url(layout, clip)
        work = ClipWork(clip, selection, draws, hashes, existing, remuxed)
        if work.stages:
            spec = build_workflow(work, layout=layout, deployment=deployment, gpu_platform=platform, attempt=1)
            documents.append(to_yaml(spec))
    if not documents and not refused:
        raise click.UsageError("nothing of this runs on OSMO: comparisons are rendered by the pipeline itself")
    click.echo("---\n".join(documents), nl=False)
    if refused:
        raise click.exceptions.Exit(1)


def _gpu_platform(deployment: Deployment) -> str:
    """The configured platform, that of the embedded OSMO, or the one that the service names."""
    if deployment.osmo.gpu_platform:
        return deployment.osmo.gpu_platform
    if deployment.osmo_local and len(deployment.osmo_local.platforms) == 1:
        return next(iter(deployment.osmo_local.platforms))
    with osmo_client(deployment) as client:
        service = check_service(client, deployment)
    require(finding for finding in service.findings if finding.subject in {"pool", "platform"})
    assert service.gpu_platform is not None
    return service.gpu_platform
