"""Where Dagster keeps its books: the instance that the UI shows too."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vda_assets.project import Project

if TYPE_CHECKING:
    import dagster as dg


def ensure_dagster_home(project: Project) -> None:
    """Keeps DAGSTER_HOME; without it, sets one in the project's home with the project's dagster.yaml."""
    if os.environ.get("DAGSTER_HOME"):
        return
    home = project.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = project.folder.parent / "dagster.yaml"
    if settings.is_file():
        shutil.copyfile(settings, home / "dagster.yaml")
    elif not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    os.environ["DAGSTER_HOME"] = str(home)


def dagster_instance(project: Project) -> dg.DagsterInstance:
    """Processes open it one after the other: two that make the tables of a new SQLite database at once spoil it for
    good, since each writes its own row of the schema's version (Dagster 1.13)."""
    import dagster as dg

    ensure_dagster_home(project)
    name = os.environ["DAGSTER_HOME"]
    try:
        home = os.open(Path(name).expanduser(), os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        reason = f"DAGSTER_HOME={name}: {error.strerror}; it has to be a folder that exists"
        raise click.ClickException(reason) from None
    try:
        fcntl.flock(home, fcntl.LOCK_EX)
        return dg.DagsterInstance.get()
    finally:
        os.close(home)
