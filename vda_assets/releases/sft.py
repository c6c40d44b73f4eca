"""`cosmos_sft.jsonl`, what cosmos-framework fine-tunes video models on, and the clips that it would drop silently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vda_assets.base.counted import counted

# cosmos-framework: a window of fewer frames, and a clip of more seconds, is passed over without a word.
FEWEST_FRAMES, MOST_SECONDS = 61, 61.0


def sft_row(row: Mapping[str, Any], caption: str) -> dict[str, Any]:
    """A line for the video of that row of metadata.jsonl; its one window is all of it.

    Raises ValueError that says why it would be dropped.
    """
    frames, seconds = row["frame_count"], round(row["frame_count"] / row["fps"], 3) if row["fps"] else 0.0
    if frames < FEWEST_FRAMES:
        raise ValueError(f"it has {counted(frames, 'frame')}; windows of fewer than {FEWEST_FRAMES} are passed over")
    if seconds > MOST_SECONDS:
        raise ValueError(f"it takes {seconds:g} s; clips of more than {MOST_SECONDS:g} s are passed over")
    if not caption:
        raise ValueError("it has no caption")
    window = {"start_frame": 0, "end_frame": frames - 1, "temporal_interval": 1, "caption": caption}
    return {
        "uuid": row["name"],
        "vision_path": row["file_name"],
        "width": row["width"],
        "height": row["height"],
        "duration": seconds,
        "nb_frames": frames,
        "framerate": row["fps"],
        "t2w_windows": [window],
    }
