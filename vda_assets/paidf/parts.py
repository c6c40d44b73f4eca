"""What the configs of several container versions share: strict parts, named as the containers name them.

Unknown keys are refused even where a container would ignore them, and nothing is written that was not given.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Vocabulary = dict[str, Annotated[list[str], Field(min_length=1)]]


class ContainerModel(BaseModel):
    """Every key is optional unless the container requires it: what is None is not written, its default applies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def document(self) -> dict[str, Any]:
        """The config as plain data, ready for YAML."""
        return self.model_dump(mode="json", exclude_none=True)


class Inference(ContainerModel):
    """How a model is asked."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Share | None = None
    max_tokens: Positive | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stream: bool | None = None
    retry: NotNegative | None = None


class Controls(ContainerModel):
    """Ready-made control clips. A given null is kept: the block must name every weighted modality."""

    edge: str | None = None
    depth: str | None = None
    seg: str | None = None
    vis: str | None = None

    @model_serializer
    def _given(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


class Inputs(ContainerModel):
    rgb: str | None = None
    controls: Controls | None = None


class Output(ContainerModel):
    video: str
    caption: str
    metadata: str
    evaluation: str | None = None


class Sample(ContainerModel):
    inputs: Inputs
    output: Output


class VlmInference(Inference):
    """`fps` is in frames per second of the clip."""

    fps: Annotated[float, Field(gt=0)] | None = None
    max_pixels: Positive | None = None


class VlmCaption(ContainerModel):
    """The description of the source clip."""

    parser: Literal["instruct", "reasoning"] | None = None
    system_prompt: str | None = None
    user_prompt: str | None = None
    parameters: VlmInference | None = None


class LlmCaption(ContainerModel):
    """The prompt for the generator: the first value of each variable is used. `verification_options` are the choices
    among which the verifier looks for it."""

    text: str | None = None
    file_path: str | None = None
    system_prompt: str | None = None
    example_prompt: str | None = None
    variables: Vocabulary
    verification_options: Vocabulary
    seed: int | None = None
    parameters: Inference | None = None


class Captioning(ContainerModel):
    vlm: VlmCaption | None = None
    llm: LlmCaption

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        fixed = [name for name in ("text", "file_path") if getattr(self.llm, name) is not None]
        if len(fixed) > 1:
            raise ValueError("llm.text and llm.file_path exclude each other")
        if fixed and self.vlm:
            raise ValueError(f"llm.{fixed[0]} and vlm exclude each other: a fixed prompt needs no description")
        return self


class Parameters(ContainerModel):
    """How Cosmos Transfer samples. Without a seed it takes the clock's, and the video cannot be made again."""

    seed: int
    # Cosmos Transfer takes whole numbers from 0 to 7 alone.
    guidance: Annotated[int, Field(ge=0, le=7)] | None = None
    num_steps: Positive | None = None
    sigma: int | None = None
    inference_name: str | None = None


class Modalities(ContainerModel):
    """The weights of the controls."""

    edge: Share | None = None
    depth: Share | None = None
    seg: Share | None = None
    vis: Share | None = None
    seg_control_prompt: str | None = None

    @model_validator(mode="after")
    def _one_weight(self) -> Self:
        if not self.weighted:
            raise ValueError(f"give a weight to one of {', '.join(Controls.model_fields)}: Cosmos stops without")
        return self

    @property
    def weighted(self) -> list[str]:
        return [name for name in Controls.model_fields if getattr(self, name) is not None]


class HallucinationParams(ContainerModel):
    """Grey levels, pixels and frames."""

    grad_thresh: float | None = None
    blur_ksize: int | None = None
    morph_k: int | None = None
    dist_tol_px: float | None = None
    max_frames: int | None = None


class HallucinationCheck(ContainerModel):
    """`threshold` is the lowest score that passes; 1.0 is a clip without motion of its own."""

    enabled: bool | None = None
    threshold: Share | None = None
    params: HallucinationParams | None = None


class QuestionGeneration(ContainerModel):
    system_prompt: str | None = None
    parameters: Inference | None = None


class VlmVerification(ContainerModel):
    executor_type: Literal["local", "remote"] | None = None
    url: str | None = None
    system_prompt: str | None = None
    parameters: Inference | None = None


class ExtraQuestion(ContainerModel):
    variable: str | None = None
    question: str
    options: dict[str, str]
    correct_answer: str
    request_reasoning: bool | None = None

    @model_validator(mode="after")
    def _answer_is_an_option(self) -> Self:
        if self.correct_answer not in self.options:
            raise ValueError(f"correct_answer {self.correct_answer!r} is none of the options {sorted(self.options)}")
        return self


class NaturalCaption(ContainerModel):
    system_prompt: str | None = None
    user_prompt_template: str | None = None
