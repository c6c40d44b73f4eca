from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets_tests.cli.project import Project, project_on


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """With its clips in a local folder."""
    with project_on("file", tmp_path) as project:
        yield project
