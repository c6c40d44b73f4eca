"""The format check of nvidia-tao-daft 7.0.0 (metropolis-v3.0), in this process, bounded, and without its chatter."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.base.failed import Failed
from vda_assets.base.problem import Problem, Severity
from vda_assets.labels import limits
from vda_assets.labels.errors import BrokenLabelFile
from vda_assets.labels.reading import read_json
from vda_assets.labels.scene import FORMAT_FILES, OBJECTS_FILE, RAW_FOLDER, LabelScene

if TYPE_CHECKING:
    from nvidia_tao_daft.validators.common import ValidationResult

# DAFT says "task/mcq.json: …", but "objects.json: …" for contextual/objects.json.
_FILE_FIRST = re.compile(r"^(task/)?([^/:]+\.json): (.*)$", re.DOTALL)
# One message per frame; `tracks` says it in one line, and of objects without a name as well.
_UNKNOWN_OBJECT = re.compile(r"^objects\.json: object_id .* not found in any instances file$", re.DOTALL)
_MESSAGES_PER_FILE = 5
# There is one standard output for all threads.
_ALONE = Lock()


def daft_problems(scene: LabelScene) -> Iterator[Problem]:
    """Findings as of `tao-daft validate metropolis-v3.0 --raw video`, at most six per file and severity."""
    broken: list[Problem] = []
    with _shown_to_daft(scene, broken) as folder:
        result = _validate(folder)
    yield from broken
    if isinstance(result, Failed):
        yield Problem(Severity.ERROR, ".", f"DAFT cannot check its format: {result.reason}")
        return
    for severity, messages in ((Severity.ERROR, result.errors), (Severity.WARNING, result.warnings)):
        told = (_file_and_message(message) for message in messages if not _UNKNOWN_OBJECT.match(message))
        found = sorted(told, key=lambda one: one[0])
        for file, of_file in groupby(found, key=lambda one: one[0]):
            texts = [text for _file, text in of_file]
            for text in texts[:_MESSAGES_PER_FILE]:
                yield Problem(severity, file, cut(text))
            if len(texts) > _MESSAGES_PER_FILE:
                yield Problem(severity, file, f"and {counted(len(texts) - _MESSAGES_PER_FILE, 'more finding')} of DAFT")


def _validate(folder: Path) -> ValidationResult | Failed:
    # Not above: it needs jsonschema, which takes 5 CPU seconds to import where Jupyter or the like has brought the
    # grammars of its formats, and most processes that load the definitions look at no labels.
    from nvidia_tao_daft.utils.metropolis_v3_0 import RawType
    from nvidia_tao_daft.validators.metropolis_v3_0.validator import MetropolisV3_0Validator

    with _ALONE, redirect_stdout(io.StringIO()):
        try:
            # Permissive as the command is: a scene without its clip is still a scene. Whether questions were asked for
            # is not for DAFT to know, so it is not asked about a task folder with nothing in it.
            return MetropolisV3_0Validator().validate_scene(
                folder, raw_type=RawType.VIDEO, permissive=True, check_tasks=any(folder.glob("task/*.json"))
            )
        except Exception as error:  # noqa: BLE001 - it trusts types that it has not checked, such as metadata.type
            return Failed(f"{type(error).__name__}: {cut(error)}")


def _is_sampled(scene: LabelScene) -> bool:
    """Whether the scene has more frames and detections than DAFT is shown."""
    frames = scene.objects.frames.values() if scene.objects else ()
    return sum(1 + len(frame.detections) for frame in frames) > limits.DAFT_OBJECTS


@contextmanager
def _shown_to_daft(scene: LabelScene, broken: list[Problem]) -> Iterator[Path]:
    """The scene's files in another folder, but none that the container does not write, and few frames of very many.

    What is no JSON is added to `broken` and not shown.
    """
    with tempfile.TemporaryDirectory(prefix="vda-daft-") as temporary:
        folder = Path(temporary, scene.folder.name or "scene")
        folder.mkdir()
        for name in ("contextual", "task", RAW_FOLDER):
            if (scene.folder / name).is_dir():
                (folder / name).mkdir()
        for file in FORMAT_FILES:
            try:
                content = read_json(scene.folder, file)
            except BrokenLabelFile as error:
                broken.append(Problem(Severity.ERROR, file, error.problem))
                continue
            if content is None:
                continue
            if file == OBJECTS_FILE and _is_sampled(scene):
                (folder / file).write_text(json.dumps(content | {"frames": _sample(content["frames"])}))
            else:
                (folder / file).symlink_to((scene.folder / file).absolute())
        yield folder


def _sample(frames: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """One frame and one detection of every shape: types were checked in all when the scene was read, keys were not."""
    seen: set[tuple[object, ...]] = set()
    sample: dict[str, dict[str, Any]] = {}
    for key, frame in frames.items():
        shown = []
        for shape, detection in [((*one, *map(type, one.values())), one) for one in frame["instances"]]:
            if shape not in seen and len(seen) < limits.DAFT_OBJECTS:
                seen.add(shape)
                shown.append(detection)
        shape = (*frame, str(frame.get("format")))
        if shown or (shape not in seen and len(seen) < limits.DAFT_OBJECTS):
            seen.add(shape)
            sample[key] = frame | {"instances": shown}
    return sample


def _file_and_message(message: str) -> tuple[str, str]:
    match = _FILE_FIRST.match(message)
    if match is None:
        return ".", message
    folder, name, text = match.groups()
    return f"{folder or 'contextual/'}{name}", text
