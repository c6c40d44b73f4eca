"""Judges an augmented clip by what lies in storage: the exit code says nothing (paidf-augmentation 1.0.0)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import from_json

from vda_assets.base.cut import cut
from vda_assets.cookbooks.draw import Draw
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes import limits
from vda_assets.outcomes.clips import probe_marked
from vda_assets.outcomes.gates import Finding, gate_findings, hallucination_score
from vda_assets.outcomes.marker import UNREADABLE, Marker, OutputMissing, read_marker
from vda_assets.outcomes.verdict import Judgement, Verdict, worst_verdict
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import AUGMENTATION_METADATA_FILE, AUGMENTED_VIDEO_FILE
from vda_assets.storage.url import StorageUrl


def judge_augmented_video(
    storage: Storage,
    folder: StorageUrl,
    *,
    draw: Draw,
    source: ClipInfo,
    excluded: Collection[str] = (),
) -> Judgement:
    """`source` is the clip that was augmented: the result must have its size, rate and number of frames.

    `excluded` are variables that the container was told not to verify.
    """
    try:
        marker = read_marker(storage, folder)
        info = probe_marked(storage, folder, marker, AUGMENTED_VIDEO_FILE)
        metadata = _metadata(storage, folder, marker)
    except (OutputMissing, *UNREADABLE) as error:
        return Judgement(Verdict.MISSING, (str(error),))
    findings = [
        *(Finding(Verdict.REJECTED, reason) for reason in _mismatches(info, source)),
        *(Finding(Verdict.UNVERIFIED, reason) for reason in marker.failures),
        *_findings(metadata, draw, excluded),
    ]
    # What rejects it stands first.
    findings.sort(key=lambda finding: finding.verdict is not Verdict.REJECTED)
    facts = {
        "frames": info.frame_count,
        "size_bytes": marker.size_bytes,
        "files": len(marker.files),
        "seconds": marker.seconds.get("container", 0.0),
        "hallucination_score": hallucination_score(metadata),
        "prompt": cut(metadata.get("prompt") or "", characters=4000),
    }
    return Judgement(
        worst_verdict([Verdict.ACCEPTED, *(finding.verdict for finding in findings)]),
        tuple(finding.reason for finding in findings),
        stand_in="stand_in" in metadata,
        facts=facts,
    )


def _metadata(storage: Storage, folder: StorageUrl, marker: Marker) -> dict[str, Any]:
    """Empty when there is none that can be read: nothing to judge by. Raises OutputMissing for another attempt's."""
    written = next((file for file in marker.files if file.path == AUGMENTATION_METADATA_FILE), None)
    if written is None or written.size_bytes > limits.AUGMENTATION_METADATA_BYTES:
        return {}
    text = storage.read_bytes(folder / AUGMENTATION_METADATA_FILE)
    marker.require_content(AUGMENTATION_METADATA_FILE, text)
    try:
        content = from_json(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _mismatches(info: ClipInfo, source: ClipInfo) -> list[str]:
    pairs = {
        "frames": (info.frame_count, source.frame_count),
        "size": ((info.width, info.height), (source.width, source.height)),
        "frames per second": (round(float(info.fps), 3), round(float(source.fps), 3)),
    }
    return [f"{name}: {made}, its source has {given}" for name, (made, given) in pairs.items() if made != given]


def _findings(metadata: Mapping[str, Any], draw: Draw, excluded: Collection[str]) -> list[Finding]:
    if not metadata:
        return [Finding(Verdict.UNVERIFIED, f"no readable {AUGMENTATION_METADATA_FILE}")]
    drawn = dict(draw.sampled_vars)
    findings = gate_findings(metadata, sampled_vars=drawn, excluded=excluded)
    if metadata.get("selections") != drawn:
        made_for = cut(metadata.get("selections"), characters=100)
        findings.append(Finding(Verdict.UNVERIFIED, f"it was made for {made_for}, drawn was {drawn}"))
    prompt = metadata.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        findings.append(Finding(Verdict.UNVERIFIED, "its prompt is empty"))
    return findings
