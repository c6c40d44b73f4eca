"""Keys that cookbooks made for the reference carry although paidf-augmentation never reads them, by its version.

They are no errors, since the container takes them in silence, but they are told and never written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vda_assets.config.deployment import AugmentationVersion

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


def _reasons(version: AugmentationVersion, never_read: Iterable[str]) -> dict[str, str]:
    remove = f"ignored by paidf-augmentation {version}: remove"
    alone = "a verifier of its own is never asked; move it into attribute_verification"
    return {
        **dict.fromkeys([*_OLD_BLOCKS, "pipeline.logging", *never_read], remove),
        "data_processing": "aligns images, and clips come alone here: remove",
        "data.*.output.media": "the worker says where the video goes: remove",
        "captioning.llm.verification_values": "the drawn values are what is verified: remove",
        "evaluators.*.vlm_verification": alone,
    }


IGNORED_KEYS: Mapping[AugmentationVersion, Mapping[str, str]] = {
    "1.0.0": _reasons(
        "1.0.0",
        [
            "pipeline.evaluation",
            "pipeline.request_timeout",
            "augmentation.modalities.positive_prompt",
            "augmentation.modalities.negative_prompt",
            *(f"augmentation.parameters.{key}" for key in _OF_OTHER_GENERATORS),
        ],
    ),
    "1.1.0": _reasons("1.1.0", ["augmentation.model.executor_type", "augmentation.local_parameters"]),
}
