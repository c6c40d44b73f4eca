"""Ctrl-C and SIGTERM reach a command wherever they strike, and are told in a word."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import FrameType

_AGAIN_SECONDS = 0.05


def heed_interrupts() -> None:
    """From now on SIGTERM ends the command as Ctrl-C does; an interrupt that Python drops, since it struck while an
    object was being taken apart, comes again; and no library logs one that passes through it as an error."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.unraisablehook = _raise_again
    if logging.lastResort and _is_no_interrupt not in logging.lastResort.filters:
        logging.lastResort.addFilter(_is_no_interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _raise_again(dropped: sys.UnraisableHookArgs) -> None:
    if issubclass(dropped.exc_type, Exception):
        sys.__unraisablehook__(dropped)
    else:
        # Not from here, where it would be dropped once more.
        threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM)).start()


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    passing = record.exc_info[0] if record.exc_info else None
    return passing is None or issubclass(passing, Exception)
