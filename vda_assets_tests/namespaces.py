"""A process as a container has it: its own host name, process ids and mounts. Linux, and for root alone."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import socket
from collections.abc import Sequence

_NEW_MOUNTS, _NEW_HOST_NAME, _NEW_PIDS = 0x20000, 0x4000000, 0x20000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_DIE_WITH_PARENT = 1


def enter(host_name: str, *, read_only: Sequence[str], read_only_root: bool) -> None:
    """Returns in process 1 of new namespaces; the calling process ends as that one does."""
    _call("unshare", _NEW_MOUNTS | _NEW_HOST_NAME | _NEW_PIDS)
    socket.sethostname(host_name)
    pid = os.fork()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    _call("prctl", _DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    _mount("/", _RECURSIVE | _PRIVATE)
    _call("mount", b"proc", b"/proc", b"proc", 0, None)
    if read_only_root:
        _mount("/tmp", _BIND)  # volumes are below it
        _mount("/", _REMOUNT | _BIND | _READ_ONLY)
    for folder in read_only:
        _mount(folder, _BIND)
        _mount(folder, _REMOUNT | _BIND | _READ_ONLY)


@functools.cache
def can_enter() -> bool:
    """Whether this process may make namespaces."""
    if os.geteuid():
        return False
    pid = os.fork()
    if not pid:
        code = 1
        try:
            _call("unshare", _NEW_MOUNTS | _NEW_HOST_NAME | _NEW_PIDS)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def _mount(folder: str, flags: int) -> None:
    path = os.fsencode(folder)
    _call("mount", path, path, None, flags, None)


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
