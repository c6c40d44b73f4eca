"""Clips with outputs as a run leaves them in storage, and what Dagster's books would say of them, made by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from vda_assets.cookbooks.cookbook import Cookbook, read_cookbook
from vda_assets.cookbooks.draw import draw_name
from vda_assets.datasets.clips import Clip, clip_at, key_of
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Verdict
from vda_assets.releases.candidates import Candidate, Made
from vda_assets.releases.choosing import Wanted
from vda_assets.releases.release import Draft, Order, Released, draft, release
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.labels.conftest import good_documents
from vda_assets_tests.media.conftest import write_clip

DATASET, RUN = "yard", "run-0a1b2c3d"
FRAMES, WIDTH, HEIGHT = 6, 96, 64
ORIGINAL, VIDEOS, LABELS = Stage.ORIGINAL_LABELS, Stage.AUGMENTED_VIDEOS, Stage.AUGMENTED_LABELS


@dataclass(frozen=True)
class Motion:
    """An object that is in the picture from one frame to another, and moves."""

    object_id: str
    category: str
    first: int
    last: int
    left: float
    top: float
    speed: float = 1.0
    width: float = 20.5
    height: float = 12.25

    def box(self, frame: int) -> list[float]:
        left = round(self.left + self.speed * (frame - self.first), 3)
        return [left, self.top, round(left + self.width, 3), round(self.top + self.height, 3)]


TRUCK = Motion("truck_1", "truck", 0, 3, 5.25, 30.0)
PERSON = Motion("person_2", "person", 2, 5, 60.5, 8.125, -1.5)
MOTIONS = (TRUCK, PERSON)


@dataclass
class MadeClips:
    """`add` leaves a clip with all outputs, whole and accepted; what it returns can be changed by `replace`."""

    storage: Storage
    root: StorageUrl
    dataset: str = DATASET
    candidates: list[Candidate] = field(default_factory=list)

    def add(
        self,
        path: str,
        *,
        motions: Sequence[Motion] = MOTIONS,
        seen_augmented: Sequence[Motion] | None = None,
        drawn: Sequence[Mapping[str, str]] = ({"weather": "rain", "time_of_day": "midday"},),
        frames: int = FRAMES,
        stand_in: bool = False,
        bytes_more: int = 0,
    ) -> Candidate:
        """`bytes_more` are added to each video, which stays readable."""
        clip = self.upload(path, frames=frames)
        original = clip_content(frames, path, bytes_more)
        self.leave_scene(clip, ORIGINAL, clip.video, original, motions, frames, stand_in=stand_in)
        for index, values in enumerate(drawn):
            name, content = draw_name(clip.video, index, 1), clip_content(frames, f"{path} {index}", bytes_more)
            metadata = {
                "prompt": f"The same under {', '.join(values.values())}.",
                "selections": dict(values),
                "hallucination_check": {"score": 0.9, "passed": True},
                **({"stand_in": {}} if stand_in else {}),
            }
            files = {"augmented_video.mp4": content, "metadata.json": json.dumps(metadata).encode()}
            self.leave(self.folder(VIDEOS, name), name, files)
            shown = motions if seen_augmented is None else seen_augmented
            self.leave_scene(clip, LABELS, name, content, shown, frames, stand_in=stand_in)
        candidate = Candidate(clip, books_of(clip, drawn, stand_in=stand_in))
        self.candidates.append(candidate)
        return candidate

    def upload(self, path: str, *, frames: int = FRAMES) -> Clip:
        folder = self.root / f"datasets/{self.dataset}"
        self.storage.write_bytes(folder / path, clip_content(frames, path))
        return clip_at(self.storage, folder, key_of(path))

    def folder(self, stage: Stage, name: str) -> StorageUrl:
        return RunLayout(self.root, self.dataset, RUN).output(stage.row.folder, name)

    def leave_scene(
        self,
        clip: Clip,
        stage: Stage,
        name: str,
        content: bytes,
        motions: Sequence[Motion],
        frames: int,
        *,
        stand_in: bool,
    ) -> None:
        files = {path: _written(path, document) for path, document in scene_of(name, motions, frames).items()}
        files[f"raw/{name}.mp4"] = content
        files["logs/pipeline.log"] = b"a log is no label\n"
        if stand_in:
            files["sidecars/stand_in.json"] = b"{}"
        self.leave(self.folder(stage, name), name, files)

    def leave(self, folder: StorageUrl, name: str, files: Mapping[str, bytes]) -> None:
        """As a worker does: the marker last."""
        for path, content in files.items():
            self.storage.write_bytes(folder / path, content)
        marked = [
            {"path": path, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in files.items()
        ]
        marker = {"version": 2, "container": "c", "name": name, "work": "w", "attempt": 1, "models": {"vlm": "Qwen3"}}
        self.storage.write_bytes(folder / "outcome.json", json.dumps(marker | {"files": marked}).encode())

    def order(self, **said: Any) -> Order:
        wanted = Wanted(**{name: said.pop(name) for name in ("verdicts", "where", "with_stand_ins") if name in said})
        return Order(self.dataset, self.root, cookbook(), wanted, **said)

    def draft(self, **said: Any) -> Draft:
        return draft(self.storage, self.candidates, self.order(**said))

    def release(self, **said: Any) -> Released:
        return release(self.storage, self.draft(**said))


def books_of(clip: Clip, drawn: Sequence[Mapping[str, str]], *, stand_in: bool = False) -> dict[Stage, Made]:
    """What the books say of a clip of which everything is accepted."""
    accepted = Made(
        Verdict.ACCEPTED, is_made=True, run_id=RUN, workflow="vda-0a1b2c3d-1", image="c@sha256:12", stand_in=stand_in
    )
    made_from = {"path": str(clip.url), "clip": clip.version, "cookbook": "12ab"}
    upstream = {f"{name} of {VIDEOS}": part for name, part in made_from.items()}
    sampled = {str(index): dict(values) for index, values in enumerate(drawn)}
    return {
        ORIGINAL: replace(accepted, made_from=made_from),
        VIDEOS: replace(accepted, made_from=made_from, sampled_vars=sampled),
        LABELS: replace(accepted, made_from=upstream, parent=Verdict.ACCEPTED, sampled_vars=sampled),
    }


def changed(candidate: Candidate, stage: Stage, **said: Any) -> Candidate:
    """The same clip, of one of whose outputs the books say something else."""
    return replace(candidate, made={**candidate.made, stage: replace(candidate.made[stage], **said)})


def scene_of(name: str, motions: Sequence[Motion], frames: int) -> dict[str, Any]:
    """The documents of a label scene that shows these objects."""
    documents = json.loads(json.dumps(good_documents()).replace("yardcam07", name))
    documents["contextual/instances.json"]["instances"] = {
        one.object_id: {
            "object_type": one.category,
            "instance_id": number,
            "semantic_id": number,
            "color": [number, 0, 0],
            "caption": one.object_id,
        }
        for number, one in enumerate(motions)
    }
    documents["contextual/objects.json"]["frames"] = {
        f"{name}_frame_{frame:06d}": {
            "format": "png",
            "frame_number": frame,
            "instances": [
                {"object_id": one.object_id, "bounding_box_2d_tight": one.box(frame)}
                for one in motions
                if one.first <= frame <= one.last
            ],
        }
        for frame in range(frames)
    }
    documents["sidecars/metadata.json"]["num_frames"] = frames
    documents["contextual/video.json"] = {
        "version": "metropolis-v3.0",
        "video_id": name,
        "format": "mp4",
        "fps": 25,
        "duration": frames / 25,
        "height": HEIGHT,
        "width": WIDTH,
        "rectified": False,
        "metadata": {"type": "video", "date": "2026-01-15"},
    }
    return documents


def _written(path: str, document: Any) -> bytes:
    return (yaml.safe_dump(document) if path.endswith(".yaml") else json.dumps(document)).encode()


def clip_content(frames: int, whose: str, bytes_more: int = 0) -> bytes:
    """A clip that can be read, and is no other's: what follows its last box is passed over."""
    free = whose.encode() + bytes(bytes_more)
    return _clip(frames) + (len(free) + 8).to_bytes(4, "big") + b"free" + free


@cache
def _clip(frames: int) -> bytes:
    with TemporaryDirectory() as folder:
        return write_clip(Path(folder, "clip.mp4"), frame_count=frames).read_bytes()


@cache
def cookbook() -> Cookbook:
    return read_cookbook(REPOSITORY / "assets_cfg/cookbooks/city_traffic", name="city_traffic")
