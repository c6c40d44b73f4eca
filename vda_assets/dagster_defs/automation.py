"""When a dataset's missing outputs are asked for by themselves: every night, once somebody switched it on."""

import dagster as dg

from vda_assets.config.dataset import Dataset, Nightly
from vda_assets.flows.stages import OUTPUTS
from vda_assets.runs.names import asset_key

_EVALUATION_SECONDS = 60


def nightly(schedule: Nightly) -> dg.AutomationCondition[dg.AssetKey]:
    """What is missing at the tick and not being made. `on_cron` would ask for every partition again (Dagster 1.13)."""
    return (
        dg.AutomationCondition.cron_tick_passed(schedule.cron, schedule.timezone)
        & dg.AutomationCondition.missing()
        & ~dg.AutomationCondition.in_progress()
    ).with_label(f"missing outputs at {schedule.cron} {schedule.timezone}")


def nightly_sensor(dataset: Dataset) -> dg.AutomationConditionSensorDefinition:
    """Asks in one backfill for everything that is missing. Starts stopped."""
    return dg.AutomationConditionSensorDefinition(
        name=f"{dataset.slug}__nightly",
        target=dg.AssetSelection.assets(*(asset_key(dataset, output) for output in OUTPUTS)),
        description=f"Makes what is missing of {dataset.name} at {dataset.nightly.cron} {dataset.nightly.timezone}.",
        minimum_interval_seconds=_EVALUATION_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        run_tags={"dataset": dataset.name, "vda/automation": "nightly"},
        emit_backfills=True,
    )
