"""Draws what was found into copies of the clip: every detection, the tracks, and the tracks' numbers in red."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from vda_assets.embedded.containers.auto_labeling.observation import Observation
from vda_assets.embedded.containers.auto_labeling.scene import colour
from vda_assets.embedded.containers.auto_labeling.tracking import Box, Track
from vda_assets.embedded.containers.stand_in import NOTE
from vda_assets.embedded.containers.video import frames, writing

GREY, RED = (200, 200, 200), (255, 0, 0)
Picture = NDArray[np.uint8]


def write_overlays(observation: Observation, folder: Path, *, kinds: Sequence[str]) -> None:
    """Writes `<stem>_<kind>.mp4` for each kind of `detection`, `tracking`, `tracking_red_id`."""
    tracked: dict[int, list[tuple[Track, Box]]] = defaultdict(list)
    for track in observation.tracks:
        for number, box in track.boxes.items():
            tracked[number].append((track, box))
    with ExitStack() as stack:
        appends = {
            kind: stack.enter_context(
                writing(
                    folder / f"{observation.path.stem}_{kind}.mp4",
                    width=observation.width,
                    height=observation.height,
                    rate=observation.rate,
                    comment=NOTE,
                    preset="ultrafast",
                )
            )
            for kind in kinds
        }
        for number, frame in enumerate(frames(observation.path)):
            picture: Picture = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            for kind, append in appends.items():
                drawn = picture.copy()
                if kind == "detection":
                    for detected in observation.detections[number]:
                        _rectangle(drawn, detected, GREY)
                for track, box in tracked[number] if kind != "detection" else []:
                    _draw(drawn, track, box, numbers_only=kind == "tracking_red_id")
                append(av.VideoFrame.from_ndarray(drawn, format="rgb24"))


def _draw(picture: Picture, track: Track, box: Box, *, numbers_only: bool) -> None:
    left, top = int(box[0]), int(box[1])
    text, ink = (str(track.track_id), RED) if numbers_only else (track.object_id, colour(track))
    if not numbers_only:
        _rectangle(picture, box, ink)
    place = (left + 3, top + 15) if numbers_only else (left, max(12, top - 4))
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, 1, cv2.LINE_AA)


def _rectangle(picture: Picture, box: Sequence[float], ink: tuple[int, int, int]) -> None:
    left, top, right, bottom = (int(value) for value in box)
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), ink, 2)
