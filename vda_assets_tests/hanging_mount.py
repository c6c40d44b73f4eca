"""A mount whose file system never answers, as a network share does whose server went away; it takes root."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_LIBC = ctypes.CDLL(None, use_errno=True)
_DETACH = 2


@contextmanager
def hanging_mount(folder: Path) -> Iterator[None]:
    """Whoever looks at what is below the folder waits until the block ends. Skips the test where none can be made."""
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    try:
        if _LIBC.mount(b"hanging", bytes(folder), b"fuse", 0, options):
            pytest.skip(f"no mount may be made here: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            _LIBC.umount2(bytes(folder), _DETACH)
    finally:
        os.close(device)  # with nobody behind it, whoever waits gets an error
