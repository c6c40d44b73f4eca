"""`vda run`: a flow, or a choice of outputs, for clips of a dataset, as Dagster runs that the UI shows too."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import click
import dagster as dg
from rich.console import Console

from vda_assets.base.counted import counted
from vda_assets.base.json_log import is_asked
from vda_assets.cli.completing import complete_dataset, complete_deployment
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.demo import demo_dataset
from vda_assets.cli.evidence import evidence
from vda_assets.cli.interrupts import heed_interrupts
from vda_assets.cli.world import (
    chosen_selection,
    dataset_and_deployment,
    flow_option,
    load,
    select_option,
    tell_left_out,
    usable_clips,
    video_option,
    why_asleep,
)
from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.build import build_definitions
from vda_assets.dagster_defs.clips_job import clips_config, clips_job_name
from vda_assets.dagster_defs.partitions import add_clips
from vda_assets.datasets.clips import Clip, further_of
from vda_assets.datasets.origin import read_origin
from vda_assets.flows.selection import Selection, output_named
from vda_assets.flows.stages import OUTPUTS, Output
from vda_assets.project import Project
from vda_assets.runs.dead_runs import fail_dead_runs, process_tags
from vda_assets.runs.names import DATASET_TAG, FLOW_TAG, REUSED, URI, VERDICT
from vda_assets.runs.own_runs import execute_job
from vda_assets.runs.private import failure_in, is_interrupt, listen, materialization_in
from vda_assets.runs.recording.finished import text_of
from vda_assets.runs.standing import Stand, standings, worst_of

# A clip costs four events before its run starts, and a longer run keeps the pool busy without a gap.
CLIPS_PER_RUN = 1000


@click.command()
@click.option(
    "--dataset",
    "dataset_name",
    metavar="NAME",
    shell_complete=complete_dataset,
    help="A dataset's name; NVIDIA's demo clips without one.",
)
@click.option(
    "--deployment",
    "deployment_name",
    metavar="NAME",
    shell_complete=complete_deployment,
    help="Where the demo clips are worked on.",
)
@video_option
@flow_option
@select_option
def run(
    dataset_name: str | None,
    deployment_name: str | None,
    videos: tuple[str, ...],
    flow: str | None,
    outputs: tuple[str, ...],
) -> None:
    """Make the outputs of a flow for clips of a dataset; all clips when none is named.

    What is finished is not made again. Interrupted or killed, the same command goes on where it was. Without a dataset
    the public demo clips of NVIDIA are fetched, once, as the dataset street.

    \b
    Examples:
      vda run --dataset street --flow e2e
      vda run --dataset street --video bikes.mp4 --select original_labels
    """
    if dataset_name and deployment_name:
        raise click.UsageError("--deployment is for the demo clips: a dataset's file says where it is worked on")
    project = load()
    if dataset_name is None:
        project, dataset_name = demo_dataset(project, deployment_name)
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    selection = chosen_selection(flow, outputs, dataset)
    clips, some_left_out = usable_clips(project.storage_of(deployment, os.environ), dataset, videos)
    with dagster_instance(project) as instance:
        if not videos:
            quarantined = quarantined_clips(project, dataset, selection, instance, clips)
            some_left_out |= bool(quarantined)
            clips = [clip for clip in clips if clip.key not in quarantined]
        succeeded = make(project, dataset, selection, instance, [clip.key for clip in clips])
    if origin := read_origin(project.storage_of(deployment, os.environ), dataset.dataset_url):
        click.echo(f"{dataset.name}: the clips of {origin}")
    if not succeeded or some_left_out:
        raise click.exceptions.Exit(1)


def quarantined_clips(
    project: Project, dataset: Dataset, selection: Selection, instance: dg.DagsterInstance, clips: Sequence[Clip]
) -> set[str]:
    """Those of the clips that nobody asks for any more unless by name; they are told."""
    scope = project.scope_of(dataset)
    found = standings(instance, scope, selection.outputs, clips, super_resolution=selection.super_resolution)
    keys = {key for key, stands in found.items() if worst_of(stands) is Stand.QUARANTINED}
    for key in sorted(keys):
        tell_left_out(key, f"quarantined, it failed alike twice; `vda retry --dataset {dataset.name}` lets it in again")
    return keys


def make(
    project: Project, dataset: Dataset, selection: Selection, instance: dg.DagsterInstance, keys: Sequence[str]
) -> bool:
    """Executes runs for the clips of these keys, tells what there is then, and returns whether all succeeded."""
    if not keys:
        return True
    heed_interrupts()
    if asleep := why_asleep(project.deployment_of(dataset)):
        click.echo(f"{asleep}; what goes on now waits for it", err=True)
    fail_dead_runs(instance)
    runs = _Runs(project, dataset, selection, instance)
    succeeded = runs.run(keys)
    _summarise(runs.materialized)
    for line in evidence(dataset.name, runs.materialized):
        click.echo(line)
    return succeeded


class _Runs:
    """Executes the dataset's job for clips in this process."""

    def __init__(self, project: Project, dataset: Dataset, selection: Selection, instance: dg.DagsterInstance) -> None:
        self._job = build_definitions(project).resolve_job_def(clips_job_name(dataset.deployment))
        self._dataset, self._selection, self._instance = dataset, selection, instance
        self._console = Console(highlight=False, soft_wrap=True)
        self.materialized: dict[tuple[Output, str], dg.AssetMaterialization] = {}

    def run(self, keys: Sequence[str]) -> bool:
        """True when every run succeeded; a failed one does not keep the next from running."""
        add_clips(self._instance, self._dataset, [key for key in keys if further_of(key) is None])
        chunks = [list(keys[start : start + CLIPS_PER_RUN]) for start in range(0, len(keys), CLIPS_PER_RUN)]
        succeeded = [self._run(chunk) for chunk in chunks]
        return all(succeeded)

    def _run(self, keys: list[str]) -> bool:
        run_id = str(uuid.uuid4())
        listen(self._instance, run_id, self._show)
        flow = self._selection.flow or "selected outputs"
        tags = {DATASET_TAG: self._dataset.name, FLOW_TAG: flow, **process_tags(run_id)}
        config = clips_config(self._dataset, self._selection, keys)
        # A person reads stdout, a program what Dagster logs.
        level = "INFO" if is_asked(os.environ) else "CRITICAL"
        config["loggers"] = {"console": {"config": {"log_level": level}}}
        with self._console.status(counted(len(keys), "clip")) if self._console.is_terminal else nullcontext():
            result = execute_job(self._instance, self._job, run_id=run_id, run_config=config, tags=tags)
        if any(is_interrupt(event) for event in result.all_events):
            raise click.Abort
        for event in result.get_step_failure_events():
            click.echo(f"FAILED: {failure_in(event)}", err=True)
        return bool(result.success)

    def _show(self, entry: dg.EventLogEntry) -> None:
        """Prints what the step says and keeps what it made; Dagster's own events stay in the UI."""
        made = materialization_in(entry)
        # What a clip has none of is what all datasets of the deployment share.
        if made and made.partition is not None:
            self.materialized[output_named(made.asset_key.path[-1]), str(made.partition)] = made
        if entry.dagster_event is None and entry.user_message:
            clock = time.strftime("%H:%M:%S", time.localtime(entry.timestamp))
            for line in entry.user_message.splitlines():
                # Further lines of a text are indented.
                self._console.print(line if line.startswith(" ") else f"{clock} {line}", markup=False)


def _summarise(materialized: Mapping[tuple[Output, str], dg.AssetMaterialization]) -> None:
    """One line per output that there is now: what, whose, how good, where, and whether it was there before."""
    for (output, key), made in sorted(materialized.items(), key=lambda item: (OUTPUTS.index(item[0][0]), item[0][1])):
        kept = "  (finished before)" if text_of(made, REUSED) == "True" else ""
        click.echo(f"{output}  {key}  {text_of(made, VERDICT) or 'done'}  {text_of(made, URI)}{kept}")
