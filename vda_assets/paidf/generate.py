"""A cookbook's base configs made into what a container reads for one clip; nothing goes out that its model refuses."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from vda_assets.config.deployment import AugmentationVersion, Endpoints
from vda_assets.config.errors import BadConfigFile
from vda_assets.config.yaml_file import problems_of
from vda_assets.cookbooks.cookbook import AUTO_LABELING_CONFIG, EVENT_PROMPT, QUESTION_BANK, Cookbook
from vda_assets.cookbooks.draw import Draw
from vda_assets.paidf.augmentation_1_0 import AugmentationConfig10
from vda_assets.paidf.augmentation_1_1 import AugmentationConfig11
from vda_assets.paidf.auto_labeling_1_0 import AutoLabelingConfig
from vda_assets.paidf.ignored_keys import IGNORED_KEYS
from vda_assets.paidf.parts import ContainerModel, Controls
from vda_assets.paidf.sift import Sifted, sift

AUGMENTATION_MODELS: Mapping[AugmentationVersion, type[ContainerModel]] = {
    "1.0.0": AugmentationConfig10,
    "1.1.0": AugmentationConfig11,
}


def augmentation_config(
    cookbook: Cookbook, draw: Draw, *, endpoints: Endpoints, version: AugmentationVersion
) -> dict[str, Any]:
    """The config of one pair, with what only the worker knows (paths) left to its overrides.

    `variables` holds the drawn value alone, since the container takes the first of each list;
    `verification_options` holds the whole vocabulary, so that the check of the attributes can fail. Raises
    BadConfigFile with everything that the cookbook's base config has wrong.
    """
    base = _Base(cookbook, cookbook.distribution.config, sift_augmentation(cookbook, version))
    llm = base.block("captioning", "llm")
    llm["verification_options"] = {name: base.vocabulary(name) for name in draw.sampled_vars}
    llm["variables"] = {name: [value] for name, value in draw.sampled_vars.items()}
    llm["seed"] = draw.prompt_seed
    base.block("augmentation", "parameters")["seed"] = draw.generation_seed
    weighted = [
        name for name in Controls.model_fields if base.block("augmentation", "modalities").get(name) is not None
    ]
    base.content["data"] = [
        {
            "inputs": {"rgb": f"{draw.video}.mp4", "controls": dict.fromkeys(weighted) | base.given_controls()},
            "output": {"video": "augmented_video.mp4", "caption": "caption.txt", "metadata": "metadata.json"},
        }
    ]
    if version == "1.0.0":
        base.content["endpoints"] = {kind: getattr(endpoints, kind).model_dump() for kind in ("vlm", "llm")}
    else:
        generator = base.block("augmentation", "model").get("name")
        ids = {"vlm": "vlm", "llm": "llm", "video_transfer": generator}
        base.content["endpoints"] = [
            {"id": ids[role], "role": role, **endpoint.model_dump()}
            for role in ids
            if (endpoint := getattr(endpoints, role)) is not None
        ]
        # Its own verdict would end it with code 1; here every output is judged from its metadata.
        evaluation = base.block("pipeline", "evaluation")
        evaluation.update({"strict": False, "retain_failures": True} | evaluation)
    return base.validated(AUGMENTATION_MODELS[version])


def auto_labeling_config(cookbook: Cookbook, *, endpoints: Endpoints) -> dict[str, Any]:
    """The config of paidf-auto-labeling 1.0.0, the same for all clips. Raises BadConfigFile as the other does."""
    base = _Base(cookbook, AUTO_LABELING_CONFIG, sift(cookbook.auto_labeling, AutoLabelingConfig, ignored={}))
    base.content["data"] = [
        {
            "inputs": {"video_path": "__REQUIRED__"},
            "output": {
                "out_dir": "outputs",
                "log_dir": "${.out_dir}/logs",
                "config_path": "${.out_dir}/config.yaml",
            },
        }
    ]
    for kind in ("vlm", "llm"):
        base.block("endpoints", kind).update(getattr(endpoints, kind).model_dump())
    base.block("pipeline")
    base.block("super_resolution").setdefault("enabled", False)
    folder = PurePosixPath(AUTO_LABELING_CONFIG).parent
    for key in ("scene_prompt_file", "events_prompt_file"):
        base.block("vlm_json")[key] = str(PurePosixPath(EVENT_PROMPT).relative_to(folder))
    windows = base.block("mcq_generation", "window_metadata_extraction")
    windows["question_bank_file"] = str(PurePosixPath(QUESTION_BANK).relative_to(folder))
    return base.validated(AutoLabelingConfig)


def sift_augmentation(cookbook: Cookbook, version: AugmentationVersion) -> Sifted:
    """What of the base config paidf-augmentation reads, ignores and does not know."""
    sifted = sift(_base_of(cookbook), AUGMENTATION_MODELS[version], ignored=IGNORED_KEYS[version])
    if isinstance(evaluators := sifted.content.get("evaluators"), list):
        sifted.content["evaluators"] = [one for one in evaluators if one != {}]
    return sifted


def _base_of(cookbook: Cookbook) -> dict[str, Any]:
    """The base config without its endpoints, which are the deployment's, and with its prompt file written out.

    That file lies in the cookbook, whose place in the container nobody knows beforehand.
    """
    base = deepcopy({key: value for key, value in cookbook.augmentation.items() if key != "endpoints"})
    llm = base["captioning"].get("llm") if isinstance(base.get("captioning"), dict) else None
    if not isinstance(llm, dict) or (name := llm.pop("system_prompt_file", None)) is None:
        return base
    beside = str(PurePosixPath(cookbook.distribution.config).parent / str(name))
    text = cookbook.files.get(beside, cookbook.files.get(str(name)))
    if text is None:
        message = f"captioning.llm.system_prompt_file: {name!r} is no file of the cookbook"
        raise BadConfigFile(cookbook.folder / cookbook.distribution.config, [message])
    llm["system_prompt"] = text.decode("utf-8", errors="replace")
    return base


class _Base:
    """A base config while it is completed; `content` is a copy of its own."""

    def __init__(self, cookbook: Cookbook, config: str, sifted: Sifted) -> None:
        self._cookbook, self._path = cookbook, cookbook.folder / config
        self._unknown = [f"{key}: {why}" for key, why in sifted.unknown.items()]
        self.content: dict[str, Any] = sifted.content

    def block(self, *keys: str) -> dict[str, Any]:
        """The mapping at these keys, made where there is none."""
        here = self.content
        for number, key in enumerate(keys):
            below = here.get(key)
            if below is None:
                below = here[key] = {}
            if not isinstance(below, dict):
                raise BadConfigFile(self._path, [f"{'.'.join(keys[: number + 1])}: must be a mapping"])
            here = below
        return here

    def given_controls(self) -> dict[str, Any]:
        """Ready-made control clips that the base config names for its first sample."""
        samples = self.content.get("data")
        first = samples[0] if isinstance(samples, list) and samples and isinstance(samples[0], dict) else {}
        inputs = first.get("inputs")
        controls = inputs.get("controls") if isinstance(inputs, dict) else None
        return controls if isinstance(controls, dict) else {}

    def vocabulary(self, variable: str) -> list[str]:
        """The answers among which the drawn value is looked for: every drawable one, and more that are given."""
        values = list(self._cookbook.distribution.variables[variable])
        for key in ("verification_options", "variables"):
            given = self.block("captioning", "llm", key).get(variable) or []
            if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
                raise BadConfigFile(self._path, [f"captioning.llm.{key}.{variable}: must be a list of texts"])
            values += given
        return list(dict.fromkeys(values))

    def validated(self, model: type[ContainerModel]) -> dict[str, Any]:
        problems = self._unknown
        try:
            document = model.model_validate(self.content).document()
        except ValidationError as error:
            raise BadConfigFile(self._path, [*problems, *problems_of(error, model)]) from None
        if problems:
            raise BadConfigFile(self._path, problems)
        return document
