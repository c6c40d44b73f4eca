"""`tao-vl-reason-v1.0` and `cosmos-reason-v1.0`, of each split, by nvidia-tao-daft 7.0.0, without copies of the videos.

Its converters take whole folders, so a tree of the released scenes alone is built for them first. Each split is a
folder of its own: there is no field for one in either format, and who trains on a folder must not see another split.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from nvidia_tao_daft.converters.pairs.metropolis_v3_0_to_cosmos_reason_v1_0 import (
    MetropolisV3_0ToCosmosReasonV1_0Converter,
)
from nvidia_tao_daft.converters.pairs.metropolis_v3_0_to_tao_vl_reason_v1_0 import (
    MetropolisV3_0ToTaoVlReasonV1_0Converter,
)

from vda_assets.labels.scene import RAW_FOLDER, VIDEO_FILE
from vda_assets.releases.layout import COSMOS, TAO
from vda_assets.releases.splits import SPLITS

# From <format>/<split>/ to the root of the release.
_UP = "../../.."
_MEDIA_NOTE = f"The videos lie in {_UP}/videos, once for all formats; meta.json refers to them there.\n"


class ReasoningFiles:
    """Below `folder`: `scenes/<split>/<name>` as the converters take them, and what they make."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tags: dict[str, Sequence[str]] = {}
        self.skipped = 0

    def add(self, name: str, split: str, scene: Path, *, raw: str, file_name: str, tags: Sequence[str]) -> None:
        """`scene` is a local one without its clip, `raw` the clip's path in it, `file_name` that in the release. `tags`
        are added to those of each of its conversations."""
        if not any((scene / "task").glob("*.json")):
            return
        self._tags[Path(file_name).stem] = tags
        target = self._scenes(split) / name
        shutil.copytree(scene / "task", target / "task")
        (target / "contextual").mkdir()
        clip = Path(raw)
        described = scene / VIDEO_FILE
        if described.is_file():
            shutil.copyfile(described, target / VIDEO_FILE)
        else:
            # Without it no question is converted; these keys are all that is read of it.
            video = {"metadata": {"type": "video"}, "video_id": clip.stem, "format": clip.suffix[1:]}
            (target / VIDEO_FILE).write_text(json.dumps(video), encoding="utf-8")
        # The converters ask whether it is there, and never open it.
        video_place = self._scenes(split) / file_name
        video_place.parent.mkdir(parents=True, exist_ok=True)
        video_place.touch()
        (target / RAW_FOLDER).mkdir()
        (target / raw).symlink_to(video_place)

    def finish(self, *, description: str, licence: str) -> Iterator[tuple[str, Path]]:
        """The path of each file in the release, and where it lies."""
        metadata = {"description": description, "license": licence}
        for split in SPLITS:
            if not self._scenes(split).is_dir():
                continue
            tao, cosmos = self._folder / TAO / split, self._folder / COSMOS / split
            with redirect_stdout(io.StringIO()):
                made = MetropolisV3_0ToTaoVlReasonV1_0Converter().convert_dataset(
                    self._scenes(split), tao, copy_media=False, metadata=metadata, emit_media_root_as_null=True
                )
                MetropolisV3_0ToCosmosReasonV1_0Converter().convert_dataset(
                    self._scenes(split), cosmos, copy_media=False, metadata=metadata
                )
            self.skipped += made.samples_skipped
            for path in tao.glob("*.json"):
                _change(path, "items", lambda item: item | {"video_id": f"{_UP}/{item['video_id']}"})
            root = self._scenes(split).resolve()
            for sample in _change(cosmos / "meta.json", "samples", partial(_linked, root=root)):
                self._tag(cosmos / sample["conversation"], self._tags[Path(sample["media"]).stem])
            (cosmos / "media" / "README.txt").write_text(_MEDIA_NOTE, encoding="utf-8")
            for folder in (tao, cosmos):
                for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                    yield str(path.relative_to(self._folder)), path

    def _tag(self, path: Path, tags: Sequence[str]) -> None:
        conversation = json.loads(path.read_text(encoding="utf-8"))
        conversation["metadata"]["tags"] += tags
        path.write_text(json.dumps(conversation, indent=1, ensure_ascii=False), encoding="utf-8")

    def _scenes(self, split: str) -> Path:
        return self._folder / "scenes" / split


def _linked(sample: dict[str, Any], *, root: Path) -> dict[str, Any]:
    # The format wants paths below media/, which would take another copy of each video.
    return sample | {"media": f"media/../{_UP}/{Path(sample['media']).resolve().relative_to(root)}"}


def _change(path: Path, key: str, change: Any) -> list[dict[str, Any]]:
    """What stands under the key now."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content[key] = [change(one) for one in content[key]]
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    changed: list[dict[str, Any]] = content[key]
    return changed
