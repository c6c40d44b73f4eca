"""A cookbook: the scene's folder with its weighted variables, prompts, detection settings and question bank."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from posixpath import normpath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import ConfigModel, parse_model, parse_yaml
from vda_assets.cookbooks.exclusions import MAX_EXCLUSIONS, check_exclusions
from vda_assets.cookbooks.folder import files_below
from vda_assets.cookbooks.question_bank import QuestionBank, parse_question_bank

WORKFLOW_CONFIG = "workflow_config.yaml"
AUTO_LABELING_CONFIG = "auto_labeling/auto_labeling_config.yaml"
QUESTION_BANK = "auto_labeling/question_bank.json"
EVENT_PROMPT = "auto_labeling/prompts/event_analysis.md"
REQUIRED_FILES = (WORKFLOW_CONFIG, AUTO_LABELING_CONFIG, QUESTION_BANK, EVENT_PROMPT)
# OSMO takes 100 tasks a workflow: one that labels the clip, and two for each variant.
MAX_AUGMENTATIONS = 49
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


def _few_enough(count: int) -> int:
    if not 1 <= count <= MAX_AUGMENTATIONS:
        raise ValueError(
            f"must be 1 to {MAX_AUGMENTATIONS}: a clip's workflow has one task, and two more for each variant, "
            "and OSMO takes 100 at most"
        )
    return count


Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weights = Annotated[dict[str, Weight], Field(min_length=1), AfterValidator(_sum_to_one), BeforeValidator(_evenly)]


def _as_list(values: Any) -> Any:
    return [values] if isinstance(values, str) else values


Values = Annotated[list[str], Field(min_length=1), BeforeValidator(_as_list)]


class Distribution(ConfigModel):
    """`config` is the path of the base config of paidf-augmentation, below the cookbook's folder. `exclude` lists
    combinations that are never drawn: variable -> value or values."""

    config: Annotated[str, AfterValidator(normpath)] = "augmentation/augmentation.yaml"
    n_augmentations: Annotated[int, AfterValidator(_few_enough)] = 1
    variables: Annotated[dict[str, Weights], Field(min_length=1)]
    exclude: Annotated[list[dict[str, Values]], Field(max_length=MAX_EXCLUSIONS)] = []

    @model_validator(mode="after")
    def _leaves_something_to_draw(self) -> Self:
        check_exclusions(self.variables, self.exclude)
        return self


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

    @cached_property
    def augmentation_digest(self) -> str:
        """Hash of everything that decides an augmented video, apart from the clip."""
        return self._digest(WORKFLOW_CONFIG, "augmentation/", self.distribution.config)

    @cached_property
    def auto_labeling_digest(self) -> str:
        """Hash of everything that decides labels, apart from the clip."""
        return self._digest("auto_labeling/")

    @property
    def question_bank(self) -> QuestionBank:
        return parse_question_bank(self.folder / QUESTION_BANK, self.files[QUESTION_BANK])

    def _digest(self, *prefixes: str) -> str:
        digest = hashlib.sha256()
        for path in sorted(path for path in self.files if path.startswith(prefixes)):
            digest.update(json.dumps([path, hashlib.sha256(self.files[path]).hexdigest()]).encode())
        return digest.hexdigest()


def read_cookbook(folder: Path, *, name: str) -> Cookbook:
    """Reads a scene's folder; raises BadConfigFile for a missing file or anything wrong in one."""
    files = files_below(folder)
    missing = [path for path in REQUIRED_FILES if path not in files]
    if missing:
        raise BadConfigFile(folder, [f"cookbook {name!r} has no file {path}" for path in missing])
    distribution = distribution_in(folder, files)
    parse_question_bank(folder / QUESTION_BANK, files[QUESTION_BANK])
    return Cookbook(
        name=name,
        folder=folder,
        distribution=distribution,
        augmentation=base_in(folder, files, distribution.config),
        auto_labeling=base_in(folder, files, AUTO_LABELING_CONFIG),
        files=files,
    )


def distribution_in(folder: Path, files: Mapping[str, bytes]) -> Distribution:
    """The distribution among the files of a folder; raises BadConfigFile."""
    return parse_model(folder / WORKFLOW_CONFIG, files[WORKFLOW_CONFIG], WorkflowConfig, variables={}).augmentation


def base_in(folder: Path, files: Mapping[str, bytes], config: str) -> dict[str, Any]:
    """A container's base config, parsed but not checked. Raises BadConfigFile when it is no file of the cookbook."""
    if config not in files:
        problem = f"augmentation.config: {config!r} is no file of the cookbook"
        raise BadConfigFile(folder / WORKFLOW_CONFIG, [problem])
    content = parse_yaml(folder / config, files[config])
    if not isinstance(content, dict):
        raise BadConfigFile(folder / config, ["must be a mapping"])
    return content
