"""The label scene that paidf-auto-labeling 1.0.0 leaves for one clip (DAFT metropolis-v3.0), read as typed values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from vda_assets.labels import limits
from vda_assets.labels.errors import BrokenLabelFile, SceneNotFound
from vda_assets.labels.reading import content_of, read_file

INSTANCES_FILE = "contextual/instances.json"
OBJECTS_FILE = "contextual/objects.json"
VIDEO_FILE, EVENTS_FILE, IMAGE_FILE = "contextual/video.json", "contextual/events.json", "contextual/image.json"
MCQ_FILE, BCQ_FILE, OPEN_QA_FILE = "task/mcq.json", "task/bcq.json", "task/open_qa.json"
STATUS_FILE = "sidecars/pipeline_status.json"
METADATA_FILE = "sidecars/metadata.json"
CONFIG_FILE = "config.yaml"
RAW_FOLDER = "raw"
# What DAFT judges; the others are the container's own.
FORMAT_FILES = (INSTANCES_FILE, OBJECTS_FILE, VIDEO_FILE, EVENTS_FILE, IMAGE_FILE, MCQ_FILE, BCQ_FILE, OPEN_QA_FILE)
SCENE_FILES = (*FORMAT_FILES, STATUS_FILE, METADATA_FILE, CONFIG_FILE)

Box = tuple[float, float, float, float]


class _Part(BaseModel):
    """Further keys are passed over: DAFT judges the format, this room takes what it needs, in its own types."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Instance(_Part):
    """One tracked object of the clip."""

    object_type: str
    caption: str = ""


class Detection(_Part):
    """One object in one frame; boxes are (xmin, ymin, xmax, ymax) in pixels."""

    object_id: str
    tight: Box = Field(alias="bounding_box_2d_tight")
    loose: Box | None = Field(default=None, alias="bounding_box_2d_loose")


class Frame(_Part):
    """`frame_number` starts at 0; frames without objects are listed too."""

    frame_number: int
    detections: tuple[Detection, ...] = Field(alias="instances")


class Question(_Part):
    """`answer` is a letter of `options` (multiple choice), Yes or No (binary), or free text (both without options)."""

    question: str
    answer: str
    options: dict[str, str] = {}
    reasoning: str = ""

    @property
    def answer_text(self) -> str:
        """The answer in words; a letter outside the options stays a letter."""
        return self.options.get(self.answer, self.answer)


class StepStatus(_Part):
    """One step of the container; `status` is one of skipped, planned, completed, failed."""

    enabled: bool
    status: str
    degraded: bool = False
    failure_reason: str | None = None


class PipelineStatus(_Part):
    """How the container itself sees its end; `steps` has super_resolution, tracking, vlm_json, mcq_generation.

    The container calls its steps stages.
    """

    status: str
    degraded: bool
    degraded_steps: tuple[str, ...] = Field(default=(), alias="degraded_stages")
    steps: dict[str, StepStatus] = Field(default={}, alias="stages")


class WindowAnswer(_Part):
    """What a window answers to one question of the bank, all in the words of the LLM."""

    id: str
    question: str
    options: tuple[str, ...]
    answer: str


class Window(_Part):
    """A stretch of frames that was shown to the VLM; both ends are included."""

    start_frame: int
    end_frame: int
    vlm_caption: str = ""
    enhanced_caption: Any = Field(default=None, alias="llm_enhanced_caption")
    errors: tuple[str, ...] = Field(default=(), alias="_errors")

    @property
    def has_reply(self) -> bool:
        """False where no reply of an LLM is kept: another `enhanced_caption_key` or mode was asked for."""
        return self.enhanced_caption is not None

    @property
    def answers(self) -> tuple[WindowAnswer, ...]:
        """Empty when the reply holds none, and without a reply."""
        items = self.enhanced_caption.get("mcq") if isinstance(self.enhanced_caption, dict) else None
        if not isinstance(items, list):
            return ()
        return tuple(_window_answer(item) for item in items[: limits.ANSWERS_PER_WINDOW] if isinstance(item, dict))


def _window_answer(item: dict[str, Any]) -> WindowAnswer:
    """An LLM wrote it: whatever is missing or odd in it becomes an empty text, and so no answer."""
    texts = {name: str(item.get(name) or "") for name in ("id", "question", "answer")}
    options = item.get("options")
    return WindowAnswer(**texts, options=tuple(map(str, options)) if isinstance(options, list) else ())


class ClipMetadata(_Part):
    """The clip as the VLM saw it, which with super-resolution is larger than the input."""

    width: int
    height: int
    framerate: float
    num_frames: int
    windows: Annotated[tuple[Window, ...], Field(max_length=limits.WINDOWS)] = ()


class _Switch(_Part):
    enabled: bool = False


class _SuperResolution(_Part):
    enabled: bool = True  # when the block is there at all


class EffectiveConfig(_Part):
    """Which steps were asked for."""

    super_resolution: _SuperResolution = _SuperResolution(enabled=False)
    detection_and_tracking: _Switch = _Switch()
    vlm_json: _Switch = _Switch()
    mcq_generation: _Switch = _Switch()

    @property
    def asked_for(self) -> dict[str, bool]:
        """By the names that the steps have in the container's status."""
        return {
            "super_resolution": self.super_resolution.enabled,
            "tracking": self.detection_and_tracking.enabled,
            "vlm_json": self.vlm_json.enabled,
            "mcq_generation": self.mcq_generation.enabled,
        }


class InstancesFile(_Part):
    """`instances` by their object ids; empty when the tracking found nothing."""

    instances: dict[str, Instance]


class ObjectsFile(_Part):
    """`frames` by the container's own keys, such as `yardcam07_frame_000003`."""

    frames: Annotated[dict[str, Frame], Field(max_length=limits.FRAMES)]


class LabelScene(_Part):
    """What is None or empty has no file in the scene."""

    folder: Path
    instances: InstancesFile | None
    objects: ObjectsFile | None
    mcq: tuple[Question, ...]
    bcq: tuple[Question, ...]
    open_qa: tuple[Question, ...]
    status: PipelineStatus | None
    metadata: ClipMetadata | None
    config: EffectiveConfig | None

    @property
    def frames(self) -> tuple[Frame, ...]:
        """In the order of their numbers; empty without the file of objects."""
        frames = self.objects.frames.values() if self.objects else ()
        return tuple(sorted(frames, key=lambda frame: frame.frame_number))

    @property
    def questions(self) -> tuple[Question, ...]:
        return (*self.bcq, *self.mcq, *self.open_qa)


class _TaskFile(_Part):
    items: tuple[Question, ...]


def read_scene(folder: Path) -> LabelScene:
    """Reads a local copy of a scene; no video is opened, and files that the scene may have besides are left alone.

    Raises SceneNotFound or BrokenLabelFile.
    """
    if not folder.is_dir():
        raise SceneNotFound(f"{folder} is not a folder; the labels of a clip lie in a folder of their own")
    instances = read_file(folder, INSTANCES_FILE, InstancesFile)
    objects = _read_objects(folder)
    tasks = [read_file(folder, file, _TaskFile) for file in (MCQ_FILE, BCQ_FILE, OPEN_QA_FILE)]
    status = read_file(folder, STATUS_FILE, PipelineStatus)
    metadata = read_file(folder, METADATA_FILE, ClipMetadata)
    config = read_file(folder, CONFIG_FILE, EffectiveConfig)
    if not any([instances, objects, *tasks, status, metadata, config]):
        raise SceneNotFound(f"{folder} holds no label scene: neither {STATUS_FILE} nor contextual/ nor task/ files")
    mcq, bcq, open_qa = (task.items if task else () for task in tasks)
    return LabelScene(
        folder=folder,
        instances=instances,
        objects=objects,
        mcq=mcq,
        bcq=bcq,
        open_qa=open_qa,
        status=status,
        metadata=metadata,
        config=config,
    )


def _read_objects(folder: Path) -> ObjectsFile | None:
    objects = read_file(folder, OBJECTS_FILE, ObjectsFile)
    content = content_of(folder, OBJECTS_FILE) if objects else None
    # Of two frames with one key JSON's readers keep the last.
    if objects and content and content.count(b'"frame_number"') > len(objects.frames):
        raise BrokenLabelFile(OBJECTS_FILE, "the key of a frame stands twice. Label the clip again.")
    return objects
