"""What is known of the libraries and of the image: advisories, digests, codecs."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets_tests.deploy.manifests import DEPLOY, rendered_folder
from vda_assets_tests.end_to_end.world import REPOSITORY

AUDIT = REPOSITORY / "scripts/audit.py"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def audit(folder: Path, pins: str, *, says: str) -> subprocess.CompletedProcess[str]:
    """With a stand-in of pip-audit that says so."""
    (folder / "constraints.txt").write_text(pins)
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat <<'SAID'\n{says}\nSAID\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = [sys.executable, str(AUDIT), str(folder / "constraints.txt")]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_no_pin_is_older_than_what_an_advisory_of_the_list_was_mended_in() -> None:
    names: dict[str, Any] = runpy.run_path(str(AUDIT))
    advisories = names["tomllib"].loads((REPOSITORY / "scripts/advisories.toml").read_text())["advisory"]
    pins = names["pins_of"](REPOSITORY / "constraints.txt")
    assert names["below"](pins, advisories) == []
    assert all(one["id"] and one["date"] and ("fixed" in one) != ("decision" in one) for one in advisories)
    oldest = {one["package"]: names["Version"]("0") for one in advisories}
    assert len(names["below"](oldest, advisories)) == sum("fixed" in one for one in advisories)


@pytest.mark.parametrize(
    "says", ["", "no connection", '{"dependencies": [{"name": "jinja2", "skip_reason": "not found"}]}']
)
def test_an_index_that_does_not_answer_is_told_and_fails_nothing(tmp_path: Path, says: str) -> None:
    done = audit(tmp_path, "jinja2==3.1.6\n", says=says)
    assert (done.returncode, done.stderr) == (0, "")
    assert "an index answered for 0" in done.stdout


def test_an_advisory_that_nobody_has_decided_on_fails_and_is_named(tmp_path: Path) -> None:
    says = '{"dependencies": [{"name": "jinja2", "version": "3.1.6", "vulns": [{"id": "PYSEC-2099-1"}]}]}'
    done = audit(tmp_path, 'jinja2==3.1.6\npyyaml==5.3 ; python_version < "3.13"\n', says=says)
    assert done.returncode == 1
    assert "jinja2 3.1.6: PYSEC-2099-1; raise the pin" in done.stdout
    assert "pyyaml 5.3: CVE-2020-14343, fixed in 5.4" in done.stdout


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    shutil.copytree(DEPLOY / "base", tmp_path / "base")
    return shutil.copytree(DEPLOY / "overlays/aws", tmp_path / "overlays/mine")


def sh(script: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = ["sh", str(DEPLOY / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, input=given, timeout=60)


def test_a_pinned_overlay_gives_every_pod_and_every_run_the_digest(overlay: Path) -> None:
    image = f"registry.example.com/team/vda-assets@{DIGEST}"
    loose = sh("pinned.sh", given=yaml.safe_dump_all(rendered_folder(overlay)))
    assert loose.returncode == 1
    assert loose.stderr == "named without a digest: vda-assets:0.1.0\n"
    rendered_folder.cache_clear()

    assert sh("pin.sh", str(overlay), image).returncode == 0
    manifests = yaml.safe_dump_all(rendered_folder(overlay))
    assert manifests.count(image) >= 5, "four pods, and what runs get"
    assert "vda-assets:0.1.0" not in manifests
    assert sh("pinned.sh", given=manifests).returncode == 0
    again = DIGEST.replace("0", "1")
    assert sh("pin.sh", str(overlay), f"vda-assets@{again}").returncode == 0
    assert f'newName: vda-assets, digest: "{again}"' in (overlay / "kustomization.yaml").read_text()


@pytest.mark.parametrize(
    "image", ["vda-assets:0.1.0", "x@sha256:1", DIGEST, f"x@{DIGEST}0", f"a|b@{DIGEST}", f"@{DIGEST}", ""]
)
def test_what_is_no_digest_is_refused_and_changes_nothing(overlay: Path, image: str) -> None:
    before = (overlay / "kustomization.yaml").read_text()
    assert sh("pin.sh", str(overlay), image).returncode == 2
    assert (overlay / "kustomization.yaml").read_text() == before


def test_manifests_without_any_image_are_not_taken_for_pinned_ones() -> None:
    assert sh("pinned.sh", given="kind: ConfigMap\n").returncode == 2


def test_a_build_without_gpl_stops_where_pyav_brings_x264_and_others_go_on() -> None:
    stopped = sh("codecs.sh", sys.prefix, "none")
    assert stopped.returncode == 1
    assert "libx264" in stopped.stderr
    assert "deploy/wheels" in stopped.stderr
    assert sh("codecs.sh", sys.prefix, "allowed").returncode == 0
