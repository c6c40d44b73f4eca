"""A run's setup folder: worker, environment, cookbook and one config per augmentation, written through storage.

It has the layout that the reference's setup task has, and holds only what the run's own clips need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from re import escape
from typing import Any

import yaml

from vda_assets.config.deployment import AugmentationVersion, Endpoints, Images
from vda_assets.cookbooks.cookbook import AUTO_LABELING_CONFIG, Cookbook
from vda_assets.cookbooks.draw import PlannedAugmentation, plan_augmentations
from vda_assets.paidf.generate import augmentation_config, auto_labeling_config
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout

# The folder that a worker is started as.
WORKER_FOLDER = "vda_assets/worker"
_PARALLEL_WRITES = 16


def setup_files(
    plans: Mapping[str, Iterable[PlannedAugmentation]],
    *,
    cookbook: Cookbook,
    endpoints: Endpoints,
    super_resolution: bool,
    images: Images = Images(),  # noqa: B008 - a frozen value
) -> dict[str, bytes]:
    """Path below `setup_b0/` -> content. `plans` are the run's plans by the clip's path under the dataset.

    Raises BadConfigFile when the cookbook holds keys or values that the containers of `images` do not have.
    """
    version = images.augmentation_version
    environment = environment_file(endpoints, super_resolution=super_resolution, augmentation_version=version)
    files = {
        **worker_files(),
        ".env": environment,
        "runtime.env": environment,
    }
    files.update({f"configs/{path}": content for path, content in cookbook.files.items()})
    files[f"configs/{AUTO_LABELING_CONFIG}"] = _dump(auto_labeling_config(cookbook, endpoints=endpoints))
    entries = []
    for clip_path, clip_plans in plans.items():
        for plan in clip_plans:
            config = f"{plan.name}.yaml"
            files[f"configs/{config}"] = _dump(
                augmentation_config(cookbook, plan, endpoints=endpoints, version=version)
            )
            entries.append(
                {
                    "video": clip_path,
                    "video_name": plan.video,
                    "aug_idx": plan.index,
                    "config": config,
                    "sampled_vars": dict(plan.sampled_vars),
                }
            )
    files["configs/manifest.yaml"] = _dump({"configs": entries, "total": len(entries)})
    return files


def worker_files() -> dict[str, bytes]:
    """The worker as a package of its own, which is not mistaken for one of the same name in the image."""
    modules = {
        path.name: path.read_bytes() for path in resources.files("vda_assets.worker").iterdir() if path.is_file()
    }
    return {
        "vda_assets/__init__.py": b"# Of the whole project, a worker takes the package `worker` alone.\n",
        **{f"{WORKER_FOLDER}/{name}": content for name, content in sorted(modules.items()) if name.endswith(".py")},
    }


def files_for(plan: PlannedAugmentation | None) -> str:
    """The expression by which OSMO chooses what one worker downloads of the setup: nothing that grows with the run.

    OSMO 6.4 matches it with `re.match` against a file's path below `setup_b0/`. Workers that label need no plan.
    """
    own = rf"(?!{escape(plan.name)}\.yaml$)" if plan else ""
    return rf"(?!configs/({own}[^/]*_aug\d+|manifest)\.yaml$)"


def check_configs(cookbook: Cookbook, *, endpoints: Endpoints, images: Images) -> None:
    """Raises BadConfigFile as `setup_files` would for any clip."""
    any_clip = {"any.mp4": plan_augmentations(cookbook.draw, "any")[:1]}
    setup_files(any_clip, cookbook=cookbook, endpoints=endpoints, super_resolution=False, images=images)


def environment_file(
    endpoints: Endpoints, *, super_resolution: bool, augmentation_version: AugmentationVersion
) -> bytes:
    """The `.env` that every worker loads; it holds no secret."""
    values = {
        "ACCEPT_EULA": "Y",
        "UV_NO_SYNC": "1",
        "DOWNLOAD_REID": "false",
        "WAIT_FOR_VLM": "1",
        "WAIT_FOR_LLM": "1",
        "LLM_MODEL_STATIC": "",
        "VLM_MODEL": endpoints.vlm.model,
        "VLM_ENDPOINT": endpoints.vlm.url,
        "VLM_ENDPOINT_MODEL": endpoints.vlm.model,
        "LLM_ENDPOINT": endpoints.llm.url,
        "LLM_ENDPOINT_MODEL": endpoints.llm.model,
        "PAIDF_AUGMENTATION_VERSION": augmentation_version,
        "SUPER_RESOLUTION_ENABLED": str(super_resolution).lower(),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items()).encode()


def write_setup(storage: Storage, layout: RunLayout, files: Mapping[str, bytes]) -> None:
    """Writes all files in parallel; the same files again change nothing, so a retried run may write them again."""
    with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
        for _ in pool.map(lambda item: storage.write_bytes(layout.setup / item[0], item[1]), files.items()):
            pass


def _dump(content: Any) -> bytes:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
