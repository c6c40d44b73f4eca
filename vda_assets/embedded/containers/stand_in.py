"""What every stand-in says about itself, so that nobody takes its output for a model's, and how it logs."""

import logging
import os

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
NOTE = "Made on the CPU by a stand-in of vda_assets; no model was run. Good for trying the pipeline, not for training."


def mark(container: str) -> dict[str, str]:
    """The JSON object that marks an output as a stand-in's; `container` is the image that it stands in for."""
    return {"stand_in": "vda_assets.embedded.containers", "stands_in_for": container, "note": NOTE}


def start_logging(log: logging.Logger, container: str) -> None:
    """Logs to stderr at the level that `LOG_LEVEL` names (default INFO), beginning with what the process is."""
    level = os.environ.get("LOG_LEVEL", "INFO").upper()
    logging.basicConfig(level=level if level in logging.getLevelNamesMapping() else "INFO", format=LOG_FORMAT)
    log.warning("CPU stand-in for %s. %s", container, NOTE)
