"""A run's setup folder: worker script, environment, cookbook and one config per augmentation, written through storage.

It has the layout that the reference's setup task has, and holds only what the run's own clips need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from importlib import resources
from typing import Any

import yaml

from vda_assets.config.cookbook import Cookbook
from vda_assets.config.deployment import Endpoints
from vda_assets.flows.plan import PlannedAugmentation
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout

WORKER_SCRIPT = "vda_worker.py"
_PARALLEL_WRITES = 16


def setup_files(
    plans: Mapping[str, Iterable[PlannedAugmentation]],
    *,
    cookbook: Cookbook,
    endpoints: Endpoints,
    super_resolution: bool,
) -> dict[str, bytes]:
    """Path below `setup_b0/` -> content. `plans` are the run's plans by the clip's path under the dataset."""
    environment = environment_file(endpoints, super_resolution=super_resolution)
    files = {
        WORKER_SCRIPT: resources.files("vda_assets.workers").joinpath(WORKER_SCRIPT).read_bytes(),
        ".env": environment,
        "runtime.env": environment,
    }
    files.update({f"configs/{path}": content for path, content in cookbook.files.items()})
    entries = []
    for clip_path, clip_plans in plans.items():
        for plan in clip_plans:
            config = f"{plan.name}.yaml"
            files[f"configs/{config}"] = _dump(augmentation_config(cookbook, plan, endpoints))
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


def augmentation_config(cookbook: Cookbook, plan: PlannedAugmentation, endpoints: Endpoints) -> dict[str, Any]:
    """The config of paidf-augmentation 1.0.0 for one pair; the worker overrides what only it knows (paths).

    `variables` holds the drawn value alone, since the container takes the first of each list;
    `verification_options` holds the whole vocabulary, so that the check of the attributes can fail.
    """
    config = deepcopy(dict(cookbook.augmentation))
    # A block of controls must exist for the weighted modalities, so the cookbook's own is kept.
    controls = config["data"][0]["inputs"].get("controls") if config.get("data") else None
    config["data"] = [
        {
            "inputs": {"rgb": f"{plan.video}.mp4", "controls": controls or {}},
            "output": {"video": "augmented_video.mp4", "caption": "caption.txt", "metadata": "metadata.json"},
        }
    ]
    config["endpoints"] = endpoints.model_dump(mode="json")
    llm = config.setdefault("captioning", {}).setdefault("llm", {})
    llm["variables"] = {name: [value] for name, value in plan.sampled_vars.items()}
    llm["verification_options"] = {name: list(cookbook.draw.variables[name]) for name in plan.sampled_vars}
    llm["seed"] = plan.prompt_seed
    config.setdefault("augmentation", {}).setdefault("parameters", {})["seed"] = plan.generation_seed
    return config


def environment_file(endpoints: Endpoints, *, super_resolution: bool) -> bytes:
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
