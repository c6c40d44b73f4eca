"""Keys that cookbooks made for the reference carry although paidf-augmentation never reads them, by its version.

They are no errors, since the container takes them in silence, but they are told and never written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DeadKey:
    """`unless` is asked about the whole config: the key is read where it says so. Without it the key is never read."""

    reason: str
    unless: Callable[[Mapping[str, Any]], bool] | None = None

    def applies(self, config: Mapping[str, Any]) -> bool:
        return self.unless is None or not self.unless(config)


_OLD_BLOCKS = ("template_generation", "prompt_generation", "video_captioning", "cosmos")
_OF_OTHER_GENERATORS = (
    "inference_type",
    "num_output_frames",
    "chunk_size",
    "num_inference_steps",
    "chunk_overlap",
    "enable_autoregressive",
    "offload_tokenizer",
    "offload_text_encoder",
    "resolution",
    "guidance_scale",
    "negative_prompt",
)


def _block(config: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    here: Any = config
    for key in keys:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


_IN_SOME_CONFIGS = {
    "captioning.llm.seed": DeadKey(
        "the seed of captioning.llm.file_path alone, an LLM is asked without one: remove",
        unless=lambda config: _block(config, "captioning", "llm").get("file_path") is not None,
    ),
    "captioning.vlm.system_prompt": DeadKey(
        "is sent by the parser reasoning alone: move it into user_prompt",
        unless=lambda config: _block(config, "captioning", "vlm").get("parser") == "reasoning",
    ),
    "augmentation.modalities.seg_control_prompt": DeadKey(
        "has no effect without a weight for seg: remove, or give seg one",
        unless=lambda config: _block(config, "augmentation", "modalities").get("seg") is not None,
    ),
}


def _dead_keys(version: str, never_read: Iterable[str], data_processing: str) -> dict[str, DeadKey]:
    remove = f"ignored by paidf-augmentation {version}: remove"
    alone = "a verifier of its own is never asked; move it into attribute_verification"
    return {
        **dict.fromkeys([*_OLD_BLOCKS, "pipeline.logging", *never_read], DeadKey(remove)),
        "data_processing": DeadKey(data_processing),
        "data.*.output.media": DeadKey("the worker says where the video goes: remove"),
        "captioning.llm.verification_values": DeadKey("the drawn values are what is verified: remove"),
        "evaluators.*.vlm_verification": DeadKey(alone),
        **_IN_SOME_CONFIGS,
    }


def dead_keys_1_0(version: str) -> dict[str, DeadKey]:
    """Those of 1.0.x."""
    never_read = [
        "pipeline.evaluation",
        "pipeline.request_timeout",
        "augmentation.modalities.positive_prompt",
        "augmentation.modalities.negative_prompt",
        *(f"augmentation.parameters.{key}" for key in _OF_OTHER_GENERATORS),
    ]
    return _dead_keys(version, never_read, "aligns images, and clips come alone here: remove")


DEAD_KEYS_1_1 = _dead_keys(
    "1.1.0",
    [
        "augmentation.model.executor_type",
        "augmentation.local_parameters",
        "captioning.vlm.parameters.fps",
        "captioning.vlm.parameters.max_pixels",
    ],
    "resizes, aligns and transcodes; here the video stays as the generator returns it: remove",
)
