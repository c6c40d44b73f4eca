"""What the embedded OSMO's command starts beside the server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vda_assets.cli.embedded import service


def test_a_service_inherits_no_secret_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGC_API_KEY", "nvapi-secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another secret")
    script = f"import os, pathlib; pathlib.Path({str(tmp_path / 'told')!r}).write_text(' '.join(sorted(os.environ)))"
    with service("stand-in", [sys.executable, "-c", script]) as running:
        assert running.wait(30) == 0
    told = set((tmp_path / "told").read_text().split())
    assert {"PATH", "HOME"} <= told
    assert not any("KEY" in name or "SECRET" in name for name in told)
