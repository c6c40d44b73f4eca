"""Judges a label scene by what lies in storage: paidf-auto-labeling 1.0.0 exits 0 with half of its labels missing."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vda_assets.base.counted import counted
from vda_assets.base.problem import Problem, Severity
from vda_assets.cookbooks.question_bank import QuestionBank
from vda_assets.labels import limits
from vda_assets.labels.errors import LabelError
from vda_assets.labels.scene import METADATA_FILE, RAW_FOLDER, SCENE_FILES, STATUS_FILE, read_scene
from vda_assets.labels.summarise import summarise
from vda_assets.labels.validate import scene_problems
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes.answers import answer_problems
from vda_assets.outcomes.clips import probe_marked
from vda_assets.outcomes.doubts import Drawn, doubts_about
from vda_assets.outcomes.marker import UNREADABLE, Marker, OutputMissing, read_marker
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.storage.access import Storage
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

_STAND_IN_FILE = "sidecars/stand_in.json"
_JUDGED_FOLDERS = ("contextual", "task")


def judge_labels(
    storage: Storage,
    folder: StorageUrl,
    *,
    frame_count: int,
    bank: QuestionBank,
    drawn: Mapping[str, Drawn] | None = None,
) -> Judgement:
    """`frame_count` is the labelled clip's: every frame must be listed. `bank` is what must be answered. `drawn` is
    what was drawn for an augmented clip, by variable: answers that say otherwise are doubts."""
    try:
        marker = read_marker(storage, folder)
        clip, strays = _raw_clip(storage, folder, marker), list(_strays(marker))
        with local_scene(storage, folder, marker) as local:
            scene = read_scene(local)
            problems = list(scene_problems(scene, clip=clip, frame_count=frame_count))
    except (OutputMissing, LabelError, *UNREADABLE) as error:
        return Judgement(Verdict.MISSING, (str(error),))
    reasons = [*strays, *(f"{problem.file}: {problem.message}" for problem in problems if _degrades(problem))]
    reasons += answer_problems(scene, bank)
    summary = summarise(scene)
    facts = {
        "size_bytes": marker.size_bytes,
        "files": len(marker.files),
        "seconds": marker.seconds.get("container", 0.0),
        "summary": summary.as_markdown(),
        "label_counts": summary.counts,
    }
    stand_in = any(file.path == _STAND_IN_FILE for file in marker.files)
    verdict = Verdict.UNVERIFIED if marker.failures else Verdict.DEGRADED if reasons else Verdict.ACCEPTED
    doubts = tuple(doubts_about(scene.mcq, drawn or {}))
    return Judgement(verdict, (*marker.failures, *reasons), doubts=doubts, stand_in=stand_in, facts=facts)


@contextmanager
def local_scene(
    storage: Storage, folder: StorageUrl, marker: Marker, *, names: Collection[str] = SCENE_FILES
) -> Iterator[Path]:
    """Those files of the scene that are judged, or the named ones, as its worker wrote them, in a local folder.

    What the marker does not list, such as a former attempt's answers, stays out. Raises OutputMissing, also for a file
    that is too large to be read.
    """
    files = [file for file in marker.files if file.path in names]
    for file in files:
        if file.size_bytes > limits.BYTES[file.path]:
            raise OutputMissing(
                f"{file.path} has {file.size_bytes:,} bytes; at most {limits.BYTES[file.path]:,} are read"
            )
    with tempfile.TemporaryDirectory(prefix="vda-scene-") as temporary:
        for name in (*_JUDGED_FOLDERS, RAW_FOLDER):
            if any(file.path.startswith(f"{name}/") for file in marker.files):
                Path(temporary, name).mkdir()
        storage.download_all((folder / file.path, Path(temporary, file.path)) for file in files)
        for file in files:
            marker.require_content(file.path, Path(temporary, file.path).read_bytes())
        yield Path(temporary)


def _degrades(problem: Problem) -> bool:
    """Warnings say what is less than was asked for in the container's own words, or what is no fault of it."""
    return problem.severity is Severity.ERROR or problem.file in (STATUS_FILE, METADATA_FILE)


def _raw_clip(storage: Storage, folder: StorageUrl, marker: Marker) -> ClipInfo | None:
    """The labelled clip that the scene carries; None in an object store, where nothing else needs its bytes."""
    paths = [file.path for file in marker.files if file.path.startswith(f"{RAW_FOLDER}/")]
    if len(paths) != 1 or folder.scheme != FILE_SCHEME:
        return None
    return probe_marked(storage, folder, marker, paths[0])


def _strays(marker: Marker) -> Iterator[str]:
    paths = [file.path for file in marker.files]
    clips = [path for path in paths if path.startswith(f"{RAW_FOLDER}/")]
    if len(clips) != 1 and any(path in SCENE_FILES for path in paths):
        yield f"{RAW_FOLDER}: it holds {counted(len(clips), 'file')}; the labelled clip alone lies there"
    for path in paths:
        if path.startswith(tuple(f"{name}/" for name in _JUDGED_FOLDERS)) and path not in SCENE_FILES:
            yield f"{path}: paidf-auto-labeling 1.0.0 writes no such file"
    for path, times in ((path, paths.count(path)) for path in SCENE_FILES):
        if times > 1:
            yield f"{path}: it is listed {counted(times, 'time')}"
