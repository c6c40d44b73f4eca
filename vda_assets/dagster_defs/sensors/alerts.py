"""Tells people what they want to know of without looking; there when the environment names somebody to tell."""

import os

import dagster as dg

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.extras import lacking_of
from vda_assets.config.errors import ConfigError
from vda_assets.project import Project
from vda_assets.telemetry.alerts import Watch
from vda_assets.telemetry.telling import UI_VARIABLE, URLS_VARIABLE, keep, read_kept, receivers, summary, tell

_INTERVAL_SECONDS = 60


def alert_sensor(project: Project) -> dg.SensorDefinition | None:
    """None without a receiver. Starts running: it reads, and whoever names a receiver wants to be told."""
    if not receivers(os.environ):
        return None

    @dg.sensor(
        name="vda_alerts",
        description=f"Tells the receivers in {URLS_VARIABLE} of backfills that failed, were canceled or stand still, "
        "of canaries that stopped, of quarantines that grow and of an OSMO that does not answer.",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return evaluate(context, project)

    return alerts


def evaluate(context: dg.SensorEvaluationContext, project: Project, *, clock: Clock = SYSTEM_CLOCK) -> dg.SkipReason:
    """One tick. What it knows is kept in Dagster's database and not as its cursor, which is stored behind the tick:
    a tick that is killed amid its messages would send them once more. Raises ConfigError without the library."""
    if lacking := lacking_of("alerts"):
        raise ConfigError(f"{URLS_VARIABLE} needs {', '.join(lacking)}: pip install 'vda-assets[alerts]'")
    instance, kept = context.instance, read_kept(context.instance)
    ui_url = os.environ.get(UI_VARIABLE, "")
    watch = Watch(instance, project, os.environ, ui_url, now=clock.now().timestamp())
    kept.add(watch.alerts(kept.watched))
    keep(instance, kept)
    sent = tell(instance, kept, receivers(os.environ), warn=context.log.warning)
    return dg.SkipReason(summary(kept, sent))
