"""`tao-vl-reason-v1.0` and `cosmos-reason-v1.0`, of each split, by nvidia-tao-daft 7.0.0, without copies of the videos.

Its converters take whole folders and hold all questions of one, so a tree of a few released scenes is built for them at
a time. Each split is a folder of its own: there is no field for one in either format, and who trains on a folder must
not see another split.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nvidia_tao_daft.converters.pairs.metropolis_v3_0_to_cosmos_reason_v1_0 import (
    MetropolisV3_0ToCosmosReasonV1_0Converter,
)
from nvidia_tao_daft.converters.pairs.metropolis_v3_0_to_tao_vl_reason_v1_0 import (
    MetropolisV3_0ToTaoVlReasonV1_0Converter,
)

from vda_assets.base.spool import Spool, write_document
from vda_assets.labels.scene import RAW_FOLDER, VIDEO_FILE
from vda_assets.releases.layout import COSMOS, TAO
from vda_assets.releases.splits import SPLITS

# From <format>/<split>/ to the root of the release.
_UP = "../../.."
_MEDIA_NOTE = f"The videos lie in {_UP}/videos, once for all formats; meta.json refers to them there.\n"


@dataclass(frozen=True)
class _Document:
    """A file of the release: what stands in it beside one list, and what that lists, under `key`."""

    head: Mapping[str, Any]
    key: str
    listed: Spool


class ReasoningFiles:
    """Below `folder`: `scenes/<split>/<name>` as the converters take them, and what they make of these."""

    def __init__(self, folder: Path, *, description: str, licence: str) -> None:
        self._folder = folder
        self._metadata = {"description": description, "license": licence}
        self._tags: dict[str, Sequence[str]] = {}
        self._documents: dict[str, _Document] = {}
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

    @contextmanager
    def conversations(self) -> Iterator[list[tuple[str, Path]]]:
        """Of all that was added since the last time: the path of each in the release, and where it lies meanwhile."""
        made = self._folder / "made"
        yield [one for split in SPLITS if self._scenes(split).is_dir() for one in self._convert(split, made / split)]
        for folder in (made, self._folder / "scenes"):
            shutil.rmtree(folder, ignore_errors=True)
        self._tags.clear()

    def finish(self) -> Iterator[tuple[str, Path]]:
        """The other files: the path of each in the release, and where it lies."""
        for number, (name, document) in enumerate(self._documents.items()):
            path = self._folder / f"{number}.json"
            write_document(path, {**document.head, document.key: document.listed})
            yield name, path
        note = self._folder / "README.txt"
        note.write_text(_MEDIA_NOTE, encoding="utf-8")
        for split in SPLITS:
            if _index(split) in self._documents:
                yield f"{COSMOS}/{split}/media/README.txt", note

    def _convert(self, split: str, made: Path) -> Iterator[tuple[str, Path]]:
        scenes, tao, cosmos = self._scenes(split), made / "tao", made / "cosmos"
        with redirect_stdout(io.StringIO()):
            told = MetropolisV3_0ToTaoVlReasonV1_0Converter().convert_dataset(
                scenes, tao, copy_media=False, metadata=self._metadata, emit_media_root_as_null=True
            )
            MetropolisV3_0ToCosmosReasonV1_0Converter().convert_dataset(
                scenes, cosmos, copy_media=False, metadata=self._metadata
            )
        self.skipped += told.samples_skipped
        for path in sorted(tao.glob("*.json")):
            self._list(f"{TAO}/{split}/{path.name}", path, "items", _placed)
        root = scenes.resolve()
        for sample in self._list(_index(split), cosmos / "meta.json", "samples", partial(_linked, root=root)):
            conversation = sample["conversation"]
            self._tag(cosmos / conversation, self._tags[Path(sample["media"]).stem])
            yield f"{COSMOS}/{split}/{conversation}", cosmos / conversation

    def _list(
        self, name: str, path: Path, key: str, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """What the file at `path` lists under the key, changed. The release's file of that name is to list it, too."""
        content = json.loads(path.read_text(encoding="utf-8"))
        listed = [change(one) for one in content.pop(key)]
        if name not in self._documents:
            spool = Spool(self._folder / f"{len(self._documents)}.jsonl")
            self._documents[name] = _Document(content, key, spool)
        for one in listed:
            self._documents[name].listed.add(one)
        return listed

    def _tag(self, path: Path, tags: Sequence[str]) -> None:
        conversation = json.loads(path.read_text(encoding="utf-8"))
        conversation["metadata"]["tags"] += tags
        path.write_text(json.dumps(conversation, indent=1, ensure_ascii=False), encoding="utf-8")

    def _scenes(self, split: str) -> Path:
        return self._folder / "scenes" / split


def _index(split: str) -> str:
    return f"{COSMOS}/{split}/meta.json"


def _placed(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"video_id": f"{_UP}/{item['video_id']}"}


def _linked(sample: dict[str, Any], *, root: Path) -> dict[str, Any]:
    # The format wants paths below media/, which would take another copy of each video.
    return sample | {"media": f"media/../{_UP}/{Path(sample['media']).resolve().relative_to(root)}"}
