"""What the embedded OSMO's command starts beside the server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vda_assets.cli.embedded import service
from vda_assets_tests.cli.project import Project
from vda_assets_tests.end_to_end.world import free_port


def test_a_service_inherits_no_secret_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGC_API_KEY", "nvapi-secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another secret")
    script = f"import os, pathlib; pathlib.Path({str(tmp_path / 'told')!r}).write_text(' '.join(sorted(os.environ)))"
    with service("stand-in", [sys.executable, "-c", script]) as running:
        assert running.wait(30) == 0
    told = set((tmp_path / "told").read_text().split())
    assert {"PATH", "HOME"} <= told
    assert not any("KEY" in name or "SECRET" in name for name in told)


@pytest.mark.parametrize("command", ["overview --dataset street", "preflight --dataset street --flow e2e"])
@pytest.mark.parametrize("token", ["", "a token that an earlier server left"])
def test_what_needs_the_embedded_osmo_says_how_to_start_it(project: Project, command: str, token: str) -> None:
    """Without any server before there is no token either."""
    deployment = project.folder / "assets_cfg/deployments/local.yaml"
    deployment.write_text(deployment.read_text().replace("8710", str(free_port())))
    folder = project.folder / "home/osmo"
    folder.mkdir(parents=True)
    if token:
        (folder / "access_token").write_text(token)
    done = project.vda(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: the embedded OSMO does not run: nothing answers at http://127.0.0.1:")
    assert "`make ui`" in done.stderr
    assert "`vda osmo-local exec --`" in done.stderr
