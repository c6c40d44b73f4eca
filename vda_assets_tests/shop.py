"""A Dagster project of another team, as `create-dagster` lays one out, with datasets as components."""

from __future__ import annotations

import shutil
import textwrap
from itertools import count
from pathlib import Path

from vda_assets_tests.end_to_end.world import REPOSITORY

PROJECT = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{module}"\n'
OWN_ASSET = """
    import dagster as dg

    @dg.asset(
        ins={"augmented": dg.AssetIn(dg.AssetKey(["street", "augmented_videos"]))},
        partitions_def=dg.DynamicPartitionsDefinition(name="street_videos"),
        io_manager_key="vda_io",
        metadata={"dataset": "street"},
    )
    def training_sample(augmented): ...
"""
STREET = "url: file://${VDA_HOME}/storage/datasets/street\ndeployment: local\n"
YARD = "url: file:///clips/datasets/yard\ndeployment: local\nwhen: {arrival: true}\n"
_numbers = count()


class Shop:
    """It has an asset of its own downstream of `street`, and deployments and cookbooks in its `assets_cfg`."""

    def __init__(self, folder: Path) -> None:
        self.module = f"shop_{next(_numbers)}"
        self.assets_cfg = shutil.copytree(REPOSITORY / "assets_cfg", folder / "assets_cfg")
        shutil.rmtree(self.assets_cfg / "datasets")
        self.defs = folder / self.module / "defs"
        self.defs.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(PROJECT.format(module=self.module))
        (self.defs.parent / "__init__.py").touch()
        self.add("own", OWN_ASSET, file="own.py")

    def add(self, name: str, text: str, file: str = "defs.yaml") -> Path:
        (self.defs / name).mkdir(exist_ok=True)
        path = self.defs / name / file
        path.write_text(textwrap.dedent(text))
        return path

    def dataset(self, name: str, keys: str) -> Path:
        document = f"type: vda_assets.components.VdaDataset\nattributes:\n{textwrap.indent(keys, '  ')}"
        return self.add(name, document)

    def write_definitions(self) -> None:
        """What `dg` loads."""
        text = """
            from pathlib import Path

            from dagster import definitions, load_from_defs_folder

            @definitions
            def defs():
                return load_from_defs_folder(path_within_project=Path(__file__).parent)
        """
        (self.defs.parent / "definitions.py").write_text(textwrap.dedent(text))
