"""The config of paidf-auto-labeling 1.0.0, which refuses unknown keys itself.

It drops the whole tracking, with exit code 0, when a class or the tracker is none that it knows: both are checked
here, and so are the closed lists and whole numbers on which its command ends with code 2.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vda_assets.paidf.parts import ContainerModel, NotNegative, Positive

StructuredOutput = Literal["auto", "nim", "openai", "off"]
PositiveNumber = Annotated[float, Field(gt=0)]
NotNegativeNumber = Annotated[float, Field(ge=0)]

_COCO_NAMES = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag,
tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot,
hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote,
keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush
"""
# What paidf-auto-labeling 1.0.0 takes where a config says nothing.
_WINDOW_FRAMES, _OVERLAP_FRAMES = 128, 64
DETECTOR_CLASSES = frozenset(name.strip() for name in _COCO_NAMES.split(","))


def _folded(name: str) -> str:
    """As the container compares names of classes."""
    return name.strip().lower().replace(" ", "_")


_FOLDED_CLASSES = frozenset(map(_folded, DETECTOR_CLASSES))


def _known_class(name: str) -> str:
    if _folded(name) not in _FOLDED_CLASSES:
        raise ValueError("is no class of the detector, which knows the 80 of COCO, such as person, car or truck")
    return name


class Pipeline(ContainerModel):
    model_cache_path: str | None = None
    gpu_ids: str | int | None = None
    use_multi_gpu: bool | None = None
    empty_output_policy: Literal["warn", "fail"] | None = None
    daft_validate: bool | None = None


class Inputs(ContainerModel):
    video_path: str
    vlm_video_path: str | None = None
    metadata_json_path: str | None = None


class Output(ContainerModel):
    out_dir: str
    log_dir: str | None = None
    config_path: str | None = None


class Sample(ContainerModel):
    inputs: Inputs
    output: Output


class Endpoint(ContainerModel):
    url: str
    model: str
    retries: NotNegative | None = None
    retry_backoff_s: Annotated[float, Field(ge=0.1, le=300)] | None = None


class Endpoints(ContainerModel):
    vlm: Endpoint
    llm: Endpoint


class SuperResolution(ContainerModel):
    """Enabled where nothing is said, so something is always said."""

    enabled: bool
    model: Literal["seedvr2"] | None = None
    variant: Literal["seedvr2_3b", "seedvr2_7b"] | None = None
    seed: int | None = None
    res_h: Positive | None = None
    res_w: Positive | None = None
    window_frames: Positive | None = None
    overlap_frames: NotNegative | None = None
    window_timeout: Positive | None = None
    out_fps: PositiveNumber | None = None

    @model_validator(mode="after")
    def _windows_move_on(self) -> Self:
        window, overlap = self.window_frames or _WINDOW_FRAMES, _OVERLAP_FRAMES
        overlap = overlap if self.overlap_frames is None else self.overlap_frames
        if overlap >= window:
            raise ValueError(
                f"overlap_frames {overlap} must be below window_frames {window}: each window would begin one frame "
                "after the last, and every frame cost as much as a whole window"
            )
        return self


class DetectionAndTracking(ContainerModel):
    enabled: bool | None = None
    model: Literal["rfdetr"] | None = None
    threshold: float | None = None
    iou_threshold: float | None = None
    classes: Annotated[list[Annotated[str, AfterValidator(_known_class)]], Field(min_length=1)] | None = None
    tracker: Literal["boosttrack", "deepocsort", "bytetrack"] | None = None
    use_reid: bool | None = None
    reid_weights: str | None = None
    per_class: bool | None = None
    asso_func: Literal["iou", "giou", "ciou", "diou", "ct_dist"] | None = None
    min_hits: int | None = None
    max_age: int | None = None
    min_track_frames: int | None = None
    deepocsort_stage2_off: bool | None = None
    deepocsort_min_hits_nonconsecutive: bool | None = None
    copy_video: bool | None = None
    save_vis: bool | None = None
    save_video: bool | None = None
    save_video_red_id: bool | None = None
    save_rgb: bool | None = None
    cross_class_iou_threshold: float | None = None
    dedup_iou_threshold: float | None = None
    dedup_priority: Literal["conf", "area_large", "area_small", "prev_iou"] | None = None


class VlmJson(ContainerModel):
    enabled: bool | None = None
    model: Literal["vlm"] | None = None
    scene_prompt_file: str | None = None
    events_prompt_file: str | None = None
    default_video_json_prompt_file: str | None = None
    default_video_events_prompt_file: str | None = None
    default_image_json_prompt_file: str | None = None
    split_json_calls: bool | None = None
    structured_output: StructuredOutput | None = None
    temperature: NotNegativeNumber | None = None
    frame_fps: PositiveNumber | None = None
    resolution: Positive | None = None
    max_frames: Positive | None = None
    max_tokens: Positive | None = None
    timeout: Positive | None = None
    rate_limit: NotNegativeNumber | None = None


class Windows(ContainerModel):
    """How the clip is cut into windows, in each of which the question bank is asked."""

    scene_prompt_file: str | None = None
    mcq_prompt_file: str | None = None
    question_bank_file: str
    prompt_gen_llm_base_url: str | None = None
    prompt_gen_llm_model: str | None = None
    prompt_gen_llm_max_tokens: int | None = None
    prompt_gen_seed: int | None = None
    qd_vlm_scene_prompt_template_file: str | None = None
    qd_mcq_mapper_prompt_template_file: str | None = None
    append_mapper_rules: bool | None = None
    window_frames: NotNegative | None = None
    window_seconds: NotNegativeNumber | None = None
    single_window: bool | None = None
    sampling_fps: float | None = None
    resolution: int | None = None
    max_frames: int | None = None
    caption_key: str | None = None
    enhanced_caption_key: str | None = None
    vlm_max_tokens: int | None = None
    llm_max_tokens: int | None = None
    vlm_temperature: float | None = None
    llm_temperature: float | None = None
    vlm_structured_output: StructuredOutput | None = None
    llm_structured_output: StructuredOutput | None = None
    timeout: Positive | None = None
    rate_limit: NotNegativeNumber | None = None
    aggregate_windows: bool | None = None
    write_empty_mcq_marker: bool | None = None
    skip_existing: bool | None = None
    retry_missing_questions: bool | None = None
    retry_missing_max_rounds: Positive | None = None
    vlm_verify_enabled: bool | None = None
    vlm_verify_max_tokens: int | None = None
    vlm_verify_temperature: float | None = None
    vlm_verify_structured_output: StructuredOutput | None = None
    vlm_verify_apply_corrections: bool | None = None
    vlm_verify_prompt_file: str | None = None

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if not self.window_frames and self.window_seconds == 0 and not self.single_window:
            raise ValueError("window_frames and window_seconds are both 0 and single_window is off")
        return self


class McqGeneration(ContainerModel):
    """The mode `metadata-llm` is left out: it needs a file of metadata that no clip here comes with."""

    enabled: bool | None = None
    mode: Literal["window-vlm-llm", "window-direct-vlm", "question-driven-vlm-llm"] | None = None
    window_metadata_extraction: Windows


class AutoLabelingConfig(ContainerModel):
    """The whole file."""

    pipeline: Pipeline
    data: Annotated[list[Sample], Field(min_length=1)]
    endpoints: Endpoints
    super_resolution: SuperResolution
    detection_and_tracking: DetectionAndTracking | None = None
    vlm_json: VlmJson
    mcq_generation: McqGeneration
