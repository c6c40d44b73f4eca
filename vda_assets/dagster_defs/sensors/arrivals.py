"""The arrival sensor of a dataset: what its upload sensor reports as new or changed is asked for, many clips a run."""

from collections.abc import Sequence

import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.clips_job import clips_config, clips_job_name
from vda_assets.dagster_defs.schedules import wanted_selection
from vda_assets.project import Scope
from vda_assets.runs.canary import Canary
from vda_assets.runs.names import ARRIVAL, SOURCE_VIDEOS, asset_key
from vda_assets.runs.step import CLIPS_PER_RUN

_INTERVAL_SECONDS = 30
_MOST_CLIPS = 1000


def arrival_sensor(scope: Scope) -> dg.SensorDefinition | None:
    """None when the dataset's file does not ask for work on arrival."""
    dataset = scope.dataset
    if not dataset.when.arrival:
        return None
    outputs = ", ".join(wanted_selection(dataset).outputs)

    @dg.sensor(
        name=f"{dataset.slug}__arrivals",
        job_name=clips_job_name(dataset.deployment),
        description=f"Asks for {outputs} of each clip that is uploaded to {dataset.name}.",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if dataset.when.started else dg.DefaultSensorStatus.STOPPED,
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return evaluate(context, scope)

    return arrivals


def evaluate(context: dg.SensorEvaluationContext, scope: Scope) -> dg.SensorResult:
    """One tick. The cursor is the number of the last report in Dagster's event log that was asked for.

    While a run for arrivals waits in Dagster's queue, later ones are left for a tick behind it: they make one run.
    """
    instance, dataset = context.instance, scope.dataset
    if context.cursor is None or not context.cursor.isdecimal():
        newest = instance.fetch_materializations(asset_key(dataset, SOURCE_VIDEOS), limit=1).records
        begin = newest[0].storage_id if newest else 0
        reason = "from now on what is uploaded is asked for; `vda backfill` asks for what is there already"
        return dg.SensorResult(cursor=str(begin), skip_reason=dg.SkipReason(reason))
    reports = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key(dataset, SOURCE_VIDEOS), after_storage_id=int(context.cursor)),
        limit=_MOST_CLIPS,
        ascending=True,
    ).records
    if not reports:
        return dg.SensorResult(skip_reason=dg.SkipReason("nothing has been uploaded"))
    waits = counted(len(reports), "report waits", "reports wait")
    if stopped := Canary(instance, scope, wanted_selection(dataset)).stopped:
        return dg.SensorResult(skip_reason=dg.SkipReason(f"{waits}: {stopped}"))
    queued = dg.RunsFilter(tags={ARRIVAL: dataset.name}, statuses=[dg.DagsterRunStatus.QUEUED])
    if waiting := instance.get_runs(queued, limit=1):
        reason = f"{waits}: run {waiting[0].run_id[:8]} of earlier ones is still queued"
        return dg.SensorResult(skip_reason=dg.SkipReason(reason))
    chunks = [reports[start : start + CLIPS_PER_RUN] for start in range(0, len(reports), CLIPS_PER_RUN)]
    return dg.SensorResult(
        run_requests=[_request(dataset, chunk) for chunk in chunks], cursor=str(reports[-1].storage_id)
    )


def _request(dataset: Dataset, reports: Sequence[dg.EventLogRecord]) -> dg.RunRequest:
    """The same reports make the same run key, should a tick be evaluated once more."""
    clips = list(dict.fromkeys(str(report.partition_key) for report in reports))
    return dg.RunRequest(
        run_key=f"{reports[0].storage_id}-{reports[-1].storage_id}",
        run_config=clips_config(dataset, wanted_selection(dataset), clips),
        tags={"dataset": dataset.name, ARRIVAL: dataset.name},
    )
