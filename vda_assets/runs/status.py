"""How far each clip of a dataset is, from Dagster's books alone: what was made, how good, what failed and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from vda_assets.datasets.clips import Clip
from vda_assets.flows.stages import OUTPUTS, Output, Stage
from vda_assets.project import Scope
from vda_assets.runs.attempts import item_taken
from vda_assets.runs.names import FAILURE, PARTS, REASONS, VERDICT, asset_key
from vda_assets.runs.recording.finished import newest_records, text_of
from vda_assets.runs.recording.materializing import shown_parts
from vda_assets.runs.standing import Stand, augmented_hashes, standings

DONE = "done"


@dataclass(frozen=True)
class OutputStatus:
    """`state` is a verdict, `done` where there is none to give, or a `Stand`; `at` is when it came to be.

    An output that is `changed` is there; `reason` says what it would be made of differently today.
    """

    state: str
    reason: str = ""
    at: datetime | None = None
    run_id: str = ""


def status_of(
    instance: dg.DagsterInstance, scope: Scope, clips: Sequence[Clip], *, super_resolution: bool = False
) -> dict[str, dict[Output, OutputStatus]]:
    """By clip key and output; the newest word on it counts, be it a materialization or a failure."""
    stands = standings(instance, scope, OUTPUTS, clips, super_resolution=super_resolution)
    hashes = augmented_hashes(instance, scope.dataset)
    keys = [clip.key for clip in clips]
    found: dict[str, dict[Output, OutputStatus]] = {key: {} for key in keys}
    for output in OUTPUTS:
        asset = asset_key(scope.dataset, output)
        made = newest_records(instance.fetch_materializations, asset, keys)
        failed = newest_records(instance.fetch_observations, asset, keys)
        for clip in clips:
            if clip.further is not None and output is Stage.ORIGINAL_LABELS:
                continue  # they are those of the clip itself
            item = item_taken(clip, scope, hashes.get(clip.key), super_resolution=super_resolution)
            found[clip.key][output] = _status(
                stands[clip.key][output], made.get(clip.key), failed.get(clip.key), parts=item.parts[output]
            )
    return found


def _status(
    stand: Stand, made: dg.EventLogRecord | None, failed: dg.EventLogRecord | None, *, parts: Mapping[str, str]
) -> OutputStatus:
    if stand in (Stand.FAILED, Stand.QUARANTINED) and failed and failed.asset_observation:
        reason = failed.asset_observation.metadata.get(FAILURE)
        return OutputStatus(stand, str(reason.value) if reason else "", _moment(failed), failed.run_id)
    if stand is Stand.MISSING or made is None or made.asset_materialization is None:
        return OutputStatus(Stand.MISSING)
    if stand is Stand.CHANGED:
        return OutputStatus(stand, _why_changed(made.asset_materialization, parts), _moment(made), made.run_id)
    state = text_of(made.asset_materialization, VERDICT) or DONE
    return OutputStatus(state, text_of(made.asset_materialization, REASONS), _moment(made), made.run_id)


def _why_changed(made: dg.AssetMaterialization, parts: Mapping[str, str]) -> str:
    """What decides the output and is another one now."""
    value = made.metadata.get(PARTS)
    former: Any = value.value if value is not None else None
    if not isinstance(former, Mapping):
        return "it is not known what it was made from"
    now = shown_parts(parts)
    changed = [name for name in {**former, **now} if former.get(name) != now.get(name)]
    return f"another {', '.join(changed)} than it was made from"


def _moment(record: dg.EventLogRecord) -> datetime:
    return datetime.fromtimestamp(record.timestamp, UTC)
