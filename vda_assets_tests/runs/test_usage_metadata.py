"""What a stage took stands beside it as numbers that plot, and only what is known."""

from __future__ import annotations

import dagster as dg
import pytest

from vda_assets.config.deployment import Price
from vda_assets.dispatch.accounting import NOTHING_KNOWN, Usage
from vda_assets.runs import names
from vda_assets.runs.recording.materializing import failure_observation, usage_metadata
from vda_assets.runs.recording.tries import FailedTry

PRICE = Price(gpu_hour=2.5, currency="EUR")


def test_seconds_tries_and_cost_are_numbers() -> None:
    metadata = usage_metadata(Usage(7200.0, 12.5, 3600.0, 2), PRICE)
    assert metadata == {
        names.GPU_SECONDS: dg.MetadataValue.float(7200.0),
        names.QUEUE_SECONDS: dg.MetadataValue.float(12.5),
        names.RUN_SECONDS: dg.MetadataValue.float(3600.0),
        names.TRIES: dg.MetadataValue.int(2),
        names.COST: dg.MetadataValue.float(5.0),
        names.CURRENCY: dg.MetadataValue.text("EUR"),
    }


@pytest.mark.parametrize("price", [PRICE, None])
def test_what_is_not_known_is_left_out(price: Price | None) -> None:
    assert usage_metadata(NOTHING_KNOWN, price) == {}
    assert set(usage_metadata(Usage(tries=1), price)) == {names.TRIES}


def test_without_a_price_nothing_is_said_of_costs() -> None:
    assert set(usage_metadata(Usage(gpu_seconds=1.0), None)) == {names.GPU_SECONDS}


def test_a_failure_says_what_trying_took() -> None:
    observation = failure_observation(
        dg.AssetKey("made"),
        "a.mp4",
        reason="exit code 1",
        failed=FailedTry.first("", "exit code 1", is_own=True),
        taken=usage_metadata(Usage(gpu_seconds=3600.0), PRICE),
    )
    assert observation.metadata[names.FAILURE].value == "exit code 1"
    assert observation.metadata[names.COST].value == 2.5
