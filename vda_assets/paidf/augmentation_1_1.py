"""The config of paidf-augmentation 1.1.0: where it differs from 1.0.0.

It runs no model itself: every endpoint, that of the generator too, stands in one list and is found by its role.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vda_assets.paidf import augmentation_1_0 as v1_0
from vda_assets.paidf.parts import (
    Captioning,
    ContainerModel,
    Modalities,
    NotNegative,
    Parameters,
    Positive,
    QuestionGeneration,
    Sample,
    VlmVerification,
)


class Endpoint(ContainerModel):
    """`id` is unique; `timeout` is in seconds."""

    id: str
    role: Literal["vlm", "llm", "image_edit", "image2video", "video_transfer", "video_predict"]
    url: str
    model: str
    adapter: str | None = None
    api_key_env: str | None = None
    timeout: Annotated[float, Field(gt=0)] | None = None


class Evaluation(ContainerModel):
    """`strict` ends the container with code 1 when a check fails; what is not retained is deleted."""

    strict: bool
    retain_failures: bool


class Pipeline(v1_0.Pipeline):
    """`request_timeout` is in seconds."""

    request_timeout: Annotated[float, Field(gt=0)] | None = None
    evaluation: Evaluation


class Model(ContainerModel):
    """Any name: the generator's endpoint has it for its id."""

    name: str
    version: str | None = None


class AnyParameters(Parameters):
    """What is given goes to the generator's endpoint as it stands."""

    inference_type: Literal["text2world", "image2world", "video2world"] | None = None
    num_output_frames: Positive | None = None
    chunk_size: Positive | None = None
    num_inference_steps: Positive | None = None
    chunk_overlap: NotNegative | None = None
    enable_autoregressive: bool | None = None
    offload_tokenizer: bool | None = None
    offload_text_encoder: bool | None = None
    resolution: str | None = None
    guidance_scale: float | None = None
    negative_prompt: str | None = None


class PromptedModalities(Modalities):
    positive_prompt: str | None = None
    negative_prompt: str | None = None


class Augmentation(ContainerModel):
    model: Model
    parameters: AnyParameters
    modalities: PromptedModalities


class OptionedQuestionGeneration(QuestionGeneration):
    """`generate_options` lets the LLM invent the wrong answers."""

    generate_options: bool | None = None


class FramedVlmVerification(VlmVerification):
    """`frames` of the clip are looked at, the first one alone without."""

    frames: Positive | None = None


class AttributeVerification(v1_0.AttributeVerification):
    question_generation: OptionedQuestionGeneration
    vlm_verification: FramedVlmVerification | None = None


class Evaluator(v1_0.Evaluator):
    attribute_verification: AttributeVerification | None = None


class AugmentationConfig11(ContainerModel):
    """The whole file."""

    data: Annotated[list[Sample], Field(min_length=1)]
    endpoints: Annotated[list[Endpoint], Field(min_length=1)]
    pipeline: Pipeline
    captioning: Captioning
    augmentation: Augmentation
    evaluators: list[Evaluator] | None = None
