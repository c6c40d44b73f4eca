from __future__ import annotations

import signal

import pytest

from vda_assets.base.interrupts import interrupts_delayed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_acts_once_what_must_not_be_torn_is_done(number: signal.Signals) -> None:
    done: list[str] = []

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    @interrupts_delayed()
    def write(word: str) -> None:
        signal.raise_signal(number)
        signal.raise_signal(number)
        done.append(word)

    before = signal.signal(number, interrupted)
    try:
        for word in ("one", "two"):
            with pytest.raises(KeyboardInterrupt):
                write(word)
        assert signal.getsignal(number) is interrupted
    finally:
        signal.signal(number, before)
    assert done == ["one", "two"]
