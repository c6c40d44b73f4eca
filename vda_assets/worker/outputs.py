"""What a container must have left, whole: paidf-augmentation 1.0.0 exits 0 on failure, so its code proves nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

from vda_assets.worker.arguments import Arguments
from vda_assets.worker.ended import STATUS_FILE, Ended
from vda_assets.worker.failure import say
from vda_assets.worker.whole_files import file_problem, is_filled

SCENE_FILES = ["config.yaml", STATUS_FILE, "raw/*"]
SR_CLIP = "sidecars/sr_output.mp4"
AUGMENTED_CLIP = "augmented_video.mp4"
# What the checks of an augmented clip found; a clip without is kept, and judged to be unverified.
CHECKS_FILE = "metadata.json"
# What the generator of paidf-augmentation 1.0.0 writes into a temporary folder, which a killed container leaves.
GENERATED_CLIP = "cosmos_transfer_inference.mp4"


def require_scene(arguments: Arguments, ended: Ended) -> None:
    """Raises WorkerError when the labels are not whole: half a scene is worth nothing."""
    if ended.exit_code:
        raise ended.failure(arguments)
    required = [*SCENE_FILES, *([SR_CLIP] if arguments.super_resolution else [])]
    missing = [name for name in required if not any(is_filled(path) for path in arguments.output.glob(name))]
    if missing:
        raise ended.failure(arguments, problem=f"left out {', '.join(missing)}")
    for name in required:
        if problem := file_problem(arguments.output / name) if "*" not in name else "":
            raise ended.failure(arguments, problem=problem)


def require_clip(arguments: Arguments, ended: Ended, temporary: Path) -> str | None:
    """Why the container failed although it left a whole clip; None when it did not fail.

    Such a clip cost a GPU 20 to 35 minutes: it is kept for the judge, who cannot accept it. Raises WorkerError when
    there is none. `temporary` is the container's folder for temporary files.
    """
    clip = arguments.output / AUGMENTED_CLIP
    failure = ended.what if ended.exit_code else ""
    if problem := file_problem(clip):
        generated = generated_clip(temporary)
        if generated is None:
            raise ended.failure(arguments, problem=problem)
        shutil.move(generated, clip)
        failure = f"{ended.what} but {problem}; the clip is the one that its generator had left"
    checks = arguments.output / CHECKS_FILE
    if not is_filled(checks):
        say(f"WARNING: the container left no {CHECKS_FILE}: nothing tells whether the clip passed its checks")
    elif (problem := file_problem(checks)) and not failure:
        failure = f"{ended.what} but {problem}"
    if not failure:
        return None
    explained = ended.explain(failure, arguments)
    say(f"WARNING: the clip is whole and is kept, but not to be relied on: {explained}")
    return explained


def generated_clip(temporary: Path) -> Path | None:
    """The newest whole one below the folder."""
    found = [path for path in temporary.rglob(GENERATED_CLIP) if not file_problem(path)]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)
