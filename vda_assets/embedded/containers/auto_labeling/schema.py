"""The config of paidf-auto-labeling 1.0.0: every key that it knows; unknown ones are refused."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
StructuredOutput = Literal["auto", "nim", "openai", "off"]
UNSET_PATH = "__REQUIRED__"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Pipeline(_Strict):
    """What concerns all stages."""

    model_cache_path: str | None = None
    gpu_ids: str | int = "all"
    use_multi_gpu: bool = False
    empty_output_policy: Literal["warn", "fail"] | None = None
    daft_validate: bool = True


class Inputs(_Strict):
    """The clip to label."""

    video_path: str
    vlm_video_path: str | None = None
    metadata_json_path: str | None = None

    @model_validator(mode="after")
    def _is_set(self) -> Self:
        if self.video_path == UNSET_PATH:
            raise ValueError("data[].inputs.video_path is still __REQUIRED__; give it by an override")
        return self


class Output(_Strict):
    """Where the scene goes."""

    out_dir: str
    log_dir: str | None = None
    config_path: str | None = None


class Sample(_Strict):
    """One clip and its scene."""

    inputs: Inputs
    output: Output


class Endpoint(_Strict):
    """One OpenAI-compatible server."""

    url: str | None = None
    model: str | None = None
    retries: Annotated[int, Field(ge=0)] = 3
    retry_backoff_s: Annotated[float, Field(ge=0.1, le=300)] = 5.0


class Endpoints(_Strict):
    """The servers that stages need."""

    vlm: Endpoint = Endpoint()
    llm: Endpoint = Endpoint()


class SuperResolution(_Strict):
    """Upscaling before everything else."""

    enabled: bool = True
    model: Literal["seedvr2"] = "seedvr2"
    variant: Literal["seedvr2_3b", "seedvr2_7b"] = "seedvr2_3b"
    seed: int = 42
    res_h: Annotated[int, Field(gt=0)] = 720
    res_w: Annotated[int, Field(gt=0)] = 1280
    window_frames: int = 128
    overlap_frames: int = 64
    window_timeout: int = 3600
    out_fps: float | None = None


class DetectionAndTracking(_Strict):
    """What is detected and how it is followed."""

    enabled: bool = False
    model: Literal["rfdetr"] = "rfdetr"
    threshold: float = 0.2
    iou_threshold: float = 0.3
    classes: Annotated[list[str], Field(min_length=1)] = ["car", "truck", "bus", "motorcycle", "bicycle"]
    tracker: str = "boosttrack"
    use_reid: bool = True
    reid_weights: str | None = None
    per_class: bool = True
    asso_func: str = "diou"
    min_hits: int = 3
    max_age: int = 60
    min_track_frames: int = 5
    deepocsort_stage2_off: bool = True
    deepocsort_min_hits_nonconsecutive: bool = True
    copy_video: bool = False
    save_vis: bool = False
    save_video: bool = True
    save_video_red_id: bool = True
    save_rgb: bool = False
    cross_class_iou_threshold: float = 0.9
    dedup_iou_threshold: float = 0.3
    dedup_priority: str = "prev_iou"


class VlmJson(_Strict):
    """Descriptions and events of the clip."""

    enabled: bool = False
    model: Literal["vlm"] = "vlm"
    scene_prompt_file: str | None = None
    events_prompt_file: str | None = None
    default_video_json_prompt_file: str | None = None
    default_video_events_prompt_file: str | None = None
    default_image_json_prompt_file: str | None = None
    split_json_calls: bool = True
    structured_output: StructuredOutput = "openai"
    temperature: NotNegative = 0
    frame_fps: Positive = 1
    resolution: Annotated[int, Field(gt=0)] = 360
    max_frames: Annotated[int, Field(gt=0)] = 24
    max_tokens: Annotated[int, Field(gt=0)] = 8192
    timeout: Annotated[int, Field(gt=0)] = 600
    rate_limit: NotNegative = 0


class Windows(_Strict):
    """How the clip is cut into windows and the question bank is asked in each."""

    scene_prompt_file: str | None = None
    mcq_prompt_file: str | None = None
    question_bank_file: str | None = None
    prompt_gen_llm_base_url: str | None = None
    prompt_gen_llm_model: str | None = None
    prompt_gen_llm_max_tokens: int = 8192
    prompt_gen_seed: int | None = None
    qd_vlm_scene_prompt_template_file: str | None = None
    qd_mcq_mapper_prompt_template_file: str | None = None
    append_mapper_rules: bool = False
    window_frames: Annotated[int, Field(ge=0)] = 0
    window_seconds: NotNegative = 4.0
    single_window: bool = False
    sampling_fps: float = 2.0
    resolution: int = 480
    max_frames: int = 100
    caption_key: str = "vlm_caption"
    enhanced_caption_key: str = "llm_enhanced_caption"
    vlm_max_tokens: int = 8192
    llm_max_tokens: int = 8192
    vlm_temperature: float = 0
    llm_temperature: float = 0
    vlm_structured_output: StructuredOutput = "openai"
    llm_structured_output: StructuredOutput = "openai"
    timeout: int = 600
    rate_limit: float = 0
    aggregate_windows: bool = False
    write_empty_mcq_marker: bool = True
    skip_existing: bool = False
    retry_missing_questions: bool = True
    retry_missing_max_rounds: Annotated[int, Field(ge=1)] = 2
    vlm_verify_enabled: bool = False
    vlm_verify_max_tokens: int = 8192
    vlm_verify_temperature: float = 0
    vlm_verify_structured_output: StructuredOutput = "openai"
    vlm_verify_apply_corrections: bool = False
    vlm_verify_prompt_file: str | None = None

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if not self.window_frames and not self.window_seconds and not self.single_window:
            raise ValueError("window_frames and window_seconds are both 0 and single_window is off")
        return self


class McqGeneration(_Strict):
    """Multiple-choice questions about the clip."""

    enabled: bool = False
    mode: Literal["window-vlm-llm", "window-direct-vlm", "question-driven-vlm-llm", "metadata-llm"] = (
        "question-driven-vlm-llm"
    )
    window_metadata_extraction: Windows | None = None

    @model_validator(mode="after")
    def _has_windows(self) -> Self:
        if self.enabled and self.window_metadata_extraction is None:
            raise ValueError("mcq_generation.window_metadata_extraction is required when mcq_generation is enabled")
        return self

    @property
    def needs_vlm(self) -> bool:
        """Whether the enabled stage asks the VLM."""
        return self.enabled and self.mode != "metadata-llm"

    @property
    def needs_llm(self) -> bool:
        """Whether the enabled stage asks the LLM."""
        return self.enabled and self.mode != "window-direct-vlm"


class Config(_Strict):
    """The whole file."""

    pipeline: Pipeline
    data: Annotated[list[Sample], Field(min_length=1)]
    endpoints: Endpoints | None = None
    super_resolution: SuperResolution | None = None
    detection_and_tracking: DetectionAndTracking | None = None
    vlm_json: VlmJson | None = None
    mcq_generation: McqGeneration | None = None

    @model_validator(mode="after")
    def _has_endpoints(self) -> Self:
        endpoints, mcq = self.endpoints or Endpoints(), self.mcq_generation or McqGeneration()
        if mcq.needs_vlm and not endpoints.vlm.url:
            raise ValueError("mcq_generation needs endpoints.vlm.url")
        if mcq.needs_llm and not endpoints.llm.url:
            raise ValueError("mcq_generation needs endpoints.llm.url")
        if self.vlm_json and self.vlm_json.enabled and not endpoints.vlm.url:
            raise ValueError("vlm_json needs endpoints.vlm.url")
        if mcq.enabled and mcq.mode == "metadata-llm" and not all(s.inputs.metadata_json_path for s in self.data):
            raise ValueError("mcq_generation.mode metadata-llm needs data[].inputs.metadata_json_path")
        return self
