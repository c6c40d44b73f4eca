"""The schedule of a dataset: at each tick one backfill of what is unfinished, with a title that says what it is for."""

import hashlib
import string
from datetime import datetime

import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.clips_job import clips_job_name
from vda_assets.flows.selection import Selection, selection_of, wanted_of
from vda_assets.flows.stages import OUTPUTS
from vda_assets.project import Scope
from vda_assets.runs.asking import Choice, choose, wanted_by
from vda_assets.runs.canary import Canary
from vda_assets.runs.names import asset_key
from vda_assets.runs.neighbours import clips_of_living_runs
from vda_assets.runs.private import ask_for_backfill, backfill_going
from vda_assets.runs.standing import clips_in_books, standings

_SCHEDULE_TAG = "vda/schedule"


def wanted_selection(dataset: Dataset) -> Selection:
    """What the dataset's file wants of each clip; everything, where it does not choose."""
    return wanted_of(dataset) or selection_of(OUTPUTS)


def backfill_schedule(scope: Scope) -> dg.ScheduleDefinition | None:
    """None when the dataset's file names no schedule."""
    dataset, when = scope.dataset, scope.dataset.when
    if when.cron is None:
        return None
    name = f"{dataset.slug}__backfill"

    @dg.schedule(
        name=name,
        cron_schedule=when.cron,
        execution_timezone=when.timezone,
        # Only shown with it, it starts no run. The assets as its target would be one more job, which every load builds.
        job_name=clips_job_name(dataset.deployment),
        description=f"One backfill of what is unfinished of {dataset.name} at each tick"
        + (f", of at most {counted(when.limit, 'clip')}, the {when.first} first." if when.limit else "."),
        default_status=dg.DefaultScheduleStatus.RUNNING if when.started else dg.DefaultScheduleStatus.STOPPED,
        tags={"dataset": dataset.name},
    )
    def backfill(context: dg.ScheduleEvaluationContext) -> dg.SkipReason:
        assert context.repository_def is not None
        said = ask(
            context.instance, context.repository_def, scope, schedule=name, tick=context.scheduled_execution_time
        )
        return dg.SkipReason(said)

    return backfill


def ask(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    scope: Scope,
    *,
    schedule: str,
    tick: datetime,
) -> str:
    """Asks for what is unfinished, and returns what the tick's page says of it.

    Dagster shows a tick that hands over a backfill as skipped, for it knows only of runs.
    """
    dataset, when = scope.dataset, scope.dataset.when
    tags = {"dataset": dataset.name, _SCHEDULE_TAG: schedule}
    if going := backfill_going(instance, tags):
        return f"backfill {going} of an earlier tick is still going"
    selection = wanted_selection(dataset)
    if stopped := Canary(instance, scope, selection).stopped:
        return stopped
    at_work = clips_of_living_runs(instance, dataset)
    clips = [clip for clip in clips_in_books(instance, dataset) if clip.key not in at_work]
    if when.first == "oldest":
        clips.reverse()
    found = standings(instance, scope, selection.outputs, clips, super_resolution=selection.super_resolution)
    choice = choose(found, wanted_by(when), limit=when.limit)
    besides = f"; {counted(len(at_work), 'is', 'are')} being made" if at_work else ""
    if not choice.keys:
        return f"nothing to ask for: {choice.summary}{besides}"
    backfill_id = _backfill_id(schedule, tick)
    ask_for_backfill(
        instance,
        repository,
        backfill_id=backfill_id,
        asset_keys=_wanted_keys(dataset),
        partitions=choice.keys,
        title=_title(dataset, choice),
        tags=tags,
        asked_at=tick.timestamp(),
    )
    left = f"; {counted(choice.left, 'is', 'are')} left for the next ticks" if choice.left else ""
    return f"backfill {backfill_id} asks for {counted(len(choice.keys), 'clip')} ({choice.summary}){left}{besides}"


def _wanted_keys(dataset: Dataset) -> list[dg.AssetKey]:
    return [asset_key(dataset, output) for output in wanted_selection(dataset).outputs]


def _title(dataset: Dataset, choice: Choice) -> str:
    """At most 100 characters: Dagster takes no longer one."""
    return f"{dataset.name[:40]}: {counted(len(choice.keys), 'clip')} ({choice.summary})"[:100]


def _backfill_id(schedule: str, tick: datetime) -> str:
    """Eight letters, as Dagster's own: the same for a tick that is evaluated once more."""
    digest = hashlib.sha256(f"{schedule} {tick.isoformat()}".encode()).digest()
    return "".join(string.ascii_lowercase[byte % 26] for byte in digest[:8])
