"""Sensors and their ticks in Dagster's books, as its daemon writes them."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._utils.error import SerializableErrorInfo


def ticking(instance: dg.DagsterInstance, name: str) -> InstigatorState:
    """A sensor that runs."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("vda_assets"), "__repository__")
    state = InstigatorState(
        RemoteInstigatorOrigin(repository, name),
        InstigatorType.SENSOR,
        InstigatorStatus.DECLARED_IN_CODE,
        SensorInstigatorData(min_interval=30),
    )
    instance.add_instigator_state(state)
    return state


def tick(
    instance: dg.DagsterInstance,
    sensor: InstigatorState,
    began: float,
    seconds: float | None = None,
    *,
    fails: bool = False,
) -> None:
    """One that has not ended when it has no `seconds`."""
    ended = TickStatus.FAILURE if fails else TickStatus.SKIPPED
    instance.create_tick(
        TickData(
            sensor.instigator_origin_id,
            sensor.instigator_name,
            InstigatorType.SENSOR,
            ended if seconds is not None else TickStatus.STARTED,
            float(began),
            selector_id=sensor.selector_id,
            end_timestamp=began + seconds if seconds is not None else None,
            error=SerializableErrorInfo("x", [], None) if fails else None,
        )
    )
