"""What a process may do to its call, and to nobody else."""

from __future__ import annotations

import ctypes
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets.flows.processes import CallFailed, Processes


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes(seconds=20, memory_bytes=1 << 30) as opened:
        yield opened


class NotToBePickled(Exception):
    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


def raises_what_cannot_travel() -> None:
    raise NotToBePickled("a", "b")


def allocates(size: int) -> int:
    return len(bytearray(size))


def crashes() -> None:
    ctypes.string_at(0)


def leaves_a_file() -> str:
    handle, path = tempfile.mkstemp()
    os.close(handle)
    return path


def test_a_call_returns_what_the_function_does_and_the_process_is_used_again(processes: Processes) -> None:
    assert processes.call(os.path.basename, "a/b") == "b"
    first = processes.call(os.getpid)
    assert first != os.getpid()
    assert processes.call(os.getpid) == first


def test_an_error_is_raised_where_the_call_was_made(processes: Processes) -> None:
    with pytest.raises(FileNotFoundError):
        processes.call(os.listdir, "/nowhere/at/all")
    with pytest.raises(CallFailed, match="NotToBePickled: a b"):
        processes.call(raises_what_cannot_travel)
    assert processes.call(abs, -1) == 1


def test_a_process_that_is_killed_fails_its_call_alone_and_is_replaced(processes: Processes) -> None:
    pid = processes.call(os.getpid)
    killer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(CallFailed, match="SIGKILL"):
        processes.call(time.sleep, 60)
    assert processes.call(os.getpid) != pid


def test_a_process_that_was_killed_while_idle_is_not_called(processes: Processes) -> None:
    pid = processes.call(os.getpid)
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    assert processes.call(os.getpid) != pid


def test_a_crash_in_native_code_is_an_error_like_others(processes: Processes) -> None:
    with pytest.raises(CallFailed, match="SIGSEGV"):
        processes.call(crashes)
    assert processes.call(abs, -1) == 1


def test_a_call_has_so_many_seconds() -> None:
    with Processes(seconds=1, memory_bytes=1 << 30) as processes:
        processes.call(abs, -1)
        begun = time.monotonic()
        with pytest.raises(CallFailed, match="longer than 1 seconds"):
            processes.call(time.sleep, 60)
        assert time.monotonic() - begun < 10


def test_a_call_has_so_much_memory(processes: Processes) -> None:
    assert processes.call(allocates, 1 << 20) == 1 << 20
    with pytest.raises(MemoryError):
        processes.call(allocates, 2 << 30)


def test_leaving_ends_what_goes_on_and_takes_temporary_files_away() -> None:
    failed = threading.Event()
    with Processes(seconds=60, memory_bytes=1 << 30) as processes:
        left = Path(processes.call(leaves_a_file))

        def call() -> None:
            with pytest.raises(CallFailed):
                processes.call(time.sleep, 60)
            failed.set()

        threading.Thread(target=call, daemon=True).start()
        time.sleep(0.3)
        assert left.exists()
        pids = processes.pids
    assert failed.wait(10)
    assert not left.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
