"""The component of Dagster projects that keep each dataset in a `defs.yaml`, which `dg` finds, checks and loads."""

import os
from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, GetJsonSchemaHandler, RootModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.build import ProjectParts
from vda_assets.project import CONFIG_FOLDER_VARIABLE, load_project

_DESCRIPTION = "A dataset of clips that is labelled and augmented on OSMO. Keys as in assets_cfg/datasets/*.yaml."


class DatasetKeys(RootModel[dict[str, Any]]):
    """A dataset's keys as `dg` shows and checks them. What they say is checked once `${NAME}` in them is filled in."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(Dataset.__pydantic_core_schema__)


class VdaDataset(dg.Component):
    """A dataset of clips that is labelled and augmented on OSMO.

    Its attributes are the keys of `assets_cfg/datasets/<name>.yaml`. Deployments and cookbooks are those of the folder
    `assets_cfg` in the project's root, or of `VDA_ASSETS_CFG`. What all datasets of a deployment, or of the
    project, share comes with the first of them.
    """

    def __init__(self, path: Path, content: Any) -> None:
        self._path, self._content = path, content

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return DatasetKeys

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(description=_DESCRIPTION)

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        content = attributes.root if isinstance(attributes, DatasetKeys) else {}
        number = context.component_path.instance_key
        file = context.path / (f"defs.yaml[{number}]" if number else "defs.yaml")
        return cls(file, context.resolution_context.resolve_value(content))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Raises BadConfigFile that names this file, the key and what is wrong with it."""
        loaded = _loaded(tuple(context.component_tree.get_all_components(VdaDataset)), context.project_root)
        return loaded.definitions_of(self._path)

    @property
    def file(self) -> tuple[Path, Any]:
        """Where it lies, and what it says."""
        return self._path, self._content


class _Loaded:
    """All datasets of a Dagster project."""

    def __init__(self, components: Sequence[VdaDataset], root: Path) -> None:
        environment = {CONFIG_FOLDER_VARIABLE: str(root / "assets_cfg"), **os.environ}
        files = [one.file for one in components]
        self._project = load_project(environment, datasets=files)
        self._broken = {one.path: one.error for one in self._project.broken}
        good = [path for path, _ in files if path not in self._broken]
        self._datasets = dict(zip(good, self._project.datasets.values(), strict=True))
        self._parts = ProjectParts(self._project)

    def definitions_of(self, path: Path) -> dg.Definitions:
        """Raises BadConfigFile."""
        if path in self._broken:
            raise self._broken[path]
        dataset, parts = self._datasets[path], self._parts
        before = [*takewhile(lambda one: one is not dataset, self._datasets.values())]
        shared = [] if before else [parts.of_project()]
        if all(one.deployment != dataset.deployment for one in before):
            shared.append(parts.of_deployment(dataset.deployment))
        return dg.Definitions.merge(*shared, parts.of_dataset(dataset))


@lru_cache(maxsize=1)
def _loaded(components: tuple[VdaDataset, ...], root: Path) -> _Loaded:
    """Once for all components of a load, each of which makes its own: what they share must be the same objects."""
    return _Loaded(components, root)
