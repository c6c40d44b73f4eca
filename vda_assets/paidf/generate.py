"""A cookbook's base configs made into what a container reads for one clip; nothing goes out that its model refuses."""

from __future__ import annotations

from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any

from vda_assets.base.failed import Failed
from vda_assets.config.deployment import Container, Endpoints, Images
from vda_assets.config.errors import BadConfigFile, ConfigError
from vda_assets.cookbooks.cookbook import AUTO_LABELING_CONFIG, EVENT_PROMPT, QUESTION_BANK, Cookbook
from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.paidf.auto_labeling_1_0 import AutoLabelingConfig
from vda_assets.paidf.base_config import BaseConfig
from vda_assets.paidf.parts import Controls
from vda_assets.paidf.sift import Sifted, sift
from vda_assets.paidf.versions import ContainerVersion, version_of


def check_configs(cookbook: Cookbook, *, endpoints: Endpoints, images: Images) -> None:
    """Raises BadConfigFile as the configs of any clip would, and ConfigError for images of no known version."""
    (any_draw, *_) = draws_for(cookbook.distribution, "any")
    augmentation_config(cookbook, any_draw, endpoints=endpoints, images=images)
    auto_labeling_config(cookbook, endpoints=endpoints)


def known_version(images: Images, container: Container) -> ContainerVersion:
    """What the image of a container is; raises ConfigError for one of no known version."""
    version = version_of(images, container)
    if isinstance(version, Failed):
        raise ConfigError(version.reason)
    return version


def augmentation_config(cookbook: Cookbook, draw: Draw, *, endpoints: Endpoints, images: Images) -> dict[str, Any]:
    """The config of one pair, with what only the worker knows (paths) left to its overrides.

    `variables` holds the drawn value alone, since the container takes the first of each list;
    `verification_options` holds the whole vocabulary, so that the check of the attributes can fail. Raises
    BadConfigFile with everything that the cookbook's base config has wrong.
    """
    version = known_version(images, Container.AUGMENTATION)
    base = BaseConfig(cookbook, cookbook.distribution.config, sift_augmentation(cookbook, version))
    llm = base.block("captioning", "llm")
    llm["verification_options"] = {name: base.vocabulary(name) for name in draw.sampled_vars}
    llm["variables"] = {name: [value] for name, value in draw.sampled_vars.items()}
    if llm.get("file_path") is not None:
        llm["seed"] = draw.prompt_seed
    base.block("augmentation", "parameters")["seed"] = draw.generation_seed
    modalities = base.block("augmentation", "modalities")
    weighted = [name for name in Controls.model_fields if modalities.get(name) is not None]
    base.content["data"] = [
        {
            "inputs": {"rgb": f"{draw.video}.mp4", "controls": dict.fromkeys(weighted) | base.given_controls()},
            "output": {"video": "augmented_video.mp4", "caption": "caption.txt", "metadata": "metadata.json"},
        }
    ]
    if version.complete:
        version.complete(base, endpoints)
    return base.validated(version.config)


def auto_labeling_config(cookbook: Cookbook, *, endpoints: Endpoints) -> dict[str, Any]:
    """The config of paidf-auto-labeling 1.0.0, the same for all clips. Raises BadConfigFile as the other does."""
    base = BaseConfig(cookbook, AUTO_LABELING_CONFIG, sift(cookbook.auto_labeling, AutoLabelingConfig, dead_keys={}))
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
    for role, endpoint in (("vlm", endpoints.vlm), ("llm", endpoints.llm)):
        base.block("endpoints", role).update(url=endpoint.url, model=endpoint.model)
    base.block("pipeline")
    base.block("super_resolution").setdefault("enabled", False)
    folder = PurePosixPath(AUTO_LABELING_CONFIG).parent
    for key in ("scene_prompt_file", "events_prompt_file"):
        base.block("vlm_json")[key] = str(PurePosixPath(EVENT_PROMPT).relative_to(folder))
    windows = base.block("mcq_generation", "window_metadata_extraction")
    windows["question_bank_file"] = str(PurePosixPath(QUESTION_BANK).relative_to(folder))
    return base.validated(AutoLabelingConfig)


def sift_augmentation(cookbook: Cookbook, version: ContainerVersion) -> Sifted:
    """What of the base config that version of paidf-augmentation reads, and what it would never look at."""
    sifted = sift(_base_of(cookbook), version.config, dead_keys=version.dead_keys or {})
    # Where a dead one was taken out.
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
