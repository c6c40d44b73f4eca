"""Calls in processes of their own: what hangs, eats memory or crashes in native code fails alone, within its limits."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import re
import resource
import signal
import tempfile
import threading
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Self, TypeVar

T = TypeVar("T")

# Not forked from the parent, which has threads and open event-log connections, but from a server that has imported what
# the calls need: a process begins in 10 ms instead of 0.5 s of CPU time.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["vda_assets.flows.inputs", "vda_assets.flows.comparisons", "vda_assets.outcomes.judging"]
)
_END_SECONDS = 5.0
_SECRET = re.compile("TOKEN|KEY|SECRET|PASSWORD|CREDENTIAL")
_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_", "GCS_")
_starting = threading.Lock()


class CallFailed(Exception):
    """The process did not bring the call to an end: it was killed, crashed, or took longer than it may."""


class Processes:
    """As many processes as calls are made at the same time; a context manager that ends them.

    `memory_bytes` is what each may allocate; a call beyond it gets a MemoryError, or its process dies.
    """

    def __init__(self, *, seconds: float, memory_bytes: int) -> None:
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._idle: list[_Child] = []
        self._children: set[_Child] = set()
        self._lock = threading.Lock()
        self._is_closed = True

    def __enter__(self) -> Self:
        _start_server()
        # Theirs is taken away here: a process that is killed leaves its temporary files.
        self._scratch = tempfile.TemporaryDirectory(prefix="vda-processes-", ignore_cleanup_errors=True)
        self._is_closed = False
        return self

    def __exit__(self, *_: object) -> None:
        """Also ends what is being called: that raises CallFailed."""
        with self._lock:
            self._is_closed = True
            children = list(self._children)
        for child in children:
            child.end()
        self._scratch.cleanup()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """What the function returns or raises in a process of its own; all of it can be pickled. Any thread may ask.

        Raises CallFailed; the next call gets a new process.
        """
        child = self._take()
        try:
            succeeded, result = child.call(function, arguments, seconds=self._seconds)
        except BaseException:
            self._drop(child)
            raise
        with self._lock:
            self._idle.append(child)
        if succeeded:
            return result  # type: ignore[no-any-return]  # it came through a pipe
        raise result

    @property
    def pids(self) -> list[int]:
        with self._lock:
            return [child.pid for child in self._children]

    def _take(self) -> _Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.is_alive:
                    return child
                self._children.discard(child)
            if self._is_closed:
                raise CallFailed("its run came to an end")
            child = _Child(self._memory_bytes, self._scratch.name)
            self._children.add(child)
            return child

    def _drop(self, child: _Child) -> None:
        child.end()
        with self._lock:
            self._children.discard(child)


def _start_server() -> None:
    """Whatever is called works with what it is handed: no process is left to read a user's secrets from."""
    with _starting:
        hidden = {name: os.environ.pop(name) for name in list(os.environ) if _is_secret(name)}
        try:
            forkserver.ensure_running()
        finally:
            os.environ.update(hidden)


def _is_secret(name: str) -> bool:
    """By its name. Those of the clouds are how storage is opened by this machine's own identity."""
    return bool(_SECRET.search(name)) and not name.startswith(_CLOUDS)


class _Child:
    def __init__(self, memory_bytes: int, scratch: str) -> None:
        self._connection, theirs = _SERVER.Pipe()
        self._process: ForkServerProcess = _SERVER.Process(
            target=_serve, args=(theirs, memory_bytes, scratch), daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def call(self, function: Callable[..., Any], arguments: tuple[object, ...], *, seconds: float) -> tuple[bool, Any]:
        try:
            self._connection.send((function, arguments))
            if self._connection.poll(seconds):
                answer: tuple[bool, Any] = self._connection.recv()
                return answer
        except (EOFError, OSError):
            self._process.join(_END_SECONDS)
            raise CallFailed(f"its process ended ({_how(self._process.exitcode)})") from None
        raise CallFailed(f"it took longer than {seconds:.0f} seconds")

    def end(self) -> None:
        self._process.kill()
        self._process.join(_END_SECONDS)


def _how(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"{name}: probably the machine ran out of memory" if name == "SIGKILL" else name


def _serve(connection: Connection, memory_bytes: int, scratch: str) -> None:
    """Runs in the process: answers calls until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
    _end_with_parent()
    tempfile.tempdir = scratch
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = pickle.dumps((True, function(*arguments)))
        except Exception as error:  # noqa: BLE001 - it is raised where the call was made
            answer = _pickled(error)
        with contextlib.suppress(BrokenPipeError):
            connection.send_bytes(answer)


def _pickled(error: Exception) -> bytes:
    try:
        content = pickle.dumps((False, error))
        pickle.loads(content)  # noqa: S301 - our own, just made
    except Exception:  # noqa: BLE001 - an error that cannot travel is told by its words
        content = pickle.dumps((False, CallFailed(f"{type(error).__name__}: {error}")))
    return content


def _end_with_parent() -> None:
    """A process whose run was killed would work on for nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
