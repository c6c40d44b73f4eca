"""Judges an augmented clip by what lies in storage: the exit code says nothing (paidf-augmentation 1.0.0)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vda_assets.cookbooks.draw import Draw
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.outcomes.marker import Marker, OutputMissing, read_marker
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import AUGMENTATION_METADATA_FILE, AUGMENTED_VIDEO_FILE
from vda_assets.storage.url import StorageUrl

_GATES = ("hallucination_check", "attribute_verification")


def judge_augmented_video(storage: Storage, folder: StorageUrl, *, draw: Draw, source: ClipInfo) -> Judgement:
    """`source` is the clip that was augmented: the result must have its size, rate and number of frames."""
    try:
        marker = read_marker(storage, folder)
        info = probe_clip(storage, folder / AUGMENTED_VIDEO_FILE)
        metadata = _metadata(storage, folder, marker)
    except (OutputMissing, MediaError, FileNotFoundError) as error:
        return Judgement(Verdict.MISSING, (str(error),))
    mismatches = _mismatches(info, source)
    rejected, unverified = _gates(metadata, draw)
    facts = {
        "frames": info.frame_count,
        "size_bytes": marker.size_bytes,
        "files": len(marker.files),
        "seconds": marker.seconds.get("container", 0.0),
        "hallucination_score": (_block(metadata, "hallucination_check") or {}).get("score"),
        "prompt": metadata.get("prompt") or "",
    }
    reasons = (*mismatches, *rejected, *unverified)
    verdict = Verdict.REJECTED if mismatches or rejected else Verdict.UNVERIFIED if unverified else Verdict.ACCEPTED
    return Judgement(verdict, reasons, stand_in="stand_in" in metadata, facts=facts)


def probe_clip(storage: Storage, url: StorageUrl) -> ClipInfo:
    """What the clip in storage is. Raises MediaError, OSError or StorageUnavailable naming it."""
    with storage.reading(url) as file:
        return probe(file, name=url.name)


def _metadata(storage: Storage, folder: StorageUrl, marker: Marker) -> dict[str, Any]:
    """Empty when there is none: nothing to judge by. Raises OutputMissing for another attempt's."""
    if all(file.path != AUGMENTATION_METADATA_FILE for file in marker.files):
        return {}
    text = storage.read_bytes(folder / AUGMENTATION_METADATA_FILE)
    marker.require(AUGMENTATION_METADATA_FILE, text)
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _block(metadata: Mapping[str, Any], gate: str) -> dict[str, Any] | None:
    block = metadata.get(gate)
    return block if isinstance(block, dict) else None


def _mismatches(info: ClipInfo, source: ClipInfo) -> list[str]:
    pairs = {
        "frames": (info.frame_count, source.frame_count),
        "size": ((info.width, info.height), (source.width, source.height)),
        "frames per second": (round(float(info.fps), 3), round(float(source.fps), 3)),
    }
    return [f"{name}: {made}, its source has {given}" for name, (made, given) in pairs.items() if made != given]


def _gates(metadata: Mapping[str, Any], draw: Draw) -> tuple[list[str], list[str]]:
    """(why it is rejected, why it cannot be verified)."""
    if not metadata:
        return [], [f"no readable {AUGMENTATION_METADATA_FILE}"]
    rejected: list[str] = []
    unverified: list[str] = []
    blocks = {gate: _block(metadata, gate) for gate in _GATES}
    for gate, block in blocks.items():
        if block is None:
            unverified.append(f"{gate} did not run")
        elif "error" in block:
            unverified.append(f"{gate} crashed: {block['error']}")
        elif unasked := [str(one.get("variable")) for one in _results(block) if one.get("error")]:
            unverified.append(f"{gate} could not ask for {', '.join(unasked)}")
        elif not block.get("passed"):
            rejected.append(f"{gate} failed{_why(block)}")
    attempts = {block["attempt"] for block in blocks.values() if block and "attempt" in block}
    if len(attempts) > 1:
        unverified.append(f"its checks belong to different attempts: {sorted(attempts)}")
    if metadata.get("selections") != dict(draw.sampled_vars):
        unverified.append(f"it was made for {metadata.get('selections')}, drawn was {dict(draw.sampled_vars)}")
    asked = {one.get("variable") for one in _results(blocks["attribute_verification"] or {})}
    if not unverified and (unasked := sorted(set(draw.sampled_vars) - asked)):
        unverified.append(f"attribute_verification did not ask for {', '.join(unasked)}")
    if not metadata.get("prompt"):
        unverified.append("its prompt is empty")
    return rejected, unverified


def _results(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry per question that the attribute verification asked."""
    results: list[dict[str, Any]] = (block.get("details") or {}).get("results") or []
    return results


def _why(block: Mapping[str, Any]) -> str:
    if "score" in block:
        return f": score {block['score']}, at least {block.get('threshold')} is needed"
    wrong = [f"{one.get('variable')} is not {one.get('value')}" for one in _results(block) if not one.get("passed")]
    return f": {', '.join(wrong)}" if wrong else ""
