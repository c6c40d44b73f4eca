"""assets_cfg/ as a whole: every deployment, dataset and cookbook, with the references between them checked.

One loader for the command line and for Dagster. A file that cannot be used is broken by itself: the rest loads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from vda_assets.base.parallel import within
from vda_assets.config.dataset import Dataset, overlap
from vda_assets.config.deployment import Deployment
from vda_assets.config.errors import BadConfigFile, ConfigError, UnknownName
from vda_assets.config.names import check_label, slug_of
from vda_assets.config.yaml_file import model_of, parse_yaml, read_file, read_model
from vda_assets.cookbooks.cookbook import Cookbook, read_cookbook
from vda_assets.flows.selection import wanted_of
from vda_assets.paidf.generate import check_configs
from vda_assets.paidf.versions import why_unusable
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadStorageUrl
from vda_assets.storage.url import StorageUrl

CONFIG_FOLDER_VARIABLE = "VDA_ASSETS_CFG"
HOME_VARIABLE = "VDA_HOME"
# By the clock. A hundred datasets take a few seconds.
LOADING_SECONDS = 120.0
# In this repository a link to `assets_cfg/cookbooks`, of which a wheel holds the files.
_SHIPPED_COOKBOOKS = Path(__file__).parent / "cookbooks/shipped"
Read = TypeVar("Read")


class FileKind(StrEnum):
    DEPLOYMENT = "deployment"
    DATASET = "dataset"


@dataclass(frozen=True)
class BrokenFile:
    """A file of which nothing is run. `name` is what it would be called, as far as that can be read."""

    path: Path
    kind: FileKind
    name: str
    problems: tuple[str, ...]

    @property
    def error(self) -> BadConfigFile:
        return BadConfigFile(self.path, self.problems)


@dataclass(frozen=True)
class Scope:
    """A dataset with everything that its configuration refers to: what a run works on and with."""

    dataset: Dataset
    deployment: Deployment
    cookbook: Cookbook

    @property
    def tags(self) -> dict[str, str]:
        return {"dataset": self.dataset.name, "deployment": self.dataset.deployment}


@dataclass(frozen=True)
class Project:
    """What can be used, keyed by name, and what is broken. `cookbooks` are those that the datasets name. `home` is the
    folder for what the embedded default keeps here."""

    folder: Path
    home: Path
    deployments: Mapping[str, Deployment]
    datasets: Mapping[str, Dataset]
    cookbooks: Mapping[str, Cookbook]
    broken: tuple[BrokenFile, ...] = ()

    def dataset(self, name: str) -> Dataset:
        """Raises BadConfigFile for a broken one, UnknownName for one that does not exist."""
        if name not in self.datasets:
            self._raise_if_broken(FileKind.DATASET, name)
            raise UnknownName("dataset", name, self.datasets)
        return self.datasets[name]

    def scope_of(self, dataset: Dataset) -> Scope:
        return Scope(dataset, self.deployment_of(dataset), self.cookbooks[dataset.cookbook])

    def deployment(self, name: str) -> Deployment:
        """Raises BadConfigFile for a broken one, UnknownName for one that does not exist."""
        if name not in self.deployments:
            self._raise_if_broken(FileKind.DEPLOYMENT, name)
            raise UnknownName("deployment", name, self.deployments)
        return self.deployments[name]

    def deployment_of(self, dataset: Dataset) -> Deployment:
        return self.deployment(dataset.deployment)

    def storage_of(self, deployment: Deployment, environment: Mapping[str, str]) -> Storage:
        return Storage(profile.credential(environment) for profile in deployment.storage)

    def _raise_if_broken(self, kind: FileKind, name: str) -> None:
        for broken in self.broken:
            if broken.kind is kind and name in (broken.name, broken.path.stem):
                raise broken.error


def cookbook_folder(name: str, *, config_folder: Path, own_below: Path) -> Path:
    """The folder of a scene of `cookbooks/`, else of a shipped one, or with a `/` in its name one of the user's own.

    Raises UnknownName that lists the scenes.
    """
    scenes = (config_folder / "cookbooks", _SHIPPED_COOKBOOKS)
    try:
        folders = [own_below / Path(name).expanduser()] if "/" in name else [place / name for place in scenes]
        for folder in folders:
            if folder.is_dir():
                return folder
    # `~nobody/x`, a name that no file system takes.
    except (RuntimeError, OSError, ValueError):
        pass
    raise UnknownName("cookbook", name, sorted({path.name for place in scenes for path in place.glob("*/")}))


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


def load_project(
    environment: Mapping[str, str] | None = None,
    *,
    datasets: Iterable[tuple[Path, Any]] | None = None,
    seconds: float = LOADING_SECONDS,
) -> Project:
    """Reads the configuration's folder: that of `VDA_ASSETS_CFG` in `environment`, by default that of this process.

    `datasets` are files that lie elsewhere, each with its content, and are taken in place of the folder's. What cannot
    be used is among the project's broken files, and so is a dataset whose deployment or cookbook is; raises ConfigError
    only when there is no such folder, or when it is not read in `seconds`.
    """
    loaded = partial(_loaded, datasets=None if datasets is None else [*datasets])
    return read_in_time(loaded, os.environ if environment is None else environment, seconds=seconds)


def read_in_time(
    read: Callable[[Mapping[str, str]], Read], environment: Mapping[str, str], *, seconds: float = LOADING_SECONDS
) -> Read:
    """What `read` makes of the configuration's folder. Raises ConfigError when it takes longer than that: a network
    mount that went away lets everybody wait who only looks at it, and without end."""
    loaded, late = within(seconds, read, [environment], threads=1)
    if late:
        named = environment.get(CONFIG_FOLDER_VARIABLE) or "assets_cfg"
        raise ConfigError(
            f"{named} was not read within {seconds:g} seconds: a disk or mount that it lies on, or that a link in it "
            f"leads to, does not answer; mount that again, or let {CONFIG_FOLDER_VARIABLE} name a copy"
        )
    return loaded[0]


def _loaded(environment: Mapping[str, str], *, datasets: list[tuple[Path, Any]] | None) -> Project:
    folder = config_folder(environment)
    home = project_home(environment, folder)
    loading = _Loading(folder, {**environment, HOME_VARIABLE: str(home)})
    for path in sorted((folder / "deployments").glob("*.yaml")):
        loading.add_deployment(path)
    if datasets is None:
        for path in sorted((folder / "datasets").glob("*.yaml")):
            loading.add_dataset(path, partial(read_model, path, Dataset, variables=loading.variables))
    else:
        for path, content in datasets:
            loading.add_dataset(path, partial(model_of, path, content, Dataset, variables=loading.variables))
    return Project(folder, home, loading.deployments, loading.datasets, loading.cookbooks, tuple(loading.broken))


@dataclass
class _Loading:
    """What of a folder was read so far."""

    folder: Path
    variables: Mapping[str, str]
    deployments: dict[str, Deployment] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    cookbooks: dict[str, Cookbook] = field(default_factory=dict)
    broken: list[BrokenFile] = field(default_factory=list)
    _files: dict[tuple[FileKind, str], Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Several datasets may share a cookbook, and its check for the images of one deployment.
        self._cookbook = cache(self._read_cookbook)
        self._check_use = cache(self._check_cookbook)

    def add_deployment(self, path: Path) -> None:
        name = path.stem
        try:
            self._claim(path, FileKind.DEPLOYMENT, name, key="the file's name")
            self.deployments[name] = read_model(path, Deployment, variables=self.variables)
        except BadConfigFile as error:
            self.broken.append(BrokenFile(path, FileKind.DEPLOYMENT, name, error.problems))

    def add_dataset(self, path: Path, read: Callable[[], Dataset]) -> None:
        try:
            dataset = read()
            self._claim(path, FileKind.DATASET, dataset.name, key="url")
            self._check_place(path, dataset)
            self._check_references(path, dataset)
        except BadConfigFile as error:
            self.broken.append(BrokenFile(path, FileKind.DATASET, self._name_in(path), error.problems))
        else:
            self.datasets[dataset.name] = dataset
            self.cookbooks[dataset.cookbook] = self._cookbook(dataset.cookbook)

    def _claim(self, path: Path, kind: FileKind, name: str, *, key: str) -> None:
        """Raises BadConfigFile for a name that Dagster or OSMO cannot carry, or not tell from another one."""
        try:
            check_label(name, kind)
        except ValueError as error:
            raise BadConfigFile(path, [f"{key}: {error}"]) from None
        first = self._files.setdefault((kind, slug_of(name)), path)
        if first is not path:
            raise BadConfigFile(path, [f"{key}: {kind} {name!r} has the name of {first} ({slug_of(name)}); rename one"])

    def _check_place(self, path: Path, dataset: Dataset) -> None:
        """Raises BadConfigFile when results of one dataset would be clips of another, of whatever deployments."""
        for other in self.datasets.values():
            if overlap(dataset, other):
                problem = (
                    f"url: {dataset.url} and {other.url} of {other.name!r} overlap, as clips or as <url>-outputs: "
                    "what is made for one would be taken for clips of the other; use folders apart from each other"
                )
                raise BadConfigFile(path, [problem])

    def _check_references(self, path: Path, dataset: Dataset) -> None:
        """Raises BadConfigFile with why the dataset's deployment and its cookbook cannot be used."""
        problems = []
        try:
            wanted_of(dataset)
        except UnknownName as error:
            problems.append(f"{'flow' if dataset.flow else 'outputs'}: {error}")
        deployment = self.deployments.get(dataset.deployment)
        if deployment is None:
            problems += self._missing_deployment(dataset.deployment)
        elif unusable := why_unusable(deployment):
            problems.append(f"deployment: {dataset.deployment!r} cannot be used: {unusable.reason}")
        try:
            self._cookbook(dataset.cookbook)
            if deployment and not problems:
                self._check_use(dataset.cookbook, dataset.deployment)
        except BadConfigFile as error:
            problems += [f"cookbook: {error.path}: {problem}" for problem in error.problems]
        except ConfigError as error:
            problems.append(f"cookbook: {error}")
        if problems:
            raise BadConfigFile(path, problems)

    def _missing_deployment(self, name: str) -> list[str]:
        for broken in self.broken:
            if (broken.kind, broken.name) == (FileKind.DEPLOYMENT, name):
                return [f"deployment: {broken.path} is broken: {problem}" for problem in broken.problems]
        return [f"deployment: {UnknownName('deployment', name, self.deployments)}"]

    def _read_cookbook(self, name: str) -> Cookbook:
        folder = cookbook_folder(name, config_folder=self.folder, own_below=self.folder)
        return read_cookbook(folder, name=folder.name)

    def _check_cookbook(self, name: str, deployment_name: str) -> None:
        deployment = self.deployments[deployment_name]
        check_configs(self._cookbook(name), endpoints=deployment.endpoints, images=deployment.images)

    def _name_in(self, path: Path) -> str:
        """The name of a dataset as far as its file can be read, else the file's own."""
        try:
            content = parse_yaml(path, read_file(path))
            return StorageUrl.parse(content["url"]).name
        except (BadConfigFile, BadStorageUrl, LookupError, TypeError, AttributeError):
            return path.stem
