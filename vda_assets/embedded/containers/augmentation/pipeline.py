"""Takes every sample of a config through caption, generation and evaluation, as paidf-augmentation 1.0.0 does.

What goes wrong with a sample is logged and shows in the files that are missing, never in the exit code. Only a
generator that cannot be built ends the process with a traceback (ValueError).

SampleError       this sample is skipped; nothing is written
GenerationError   no video came of this attempt; metadata is still written
"""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av

from vda_assets.embedded.containers.augmentation.caption import (
    CaptionError,
    caption,
    effective_endpoints,
    evaluation_endpoints,
    selections,
)
from vda_assets.embedded.containers.augmentation.evaluation import attributes, crashed, hallucination
from vda_assets.embedded.containers.augmentation.evaluator_schema import AttributeVerification, HallucinationCheck
from vda_assets.embedded.containers.augmentation.image_operations import Renderer, looks_for
from vda_assets.embedded.containers.augmentation.schema import Captioning, Config, Modalities, Sample
from vda_assets.embedded.containers.stand_in import NOTE, mark
from vda_assets.embedded.containers.video import Clip, frames, join, probe, require_decodable, split, writing

CONTAINER = "paidf-augmentation:1.0.0"
EXTENSIONS = {".mp4", ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tiff", ".tif"}
MOST_FRAMES = 5000
MODALITIES = ("edge", "depth", "seg", "vis")
log = logging.getLogger("augmentation")


class SampleError(Exception):
    """The sample is skipped."""


class GenerationError(Exception):
    """An attempt gave no video."""


def process(config: Config, environment: Mapping[str, str]) -> None:
    """Handles all samples; raises ValueError when the generator cannot be built."""
    if config.captioning is None or (config.captioning.vlm is None and config.captioning.llm is None):
        log.error("captioning: neither vlm nor llm is configured; nothing was done")
        return
    _require_generator(config)
    # The real one takes the clock when no seed is given, and so do we: such runs cannot be repeated.
    seed = config.augmentation.parameters.seed
    first_seed = int(time.time()) if seed is None else seed
    for number, sample in enumerate(config.data):
        try:
            _SampleRun(config, config.captioning, sample, environment).run(first_seed)
        except (SampleError, CaptionError, OSError) as error:
            log.error("data.%d: %s; skipped", number, error)  # noqa: TRY400 - the message says it all


def _require_generator(config: Config) -> None:
    model = config.augmentation.model
    modalities = config.augmentation.modalities or Modalities()
    if model.executor_type != "local" and (config.augmentation.local_parameters or modalities.seg_control_prompt):
        raise ValueError(f"executor_type {model.executor_type} takes neither local_parameters nor seg_control_prompt")
    if model.name == "cosmos-transfer2.5" and model.version not in (None, "ct25", "ct2.5"):
        raise ValueError(f"augmentation.model.version {model.version!r}: local transfer knows ct25 and ct2.5")


class _SampleRun:
    def __init__(self, config: Config, captioning: Captioning, sample: Sample, environment: Mapping[str, str]) -> None:
        self._config = config
        self._captioning = captioning
        self._environment = environment
        self._source = Path(sample.inputs.rgb or "")
        self._video = Path(sample.output.video)
        self._caption_file = Path(sample.output.caption)
        self._metadata_file = Path(sample.output.metadata)
        self._evaluation_file = Path(sample.output.evaluation) if sample.output.evaluation else None
        self._controls = sample.inputs.controls
        modalities = config.augmentation.modalities or Modalities()
        self._weighted = [name for name in MODALITIES if getattr(modalities, name) is not None]
        self._selections = selections(captioning)

    def run(self, first_seed: int) -> None:
        """Caption, attempts, metadata; raises SampleError, CaptionError or OSError before anything is generated."""
        self._require_inputs()
        record: dict[str, Any] = {
            "prompt": self._caption(),
            "selections": self._selections,
            "caption_path": str(self._caption_file),
            "output_media_path": str(self._video),
            "input_media_path": str(self._source),
            "control_media": {name: getattr(self._controls, name) for name in self._weighted},
        }
        for attempt in range(1, self._config.pipeline.retry + 2):
            seed = first_seed + attempt - 1
            try:
                if attempt > 1 and self._config.pipeline.regenerate_caption_on_retry:
                    record["prompt"] = None
                    record["prompt"] = self._caption()
                self._generate(record["prompt"], seed)
            except (CaptionError, GenerationError, OSError) as error:
                log.error("attempt %d: %s", attempt, error)  # noqa: TRY400 - the message says it all
                break
            if self._evaluate(record, attempt=attempt, seed=seed):
                break
        _write_json(self._metadata_file, {**record, "stand_in": mark(CONTAINER)})
        if self._evaluation_file:
            blocks: dict[str, Any] = {
                name: record[name] for name in ("hallucination_check", "attribute_verification") if name in record
            }
            _write_json(self._evaluation_file, blocks)

    def _require_inputs(self) -> None:
        if self._source.suffix.lower() not in EXTENSIONS:
            raise SampleError(f"{self._source}: extension {self._source.suffix or '(none)'} is not supported")
        if not self._source.is_file():
            raise SampleError(f"{self._source}: no such file")
        if self._weighted and self._controls is None:
            raise SampleError("inputs.controls: the block is missing though a modality has a weight")

    def _caption(self) -> str:
        if self._environment.get("OVERWRITE_CAPTION", "true").lower() != "true" and self._caption_file.is_file():
            return self._caption_file.read_text()
        vlm, llm = effective_endpoints(self._config.endpoints, self._environment)
        text = caption(self._captioning, media=self._source, vlm=vlm, llm=llm, environment=self._environment)
        self._caption_file.parent.mkdir(parents=True, exist_ok=True)
        self._caption_file.write_text(text)
        return text

    def _generate(self, prompt: str, seed: int) -> None:
        self._require_generable()
        try:
            clip = probe(self._source)
            require_decodable(clip)
            _require_short(clip)
            looks, unknown = looks_for(self._selections.values())
            if unknown:
                log.warning("no image operation for %s; these leave the picture as it is", ", ".join(unknown))
            render = Renderer(looks, width=clip.width, height=clip.height, seed=seed)
            started = time.monotonic()
            with writing(self._video, width=clip.width, height=clip.height, rate=clip.rate, comment=NOTE) as append:
                for number, frame in enumerate(frames(self._source)):
                    append(join(render(split(frame), number)))
        except (av.FFmpegError, ValueError) as error:
            raise GenerationError(f"generation failed: {error}") from error
        self._video.with_suffix(".txt").write_text(prompt)
        log.info("wrote %s in %.1f s with seed %d", self._video, time.monotonic() - started, seed)

    def _require_generable(self) -> None:
        augmentation = self._config.augmentation
        model, guidance = augmentation.model, augmentation.parameters.guidance
        if model.name != "cosmos-transfer2.5" or model.executor_type != "local":
            raise GenerationError(
                f"the stand-in does local cosmos-transfer2.5 only, not {model.name} {model.executor_type}"
            )
        if not self._weighted:
            raise GenerationError("No controls provided: give augmentation.modalities a weight")
        if guidance != int(guidance) or not 0 <= guidance <= 7:
            raise GenerationError(f"augmentation.parameters.guidance {guidance}: Cosmos takes an integer from 0 to 7")

    def _evaluate(self, record: dict[str, Any], *, attempt: int, seed: int) -> bool:
        """Adds the evaluators' blocks; True when the sample needs no further attempt."""
        stamp = {"attempt": attempt, "seed_used": seed}
        motion, verification = _evaluators(self._config)
        if motion is not None:
            try:
                block = hallucination(motion, source=self._source, augmented=self._video)
            except (ValueError, av.FFmpegError) as error:
                block = crashed(str(error))
            record["hallucination_check"] = {**block, **stamp}
            log.info("attempt %d: hallucination score %s", attempt, block["score"])
            if not block["passed"]:
                return False
        if verification is None:
            return True
        llm = self._captioning.llm
        vocabulary = (llm.verification_options or llm.variables or {}) if llm else {}
        block = attributes(
            verification,
            verified=self._selections,
            vocabulary=vocabulary,
            endpoints=evaluation_endpoints(self._config.endpoints, self._environment),
            environment=self._environment,
        )
        record["attribute_verification"] = {**block, **stamp}
        if block["passed"] and verification.generate_natural_caption_on_pass:
            record["natural_caption"] = record["prompt"]
        return bool(block["passed"])


def _evaluators(config: Config) -> tuple[HallucinationCheck | None, AttributeVerification | None]:
    motion = verification = None
    for evaluator in config.evaluators or []:
        if evaluator.hallucination_check and evaluator.hallucination_check.enabled:
            motion = evaluator.hallucination_check
        if evaluator.attribute_verification and evaluator.attribute_verification.enabled:
            verification = evaluator.attribute_verification
    return motion, verification


def _require_short(clip: Clip) -> None:
    if clip.frame_count > MOST_FRAMES:
        raise ValueError(f"{clip.path}: {clip.frame_count} frames, of at most {MOST_FRAMES}")


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2))
