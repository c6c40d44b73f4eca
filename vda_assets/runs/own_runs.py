"""Runs that a process of ours executes itself, as the UI shows any other: with a job's page, terminated and executed
again from there. Everything private of Dagster that this takes is imported here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

# As workspace.yaml names it; a repository made of Definitions has Dagster's own name.
_LOCATION, _REPOSITORY = "vda_assets", "__repository__"
_DEFINITIONS = ModuleCodePointer("vda_assets.definitions", "defs")


def execute_job(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    *,
    run_id: str,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str],
) -> dg.JobExecutionResult:
    """Executes the run in this process. Another process can reconstruct its job from `vda_assets.definitions`."""
    reconstructable = ReconstructableRepository(_DEFINITIONS).get_reconstructable_job(job.name)
    location = RegisteredCodeLocationOrigin(_LOCATION)
    run = instance.create_run_for_job(
        job,
        run_id=run_id,
        run_config=run_config,
        tags={**job.tags, **tags},  # as Dagster gives them to runs that it makes
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, _REPOSITORY), job.name),
        job_code_origin=reconstructable.get_python_origin(),
    )
    return execute_run(reconstructable, run, instance)


def plan_materializations(
    context: dg.OpExecutionContext, asset_keys: Sequence[dg.AssetKey], partitions: Collection[str]
) -> None:
    """Tells Dagster what the run is going to materialize, so that the UI and automations know it while it goes on."""
    for asset_key in asset_keys:
        for partition in partitions:
            event = dg.DagsterEvent.build_asset_materialization_planned_event(
                context.job_name,
                str(context.op_handle),
                AssetMaterializationPlannedData(asset_key=asset_key, partition=partition),
            )
            context.instance.report_dagster_event(event, context.run.run_id)


def asked_for(context: dg.AssetExecutionContext, asset_key: dg.AssetKey) -> list[str]:
    """The run's partitions that were meant when it was made, and still exist.

    A run holds a range of partitions, which is read when it starts: a clip that was forgotten and found again stands
    at another place then. What was meant is in the event log as planned materializations.
    """
    planned = planned_partitions(context.instance, context.run.run_id, asset_key)
    if not planned:
        return list(context.partition_keys)
    known = context.instance.get_dynamic_partitions(str(context.assets_def.partitions_def.name))
    return [key for key in known if key in planned]


def planned_partitions(instance: dg.DagsterInstance, run_id: str, asset_key: dg.AssetKey) -> set[str]:
    """The asset's partitions that Dagster planned to materialize when it made the run."""
    planned: set[str] = set()
    cursor: str | None = None
    while True:
        page = instance.get_records_for_run(
            run_id, cursor=cursor, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, limit=1000
        )
        for record in page.records:
            event = record.event_log_entry.dagster_event
            data = event.event_specific_data if event else None
            if isinstance(data, AssetMaterializationPlannedData) and data.asset_key == asset_key and data.partition:
                planned.add(data.partition)
        if not page.has_more:
            return planned
        cursor = page.cursor


def is_terminated(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether somebody asked for the run's end; the UI cannot reach a process that it did not start."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status in {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}
