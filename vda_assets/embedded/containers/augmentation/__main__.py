"""CPU stand-in for the container paidf-augmentation:1.0.0, with its command line.

    python -m vda_assets.embedded.containers.augmentation --config PATH [key=value ...]

As with the real one, exit code 0 says nothing: look at the video and at metadata.json.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

import cv2
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vda_assets.embedded.containers.augmentation.pipeline import CONTAINER, process
from vda_assets.embedded.containers.augmentation.schema import Config
from vda_assets.embedded.containers.stand_in import start_logging

log = logging.getLogger("augmentation")


def load_config(path: Path, overrides: list[str]) -> Config:
    """The validated config; raises OSError, yaml.YAMLError, OmegaConfBaseException, ValueError or IndexError."""
    config = OmegaConf.load(path)
    config.merge_with_dotlist(overrides)
    return Config.model_validate(OmegaConf.to_container(config, resolve=True))


def main(argv: list[str] | None = None) -> int:
    """Runs the stand-in; returns 0 whatever became of the samples, 1 when no generator can be built."""
    parser = argparse.ArgumentParser(prog="vda_assets.embedded.containers.augmentation", allow_abbrev=False)
    parser.add_argument("--config", required=True, type=Path)
    arguments, overrides = parser.parse_known_args(argv)
    start_logging(log, CONTAINER)
    cv2.setNumThreads(1)
    try:
        config = load_config(arguments.config, overrides)
    except (OSError, yaml.YAMLError, OmegaConfBaseException, ValueError, IndexError, KeyError) as error:
        log.error("config %s: %s", arguments.config, error)  # noqa: TRY400 - the message says it all
        return 0
    try:
        process(config, os.environ)
    except ValueError:
        log.exception("the generator cannot be built")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
