"""The wheel, installed without extras: all files are in it, and what needs an extra says which; `dg` finds it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from vda_assets_tests.deploy.wheel import build_wheel, run, uv
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.shop import STREET, YARD, Shop

LOADED = "import vda_assets.definitions as d; print(*d.defs().resolve_asset_graph().get_all_asset_keys())"
RELEASES = """
from vda_assets.releases.errors import MissingLibrary
from vda_assets.releases.rows import arrow
try:
    arrow()
except MissingLibrary as error:
    print(error)
"""
DG_MARK = "\n=====\n"
# `dg` takes two seconds to start: its commands share one process.
DG = f"""
import sys
from dagster_dg_cli.cli import create_dg_cli
for command in ("list components --json", "check defs", "list defs --json"):
    create_dg_cli()([*command.split(), "--target-path", sys.argv[1]], standalone_mode=False)
    print({DG_MARK!r})
"""


@dataclass(frozen=True)
class Installed:
    wheel: Path
    binaries: Path
    environment: dict[str, str]

    def vda(self, *arguments: str, code: int = 0) -> str:
        return self._said("vda", *arguments, code=code)

    def python(self, code: str) -> str:
        return self._said("python", "-c", code, code=0)

    def _said(self, program: str, *arguments: str, code: int) -> str:
        done = run(str(self.binaries / program), *arguments, environment=self.environment, code=code)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    wheel = build_wheel(folder)
    uv("venv", str(folder / "venv"))
    binaries = folder / "venv/bin"
    constraints = str(REPOSITORY / "constraints.txt")
    uv("pip", "install", "--python", str(binaries / "python"), "--constraint", constraints, str(wheel))
    # The cookbooks are those of the wheel.
    shutil.copytree(REPOSITORY / "assets_cfg", folder / "assets_cfg", ignore=shutil.ignore_patterns("cookbooks"))
    # Nothing of this checkout may be found beside the wheel.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return Installed(wheel, binaries, {**kept, "VDA_ASSETS_CFG": str(folder / "assets_cfg")})


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(installed: Installed) -> None:
    package = REPOSITORY / "vda_assets"
    walked = os.walk(package, followlinks=True)
    ours = {os.path.relpath(f"{folder}/{name}", REPOSITORY) for folder, _, names in walked for name in names}
    with zipfile.ZipFile(installed.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {name for name in ours if "__pycache__" not in name}


def test_dagster_loads_the_definitions_without_an_extra_and_with_a_shipped_cookbook(installed: Installed) -> None:
    assert "['street', 'augmented_videos']" in installed.python(LOADED)


def test_the_commands_that_need_no_extra_work_without_one(installed: Installed) -> None:
    assert "osmo-local" in installed.vda("--help")
    assert "street" in installed.vda("datasets")


@pytest.mark.parametrize(
    ("command", "extra", "library"),
    [
        ("osmo-local serve", "local", "fastapi"),
        ("osmo-local exec -- true", "local", "fastapi"),
        ("metrics", "metrics", "prometheus-client"),
    ],
)
def test_a_command_that_needs_an_extra_says_which_in_one_message(
    installed: Installed, command: str, extra: str, library: str
) -> None:
    said = installed.vda(*command.split(), code=1)
    assert f"pip install 'vda-assets[{extra}]'" in said
    assert library in said
    assert said.count("\n") == 1, said


def test_a_release_without_its_extra_says_which_it_needs(installed: Installed) -> None:
    assert installed.python(RELEASES) == "metadata.parquet needs pyarrow: pip install 'vda-assets[release]'\n"


def test_an_index_would_take_the_wheel(installed: Installed) -> None:
    checked = [sys.executable, "-m", "twine", "check", "--strict", str(installed.wheel)]
    assert "PASSED" in run(*checked, environment=installed.environment).stdout


def test_dg_finds_the_component_in_a_fresh_project_and_checks_and_lists_its_datasets(
    installed: Installed, tmp_path: Path
) -> None:
    """The project is another team's: it has datasets of its own, and an asset downstream of one."""
    shop = Shop(tmp_path)
    shop.dataset("street", STREET)
    shop.dataset("yard", YARD)
    shop.write_definitions()
    with zipfile.ZipFile(installed.wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    environment = {
        **{name: value for name, value in installed.environment.items() if name != "VDA_ASSETS_CFG"},
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{tmp_path / 'wheel'}:{tmp_path}",
        "VIRTUAL_ENV": sys.prefix,
        "DG_CLI_DISABLE_TELEMETRY": "1",
    }
    said = run(sys.executable, "-c", DG, str(tmp_path), environment=environment).stdout
    components, checked, definitions = said.split(DG_MARK)[:3]
    assert '"vda_assets.components.VdaDataset"' in components
    assert "All definitions loaded successfully" in checked
    assets = {one["asset_key"] for one in json.loads(definitions)["assets"]}
    assert {"training_sample", "street/augmented_videos", "yard/augmented_videos", "local/preflight"} <= assets
