"""What a label scene lacks when the container has left it: a clip of its own, and a description of that."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from vda_assets.worker.failure import say


def keep_real_media(raw: Path) -> None:
    """`raw/<id>` is a link to the input; it would dangle once uploaded."""
    for path in raw.iterdir():
        if path.is_symlink():
            target = path.resolve()
            path.unlink()
            shutil.copyfile(target, path)


def describe_video(scene: Path) -> None:
    """Writes the contextual/video.json that `vlm_json` would have: without it tao-daft 7.0.0 converts no scene."""
    target = scene / "contextual" / "video.json"
    if target.exists():
        return
    clip = min((scene / "raw").iterdir())
    try:
        seen = json.loads((scene / "sidecars" / "metadata.json").read_bytes())
        start, end = seen["duration_span"]
        duration, fps = float(end - start), min(240, max(1, round(seen["framerate"])))
        width, height = int(seen["width"]), int(seen["height"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        say(f"no contextual/video.json: sidecars/metadata.json does not describe the clip ({error!r})")
        return
    video = {
        "version": "metropolis-v3.0",
        "video_id": clip.stem,
        "format": clip.suffix[1:],
        "fps": fps,
        "duration": duration,
        "height": height,
        "width": width,
        "rectified": False,
        "metadata": {
            "type": "video",
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "description": "Technical facts alone: no model was asked to describe the scene.",
        },
    }
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(video, indent=2), encoding="utf-8")
