"""The container's config file, and the words by which it learns what only its task knows."""

from __future__ import annotations

import json
import re
from pathlib import Path

from vda_assets.worker.arguments import Arguments
from vda_assets.worker.endpoints import Endpoints
from vda_assets.worker.failure import BAD_SETUP, WorkerError
from vda_assets.worker.outputs import CHECKS_FILE


def prepare_augmentation(arguments: Arguments, clip: Path, _cache: Path, scratch: Path) -> tuple[Path, list[str]]:
    output = arguments.output
    return setup_file(arguments.setup, f"configs/{arguments.name}.yaml"), [
        override("data.0.inputs.rgb", clip),
        override("data.0.output.video", output / "augmented_video.mp4"),
        override("data.0.output.metadata", output / CHECKS_FILE),
        override("data.0.output.caption", scratch / "caption.txt"),
    ]


def prepare_auto_labeling(arguments: Arguments, clip: Path, cache: Path, scratch: Path) -> tuple[Path, list[str]]:
    cookbook = "configs/auto_labeling"
    bank = setup_file(arguments.setup, f"{cookbook}/question_bank.json")
    prompt = setup_file(arguments.setup, f"{cookbook}/prompts/event_analysis.md")
    reduced = scratch / "question_bank.json"
    try:
        content = json.loads(bank.read_text(encoding="utf-8"))
        reduced.write_text(json.dumps({key: content[key] for key in ("name", "questions")}), encoding="utf-8")
    except (ValueError, KeyError, TypeError) as error:
        raise WorkerError(BAD_SETUP, f"{bank} is no question bank with name and questions: {error!r}") from None
    return setup_file(arguments.setup, f"{cookbook}/auto_labeling_config.yaml"), [
        override("data.0.inputs.video_path", clip),
        override("data.0.output.out_dir", arguments.output),
        override("pipeline.model_cache_path", cache),
        "pipeline.gpu_ids=0",
        f"super_resolution.enabled={str(arguments.super_resolution).lower()}",
        override("mcq_generation.window_metadata_extraction.question_bank_file", reduced),
        override("vlm_json.scene_prompt_file", prompt),
        override("vlm_json.events_prompt_file", prompt),
    ]


def endpoint_overrides(config: Path, endpoints: Endpoints) -> list[str]:
    """By name in the 1.0 containers, by place in paidf-augmentation 1.1.0, whose endpoints are a list with roles."""
    listed = re.search(r"^endpoints:\n((?:[- ].*\n)*)", config.read_text(encoding="utf-8"), re.MULTILINE)
    roles = re.findall(r"^[- ] *role: (\w+)", listed[1] if listed else "", re.MULTILINE)
    overrides = []
    for kind, (url, model) in endpoints.items():
        place = roles.index(kind) if kind in roles else kind
        overrides += [override(f"endpoints.{place}.url", url), override(f"endpoints.{place}.model", model)]
    return overrides


def setup_file(setup: Path, name: str) -> Path:
    if not (setup / name).is_file():
        raise WorkerError(BAD_SETUP, f"the setup has no {name}")
    return setup / name


def override(key: str, value: object) -> str:
    """Both containers read override values as YAML, and auto-labeling looks at paths before that: no quotes help.

    So only what YAML takes as that very text may pass: no mapping, comment, interpolation, number, date or keyword.
    """
    text = str(value)
    is_plain = re.fullmatch(r"[\w/.](?:[^\x00-\x1f\x7f]*[^\s:])?", text) and not re.search(r":\s|\s#|\$\{", text)
    if not is_plain or re.fullmatch(
        r"(?i)[-+.:\d_eE]+|0[xob][\da-f_]+|\.?(inf|nan)|null|true|false|yes|no|on|off", text
    ):
        raise WorkerError(BAD_SETUP, f"{key}: {text!r} cannot be passed to the container; use plain names")
    return f"{key}={text}"
