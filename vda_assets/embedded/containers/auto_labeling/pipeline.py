"""Takes one clip through super-resolution, tracking, description and questions, as paidf-auto-labeling 1.0.0 does.

SampleError   the sample failed: it counts as exit code 1, other samples still run
"""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import av

from vda_assets.embedded.containers.auto_labeling.coco import known_classes, unknown_classes
from vda_assets.embedded.containers.auto_labeling.mcq import Mcq, write_prompts
from vda_assets.embedded.containers.auto_labeling.observation import Observation, observe
from vda_assets.embedded.containers.auto_labeling.overlays import write_overlays
from vda_assets.embedded.containers.auto_labeling.question_bank import Question
from vda_assets.embedded.containers.auto_labeling.scene import write_json, write_tracks, write_video
from vda_assets.embedded.containers.auto_labeling.schema import (
    Config,
    DetectionAndTracking,
    Endpoint,
    Endpoints,
    Sample,
)
from vda_assets.embedded.containers.auto_labeling.settings import dump_config
from vda_assets.embedded.containers.auto_labeling.status import StageRecord
from vda_assets.embedded.containers.auto_labeling.super_resolution import upscale
from vda_assets.embedded.containers.endpoints import EndpointError, require_model
from vda_assets.embedded.containers.stand_in import LOG_FORMAT, mark
from vda_assets.embedded.containers.video import probe, require_decodable

CONTAINER = "paidf-auto-labeling:1.0.0"
STAGE_LOGS = {"": "pipeline", "tracking": "tracking", "mcq": "mcq", "sr": "sr", "vlm_json": "vlm_json"}
log = logging.getLogger("auto_labeling")


class SampleError(Exception):
    """The sample failed; the message says why."""


def usable_tracking(config: Config) -> DetectionAndTracking | None:
    """The tracking settings, or None when tracking is off or, as the container does it, dropped for a wrong class."""
    settings = config.detection_and_tracking
    if settings is None or not settings.enabled:
        return None
    if unknown_classes(settings.classes):
        return None
    return settings.model_copy(update={"classes": known_classes(settings.classes)})


class SampleRun:
    """One clip's way to its scene; `questions` is empty when no questions are asked."""

    def __init__(
        self, config: Config, sample: Sample, questions: list[Question], environment: Mapping[str, str]
    ) -> None:
        self._config = config
        self._questions = questions
        self._environment = environment
        # The scene is named after what a link leads to, not after the link.
        self._source = Path(sample.inputs.video_path).resolve()
        self._media_id = self._source.stem
        self._vlm_video = Path(sample.inputs.vlm_video_path) if sample.inputs.vlm_video_path else None
        self._out = Path(sample.output.out_dir)
        self._logs = Path(sample.output.log_dir or self._out / "logs")
        self._config_path = Path(sample.output.config_path or self._out / "config.yaml")
        self._endpoints = config.endpoints or Endpoints()
        self._strict = config.pipeline.empty_output_policy == "fail"
        self._status = StageRecord()

    def run(self) -> None:
        """Writes the scene; raises SampleError, or OSError when the output folder cannot be written."""
        if not self._source.is_file():
            raise SampleError(f"{self._source}: no such video")
        self._out.mkdir(parents=True, exist_ok=True)
        dump_config(self._config, self._config_path)
        with _log_files(self._logs, self._stage_loggers()):
            log.warning("CPU stand-in for %s: %s", CONTAINER, self._source)
            self._ask_llm()
            try:
                self._label()
            except (av.FFmpegError, ValueError) as error:
                log.error("%s: %s", self._source, error)  # noqa: TRY400 - the message says it all
                raise SampleError(f"{self._source}: {error}") from error
            write_json(self._out / "sidecars/stand_in.json", mark(CONTAINER))
            write_json(self._out / "sidecars/pipeline_status.json", self._status.document())
            log.info("done; the scene was not validated, as in the container, which lacks the tool")

    def _label(self) -> None:
        source = probe(self._source)
        if "mov" not in source.demuxer.split(","):
            raise ValueError("only the mov/mp4 demuxer is built into the container")
        require_decodable(source)
        clip = self._super_resolve()
        self._link(clip)
        tracking = usable_tracking(self._config)
        observation = observe(clip, tracking)
        seen_clip = clip
        if tracking:
            seen_clip = self._write_tracking(observation, tracking)
        seen_clip = self._vlm_video or seen_clip
        self._describe(observation, seen_clip)
        self._ask_questions(observation, seen_clip)

    def _stage_loggers(self) -> list[str]:
        config = self._config
        enabled = {
            "": True,
            "tracking": usable_tracking(config) is not None,
            "mcq": bool(self._questions),
            "sr": bool(config.super_resolution and config.super_resolution.enabled),
            "vlm_json": bool(config.vlm_json and config.vlm_json.enabled),
        }
        return [stage for stage, on in enabled.items() if on]

    def _ask_llm(self) -> None:
        mcq = self._config.mcq_generation
        if mcq is None or not mcq.needs_llm:
            return
        error = self._unreachable(self._endpoints.llm, "LLM_API_KEY")
        if error:
            log.error("scene prompt: %s", error)
            raise SampleError(f"scene prompt: {error}")
        write_prompts(self._out, self._questions)

    def _unreachable(self, endpoint: Endpoint, own_key: str) -> str | None:
        names = (own_key, "NVIDIA_API_KEY", "OPENAI_API_KEY")
        key = next((value for name in names if (value := self._environment.get(name))), None)
        try:
            require_model(endpoint.url or "", endpoint.model or "", api_key=key)
        except EndpointError as error:
            return str(error)
        return None

    def _super_resolve(self) -> Path:
        settings = self._config.super_resolution
        if settings is None or not settings.enabled:
            return self._source
        target = self._out / "sidecars/sr_output.mp4"
        try:
            upscale(self._source, target, settings)
        except (av.FFmpegError, ValueError) as error:
            log.getChild("sr").error("%s", error)
            # torchrun ends every failure so.
            print("=" * 60, file=sys.stderr)
            if self._strict:
                raise
            source = str(self._source)
            self._status.failed(
                "super_resolution",
                reason="missing_output",
                message=str(error),
                fallback_input=source,
                downstream_input=source,
                expected_output=str(target),
            )
            return self._source
        log.getChild("sr").info("interpolated to %s", target)
        self._status.completed("super_resolution", output=str(target))
        return target

    def _link(self, clip: Path) -> None:
        link = self._out / "raw" / f"{self._media_id}{clip.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(clip.resolve(), link.parent.resolve()))

    def _write_tracking(self, observation: Observation, settings: DetectionAndTracking) -> Path:
        write_tracks(self._out, media_id=self._media_id, observation=observation)
        kinds = ["detection", "tracking"] if settings.save_video else []
        kinds += ["tracking_red_id"] if settings.save_video_red_id else []
        write_overlays(observation, self._out / "sidecars", kinds=kinds)
        log.getChild("tracking").info(
            "%d tracks in %d frames by background subtraction and ByteTrack, whatever %s and %s are configured",
            len(observation.tracks),
            observation.frame_count,
            settings.model,
            settings.tracker,
        )
        self._status.completed("tracking", input=str(observation.path))
        red_id = self._out / "sidecars" / f"{observation.path.stem}_tracking_red_id.mp4"
        return red_id if settings.save_video_red_id else observation.path

    def _describe(self, observation: Observation, seen_clip: Path) -> None:
        settings = self._config.vlm_json
        if settings is None or not settings.enabled:
            return
        error = self._unreachable(self._endpoints.vlm, "VLM_API_KEY")
        if error and self._strict:
            raise ValueError(f"vlm_json: {error}")
        write_video(self._out, media_id=self._media_id, observation=observation, described=error is None)
        log.getChild("vlm_json").info("wrote video.json and events.json%s", f" as fallback: {error}" if error else "")
        if error:
            self._status.failed("vlm_json", reason="reported_failure", message=error)
        else:
            self._status.completed("vlm_json", input=str(seen_clip))

    def _ask_questions(self, observation: Observation, seen_clip: Path) -> None:
        mcq = self._config.mcq_generation
        if mcq is None or not mcq.enabled or mcq.window_metadata_extraction is None:
            return
        error = self._unreachable(self._endpoints.vlm, "VLM_API_KEY") if mcq.needs_vlm else None
        if error:
            log.getChild("mcq").error("%s", error)
        stage = Mcq(
            settings=mcq.window_metadata_extraction,
            questions=self._questions,
            observation=observation,
            media_id=self._media_id,
            seen_clip=seen_clip,
            out_dir=self._out,
        )
        stage.run(vlm_is_up=error is None)
        log.getChild("mcq").info("%d questions of the bank handled", len(self._questions))
        self._status.completed("mcq_generation", input=str(seen_clip))


@contextmanager
def _log_files(folder: Path, stages: list[str]) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for stage in stages:
            logger = log.getChild(stage) if stage else log
            handler = logging.FileHandler(folder / f"{STAGE_LOGS[stage]}.log", mode="w")
            handler.setFormatter(logging.Formatter(LOG_FORMAT))
            logger.addHandler(handler)
            stack.callback(handler.close)
            stack.callback(logger.removeHandler, handler)
        yield
