"""Logs for programs: with `VDA_LOG_FORMAT=json` every line on stderr is a JSON object.

`time`, `level`, `logger` and `message` are always there; `run` (Dagster's id), `run_id` (of the run's folder),
`dataset`, `asset`, `clip`, `workflow`, `event` and `error` where they are known. Dagster's own records say part of
that, a run's lines the rest (`vda_assets.base.log`).
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from vda_assets.base.log import LINES

VARIABLE = "VDA_LOG_FORMAT"
_JSON, _OTHER = "json", ("", "text")
# What Dagster calls what we know by other names: of a run's tags, and of a materialization's metadata.
_DATASET_TAG, _WORKFLOW = "dataset", "workflow"


class UnknownLogFormat(ValueError):
    """The variable asks for a format that there is not."""


def is_asked(environment: Mapping[str, str]) -> bool:
    return environment.get(VARIABLE, "").strip() == _JSON


def log_as_asked(environment: Mapping[str, str]) -> None:
    """Has this process log as the variable asks for. Raises UnknownLogFormat."""
    if not is_asked(environment):
        asked = environment.get(VARIABLE, "").strip()
        if asked in _OTHER:
            return
        raise UnknownLogFormat(f"{VARIABLE}={asked}: there is only json, and text, which is what it is without")
    # Loggers that come later, such as Dagster's for each run, and those that are there.
    logging.setLoggerClass(_JsonLogger)
    known = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(one for one in known if isinstance(one, logging.Logger))]
    for handler in [logging.lastResort, *(handler for logger in loggers for handler in logger.handlers)]:
        _use_json(handler)
    if not isinstance(sys.stderr, _JsonLines):
        sys.stderr = _JsonLines(sys.stderr)


class JsonFormatter(logging.Formatter):
    """One object per line that the record holds."""

    def format(self, record: logging.LogRecord) -> str:
        meta: Mapping[str, Any] = getattr(record, "dagster_meta", None) or {}
        known = {**_known_of(meta), **({"error": self.formatException(record.exc_info)} if record.exc_info else {})}
        lines = getattr(record, LINES, None) or [{"message": meta.get("orig_message") or record.getMessage()}]
        moment = datetime.fromtimestamp(record.created, UTC)
        return "\n".join(_object(moment, record.levelname, record.name, {**known, **line}) for line in lines)


def _known_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    event = meta.get("dagster_event")
    data = getattr(event, "event_specific_data", None)
    said = getattr(data, "materialization", None) or getattr(data, "asset_observation", None)
    metadata = getattr(said, "metadata", None) or {}
    error = getattr(data, "error", None)
    return {
        "run": meta.get("run_id"),
        "dataset": (meta.get("job_tags") or {}).get(_DATASET_TAG),
        "event": getattr(event, "event_type_value", None),
        "asset": said.asset_key.to_user_string() if said else None,
        "clip": getattr(said, "partition", None),
        "workflow": metadata[_WORKFLOW].value if _WORKFLOW in metadata else None,
        "error": error.to_string() if error else None,
    }


def _object(moment: datetime, level: str, logger: str, said: Mapping[str, Any]) -> str:
    time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole = {"time": time, "level": level, "logger": logger, "message": "", **said}
    return json.dumps(
        {key: value for key, value in whole.items() if value is not None}, ensure_ascii=False, default=str
    )


class _JsonLogger(logging.Logger):
    """Whoever gives it a handler for a stream, and a format, gets JSON there."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - logging's own name
        _use_json(hdlr)
        super().addHandler(hdlr)


def _use_json(handler: logging.Handler | None) -> None:
    if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
        handler.setFormatter(JsonFormatter())


class _JsonLines(io.TextIOBase):
    """stderr: what is no log, such as a message of a command or a traceback, becomes objects too, line by line."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._rest = stream, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._stream.write(f"{line if _is_object(line) else _wrapped(line)}\n")
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


def _is_object(line: str) -> bool:
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _wrapped(line: str) -> str:
    level = "ERROR" if line.startswith("Error: ") else "INFO"
    return _object(datetime.now(UTC), level, "stderr", {"message": line})
