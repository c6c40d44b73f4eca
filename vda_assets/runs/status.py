"""How far each clip of a dataset is, from Dagster's books alone: what was made, how good, what failed and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.flows.stages import OUTPUTS, Output
from vda_assets.runs.names import FAILURE, REASONS, VERDICT, asset_key
from vda_assets.runs.recording.finished import newest_records, text_of

MISSING, FAILED, DONE = "missing", "failed", "done"


@dataclass(frozen=True)
class OutputStatus:
    """`state` is a verdict, `done` where there is none to give, `failed` or `missing`; `at` is when it came to be."""

    state: str
    reason: str = ""
    at: datetime | None = None
    run_id: str = ""


def status_of(
    instance: dg.DagsterInstance, dataset: Dataset, keys: Sequence[str]
) -> dict[str, dict[Output, OutputStatus]]:
    """By clip key and output; the newest word on it counts, be it a materialization or a failure."""
    found: dict[str, dict[Output, OutputStatus]] = {key: {} for key in keys}
    for output in OUTPUTS:
        asset = asset_key(dataset, output)
        made = newest_records(instance.fetch_materializations, asset, keys)
        failed = newest_records(instance.fetch_observations, asset, keys)
        for key in keys:
            found[key][output] = _newer(made.get(key), failed.get(key))
    return found


def _newer(made: dg.EventLogRecord | None, failed: dg.EventLogRecord | None) -> OutputStatus:
    if failed and failed.asset_observation and (made is None or failed.storage_id > made.storage_id):
        reason = failed.asset_observation.metadata.get(FAILURE)
        if reason is not None:
            return OutputStatus(FAILED, str(reason.value), _moment(failed), failed.run_id)
    if made is None or made.asset_materialization is None:
        return OutputStatus(MISSING)
    reasons = text_of(made.asset_materialization, REASONS)
    state = text_of(made.asset_materialization, VERDICT) or DONE
    return OutputStatus(state, "" if reasons == "-" else reasons, _moment(made), made.run_id)


def _moment(record: dg.EventLogRecord) -> datetime:
    return datetime.fromtimestamp(record.timestamp, UTC)
