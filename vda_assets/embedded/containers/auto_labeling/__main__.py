"""CPU stand-in for the container paidf-auto-labeling:1.0.0, with its command line.

    python -m vda_assets.embedded.containers.auto_labeling --config PATH [--dry-run] [key=value ...]

Exit codes are the container's: 0 done (look at the files), 1 a sample failed or something is missing, 2 bad config.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

import cv2
import yaml
from omegaconf.errors import OmegaConfBaseException

from vda_assets.embedded.containers.auto_labeling.coco import unknown_classes
from vda_assets.embedded.containers.auto_labeling.pipeline import CONTAINER, SampleError, SampleRun, usable_tracking
from vda_assets.embedded.containers.auto_labeling.question_bank import AggregationError, BankError, Question, load_bank
from vda_assets.embedded.containers.auto_labeling.schema import Config
from vda_assets.embedded.containers.auto_labeling.settings import load_config
from vda_assets.embedded.containers.stand_in import start_logging

log = logging.getLogger("auto_labeling")


def main(argv: list[str] | None = None) -> int:
    """Runs the stand-in; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="vda_assets.embedded.containers.auto_labeling", allow_abbrev=False)
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments = parser.parse_intermixed_args(argv)
    start_logging(log, CONTAINER)
    cv2.setNumThreads(1)
    try:
        config = load_config(arguments.config, arguments.overrides, os.environ)
        _require_tracking(config)
        questions = _questions(config)
    except (OSError, AggregationError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        return 1
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, BankError) as error:
        log.error("config %s: %s", arguments.config, error)  # noqa: TRY400 - the message says it all
        return 2
    if arguments.dry_run or os.environ.get("AUTO_LABELING_DRY_RUN"):
        for sample in config.data:
            log.info("dry run: %s would be labelled into %s", sample.inputs.video_path, sample.output.out_dir)
        return 0
    return _label_all(config, questions)


def _require_tracking(config: Config) -> None:
    settings = config.detection_and_tracking
    if settings is None or not settings.enabled or usable_tracking(config):
        return
    message = f"detection_and_tracking.classes: {', '.join(unknown_classes(settings.classes))} unknown to the detector"
    if config.pipeline.empty_output_policy == "fail":
        raise ValueError(message)
    log.warning("%s; tracking is left out", message)


def _questions(config: Config) -> list[Question]:
    mcq = config.mcq_generation
    if mcq is None or not mcq.enabled or mcq.window_metadata_extraction is None:
        return []
    bank = mcq.window_metadata_extraction.question_bank_file
    if not bank:
        raise BankError("mcq_generation.window_metadata_extraction.question_bank_file is not set")
    return load_bank(Path(bank))


def _label_all(config: Config, questions: list[Question]) -> int:
    failed = 0
    for number, sample in enumerate(config.data):
        try:
            SampleRun(config, sample, questions, os.environ).run()
        except (SampleError, OSError) as error:
            log.error("data.%d: %s", number, error)  # noqa: TRY400 - the message says it all
            print(f"sample {number}: rc=1 out_dir={sample.output.out_dir}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
