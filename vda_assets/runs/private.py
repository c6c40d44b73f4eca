"""What Dagster 1.13 has but does not promise to keep: whatever of it we use is reached through this module.

Except for what it takes to execute runs ourselves, which is in `own_runs`.
`vda_assets_tests/runs/test_private.py` fails when an upgrade has changed one of them, and says what to check.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill

# Tag of a materialization or observation. Dagster exports no constant for it.
DATA_VERSION_TAG = "dagster/data_version"
# Tags of a run of several partitions: those that lie between the two when the run starts.
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
# Tag of every run of a backfill: the backfill's id.
BACKFILL_TAG = "dagster/backfill"
_INTERRUPTS = {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}


def listen(instance: dg.DagsterInstance, run_id: str, heard: Callable[[dg.EventLogEntry], None]) -> None:
    """Calls `heard` with each entry that this process adds to the run's event log, as it is added."""
    instance.add_event_listener(run_id, heard)


def materialization_in(entry: dg.EventLogEntry) -> dg.AssetMaterialization | None:
    """What a step materialized, when the entry of its run's event log says so."""
    event = entry.dagster_event
    return event.step_materialization_data.materialization if event and event.is_step_materialization else None


def is_interrupt(event: dg.DagsterEvent) -> bool:
    """Whether Ctrl-C or SIGTERM caused the failure, inside the step or while Dagster itself was busy."""
    error = getattr(event.event_specific_data, "error", None) if event.is_failure else None
    return error is not None and error.cls_name in _INTERRUPTS


def failure_in(event: dg.DagsterEvent) -> str:
    """What the step said it failed for; an unexpected exception comes with its place."""
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    return failure.error.to_string() if failure.error else "no reason given"


def end_as_failed(instance: dg.DagsterInstance, run: dg.DagsterRun, reason: str) -> None:
    """Ends a run in Dagster's books whose process is known to be gone."""
    instance.report_run_failed(run, reason)


def say_in(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> None:
    """Adds a line to the run's log that is about the run as a whole."""
    instance.report_engine_event(message, run)


def take_out_of_queue(instance: dg.DagsterInstance, run_id: str) -> None:
    """Ends a queued run as canceled."""
    instance.run_coordinator.cancel_run(run_id)


def run_group(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Sequence[dg.DagsterRun]:
    """The run, and all runs that are retries of the same root run."""
    group = instance.get_run_group(run.run_id)
    return group[1] if group else [run]


def reported_versions(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str] | None = None
) -> dict[str, str]:
    """The data version of the newest materialization of each of the partitions that has one, in one query for all of
    them; of every partition when none is named."""
    return _newest_versions(instance, dg.DagsterEventType.ASSET_MATERIALIZATION, key, partitions)


def observed_versions(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str] | None = None
) -> dict[str, str]:
    """The same of observations."""
    return _newest_versions(instance, dg.DagsterEventType.ASSET_OBSERVATION, key, partitions)


def newest_ids(instance: dg.DagsterInstance, kind: dg.DagsterEventType, key: dg.AssetKey) -> Mapping[str, int]:
    """For each partition the number of its newest event of that kind in the event log: later ones are higher."""
    return instance.event_log_storage.get_latest_storage_id_by_partition(key, kind)


def newest_event(instance: dg.DagsterInstance) -> int:
    """The number of the newest event of all assets in the event log, 0 when there is none."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def events_after(
    instance: dg.DagsterInstance, kind: dg.DagsterEventType, number: int, *, limit: int
) -> Sequence[dg.EventLogRecord]:
    """Materializations or observations of all assets behind that number, the oldest first, in one query."""
    wanted = dg.EventRecordsFilter(kind, after_cursor=number)
    return instance.event_log_storage.get_event_records(wanted, limit=limit, ascending=True)


@dataclass(frozen=True)
class Ticking:
    """A sensor or schedule that runs."""

    name: str
    origin_id: str
    selector_id: str


@dataclass(frozen=True)
class Tick:
    """`began` is in seconds since 1970, `seconds` None for one that has not ended."""

    number: int
    status: str
    began: float
    seconds: float | None


def all_ticking(instance: dg.DagsterInstance) -> Sequence[Ticking]:
    going = (one for one in instance.all_instigator_state() if one.is_running)
    return [Ticking(one.instigator_name, one.instigator_origin_id, one.selector_id) for one in going]


def ticks_of(instance: dg.DagsterInstance, one: Ticking, *, after: float, limit: int) -> Sequence[Tick]:
    """Its newest ticks that began after that moment, the newest first.

    Dagster 1.13 has a call for many of them at once, which reads every tick that it keeps.
    """
    ticks = instance.get_ticks(one.origin_id, one.selector_id, after=after, limit=limit)
    return [
        Tick(
            tick.tick_id,
            tick.status.value.lower(),
            tick.timestamp,
            tick.end_timestamp - tick.timestamp if tick.end_timestamp else None,
        )
        for tick in ticks
    ]


def signs_of_life(instance: dg.DagsterInstance) -> Mapping[str, float]:
    """By the name of each of Dagster's daemons when it was heard of last, in seconds since 1970."""
    return {name: beat.timestamp for name, beat in instance.get_daemon_heartbeats().items()}


def _newest_versions(
    instance: dg.DagsterInstance, kind: dg.DagsterEventType, key: dg.AssetKey, partitions: Sequence[str] | None
) -> dict[str, str]:
    newest = instance.event_log_storage.get_latest_tags_by_partition(
        key, kind, [DATA_VERSION_TAG], asset_partitions=partitions
    )
    return {partition: tags[DATA_VERSION_TAG] for partition, tags in newest.items()}


def backfill_going(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> str | None:
    """The id of a backfill with these tags that has not ended; None when there is none."""
    going = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING])
    # Dagster 1.13 finds backfills by the tags of their runs: one that has none yet is not found by tags.
    found = (one for one in instance.get_backfills(filters=going) if tags.items() <= one.tags.items())
    return next((one.backfill_id for one in found), None)


@dataclass(frozen=True)
class Backfill:
    """`clips` is how many partitions it was asked for, `error` why Dagster itself ended it."""

    backfill_id: str
    status: str
    asset_keys: frozenset[dg.AssetKey]
    clips: int
    error: str


def going_backfills(instance: dg.DagsterInstance) -> list[Backfill]:
    """The newest first."""
    statuses = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]
    going = BulkActionsFilter(statuses=statuses)
    return [_backfill(one) for one in instance.get_backfills(filters=going)]


def ended_backfills(instance: dg.DagsterInstance, asked_after: datetime) -> list[Backfill]:
    """Those that failed or were canceled and were asked for after that moment."""
    bad = [BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.CANCELED]
    found = instance.get_backfills(filters=BulkActionsFilter(statuses=bad, created_after=asked_after))
    return [_backfill(one) for one in found]


def backfill_of(instance: dg.DagsterInstance, backfill_id: str) -> Backfill | None:
    found = instance.get_backfill(backfill_id)
    return _backfill(found) if found else None


def _backfill(one: PartitionBackfill) -> Backfill:
    keys, data = frozenset(one.asset_selection or ()), one.asset_backfill_data
    subset = data.target_subset if data else None
    counts = [len(subset.get_partitions_subset(key)) for key in keys & subset.asset_keys] if subset else []
    error = one.error.message.strip() if one.error else ""
    return Backfill(one.backfill_id, one.status.value, keys, max(counts, default=0), error)


def ask_for_backfill(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    *,
    backfill_id: str,
    asset_keys: Sequence[dg.AssetKey],
    partitions: Sequence[str],
    title: str,
    tags: Mapping[str, str],
    asked_at: float,
) -> bool:
    """Hands the daemon a backfill of these partitions of these assets, as the UI does; False when there is one of that
    id already. `asked_at` is in seconds since 1970."""
    if instance.get_backfill(backfill_id) is not None:
        return False
    instance.add_backfill(
        PartitionBackfill.from_asset_partitions(
            backfill_id=backfill_id,
            asset_graph=repository.asset_graph,
            partition_names=partitions,
            asset_selection=asset_keys,
            backfill_timestamp=asked_at,
            tags=tags,
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=title,
            description=None,
            run_config=None,
        )
    )
    return True


def keep_text(instance: dg.DagsterInstance, name: str, text: str) -> None:
    """Keeps the text in Dagster's database.

    A run's tags are no place for long ones: PostgreSQL keeps an index of their values and refuses 2,700 bytes.
    """
    instance.run_storage.set_cursor_values({name: text})


def kept_texts(instance: dg.DagsterInstance, names: Collection[str]) -> Mapping[str, str]:
    """Those of the texts that there are, by name."""
    return instance.run_storage.get_cursor_values(set(names))
