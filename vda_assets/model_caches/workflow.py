"""The workflow `setup_model_cache`: a task for each cache that lacks something, with the plan that it follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vda_assets.flows.work import digest
from vda_assets.model_caches.contents import AUTO_LABELING, COSMOS_TRANSFER, HubFiles, Source
from vda_assets.model_caches.fill import MANIFEST
from vda_assets.model_caches.state import CacheState
from vda_assets.osmo.spec import FileSpec, GroupSpec, ResourceSpec, TaskSpec, TimeoutSpec, UrlOutput, WorkflowSpec
from vda_assets.storage.url import StorageUrl

WORKFLOW_NAME = "setup_model_cache"
TASK_NAMES = {COSMOS_TRANSFER: "download_cosmos_cache", AUTO_LABELING: "download_auto_labeling_cache"}
IMAGE = "nvcr.io/nvidia/base/ubuntu:22.04_20240212"
# A cache has about 60 GB in all; what a task that is ended from outside has fetched is lost.
LEG_SECONDS = 600.0
_RESOURCES = ResourceSpec(cpu=4, memory="16Gi", storage="200Gi")
_TIMEOUT = TimeoutSpec(exec_timeout="4h", queue_timeout="2h")
_SCRIPT, _PLAN = "/vda/fill.py", "/vda/plan.json"
# The image has neither Python nor pip.
_START = """set -eu
if ! python3 -c 'import huggingface_hub' 2>/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3 python3-pip ca-certificates >/dev/null
  python3 -m pip install --quiet "huggingface_hub==$1"
fi
exec python3 "$2" "$3" "$4"
"""
_NOT_MANIFEST = rf"(?!{MANIFEST.replace('.', '[.]')}$|(.*/)?[.]cache/|.*[.]partial$)"


def cache_label(name: str) -> str:
    """The label of a workflow that fills the cache of that name; its value is `cache_hash`."""
    return f"vda-cache-{name}"


def cache_hash(url: StorageUrl) -> str:
    return digest(str(url))[:16]


def build_workflow(
    states: Mapping[str, CacheState],
    *,
    gpu_platform: str,
    credentials: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    labelled: bool,
    leg_seconds: float = LEG_SECONDS,
) -> WorkflowSpec:
    """One task for each of the `states`, by cache name. `credentials` are OSMO's, for the tasks' environment."""
    own = {cache_label(name): cache_hash(state.url) for name, state in states.items()}
    return WorkflowSpec(
        name=WORKFLOW_NAME,
        labels={**labels, **own} if labelled else {},
        groups=[
            GroupSpec(
                name=f"{TASK_NAMES[name]}_group",
                tasks=[_task(name, state, credentials, environment, leg_seconds=leg_seconds)],
            )
            for name, state in states.items()
        ],
        resources={"cpu": _RESOURCES.model_copy(update={"platform": gpu_platform})},
        timeout=_TIMEOUT,
    )


def _task(
    name: str,
    state: CacheState,
    credentials: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    *,
    leg_seconds: float,
) -> TaskSpec:
    script = Path(__file__).with_name("fill.py").read_bytes()
    plan = json.dumps(_plan(state, leg_seconds)).encode()
    return TaskSpec(
        name=TASK_NAMES[name],
        image=IMAGE,
        command=["bash"],
        args=["-c", _START, "bash", version("huggingface_hub"), _SCRIPT, _PLAN, "{{output}}"],
        environment=dict(environment),
        credentials={credential: dict(keys) for credential, keys in credentials.items()},
        files=[FileSpec.of(_SCRIPT, script), FileSpec.of(_PLAN, plan)],
        # The manifest behind everything else: a reader that finds it may believe it.
        outputs=[
            UrlOutput(url=str(state.url), regex=_NOT_MANIFEST),
            UrlOutput(url=str(state.url), regex=MANIFEST.replace(".", "[.]")),
        ],
        resource="cpu",
    )


def _plan(state: CacheState, leg_seconds: float) -> dict[str, Any]:
    return {
        "sources": [_described(source) for source in state.lacking],
        "present": dict(state.files),
        "manifest": {
            id_: files
            for id_, files in state.manifest.sources.items()
            if id_ not in {source.id for source in state.lacking}
        },
        "leg_seconds": leg_seconds,
    }


def _described(source: Source) -> dict[str, Any]:
    described = {**asdict(source), "id": source.id, "own_files": {}}
    if isinstance(source, HubFiles):
        return {**described, "kind": "hub", "place": source.place, "own_files": source.own_files}
    return {**described, "kind": "web"}
