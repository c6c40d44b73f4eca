"""The folder of one task and what a task finds there: files, credentials, configuration, environment."""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from vda_assets.embedded.service.localize import move_paths, path_mover, replace_tokens
from vda_assets.embedded.service.settings import StandIn
from vda_assets.osmo.spec import TaskSpec
from vda_assets.storage.credentials import StorageCredential

_PYTHON = re.compile(r"(python|pip|pydoc)[\d.]*")


@dataclass(frozen=True)
class TaskPlan:
    """Everything that a run of a task needs to know; `internal_url` is where upstream outputs lie, one per
    task; `commands` is the folder that is last on its PATH."""

    workflow_id: str
    spec: TaskSpec
    folder: Path
    log_file: Path
    hosts: Mapping[str, str]
    stand_in: StandIn | None
    has_gpu: bool
    credentials: Mapping[str, Mapping[str, str]]
    data_credentials: Sequence[StorageCredential]
    internal_url: str
    upload_internal: bool
    commands: Path


def link_commands(folder: Path) -> None:
    """Fills the folder with links to this machine's commands but Python's.

    An image has its interpreter in a folder of its own (paidf-augmentation 1.0.0 and 1.1.0), so that a task which
    starts `python3` must fail here as it would there.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        for command in sorted(source.iterdir()) if source.is_dir() else []:
            link = folder / command.name
            if not _PYTHON.fullmatch(command.name) and not link.is_symlink():
                link.symlink_to(command.absolute())


def config_folder(task_folder: Path) -> str:
    """OSMO_CONFIG_FILE_DIR of a task: also what marks its processes, whoever their parent is."""
    return f"{task_folder}/login/config"


def make_folders(task_folder: Path) -> None:
    for name in ("input", "output", "root", "home", "work", "scratch", "login/config"):
        (task_folder / name).mkdir(parents=True, exist_ok=True)


def furnish(plan: TaskPlan) -> TaskSpec:
    """Writes the task's files, mounted credentials and data configuration; returns the task as it runs here."""
    named = replace_tokens(plan.spec, workflow_id=plan.workflow_id, hosts=plan.hosts)
    move = path_mover(named, plan.folder)
    task = move_paths(named, move)
    for name, mount in task.credentials.items():
        if isinstance(mount, str):
            for key, value in plan.credentials[name].items():
                _write(Path(move(mount)) / key, value.encode(), mode=0o600)
    data = {each.profile: _data_config(each) for each in plan.data_credentials}
    config = Path(config_folder(plan.folder)) / "config.yaml"
    _write(config, yaml.safe_dump({"auth": {"data": data}}).encode(), mode=0o600)
    for file in task.files:
        content = base64.b64decode(file.contents) if file.base64 else file.contents.encode()
        _write(Path(file.path), content, mode=0o644)
    return task


def environment_of(plan: TaskPlan, task: TaskSpec) -> dict[str, str]:
    """The whole environment: nothing else of the server's own reaches a task, as it may hold secrets."""
    stand_in = plan.stand_in or StandIn()
    environment = {
        "PATH": os.pathsep.join([*stand_in.path, str(plan.commands)]),
        "HOME": f"{plan.folder}/home",
        "TMPDIR": f"{plan.folder}/scratch",
        "LANG": "C.UTF-8",
        **stand_in.environment,
        **task.environment,
    }
    for name, mapping in task.credentials.items():
        if isinstance(mapping, dict):
            environment |= {variable: plan.credentials[name][key] for variable, key in mapping.items()}
    if not plan.has_gpu:
        environment["NVIDIA_VISIBLE_DEVICES"] = ""
    return environment | {"OSMO_CONFIG_FILE_DIR": config_folder(plan.folder)}


def secrets_of(plan: TaskPlan) -> list[str]:
    """Values that must never show in the task's log."""
    used = [plan.credentials[name] for name in plan.spec.credentials if name in plan.credentials]
    keys = [each.access_key for each in plan.data_credentials if each.access_key]
    return [value for payload in used for value in payload.values()] + keys


def _write(path: Path, content: bytes, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _data_config(credential: StorageCredential) -> dict[str, str]:
    names = ("access_key_id", "access_key", "region", "override_url", "addressing_style")
    return {name: value for name in names if (value := getattr(credential, name)) is not None}
