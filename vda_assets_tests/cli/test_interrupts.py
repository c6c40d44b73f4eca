"""An interrupt is neither lost nor told as an error, wherever it strikes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from vda_assets.cli.interrupts import heed_interrupts


@pytest.fixture(autouse=True)
def heeding(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    assert logging.lastResort
    monkeypatch.setattr(logging.lastResort, "filters", [])
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    heed_interrupts()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Interrupted:
    def __init__(self, number: int) -> None:
        self._number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self._number)
        time.sleep(0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_an_object_is_taken_apart_comes_again(number: int) -> None:
    def take_apart() -> None:
        Interrupted(number)
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        take_apart()


def test_what_a_library_logs_of_a_passing_interrupt_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.Logger("library")
    for passing in (KeyboardInterrupt(), ValueError("of its own")):
        logger.error("closing %r", "it", exc_info=passing)
    said = capsys.readouterr().err
    assert "KeyboardInterrupt" not in said
    assert "of its own" in said
