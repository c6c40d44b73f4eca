"""Judges a label scene by what lies in storage: paidf-auto-labeling 1.0.0 exits 0 with half of its labels missing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vda_assets.base.problem import Severity
from vda_assets.cookbooks.question_bank import QuestionBank
from vda_assets.labels.errors import LabelError
from vda_assets.labels.scene import LabelScene, read_scene
from vda_assets.labels.summarise import summarise
from vda_assets.labels.validate import validate_scene
from vda_assets.outcomes.answers import unanswered
from vda_assets.outcomes.doubts import Drawn, doubts_about
from vda_assets.outcomes.marker import Marker, OutputMissing, read_marker
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.storage.access import Storage
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

# Videos of a scene are large and say nothing about its labels.
_JUDGED_SUFFIXES = {".json", ".yaml", ".md"}
_STAND_IN_FILE = "sidecars/stand_in.json"


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
        with local_scene(storage, folder, marker) as local:
            problems = validate_scene(local)
            scene = read_scene(local)
    except (OutputMissing, LabelError) as error:
        return Judgement(Verdict.MISSING, (str(error),))
    reasons = [f"{problem.file}: {problem.message}" for problem in problems if problem.severity is Severity.ERROR]
    reasons += _degradations(scene)
    reasons += unanswered(scene, bank)
    if scene.objects is not None and len(scene.objects.frames) != frame_count:
        reasons.append(f"{len(scene.objects.frames)} frames are labelled, the clip has {frame_count}")
    facts = {
        "size_bytes": marker.size_bytes,
        "files": len(marker.files),
        "seconds": marker.seconds.get("container", 0.0),
        "summary": summarise(scene).as_markdown(),
    }
    stand_in = any(file.path == _STAND_IN_FILE for file in marker.files)
    verdict = Verdict.DEGRADED if reasons else Verdict.ACCEPTED
    doubts = tuple(doubts_about(scene.mcq, drawn or {}))
    return Judgement(verdict, tuple(reasons), doubts=doubts, stand_in=stand_in, facts=facts)


@contextmanager
def local_scene(storage: Storage, folder: StorageUrl, marker: Marker) -> Iterator[Path]:
    """The scene's texts as its worker wrote them, in a local folder; links to its videos when they lie on this machine.

    What the marker does not list, such as a former attempt's answers, stays out. Raises OutputMissing.
    """
    with tempfile.TemporaryDirectory(prefix="vda-scene-") as temporary:
        places = {file.path: Path(temporary, file.path) for file in marker.files}
        texts = [name for name in places if Path(name).suffix in _JUDGED_SUFFIXES]
        for place in places.values():
            place.parent.mkdir(parents=True, exist_ok=True)
        storage.download_all((folder / name, places[name]) for name in texts)
        for name in texts:
            marker.require(name, places[name].read_bytes())
        if folder.scheme == FILE_SCHEME:
            for name in places.keys() - set(texts):
                places[name].symlink_to(f"/{folder.key}/{name}")
        yield Path(temporary)


def _degradations(scene: LabelScene) -> list[str]:
    steps = scene.status.degraded_steps if scene.status else ()
    reasons = [f"step {step} is degraded" for step in steps]
    windows = scene.metadata.windows if scene.metadata else ()
    failed = sum(bool(window.errors) for window in windows)
    # When all have failed, validation says so itself.
    if 0 < failed < len(windows):
        reasons.append(f"{failed} of {len(windows)} windows have no answers")
    return reasons
