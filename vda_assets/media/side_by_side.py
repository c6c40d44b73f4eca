"""Renders two clips beside each other into one MP4 for an eye to compare: same height, the shorter one decides."""

from __future__ import annotations

import heapq
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vda_assets.media.errors import CannotEncode, DamagedVideo
from vda_assets.media.reading import OpenClip, Source, clockwise_degrees, open_clip

# AV1 and VP9 are the royalty-free codecs that Chromium plays from an MP4. Two cores, 250 frames of 3388x720: libsvtav1
# preset 10 crf 28 takes 5.5 s and 2.3 MB at 46.6 dB, libvpx-vp9 realtime cpu-used 8 takes 6.7 s and 2.9 MB at 45.7 dB
# (libx264 veryfast crf 20: 8.9 s, 4.8 MB, 47.1 dB). AV1 is the fastest and the smallest; it wants 550 MB of memory.
ENCODER = "libsvtav1"
# SVT-AV1 4.1 looks for screen content and filters over time: a quarter of all CPU, for 5% of the size at the same PSNR.
ENCODER_OPTIONS = {"preset": "10", "crf": "28", "svtav1-params": "scm=0:enable-tf=0"}
_UNTAGGED = 2  # AVCOL_SPC_UNSPECIFIED
# FFmpeg's filters that turn a frame clockwise by so many degrees.
_TURNS: dict[int, list[tuple[str, str | None]]] = {
    90: [("transpose", "clock")],
    180: [("hflip", None), ("vflip", None)],
    270: [("transpose", "cclock")],
}


@dataclass(frozen=True)
class SideBySide:
    """What was rendered; `fps` is the left clip's."""

    width: int
    height: int
    frame_count: int
    fps: Fraction
    duration_seconds: float
    size_bytes: int


def side_by_side(
    left: Source,
    right: Source,
    output: Path,
    *,
    height: int = 720,
    on_progress: Callable[[float], None] | None = None,
) -> SideBySide:
    """Writes `output`: AV1 in MP4, no sound, both clips upright and `height` lines high (an even number).

    `output` appears only when it is whole. `on_progress` gets the finished share after every frame, and 1 at the end.
    Raises NotAVideo, NoVideoStream or DamagedVideo with the clip's side and file name, CannotEncode, or OSError.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{uuid.uuid4().hex}.part")
    report = on_progress or _ignore
    left_name, right_name = _name("left", left), _name("right", right)
    try:
        with open_clip(left, name=left_name) as left_clip, open_clip(right, name=right_name) as right_clip:
            sides = (_Side.of(left_clip), _Side.of(right_clip))
            with _encoding():
                frame_count, width = _render(*sides, partial, height=height, on_progress=report)
        partial.replace(output)
        report(1.0)
    finally:
        partial.unlink(missing_ok=True)
    fps = sides[0].fps
    return SideBySide(
        width=width,
        height=height,
        frame_count=frame_count,
        fps=fps,
        duration_seconds=float(frame_count / fps),
        size_bytes=output.stat().st_size,
    )


def _name(side: str, source: Source) -> str:
    return f"{side} clip {Path(source).name}" if isinstance(source, (str, Path)) else f"{side} clip"


def _ignore(_share: float) -> None:
    pass


@dataclass(frozen=True)
class _Side:
    clip: OpenClip
    fps: Fraction
    first_frame: VideoFrame
    # Goes on behind the first one. Asked anew, a decoder that gave all its frames at once says that it is at its end.
    further_frames: Iterator[VideoFrame]

    @classmethod
    def of(cls, clip: OpenClip) -> _Side:
        clip.stream.thread_type = "AUTO"
        with clip.decoding():
            frames = clip.container.decode(clip.stream)
            first_frame = next(frames, None)
        fps = clip.stream.average_rate or clip.stream.guessed_rate
        if first_frame is None or not fps:
            raise DamagedVideo(clip.name, "no frame of it decodes. Upload the clip again.")
        return cls(clip, fps, first_frame, frames)

    @property
    def promised_seconds(self) -> float:
        stream = self.clip.stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return (self.clip.container.duration or 0) / av.time_base

    def timed_frames(self, at: int) -> Iterator[tuple[float, int, VideoFrame | None]]:
        """(seconds since the first frame, `at`, frame), and `None` for a frame at the end."""
        seconds = 0.0
        yield seconds, at, self.first_frame
        while frame := self._next_frame():
            seconds = frame.time - self.first_frame.time
            yield seconds, at, frame
        yield seconds, at, None

    def _next_frame(self) -> VideoFrame | None:
        """What the encoder refuses while a frame is in use is not the clip's fault."""
        with self.clip.decoding():
            return next(self.further_frames, None)

    def add_to(self, graph: Graph, *, height: int, fps: Fraction) -> tuple[FilterContext, FilterContext]:
        """Where frames enter the graph, and where they leave it: upright, scaled, from 0 on at a constant rate."""
        frame = self.first_frame
        turn = clockwise_degrees(frame.rotation)
        aspect = Fraction(frame.width, frame.height) * (self.clip.stream.sample_aspect_ratio or 1)
        width = 2 * max(1, round(height * (1 / aspect if turn in (90, 270) else aspect) / 2))
        entry = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=self.clip.stream.time_base
        )
        scale = f"{width}:{height}:out_range=tv:out_color_matrix=bt709"
        if frame.colorspace == _UNTAGGED and frame.height >= 720:
            # By convention untagged HD is BT.709 and untagged SD is BT.601; FFmpeg takes both for BT.601.
            scale += ":in_color_matrix=bt709"
        steps = [
            entry,
            *(graph.add(name, arguments) for name, arguments in _TURNS.get(turn, [])),
            graph.add("scale", scale),
            graph.add("format", "yuv420p"),
            graph.add("setsar", "1"),
            graph.add("setpts", "PTS-STARTPTS"),
            graph.add("fps", str(fps)),
        ]
        graph.link_nodes(*steps)
        return entry, steps[-1]


def _render(
    left: _Side, right: _Side, output: Path, *, height: int, on_progress: Callable[[float], None]
) -> tuple[int, int]:
    graph = Graph()
    left_entry, left_exit = left.add_to(graph, height=height, fps=left.fps)
    right_entry, right_exit = right.add_to(graph, height=height, fps=left.fps)
    stack = graph.add("hstack", "inputs=2:shortest=1")
    left_exit.link_to(stack, input_idx=0)
    right_exit.link_to(stack, input_idx=1)
    stack.link_to(graph.add("buffersink"))
    graph.configure()

    # SVT-AV1 writes a page about itself to stderr otherwise.
    os.environ.setdefault("SVT_LOG", "1")
    tick = 1 / left.fps
    promised_frames = float(min(left.promised_seconds, right.promised_seconds) * left.fps) or float("inf")
    with av.open(str(output), "w", format="mp4", options={"movflags": "faststart"}) as container:
        encoder = cast(VideoStream, container.add_stream(ENCODER, rate=left.fps, options=ENCODER_OPTIONS))
        encoder.thread_type = "AUTO"
        frame_count = 0
        for frame in _filtered(graph, (left_entry, right_entry), (left, right)):
            if frame_count == 0:
                encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
                encoder.color_range, encoder.colorspace = frame.color_range, frame.colorspace
            frame.pts, frame.time_base = frame_count, tick
            container.mux(encoder.encode(frame))
            frame_count += 1
            on_progress(min(1.0, frame_count / promised_frames))
        container.mux(encoder.encode(None))
        return frame_count, encoder.width


@contextmanager
def _encoding() -> Iterator[None]:
    """What is left to fail once the clips decode: a codec that this FFmpeg has not, a size that it refuses."""
    try:
        yield
    except OSError as error:
        if isinstance(error, av.FFmpegError):
            raise CannotEncode(
                "side by side", f"no {ENCODER} video can be made of them here ({error.strerror})"
            ) from error
        raise
    except (av.FFmpegError, ValueError, MemoryError) as error:
        raise CannotEncode("side by side", f"no {ENCODER} video can be made of them here ({error})") from error


def _filtered(
    graph: Graph, entries: tuple[FilterContext, FilterContext], sides: tuple[_Side, _Side]
) -> Iterator[VideoFrame]:
    """The graph's frames. Both sides are fed in the order of time, so that none piles up in memory."""
    in_order = heapq.merge(*(side.timed_frames(at) for at, side in enumerate(sides)), key=lambda timed: timed[0])
    for _seconds, at, frame in in_order:
        entries[at].push(frame)
        while True:
            try:
                yield graph.vpull()
            except av.BlockingIOError:
                break
            except av.EOFError:
                return
