"""Where Dagster keeps its books: the instance that the UI shows too."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vda_assets.project import Project
from vda_assets.storage.local_files import part_of
from vda_assets.storage.transfer import NO_SPACE

if TYPE_CHECKING:
    import dagster as dg

# What SQLite calls a full disk depends on what it was about to do there.
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}

_SETTINGS = b"telemetry: {enabled: false}\nnux: {enabled: false}\n"


def ensure_dagster_home(project: Project) -> None:
    """Keeps DAGSTER_HOME; without it, sets one in the project's home with the project's dagster.yaml."""
    if os.environ.get("DAGSTER_HOME"):
        return
    home = project.home / "dagster"
    settings = project.folder.parent / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if settings.is_file() or not (home / "dagster.yaml").exists():
            # Half of it, on a full disk, would keep every later command from starting.
            with part_of(str(home / "dagster.yaml")) as part:
                part.write_bytes(settings.read_bytes() if settings.is_file() else _SETTINGS)
    except OSError as error:
        raise _unwritable(home, str(error.strerror)) from None
    os.environ["DAGSTER_HOME"] = str(home)


@contextmanager
def dagster_instance(project: Project) -> Iterator[dg.DagsterInstance]:
    """The instance, until the block ends. Raises click.ClickException when there is no room for its books."""
    ensure_dagster_home(project)
    home = Path(os.environ["DAGSTER_HOME"]).expanduser()
    with _explained(home), _opened(home) as instance:
        yield instance


def _opened(home: Path) -> dg.DagsterInstance:
    """Processes open it one after the other: two that make the tables of a new SQLite database at once spoil it for
    good, since each writes its own row of the schema's version (Dagster 1.13)."""
    import dagster as dg

    try:
        folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        reason = f"DAGSTER_HOME={home}: {error.strerror}; it has to be a folder that exists"
        raise click.ClickException(reason) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        return dg.DagsterInstance.get()
    finally:
        os.close(folder)


@contextmanager
def _explained(home: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = _why_no_room(error, home)
        if reason is None:
            raise
        raise _unwritable(home, reason) from None


def _unwritable(home: Path, reason: str) -> click.ClickException:
    free_megabytes = shutil.disk_usage(home if home.is_dir() else home.anchor).free // 1_000_000
    return click.ClickException(
        f"DAGSTER_HOME={home} cannot be written to: {reason} ({free_megabytes} MB are free there). Make room, then run "
        "the same command again: it finds what was finished, and what is on the pool, which goes on meanwhile"
    )


def _why_no_room(error: BaseException | None, home: Path) -> str | None:
    """What the file system refused, when that is what an error came from."""
    while error is not None:
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_ROOM:
            return str(error)
        if isinstance(error, OSError) and error.errno in NO_SPACE and Path(str(error.filename)).is_relative_to(home):
            return str(error.strerror)
        error = error.__cause__ or error.__context__
    return None
