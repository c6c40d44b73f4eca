"""What tests of any room share."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from vda_assets_tests.quick_results import make_quick_results


@pytest.fixture(scope="session")
def quick_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make_quick_results` makes, once for all processes of the session: to be read, and copied to be changed."""
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent
    results = session / "quick_results"
    with (session / "quick_results.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not results.exists():
            make_quick_results(Path(tempfile.mkdtemp(dir=session))).rename(results)
    return results
