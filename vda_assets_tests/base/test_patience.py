"""Who waits for a service: for how long, with which pauses, and what is told of it."""

import threading
from datetime import UTC

import pytest

from vda_assets.base.clock import SYSTEM_CLOCK
from vda_assets.base.patience import NO_PATIENCE, Patience, Waiter
from vda_assets_tests.simulated_clock import SimulatedClock


class RecordingClock(SimulatedClock):
    """`slept` are the pauses that were made, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


class Away(Exception):
    pass


class Refused(Exception):
    pass


class Service:
    """Is away for so many calls, then answers."""

    def __init__(self, *, away_for: int, reason: str = "503") -> None:
        self.calls, self._away_for, self._reason = 0, away_for, reason

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self._away_for:
            raise Away(self._reason)
        return "answer"


def waiter(patience: Patience, clock: RecordingClock, log: list[str] | None = None) -> Waiter:
    told = log if log is not None else []
    return Waiter(patience, whom="the service", worth_waiting=Away, clock=clock, log=told.append)


def test_a_service_that_is_away_for_a_while_is_waited_for() -> None:
    clock, service = RecordingClock(), Service(away_for=5)

    assert waiter(Patience(seconds=60), clock).ask(service) == "answer"
    assert service.calls == 6


def test_pauses_double_up_to_the_longest_and_are_spread() -> None:
    clock = RecordingClock()
    patience = Patience(seconds=1000, first_pause_seconds=1, longest_pause_seconds=8)

    waiter(patience, clock).ask(Service(away_for=6))

    for pause, bound in zip(clock.slept, [1, 2, 4, 8, 8, 8], strict=True):
        assert bound / 2 <= pause <= bound


def test_the_last_error_is_raised_before_a_pause_would_outlast_the_patience() -> None:
    clock, service = RecordingClock(), Service(away_for=10_000)

    with pytest.raises(Away, match="503"):
        waiter(Patience(seconds=100), clock).ask(service)

    assert 80 <= clock.monotonic() <= 100


def test_without_patience_a_service_is_asked_once() -> None:
    clock, service = RecordingClock(), Service(away_for=1)

    with pytest.raises(Away):
        waiter(NO_PATIENCE, clock).ask(service)

    assert (service.calls, clock.slept) == (1, [])


def test_an_error_that_time_does_not_mend_is_raised_at_once() -> None:
    clock = RecordingClock()

    def refuse() -> None:
        raise Refused

    with pytest.raises(Refused):
        waiter(Patience(seconds=100), clock).ask(refuse)
    assert clock.slept == []


def test_waiting_is_told_once_per_reason_and_so_is_its_end() -> None:
    clock, log = RecordingClock(), []
    waiting = waiter(Patience(seconds=1000, first_pause_seconds=10), clock, log)

    waiting.ask(Service(away_for=5))
    waiting.ask(Service(away_for=0))

    assert log[0] == "waiting for the service: 503"
    assert log[1].startswith("the service answers again, after ")
    assert len(log) == 2


def test_another_reason_is_told_too() -> None:
    clock, log, reasons = RecordingClock(), [], iter(["timed out", "timed out", "maintenance"])

    def call() -> None:
        if reason := next(reasons, None):
            raise Away(reason)

    waiter(Patience(seconds=1000), clock, log).ask(call)

    assert log[:2] == ["waiting for the service: timed out", "waiting for the service: maintenance"]


def test_the_waiting_of_several_threads_is_told_as_one() -> None:
    log: list[str] = []
    waiting = waiter(Patience(seconds=1000), RecordingClock(), log)
    all_away = threading.Barrier(8)

    def call_service() -> None:
        calls = 0

        def call() -> None:
            nonlocal calls
            calls += 1
            all_away.wait(10)
            if calls == 1:
                raise Away("503")

        waiting.ask(call)

    threads = [threading.Thread(target=call_service) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert log[0] == "waiting for the service: 503"
    assert log[1].startswith("the service answers again")
    assert len(log) == 2


def test_the_clock_of_the_system_says_the_time_with_its_zone() -> None:
    assert SYSTEM_CLOCK.now().tzinfo is UTC
    before = SYSTEM_CLOCK.monotonic()
    SYSTEM_CLOCK.sleep(0.01)
    assert SYSTEM_CLOCK.monotonic() - before >= 0.01
