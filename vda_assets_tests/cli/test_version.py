from __future__ import annotations

from importlib.metadata import version

from click.testing import CliRunner

from vda_assets.cli.main import vda


def test_vda_tells_the_version_that_is_installed() -> None:
    result = CliRunner().invoke(vda, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"vda {version('vda-assets')}\n")
