"""The format check of nvidia-tao-daft 7.0.0 (metropolis-v3.0), in this process and without its chatter."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import groupby
from pathlib import Path

from nvidia_tao_daft.utils.metropolis_v3_0 import RawType
from nvidia_tao_daft.validators.metropolis_v3_0.validator import MetropolisV3_0Validator

from vda_assets.base.problem import Problem, Severity

# DAFT says "task/mcq.json: …", but "objects.json: …" for contextual/objects.json.
_FILE_FIRST = re.compile(r"^(task/)?([^/:]+\.json): (.*)$", re.DOTALL)
# One unknown object is one message per frame that shows it.
_MESSAGES_PER_FILE = 5


def daft_problems(folder: Path) -> Iterator[Problem]:
    """Findings as of `tao-daft validate metropolis-v3.0 --raw video`, at most six per file and severity."""
    with redirect_stdout(io.StringIO()):
        try:
            # Permissive as the command is: a scene without its clip is still a scene. Whether questions were asked for
            # is not for DAFT to know, so it is not asked about a task folder with nothing in it.
            result = MetropolisV3_0Validator().validate_scene(
                folder, raw_type=RawType.VIDEO, permissive=True, check_tasks=any(folder.glob("task/*.json"))
            )
        except UnicodeDecodeError as error:
            yield Problem(Severity.ERROR, ".", f"a JSON file is not UTF-8: {error}")
            return
    for severity, messages in ((Severity.ERROR, result.errors), (Severity.WARNING, result.warnings)):
        found = sorted((_file_and_message(message) for message in messages), key=lambda one: one[0])
        for file, of_file in groupby(found, key=lambda one: one[0]):
            texts = [text for _file, text in of_file]
            for text in texts[:_MESSAGES_PER_FILE]:
                yield Problem(severity, file, text)
            if len(texts) > _MESSAGES_PER_FILE:
                yield Problem(severity, file, f"and {len(texts) - _MESSAGES_PER_FILE} more findings of DAFT")


def _file_and_message(message: str) -> tuple[str, str]:
    match = _FILE_FIRST.match(message)
    if match is None:
        return ".", message
    folder, name, text = match.groups()
    return f"{folder or 'contextual/'}{name}", text
