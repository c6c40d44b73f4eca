"""OSMO that serves a run no more: its workflows go on, whoever has to act is told so, and the next run adopts them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.dispatch.pace import Pace
from vda_assets.osmo.errors import OsmoError, OsmoForbidden, OsmoUnauthorized
from vda_assets_tests.simulated_runs import SimulatedRuns, simulated_runs

# More than the run has on the pool at once.
CLIPS = 9
GOES_ON = "What the run has on the pool goes on; the next run of these clips adopts it"
REVOKED = OsmoUnauthorized("OSMO refused POST /api/auth/jwt/access_token: Access Token is invalid", status=400)
DENIED = OsmoForbidden("OSMO refused GET /api/task: access denied (HTTP 403)", status=403)


@pytest.fixture
def runs(tmp_path: Path, quick_results: Path) -> Iterator[SimulatedRuns]:
    with simulated_runs(tmp_path, quick_results, clips=CLIPS) as runs:
        yield runs


def failure_of(runs: SimulatedRuns) -> str:
    """What the newest run ended with."""
    (run,) = runs.instance.get_runs(limit=1)
    assert run.status is dg.DagsterRunStatus.FAILURE
    (entry,) = runs.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert entry.dagster_event is not None
    data = entry.dagster_event.step_failure_data.user_failure_data
    return str(data.description)


@pytest.mark.parametrize("error", [REVOKED, DENIED], ids=["token revoked", "role taken away"])
def test_a_login_that_ends_in_mid_run_stops_nothing_on_the_pool_and_says_so(
    runs: SimulatedRuns, error: OsmoError
) -> None:
    runs.clock.after(300, lambda: setattr(runs.osmo, "login_error", error))
    runs.ask_by_command(runs.keys)
    message = failure_of(runs)
    assert message.startswith("USER_INPUT_REQUIRED: OSMO at http://")
    assert str(error) in message
    assert message.endswith(GOES_ON)
    assert len(runs.osmo.alive()) == runs.max_in_flight
    assert runs.osmo.calls["cancel"] == 0


def test_the_next_run_after_a_lost_login_adopts_what_goes_on(runs: SimulatedRuns) -> None:
    runs.clock.after(300, lambda: setattr(runs.osmo, "login_error", REVOKED))
    runs.ask_by_command(runs.keys)
    runs.osmo.login_error = None
    runs.ask_by_command(runs.keys)
    assert runs.made() == {output: set(runs.keys) for output in runs.outputs}
    assert len(runs.osmo.workflows_taken) == CLIPS, "nothing is submitted twice"


def test_a_service_that_stays_away_needs_nobody_here(runs: SimulatedRuns) -> None:
    runs.clock.after(300, lambda: runs.osmo.go_away(Pace().patience_seconds + 600))
    runs.ask_by_command(runs.keys)
    message = failure_of(runs)
    assert message.startswith("OSMO at http://")
    assert message.endswith(GOES_ON)
