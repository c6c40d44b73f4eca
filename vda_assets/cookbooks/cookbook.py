"""A cookbook: the scene's folder with its weighted variables, prompts, detection settings and question bank."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import ConfigModel, read_model, read_yaml
from vda_assets.cookbooks.question_bank import QuestionBank, read_question_bank

WORKFLOW_CONFIG = "workflow_config.yaml"
AUTO_LABELING_CONFIG = "auto_labeling/auto_labeling_config.yaml"
QUESTION_BANK = "auto_labeling/question_bank.json"
EVENT_PROMPT = "auto_labeling/prompts/event_analysis.md"
REQUIRED_FILES = (WORKFLOW_CONFIG, AUTO_LABELING_CONFIG, QUESTION_BANK, EVENT_PROMPT)
_SUM_TOLERANCE = 1e-6


def _evenly(values: Any) -> Any:
    """A list of values stands for equal weights, as in the reference's cookbooks."""
    if isinstance(values, list) and values and all(isinstance(value, str) for value in values):
        return {value: values.count(value) / len(values) for value in values}
    return values


def _sum_to_one(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise ValueError(f"the weights sum to {total:g}, not to 1: {weights}")
    return weights


Weight = Annotated[float, Field(ge=0)]
Weights = Annotated[dict[str, Weight], Field(min_length=1), AfterValidator(_sum_to_one), BeforeValidator(_evenly)]


class Distribution(ConfigModel):
    """`config` is the path of the base config of paidf-augmentation, below the cookbook's folder."""

    config: Annotated[str, AfterValidator(lambda path: str(PurePosixPath(path)))] = "augmentation/augmentation.yaml"
    n_augmentations: Annotated[int, Field(ge=1)] = 1
    variables: Annotated[dict[str, Weights], Field(min_length=1)]


class WorkflowConfig(ConfigModel):
    augmentation: Distribution


@dataclass(frozen=True)
class Cookbook:
    """`files` are the folder's files, path below it -> content. `augmentation` and `auto_labeling` are the base
    configs of the two containers, parsed but not checked."""

    name: str
    folder: Path
    distribution: Distribution
    augmentation: Mapping[str, Any]
    auto_labeling: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def augmentation_digest(self) -> str:
        """Hash of everything that decides an augmented video, apart from the clip."""
        return self._digest(WORKFLOW_CONFIG, "augmentation/", self.distribution.config)

    @property
    def auto_labeling_digest(self) -> str:
        """Hash of everything that decides labels, apart from the clip."""
        return self._digest("auto_labeling/")

    @property
    def question_bank(self) -> QuestionBank:
        return QuestionBank.model_validate_json(self.files[QUESTION_BANK])

    def _digest(self, *prefixes: str) -> str:
        digest = hashlib.sha256()
        for path in sorted(path for path in self.files if path.startswith(prefixes)):
            digest.update(json.dumps([path, hashlib.sha256(self.files[path]).hexdigest()]).encode())
        return digest.hexdigest()


def read_cookbook(folder: Path, *, name: str) -> Cookbook:
    """Reads a scene's folder; raises BadConfigFile for a missing file or anything wrong in one."""
    missing = [path for path in REQUIRED_FILES if not (folder / path).is_file()]
    if missing:
        raise BadConfigFile(folder, [f"cookbook {name!r} has no file {path}" for path in missing])
    distribution = read_distribution(folder)
    read_question_bank(folder / QUESTION_BANK)
    augmentation = read_base(folder, distribution.config)
    auto_labeling = read_base(folder, AUTO_LABELING_CONFIG)
    return Cookbook(
        name=name,
        folder=folder,
        distribution=distribution,
        augmentation=augmentation,
        auto_labeling=auto_labeling,
        files=files_below(folder),
    )


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def read_distribution(folder: Path) -> Distribution:
    return read_model(folder / WORKFLOW_CONFIG, WorkflowConfig, variables={}).augmentation


def read_base(folder: Path, config: str) -> dict[str, Any]:
    """A container's base config, parsed but not checked. Raises BadConfigFile when it is no file of the cookbook."""
    path = folder / config
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadConfigFile(folder / WORKFLOW_CONFIG, [f"augmentation.config: {config!r} leads out of the cookbook"])
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise BadConfigFile(path, ["must be a mapping"])
    return content
