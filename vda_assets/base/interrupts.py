"""Keeps Ctrl-C and SIGTERM out of Dagster's event log: a write that is torn leaves warnings, or half an answer."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts_delayed() -> Iterator[None]:
    """A context manager and decorator: an interrupt inside acts as soon as the inside is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.signal(number, lambda *interrupt: received.append(interrupt)) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if received:
            signal.raise_signal(received[0][0])
