"""assets_cfg/ as a whole: every deployment, dataset and cookbook, with the references between them checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.config.errors import BadConfigFile, ConfigError, UnknownName
from vda_assets.config.yaml_file import read_model
from vda_assets.cookbooks.cookbook import Cookbook, read_cookbook
from vda_assets.storage.access import Storage

CONFIG_FOLDER_VARIABLE = "VDA_ASSETS_CFG"
HOME_VARIABLE = "VDA_HOME"


@dataclass(frozen=True)
class Project:
    """Keyed by name. `home` is the folder for what the embedded default keeps on this machine."""

    folder: Path
    home: Path
    deployments: Mapping[str, Deployment]
    datasets: Mapping[str, Dataset]

    def dataset(self, name: str) -> Dataset:
        if name not in self.datasets:
            raise UnknownName("dataset", name, self.datasets)
        return self.datasets[name]

    def deployment(self, name: str) -> Deployment:
        if name not in self.deployments:
            raise UnknownName("deployment", name, self.deployments)
        return self.deployments[name]

    def deployment_of(self, dataset: Dataset) -> Deployment:
        return self.deployment(dataset.deployment)

    @cached_property
    def cookbooks(self) -> dict[str, Cookbook]:
        """The cookbooks that the datasets name: of `cookbooks/`, or a folder of the user's own."""
        return {name: self._cookbook(name) for name in sorted({data.cookbook for data in self.datasets.values()})}

    def _cookbook(self, name: str) -> Cookbook:
        folder = cookbook_folder(name, config_folder=self.folder, own_below=self.folder)
        return read_cookbook(folder, name=folder.name)

    def storage_of(self, deployment: Deployment, environment: Mapping[str, str]) -> Storage:
        return Storage(profile.credential(environment) for profile in deployment.storage)


def cookbook_folder(name: str, *, config_folder: Path, own_below: Path) -> Path:
    """The folder of a scene of `cookbooks/`, or with a `/` in its name one of the user's own.

    Raises UnknownName that lists the scenes.
    """
    scenes = config_folder / "cookbooks"
    folder = own_below / Path(name).expanduser() if "/" in name else scenes / name
    if not folder.is_dir():
        raise UnknownName("cookbook", name, [path.name for path in scenes.glob("*/")])
    return folder


def config_folder(environment: Mapping[str, str]) -> Path:
    """`$VDA_ASSETS_CFG`, else `./assets_cfg`. Raises ConfigError when there is no such folder."""
    folder = Path(environment.get(CONFIG_FOLDER_VARIABLE) or "assets_cfg").resolve()
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder}; run in the project's folder, or point {CONFIG_FOLDER_VARIABLE} at your own"
        )
    return folder


def project_home(environment: Mapping[str, str], folder: Path) -> Path:
    return Path(environment.get(HOME_VARIABLE) or folder.parent / ".vda").resolve()


def load_project(environment: Mapping[str, str] | None = None) -> Project:
    """Reads the configuration's folder. Raises ConfigError with all problems of every file."""
    environment = os.environ if environment is None else environment
    folder = config_folder(environment)
    home = project_home(environment, folder)
    variables = {**environment, HOME_VARIABLE: str(home)}
    problems: list[ConfigError] = []
    deployments: dict[str, Deployment] = {}
    datasets: dict[str, Dataset] = {}
    for path in sorted((folder / "deployments").glob("*.yaml")):
        try:
            deployments[path.stem] = read_model(path, Deployment, variables=variables)
        except BadConfigFile as error:
            problems.append(error)
    slugs: dict[str, Path] = {}
    for path in sorted((folder / "datasets").glob("*.yaml")):
        try:
            dataset = read_model(path, Dataset, variables=variables)
        except BadConfigFile as error:
            problems.append(error)
            continue
        first = slugs.setdefault(dataset.slug, path)
        if first is not path:
            problems.append(BadConfigFile(path, [f"url: dataset {dataset.name!r} has the name of {first}; rename one"]))
        elif dataset.deployment not in deployments and not (folder / f"deployments/{dataset.deployment}.yaml").exists():
            known = ", ".join(sorted(deployments)) or "none yet"
            problems.append(BadConfigFile(path, [f"deployment: unknown {dataset.deployment!r}; choose from: {known}"]))
        datasets[dataset.name] = dataset
    project = Project(folder=folder, home=home, deployments=deployments, datasets=datasets)
    if not problems:
        problems.extend(_cookbook_problems(project))
    if problems:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    return project


def _cookbook_problems(project: Project) -> list[ConfigError]:
    try:
        _ = project.cookbooks
    except ConfigError as error:
        return [error]
    return []
