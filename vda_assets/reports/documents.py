"""A report's facts for programs: each clip as an object of `report.json` and as a row of `report.csv`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vda_assets.flows.stages import OUTPUTS
from vda_assets.reports.facts import ClipFacts, OutputFacts, Subject, Variant
from vda_assets.reports.places import Places
from vda_assets.reports.summary import Summary, Taken

SCHEMA = 1
# What a spreadsheet takes for the beginning of a formula, also behind blanks; some take the wide forms of East Asia.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def head_document(subject: Subject, summary: Summary, *, written: str) -> dict[str, Any]:
    """All of `report.json` but its clips."""
    return {
        "schema": SCHEMA,
        "written": written,
        "dataset": subject.dataset,
        "url": subject.url,
        "cookbook": subject.cookbook,
        "run": subject.run_id or None,
        "clip_count": summary.clips,
        "further_augmentations": summary.further,
        "verdicts": summary.verdicts,
        "outputs": {str(output): dict(sorted(states.items())) for output, states in summary.states.items()},
        "variables": {
            variable: {
                value: {"drawn": share.drawn, "accepted": share.accepted} for value, share in sorted(shares.items())
            }
            for variable, shares in sorted(summary.variables.items())
        },
        "labels": {
            str(output): {
                "clips": tally.outputs,
                "unknown": tally.unknown,
                "scenes": tally.scenes,
                "frames": tally.frames,
                "frames_with_objects": tally.frames_with_objects,
                "tracks": dict(tally.objects.most_common()),
                "clips_with": dict(tally.clips_with.most_common()),
            }
            for output, tally in summary.labels.items()
        },
        "causes": [
            {
                "state": cause.state,
                "reason": cause.reason,
                "count": cause.count,
                "outputs": {str(output): count for output, count in cause.outputs.items()},
                "clips": cause.clips,
            }
            for cause in summary.causes
        ],
        "doubted_clips": summary.doubted,
        "stand_in_clips": summary.stand_ins,
        "taken": {
            **{str(output): _taken(taken) for output, taken in summary.taken.items()},
            "total": _taken(summary.total),
        },
        "unusable": dict(subject.unusable),
    }


def clip_document(clip: ClipFacts, places: Places) -> dict[str, Any]:
    return {
        "clip": clip.key,
        "file": clip.path,
        "verdict": clip.verdict,
        "size_bytes": clip.size_bytes,
        "original": _url(clip.original),
        "outputs": {str(output): _output(one) for output, one in clip.outputs.items()},
        "variants": [
            {
                "index": variant.index,
                "values": dict(variant.values),
                "augmented": _url(variant.augmented),
                "comparison": _url(variant.comparison),
                "link": places.link(variant.comparison) or None,
            }
            for variant in clip.variants
        ],
        "doubts": list(clip.doubts),
        "stand_in": clip.stand_in,
        "gpu_seconds": _rounded(clip.gpu_seconds),
        "costs": {currency: _rounded(amount) for currency, amount in clip.costs.items()},
    }


def json_lines(head: dict[str, Any], clips: Iterable[str]) -> Iterator[str]:
    """`report.json` piece by piece, a clip per line; `clips` are documents in JSON."""
    yield json.dumps(head, indent=1, ensure_ascii=False)[:-2]
    yield ',\n "clips": ['
    for number, clip in enumerate(clips):
        yield f"{',' if number else ''}\n  {clip}"
    yield "\n ]\n}\n"


def columns(variables: Sequence[str]) -> list[str]:
    """The header of `report.csv`."""
    of_outputs = [f"{output}{what}" for output in OUTPUTS for what in ("", "_reason")]
    media = ["original", "augmented", "comparison", "link"]
    return [
        *("clip", "file", "verdict", *of_outputs, *variables, "doubts", "tracks"),
        *("size_bytes", "gpu_seconds", "cost", "run", *media),
    ]


def row_of(clip: ClipFacts, variables: Sequence[str], places: Places) -> list[str | int | float]:
    """The clip's row; of several variants the values follow each other, behind a semicolon."""
    outputs = [one for output in OUTPUTS for one in _state_and_reason(clip.outputs.get(output))]
    tracks = [f"{count} {kind}" for kind, count in _tracks(clip).items()]
    texts = [
        *(clip.key, clip.path, clip.verdict, *outputs),
        *(_joined(variant.values.get(name, "") for variant in clip.variants) for name in variables),
        *(_joined(clip.doubts), ", ".join(tracks)),
    ]
    numbers = [clip.size_bytes, _rounded(clip.gpu_seconds)]
    costs = _joined(f"{amount:.6f} {currency}" for currency, amount in clip.costs.items())
    runs = _joined(dict.fromkeys(one.run_id for one in clip.outputs.values() if one.run_id))
    media = [_url(clip.original) or "", *(_joined(map(str, urls)) for urls in _media(clip.variants))]
    links = _joined(filter(None, (places.link(variant.comparison) for variant in clip.variants)))
    return [
        *map(safe_cell, texts),
        *("" if number is None else number for number in numbers),
        *map(safe_cell, [costs, runs, *media, links]),
    ]


def safe_cell(text: str) -> str:
    """The text as no spreadsheet takes it for a formula: behind an apostrophe where it would."""
    line = " ".join(text.splitlines()) if text else ""
    return f"'{line}" if line.lstrip().startswith(_FORMULA) or line[:1] in ("\t", "'") else line


def _media(variants: Iterable[Variant]) -> tuple[list[Any], list[Any]]:
    every = list(variants)
    return [one.augmented for one in every if one.augmented], [one.comparison for one in every if one.comparison]


def _tracks(clip: ClipFacts) -> dict[str, int]:
    tracks: dict[str, int] = {}
    for one in clip.outputs.values():
        for kind, count in (one.labels.objects if one.labels else {}).items():
            tracks[kind] = tracks.get(kind, 0) + count
    return tracks


def _state_and_reason(one: OutputFacts | None) -> tuple[str, str]:
    return (one.state, one.reason) if one else ("", "")


def _output(one: OutputFacts) -> dict[str, Any]:
    labels = one.labels and {
        "scenes": one.labels.scenes,
        "frames": one.labels.frames,
        "frames_with_objects": one.labels.frames_with_objects,
        "tracks": dict(one.labels.objects),
    }
    return {
        "state": one.state,
        "reason": one.reason or None,
        "at": one.at or None,
        "run": one.run_id or None,
        "gpu_seconds": _rounded(one.gpu_seconds),
        "labels": labels,
    }


def _taken(taken: Taken) -> dict[str, Any]:
    costs = {currency: _rounded(amount) for currency, amount in sorted(taken.costs.items())}
    return {"gpu_seconds": _rounded(taken.gpu_seconds), "costs": costs}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(texts)


def _url(url: object) -> str | None:
    return None if url is None else str(url)
