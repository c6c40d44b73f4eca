"""When a dataset's outputs are asked for by themselves: of each upload, at the ticks of a schedule, or both."""

import dagster as dg

from vda_assets.config.dataset import Dataset, When
from vda_assets.flows.selection import wanted_of
from vda_assets.flows.stages import OUTPUTS, Output
from vda_assets.runs.names import SOURCE_VIDEOS, asset_key

# An upload is worked on within two minutes of it.
_EVALUATION_SECONDS = 60
Condition = dg.AutomationCondition[dg.AssetKey]


def automation_condition(dataset: Dataset, output: Output) -> Condition | None:
    """None for an output that the dataset's file does not want, or when only a person asks for it."""
    conditions = [_arrival(dataset)] if dataset.when.arrival else []
    conditions += [_schedule(dataset.when, dataset.when.cron)] if dataset.when.cron else []
    if not conditions or output not in _wanted(dataset):
        return None
    either = conditions[0]
    for other in conditions[1:]:
        either |= other
    return (either & ~dg.AutomationCondition.in_progress()).with_label(_label(dataset.when))


def automation_sensor(dataset: Dataset) -> dg.AutomationConditionSensorDefinition | None:
    """Asks in one backfill for everything that its conditions name; None when they never name anything."""
    when = dataset.when
    if not (when.arrival or when.cron):
        return None
    return dg.AutomationConditionSensorDefinition(
        name=f"{dataset.slug}__automation",
        target=dg.AssetSelection.assets(*(asset_key(dataset, output) for output in _wanted(dataset))),
        description=f"Makes of {dataset.name}: {_label(when)}.",
        minimum_interval_seconds=_EVALUATION_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if when.started else dg.DefaultSensorStatus.STOPPED,
        run_tags={"dataset": dataset.name, "vda/automation": _label(when)},
        emit_backfills=True,
    )


def _wanted(dataset: Dataset) -> tuple[Output, ...]:
    """Everything, where the dataset's file does not choose."""
    wanted = wanted_of(dataset)
    return wanted.outputs if wanted else OUTPUTS


def _arrival(dataset: Dataset) -> Condition:
    """A new clip, or one that was uploaded again; what was missing when the automation was switched on is not new."""
    source = dg.AssetSelection.assets(asset_key(dataset, SOURCE_VIDEOS))
    is_new = dg.AutomationCondition.missing().newly_true() & ~dg.AutomationCondition.initial_evaluation()
    has_changed = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.newly_updated()).allow(source)
    return is_new | has_changed


def _schedule(when: When, cron: str) -> Condition:
    """What is missing at the tick. `on_cron` would ask for every partition again (Dagster 1.13)."""
    return dg.AutomationCondition.cron_tick_passed(cron, when.timezone) & dg.AutomationCondition.missing()


def _label(when: When) -> str:
    parts = ["new and changed clips"] if when.arrival else []
    parts += [f"missing outputs at {when.cron} {when.timezone}"] if when.cron else []
    return ", ".join(parts)
