"""A cookbook: the scene's folder with its weighted variables, prompts, detection settings and question bank."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import ConfigModel, read_model, read_yaml

WORKFLOW_CONFIG = "workflow_config.yaml"
AUTO_LABELING_CONFIG = "auto_labeling/auto_labeling_config.yaml"
QUESTION_BANK = "auto_labeling/question_bank.json"
EVENT_PROMPT = "auto_labeling/prompts/event_analysis.md"
_REQUIRED_FILES = (WORKFLOW_CONFIG, AUTO_LABELING_CONFIG, QUESTION_BANK, EVENT_PROMPT)
_SUM_TOLERANCE = 1e-6


def _distribution(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise ValueError(f"the weights sum to {total:g}, not to 1: {weights}")
    return weights


Weight = Annotated[float, Field(ge=0)]
Distribution = Annotated[dict[str, Weight], Field(min_length=1), AfterValidator(_distribution)]


class AugmentationDraw(ConfigModel):
    """`config` is the path of the base config of paidf-augmentation, below the cookbook's folder."""

    config: str = "augmentation/augmentation.yaml"
    n_augmentations: Annotated[int, Field(ge=1, le=20)] = 1
    variables: Annotated[dict[str, Distribution], Field(min_length=1)]


class WorkflowConfig(ConfigModel):
    augmentation: AugmentationDraw


@dataclass(frozen=True)
class Cookbook:
    """`files` are the folder's files, path below it -> content; `augmentation` is the base config, parsed."""

    name: str
    folder: Path
    draw: AugmentationDraw
    augmentation: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def augmentation_digest(self) -> str:
        """Hash of everything that decides an augmented video, apart from the clip."""
        return self._digest(WORKFLOW_CONFIG, "augmentation/")

    @property
    def auto_labeling_digest(self) -> str:
        """Hash of everything that decides labels, apart from the clip."""
        return self._digest("auto_labeling/")

    def _digest(self, *prefixes: str) -> str:
        digest = hashlib.sha256()
        for path in sorted(path for path in self.files if path.startswith(prefixes)):
            digest.update(json.dumps([path, hashlib.sha256(self.files[path]).hexdigest()]).encode())
        return digest.hexdigest()


def read_cookbook(folder: Path, *, name: str) -> Cookbook:
    """Reads a scene's folder; raises BadConfigFile for a missing file or anything wrong in one."""
    missing = [path for path in _REQUIRED_FILES if not (folder / path).is_file()]
    if missing:
        raise BadConfigFile(folder, [f"cookbook {name!r} has no file {path}" for path in missing])
    config = read_model(folder / WORKFLOW_CONFIG, WorkflowConfig, variables={})
    augmentation = read_yaml(folder / config.augmentation.config)
    if not isinstance(augmentation, dict):
        raise BadConfigFile(folder / config.augmentation.config, ["must be a mapping"])
    _check_question_bank(folder / QUESTION_BANK)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return Cookbook(name=name, folder=folder, draw=config.augmentation, augmentation=augmentation, files=files)


def _check_question_bank(path: Path) -> None:
    try:
        bank = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadConfigFile(path, [f"is not JSON: {error}"]) from None
    # paidf-auto-labeling 1.0.0 dies with a KeyError without them.
    absent = [key for key in ("name", "questions") if not isinstance(bank, dict) or key not in bank]
    if absent:
        raise BadConfigFile(path, [f"{key}: is missing" for key in absent])
