"""Text of a workflow file -> the finished mapping: OSMO 6.4's section splitter and its Jinja sandbox."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
import threading
from typing import Any

from vda_assets.embedded.service import rendering
from vda_assets.embedded.service.errors import ApiError, server_error
from vda_assets.embedded.service.yaml_text import load_section
from vda_assets.osmo.spec import TOKEN_PATTERN

_TOP_LEVEL_KEY = re.compile(r"^([a-zA-Z][a-zA-Z0-9_-]*):", re.MULTILINE)
_MARKS = re.compile(r"{[{%#]")
# For the start of the process too, on a busy machine.
_PATIENCE_SECONDS = 30.0
_WORKERS = threading.BoundedSemaphore(2)
_SECTIONS = ("workflow", "default-values", "version")


def split_sections(text: str) -> dict[str, str]:
    """Top-level key -> its raw text. What stands above the first key is dropped, as the service does."""
    starts = list(_TOP_LEVEL_KEY.finditer(text))
    sections: dict[str, str] = {}
    ends = [*(start.start() for start in starts[1:]), len(text)]
    for start, end in zip(starts, ends, strict=False):
        key = start[1]
        if key not in _SECTIONS:
            raise ApiError(f'Unknown top-level key "{key}" found in the workflow spec.')
        if key in sections:
            raise ApiError(f'Duplicate top-level key "{key}" found in the workflow spec.')
        sections[key] = text[start.start() : end]
    if "workflow" not in sections:
        raise ApiError("Workflow spec not found.")
    return sections


def render_workflow(text: str, *, set_variables: list[str], set_string_variables: list[str]) -> dict[str, Any]:
    """The document `{"workflow": {…}}` with all templates replaced and OSMO's own tokens left in place."""
    sections = split_sections(text)
    variables: dict[str, Any] = {}
    if "default-values" in sections:
        defaults = load_section(sections["default-values"], "default-values") or {}
        if not isinstance(defaults, dict):
            raise ApiError("default-values must be a mapping", error_code="USAGE")
        variables |= defaults
    variables |= {key: _cast(value) for key, value in map(split_pair, set_variables)}
    variables |= dict(map(split_pair, set_string_variables))
    workflow = load_section(_render(sections["workflow"], variables), "workflow")
    if not isinstance(workflow, dict):
        raise ApiError("Workflow spec is not properly formatted: workflow must be a mapping", error_code="USAGE")
    return {"workflow": workflow}


def split_pair(pair: str) -> tuple[str, str]:
    """`k=v` at the first `=`; a missing one is a USAGE error."""
    key, separator, value = pair.partition("=")
    if not separator:
        raise ApiError(f'"{pair}" must use key=value format.', error_code="USAGE")
    return key, value


def _render(text: str, variables: dict[str, Any]) -> str:
    protected: dict[str, str] = {}

    def protect(match: re.Match[str]) -> str:
        name = f"hash{int(hashlib.md5(match[0].encode(), usedforsecurity=False).hexdigest(), 16)}"
        protected[name] = match[0]
        return f"{{{{{name}}}}}"

    template = TOKEN_PATTERN.sub(protect, text)
    if not _MARKS.search(TOKEN_PATTERN.sub("", text)):
        # Nothing but OSMO's own tokens: a process for each of hundreds of finished specs would take most of the time.
        return text
    answer = _rendered_elsewhere(template, {**variables, **protected})
    if "text" in answer:
        return answer["text"]
    if answer["kind"] == "unforeseen":
        raise server_error(answer["message"])
    if answer["kind"] == "type":
        raise ApiError(f"Jinja Template Error: {answer['message']}", error_code="USAGE")
    raise _failure(answer["error"], answer["message"])


def _rendered_elsewhere(template: str, variables: dict[str, Any]) -> dict[str, str]:
    """What the process says that renders it, which has as much time and memory as the service gives (OSMO 6.4)."""
    command = [sys.executable, "-m", rendering.__name__]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    given = pickle.dumps((template, variables))
    try:
        with _WORKERS:
            ended = subprocess.run(
                command, input=given, capture_output=True, env=environment, timeout=_PATIENCE_SECONDS, check=False
            )
        if ended.returncode != -rendering.TIMES_UP:
            answer: dict[str, str] = json.loads(ended.stdout)
            return answer
    except subprocess.TimeoutExpired:
        pass
    except ValueError:
        raise _failure("<class 'MemoryError'>", "took more memory than a template may") from None
    raise _failure("<class 'TimeoutError'>", f"took longer than {rendering.COMPUTING_SECONDS} s")


def _failure(kind: str, message: str) -> ApiError:
    return ApiError(f"Jinja substitution failure: {kind}: {message}", error_code="USAGE")


def _cast(value: str) -> int | float | str:
    for cast in (int, float):
        try:
            return cast(value)
        except ValueError:
            continue
    return value
