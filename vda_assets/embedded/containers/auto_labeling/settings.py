"""Reads the config of a run: file, overrides, environment, paths, in the order that paidf-auto-labeling 1.0.0 has."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vda_assets.embedded.containers.auto_labeling.schema import UNSET_PATH, Config

PATH_KEYS = (
    "video_path",
    "vlm_video_path",
    "metadata_json_path",
    "out_dir",
    "log_dir",
    "config_path",
    "model_cache_path",
)
ENVIRONMENT_OVERRIDES = {
    "VLM_BASE_URL": ("endpoints", "vlm", "url"),
    "VLM_MODEL": ("endpoints", "vlm", "model"),
    "LLM_BASE_URL": ("endpoints", "llm", "url"),
    "LLM_MODEL": ("endpoints", "llm", "model"),
    "MODEL_CACHE_PATH": ("pipeline", "model_cache_path"),
}


def load_config(path: Path, overrides: list[str], environment: Mapping[str, str]) -> Config:
    """The validated config with absolute paths.

    Raises OSError, yaml.YAMLError, OmegaConfBaseException or ValueError. Relative paths resolve against the config's
    folder, those of overrides against the working directory; the environment beats both.
    """
    document = OmegaConf.load(path)
    if not isinstance(document, DictConfig):
        raise ValueError(f"{path}: holds no mapping")  # noqa: TRY004 - the file is wrong, not a type
    _anchor(document, path.resolve().parent)
    for override in overrides:
        key, _, value = override.partition("=")
        _extend_data(document, key)
        document.merge_with_dotlist(
            [f"{key}={Path.cwd() / value}" if _is_path(key) and value not in ("", "null", UNSET_PATH) else override]
        )
    for name, keys in ENVIRONMENT_OVERRIDES.items():
        if environment.get(name):
            OmegaConf.update(document, ".".join(keys), environment[name])
    return Config.model_validate(OmegaConf.to_container(document, resolve=True))


def dump_config(config: Config, path: Path) -> None:
    """Writes the effective config, which can be run again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(config.model_dump(exclude_none=True)), path)


def _is_path(key: str) -> bool:
    name = key.rsplit(".", 1)[-1]
    return name in PATH_KEYS or name.endswith(("prompt_file", "template_file", "question_bank_file"))


def _anchor(node: Any, folder: Path) -> None:
    """Makes the relative paths of the file absolute, leaving interpolations to their target."""
    keys: list[Any] = list(node.keys() if isinstance(node, DictConfig) else range(len(node)))
    for key in keys:
        if OmegaConf.is_interpolation(node, key):
            continue
        value = node[key]
        if OmegaConf.is_config(value):
            _anchor(value, folder)
        elif isinstance(value, str) and value not in ("", UNSET_PATH) and _is_path(str(key)):
            node[key] = str(folder / value)


def _extend_data(document: DictConfig, key: str) -> None:
    """Appends copies of data[0] until the sample that `key` addresses exists."""
    parts = key.split(".")
    if parts[0] != "data" or len(parts) < 2 or not parts[1].isdigit() or not document.get("data"):
        return
    while len(document.data) <= int(parts[1]):
        document.data.append(copy.deepcopy(document.data[0]))
