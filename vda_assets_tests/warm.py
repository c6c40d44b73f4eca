"""`vda` and Dagster's commands as processes that begin in milliseconds: forked from one that has imported what they
import.

Each is a process as the shell would start it, with its own environment, folder, signals and limits; only the imports,
one to three seconds of CPU time, were made before. Its arguments and environment do not show in /proc: what looks there
starts `python -m vda_assets.cli`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Self

from vda_assets_tests.namespaces import enter

_LONGEST_REQUEST_BYTES = 4_000_000
_PRELOADED = (
    "vda_assets.cli.run",
    "vda_assets.cli.connect",
    "vda_assets.cli.embedded",
    "vda_assets.cli.mirror",
    "vda_assets.cli.preflight",
    "vda_assets.cli.render",
    "vda_assets.cli.status",
    "vda_assets.cli.transfer",
    "vda_assets.cli.videos",
    "vda_assets.embedded.service.server",
    "dagster._cli",
    "dagster._daemon.cli",
    "dagster._grpc.server",
    "vda_assets.definitions",
    "vda_assets.dagster_defs.build",
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
    "adlfs",
    "gcsfs",
    "s3fs",
)
_MAIN = {
    "vda": ("vda_assets.cli.__main__", "main"),
    "dagster": ("dagster._cli", "main"),
    "dagster-daemon": ("dagster._daemon.cli", "main"),
}


class WarmProcess:
    """What of `subprocess.Popen` the tests use. It is no child of this process: its server waits for it."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: int | IO[Any],
        stderr: int | IO[Any],
        text: bool = False,
        start_new_session: bool = False,
        largest_file_bytes: int | None = None,
        program: str = "vda",
        container: Mapping[str, Any] | None = None,
    ) -> None:
        """`stdout` and `stderr` are `subprocess.PIPE`, or a file; `stderr` may be `subprocess.STDOUT`.

        `program` is one of those that are known here, or any other, which begins as slowly as ever; `container` has the
        arguments of `namespaces.enter`.
        """
        self.args = [program, *arguments]
        self.returncode: int | None = None
        self.stdout, out = _stream(stdout, text=text)
        self.stderr, err = (None, out) if stderr == subprocess.STDOUT else _stream(stderr, text=text)
        self._answers, theirs = socket.socketpair()
        request = {
            "arguments": [program, *arguments],
            "container": container,
            "environment": dict(env),
            "folder": str(cwd),
            "new_session": start_new_session,
            "largest_file_bytes": largest_file_bytes,
        }
        _server().send(request, [out, err, theirs.fileno()])
        theirs.close()
        for given, fd in ((stdout, out), (stderr, err)):
            if given == subprocess.PIPE:
                os.close(fd)
        self._lines = self._answers.makefile("r")
        self.pid = int(self._lines.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()
        self.wait()

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._answers, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._lines.readline())
            self._lines.close()
            self._answers.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """What it said on both streams, at its end; it is killed when that does not come in time."""
        said: dict[int, Any] = {}

        def read(index: int, stream: IO[Any]) -> None:
            said[index] = stream.read()

        streams = [(index, stream) for index, stream in enumerate((self.stdout, self.stderr)) if stream]
        readers = [threading.Thread(target=read, args=one, daemon=True) for one in streams]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        for reader in readers:
            reader.join()
        return said.get(0), said.get(1)


def run_warm(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    pipe = subprocess.PIPE
    with WarmProcess(arguments, env=env, cwd=cwd, stdout=pipe, stderr=pipe, text=True) as process:
        output, errors = process.communicate(timeout)
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _stream(given: int | IO[Any], *, text: bool) -> tuple[IO[Any] | None, int]:
    """Our end, if there is one, and what the process gets."""
    if not isinstance(given, int):
        return None, given.fileno()
    assert given == subprocess.PIPE
    ours, theirs = os.pipe()
    return os.fdopen(ours, "r" if text else "rb"), theirs


class _Server:
    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            # Not with the test process's own session: Ctrl-C of a test is not for it.
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)

    def send(self, request: Mapping[str, Any], fds: Sequence[int]) -> None:
        content = json.dumps(request).encode()
        with self._lock:
            socket.send_fds(self._socket, [len(content).to_bytes(4, "big")], fds)
            self._socket.sendall(content)


_started: list[_Server] = []
_starting = threading.Lock()


def _server() -> _Server:
    with _starting:
        if not _started or _started[-1].process.poll() is not None:
            _started.append(_Server())
        return _started[-1]


def _serve(requests: socket.socket) -> Sequence[str]:
    """Forks for each request; returns, in the forked process alone, the command's arguments. Ends with its client."""
    alive: dict[int, int] = {}
    woken, waker = os.pipe()
    for fd in (woken, waker):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    while True:
        ready = {key.fileobj for key, _ in selector.select()}
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(alive)
        if requests not in ready:
            continue
        header, fds, _, _ = socket.recv_fds(requests, 4, 3)
        if not header:
            sys.exit(0)
        request = json.loads(_received(requests, int.from_bytes(header, "big")))
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            selector.close()
            for fd in (requests.detach(), woken, waker, *alive.values()):
                os.close(fd)
            return _become(request, fds)
        out, err, answers = fds
        os.close(out)
        os.close(err)
        alive[pid] = answers
        os.write(answers, f"{pid}\n".encode())


def _tell_ends(alive: dict[int, int]) -> None:
    while alive:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with suppress(BrokenPipeError):
            os.write(alive[pid], f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(alive.pop(pid))


def _received(connection: socket.socket, size: int) -> bytes:
    assert size <= _LONGEST_REQUEST_BYTES
    content = b""
    while len(content) < size:
        content += connection.recv(size - len(content))
    return content


def _become(request: Mapping[str, Any], fds: Sequence[int]) -> Sequence[str]:
    out, err, _ = fds
    if request["new_session"]:
        os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, fd in enumerate((nothing, out, err)):
        os.dup2(fd, number)
    os.closerange(3, max(nothing, *fds) + 1)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if (most := request["largest_file_bytes"]) is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if request["container"]:
        enter(**request["container"])
    program = request["arguments"][0]
    if program not in _MAIN:
        os.execvp(program, request["arguments"])
    return request["arguments"]


def _begin_server_of_processes() -> None:
    """A run calls much in processes of its own, forked from a server: that is forked here as well, which saves it a
    second of imports. Once the command has threads, it could not be."""

    def forked(_path: str, arguments: Sequence[str], fds: Sequence[int]) -> int:
        if pid := os.fork():
            return pid
        try:
            _keep_open({0, 1, 2, *fds})
            exec(arguments[-1], {"__name__": "__main__"})
        finally:
            os._exit(0)

    util = import_module("multiprocessing.util")
    started, util.spawnv_passfds = util.spawnv_passfds, forked
    import_module("vda_assets.flows.processes")._start_server()
    util.spawnv_passfds = started


def _keep_open(kept: set[int]) -> None:
    for path in [*Path("/proc/self/fd").iterdir()]:
        if (fd := int(path.name)) not in kept:
            with suppress(OSError):
                os.close(fd)


def _run() -> int:
    """What the interpreter would do with the command, but without taking itself apart afterwards: in a forked process
    that copies all its memory."""
    code = 0
    if sys.argv[1:2] == ["run"] or sys.argv[1:3] == ["api", "execute_run"]:
        _begin_server_of_processes()
    try:
        module, main = _MAIN[sys.argv[0]]
        getattr(import_module(module), main)()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the interpreter's own way with what nobody caught
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    for module in _PRELOADED:
        import_module(module)
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    for module in ("huggingface_hub", "kubernetes.config"):
        assert module not in sys.modules, f"{module} reads its environment when it is imported"
    gc.collect()
    gc.freeze()
    sys.argv = list(_serve(socket.socket(fileno=int(sys.argv[1]))))
    __package__ = None  # what click would name the program after
    os._exit(_run())
