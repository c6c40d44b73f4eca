"""One call within bounds: what takes too long or too much memory is an error of its own, not a test that hangs."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_GIB = 1 << 30


class TooSlow(BaseException):
    """No Exception: no reader may take it for what it has read."""


def _of_this_process() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - read thousands of times
        return int(file.read().split()[0]) * resource.getpagesize()


@contextmanager
def bounded_memory(more_bytes: int = _GIB) -> Iterator[None]:
    """Whoever asks for more gets a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_of_this_process() + more_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def bounded_time(cpu_seconds: float) -> Iterator[None]:
    """In CPU time: a busy machine changes nothing. Raises TooSlow in the main thread."""

    def too_slow(*_: object) -> None:
        raise TooSlow(f"took more than {cpu_seconds:g} s of CPU")

    before = signal.signal(signal.SIGVTALRM, too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
