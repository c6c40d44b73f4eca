"""MOT, Ultralytics YOLO and CVAT's video XML: the files of one video in each format.

MOT counts frames from 1, YOLO classes from 0; CVAT counts frames from 0 as the label scene does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

import yaml

from vda_assets.labels.scene import Box
from vda_assets.releases.boxes import Categories, Labels, Track
from vda_assets.releases.layout import CVAT, MOT, YOLO
from vda_assets.releases.splits import SPLITS


def mot_files(name: str, labels: Labels, categories: Categories, *, tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Path and content of each. The last columns say that a box counts, its class, and that it is wholly visible: how
    much of an object is hidden is not known. Readers take no key in seqinfo.ini but these seven (Datumaro 1.13), and
    look for the names of the classes beside the boxes."""
    lines = []
    for frame, boxes in sorted(labels.frames.items()):
        for track, (x_min, y_min, x_max, y_max) in boxes:
            sides = [_number(side) for side in (x_min, y_min, x_max - x_min, y_max - y_min)]
            lines.append(
                ",".join([str(frame + 1), str(track.number), *sides, "1", str(categories.id_of(track.category)), "1"])
            )
    shape = labels.shape
    info = [
        "[Sequence]",
        f"name={name}",
        "imDir=img1",
        f"frameRate={round(shape.fps)}",
        f"seqLength={shape.frame_count}",
        f"imWidth={shape.width}",
        f"imHeight={shape.height}",
        "imExt=.jpg",
        *(f"; {tag}" for tag in tags),
    ]
    yield f"{MOT}/{name}/gt/gt.txt", _lines(lines)
    yield f"{MOT}/{name}/gt/labels.txt", _lines(categories.names)
    yield f"{MOT}/{name}/seqinfo.ini", _lines(info)


def yolo_files(name: str, split: str, labels: Labels, categories: Categories) -> Iterator[tuple[str, str]]:
    """A file for each frame with objects: one without has none, and is a background image."""
    width, height = labels.shape.width, labels.shape.height
    for frame, boxes in sorted(labels.frames.items()):
        lines = []
        for track, (x_min, y_min, x_max, y_max) in boxes:
            centre = ((x_min + x_max) / 2 / width, (y_min + y_max) / 2 / height)
            shares = (*centre, (x_max - x_min) / width, (y_max - y_min) / height)
            lines.append(" ".join([str(categories.id_of(track.category) - 1), *(f"{share:.8f}" for share in shares)]))
        yield f"{YOLO}/labels/{split}/{name}/{frame:06d}.txt", _lines(lines)


def yolo_data(splits: set[str], categories: Categories, said: str) -> str:
    """`data.yaml`: images are expected where their labels' paths say, once frames are extracted.

    It names no `path`: Ultralytics takes a relative one from its own settings' folder, and the file's folder without.
    """
    head = "".join(f"# {line}\n" for line in said.splitlines())
    content = {
        **{split: f"images/{split}" for split in SPLITS if split in splits},
        "nc": len(categories.names),
        "names": dict(enumerate(categories.names)),
    }
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def cvat_file(name: str, file_name: str, labels: Labels, said: str) -> tuple[str, str]:
    """A track leaves the picture by a box that is `outside`, in the frame after the last that it is seen in."""
    shape = labels.shape
    names = sorted({track.category for track in labels.tracks})
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<!-- {said.replace('--', '- -')} -->",
        "<annotations>",
        "<version>1.1</version>",
        "<meta><task>",
        f"<name>{escape(name)}</name><size>{shape.frame_count}</size><mode>interpolation</mode>",
        f"<start_frame>0</start_frame><stop_frame>{max(0, shape.frame_count - 1)}</stop_frame>",
        f"<original_size><width>{shape.width}</width><height>{shape.height}</height></original_size>",
        f"<source>{escape(file_name)}</source>",
        # FiftyOne 1.22 stumbles over an empty list.
        *(["<labels>", *map(_cvat_label, names), "</labels>"] if names else []),
        "</task></meta>",
        *(line for track in labels.tracks for line in _cvat_track(track, labels)),
        "</annotations>",
    ]
    return f"{CVAT}/{name}.xml", _lines(lines)


def _cvat_label(name: str) -> str:
    return f"<label><name>{escape(name)}</name><attributes></attributes></label>"


def _cvat_track(track: Track, labels: Labels) -> Iterator[str]:
    seen = labels.by_track[track.number]
    yield f'<track id="{track.number - 1}" label={quoteattr(track.category)} source="auto">'
    for frame, box in seen.items():
        yield _cvat_box(frame, box, outside=False)
        if frame + 1 not in seen and frame + 1 < labels.shape.frame_count:
            yield _cvat_box(frame + 1, box, outside=True)
    yield "</track>"


def _cvat_box(frame: int, box: Box, *, outside: bool) -> str:
    x_min, y_min, x_max, y_max = map(_number, box)
    return (
        f'<box frame="{frame}" outside="{int(outside)}" occluded="0" keyframe="1" '
        f'xtl="{x_min}" ytl="{y_min}" xbr="{x_max}" ybr="{y_max}" z_order="0"></box>'
    )


def _number(side: float) -> str:
    """At most three decimals, and none that is not needed."""
    return f"{side:.3f}".rstrip("0").rstrip(".")


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
