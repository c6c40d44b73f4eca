"""The config of paidf-augmentation 1.0.0: what it refuses and what it lets pass.

Unknown keys are ignored everywhere except in the two evaluators. The container validates with this and then works on
the raw mapping, so defaults given here matter for the check alone.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from vda_assets.embedded.containers.augmentation.evaluator_schema import Evaluator, Inference, Positive, Weight

Vocabulary = dict[str, list[str]]


class Controls(BaseModel):
    """Ready-made control clips; the block must exist when a modality has a weight."""

    edge: str | None = None
    depth: str | None = None
    seg: str | None = None
    vis: str | None = None


class Inputs(BaseModel):
    """What a sample is made from."""

    rgb: str | None = None
    controls: Controls | None = None


class Output(BaseModel):
    """Where a sample's files go."""

    video: str
    caption: str
    metadata: str
    evaluation: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _media_is_an_alias(cls, values: Any) -> Any:
        if isinstance(values, dict) and "media" in values and "video" not in values:
            return {**values, "video": values["media"]}
        return values


class Sample(BaseModel):
    """One clip to augment."""

    inputs: Inputs
    output: Output


class Endpoint(BaseModel):
    """One OpenAI-compatible server."""

    url: str
    model: str = ""


class Endpoints(BaseModel):
    """The servers that stages may need."""

    vlm: Endpoint | None = None
    llm: Endpoint | None = None
    cosmos_transfer: Endpoint | None = None
    cosmos_predict: Endpoint | None = None
    image_edit: Endpoint | None = None


class Logging(BaseModel):
    """Parsed, never used."""

    enabled: bool = True
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class EvaluationPolicy(BaseModel):
    """Parsed, never used."""

    strict: bool = True
    retain_failures: bool = True


class Pipeline(BaseModel):
    """How often a sample is tried."""

    retry: Annotated[int, Field(ge=0)] = 1
    regenerate_caption_on_retry: bool = True
    logging: Logging = Logging()
    evaluation: EvaluationPolicy = EvaluationPolicy()


class VlmInference(Inference):
    """Inference with the sampling of the clip."""

    fps: Annotated[float, Field(gt=0)] = 4.0
    max_pixels: Positive = 307200


class VlmCaption(BaseModel):
    """The caption of the source clip."""

    parser: Literal["instruct", "reasoning"] = "instruct"
    system_prompt: str = ""
    user_prompt: str = ""
    parameters: VlmInference = VlmInference()


class LlmCaption(BaseModel):
    """The rewritten caption, or a fixed one."""

    text: str | None = None
    file_path: str | None = None
    system_prompt: str | None = None
    system_prompt_file: str | None = None
    example_prompt: str | None = None
    variables: Vocabulary | None = None
    verification_values: Vocabulary | None = None
    verification_options: Vocabulary | None = None
    seed: int | None = None
    parameters: Inference = Inference()

    @property
    def fixed(self) -> bool:
        """Whether the caption needs no model."""
        return self.text is not None or self.file_path is not None


class Captioning(BaseModel):
    """Where the prompt comes from."""

    vlm: VlmCaption | None = None
    llm: LlmCaption | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.llm is None or not self.llm.fixed:
            return self
        if self.llm.text is not None and self.llm.file_path is not None:
            raise ValueError("captioning.llm: text and file_path exclude each other")
        if self.vlm is not None:
            raise ValueError("captioning.llm.text/file_path cannot be combined with captioning.vlm")
        return self


class Model(BaseModel):
    """Which generator."""

    name: Literal["cosmos-transfer2.5", "cosmos-predict", "image-edit"]
    version: str | None = None
    executor_type: Literal["local", "gradio", "passthrough"] = "local"


class Parameters(BaseModel):
    """How the generator samples."""

    seed: int | None = None
    guidance: float = 3.0
    num_steps: Positive = 35
    sigma: int = 90
    inference_name: str | None = None
    inference_type: Literal["text2world", "image2world", "video2world"] | None = None
    num_output_frames: Positive | None = None
    chunk_size: Positive | None = None
    num_inference_steps: Positive | None = None
    chunk_overlap: Annotated[int, Field(ge=0)] | None = None
    enable_autoregressive: bool | None = None
    offload_tokenizer: bool | None = None
    offload_text_encoder: bool | None = None
    resolution: str | None = None
    guidance_scale: float | None = None
    negative_prompt: str | None = " "


class Modalities(BaseModel):
    """The weights of the controls."""

    edge: Weight | None = None
    depth: Weight | None = None
    seg: Weight | None = None
    vis: Weight | None = None
    seg_control_prompt: str | None = None
    positive_prompt: str | None = None
    negative_prompt: str | None = None


class LocalParameters(BaseModel):
    """How torchrun is started."""

    num_processes: Positive = 8
    master_port: Annotated[int, Field(ge=1, le=65535)] = 12341


class Augmentation(BaseModel):
    """The generation step."""

    model: Model
    parameters: Parameters = Parameters()
    modalities: Modalities | None = None
    local_parameters: LocalParameters | None = None


class Config(BaseModel):
    """The whole file."""

    data: Annotated[list[Sample], Field(min_length=1)]
    endpoints: Endpoints | None = None
    pipeline: Pipeline = Pipeline()
    captioning: Captioning | None = None
    augmentation: Augmentation
    evaluators: list[Evaluator] | None = None

    @model_validator(mode="after")
    def _endpoints_are_named(self) -> Self:
        endpoints = self.endpoints or Endpoints()
        captioning = self.captioning or Captioning()
        if captioning.vlm and not endpoints.vlm:
            raise ValueError("captioning.vlm needs endpoints.vlm")
        if captioning.llm and not captioning.llm.fixed and not endpoints.llm:
            raise ValueError("captioning.llm needs endpoints.llm")
        model = self.augmentation.model
        if model.name == "image-edit" and not endpoints.image_edit:
            raise ValueError("augmentation.model image-edit needs endpoints.image_edit")
        if model.name == "cosmos-transfer2.5" and model.executor_type == "gradio" and not endpoints.cosmos_transfer:
            raise ValueError("augmentation.model.executor_type gradio needs endpoints.cosmos_transfer")
        if model.name == "cosmos-predict" and model.executor_type != "local" and not endpoints.cosmos_predict:
            raise ValueError(
                "augmentation.model cosmos-predict without a local executor needs endpoints.cosmos_predict"
            )
        needs_rgb = not (model.name == "cosmos-predict" and self.augmentation.parameters.inference_type == "text2world")
        if needs_rgb and any(sample.inputs.rgb is None for sample in self.data):
            raise ValueError("data[].inputs.rgb is missing")
        return self
