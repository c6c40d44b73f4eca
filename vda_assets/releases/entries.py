"""What of a pick lies in storage: the video and the files of its labels, by the markers that their workers wrote last.

The video of an original is the clip that was labelled, as it lies beside its labels: the boxes are of its pictures, be
it remuxed or enhanced, whatever was uploaded under the clip's name since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from vda_assets.base.counted import counted
from vda_assets.base.parallel import in_order
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import digest
from vda_assets.labels.scene import CONFIG_FILE, RAW_FOLDER
from vda_assets.outcomes import limits
from vda_assets.outcomes.labels import local_scene
from vda_assets.outcomes.marker import UNREADABLE, MarkedFile, Marker, OutputMissing, read_marker
from vda_assets.releases.choosing import LeftOut, Pick
from vda_assets.releases.layout import FORMAT_VERSION, VIDEOS
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import AUGMENTATION_METADATA_FILE, AUGMENTED_VIDEO_FILE, RunLayout
from vda_assets.storage.url import StorageUrl

STAND_IN_FILE = "sidecars/stand_in.json"
_LABEL_FOLDERS = ("contextual/", "task/", f"{RAW_FOLDER}/")
_READS_AT_ONCE = 8


@dataclass(frozen=True)
class Entry:
    """A video that is released. `raw` is the clip that was labelled, `video` where its bytes lie now.

    `augmentation` is the folder of an augmented video, None for an original; `folder` that in its split. `content` is
    the hash of everything that decides what is written of it: the rest is read again then, and is not kept of each of
    very many.
    """

    pick: Pick
    scene: StorageUrl
    raw: MarkedFile
    stand_in: bool
    content: str
    augmentation: StorageUrl | None = None
    folder: str = ""

    @property
    def name(self) -> str:
        return self.pick.name

    @property
    def generated(self) -> bool:
        return self.augmentation is not None

    @property
    def video(self) -> StorageUrl:
        return self.augmentation / AUGMENTED_VIDEO_FILE if self.augmentation else self.scene / self.raw.path

    @property
    def file_name(self) -> str:
        """Where the video lies in the release."""
        return f"{VIDEOS}/{self.pick.split}/{self.folder}{self.name}.{self.raw.path.rpartition('.')[2].lower()}"


@dataclass(frozen=True)
class Outputs:
    """What the workers said of an entry: of its label scene, with the files that are released of it, and of its video,
    which an original has none of."""

    labels: Marker
    video: Marker | None


def read_entries(
    storage: Storage, picks: Sequence[Pick], *, storage_url: StorageUrl, dataset: str, with_stand_ins: bool
) -> Iterator[Entry | LeftOut]:
    """In the order of the picks. What is not whole in storage, or not what its worker wrote, is left out, whatever the
    books say of it."""

    def read(pick: Pick) -> Entry | LeftOut:
        try:
            entry, outputs = _read(storage, pick, storage_url, dataset)
            with local_scene(storage, entry.scene, outputs.labels):
                augmentation_of(storage, entry, outputs)
        except (OutputMissing, *UNREADABLE) as error:
            return LeftOut(pick.name, f"not whole in storage: {error}")
        if entry.stand_in and not with_stand_ins:
            return LeftOut(pick.name, "a stand-in's output")
        return entry

    return in_order(read, picks, threads=_READS_AT_ONCE)


def outputs_of(storage: Storage, entry: Entry) -> Outputs:
    """Raises OutputMissing when they are not whole, or no more what the entry was made of."""
    labels = _labels(storage, entry.scene)
    outputs = Outputs(labels, read_marker(storage, entry.augmentation) if entry.augmentation else None)
    if _content(entry.pick, outputs) != entry.content:
        raise OutputMissing(f"{entry.scene} or its video has changed")
    return outputs


def augmentation_of(storage: Storage, entry: Entry, outputs: Outputs) -> dict[str, Any]:
    """What the container left beside an augmented video; empty for an original, and where it cannot be read.

    Raises OutputMissing when it is not what its worker wrote.
    """
    if entry.augmentation is None or outputs.video is None:
        return {}
    url = entry.augmentation / AUGMENTATION_METADATA_FILE
    text = storage.read_bytes(url, limit_bytes=limits.AUGMENTATION_METADATA_BYTES)
    outputs.video.require_content(AUGMENTATION_METADATA_FILE, text)
    try:
        content = from_json(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def content_of(entries: Iterable[Entry], settings: object) -> str:
    """Hash of what a release of these entries holds; `settings` is what is said of all of them."""
    return digest(FORMAT_VERSION, settings, [entry.content for entry in entries])


def _read(storage: Storage, pick: Pick, storage_url: StorageUrl, dataset: str) -> tuple[Entry, Outputs]:
    """Raises OutputMissing."""
    stage = Stage.AUGMENTED_LABELS if pick.draw else Stage.ORIGINAL_LABELS
    name = pick.draw.name if pick.draw else pick.candidate.clip.video
    scene = RunLayout(storage_url, dataset, pick.labels.run_id).output(stage.row.folder, name)
    labels = _labels(storage, scene)
    raw = [file for file in labels.files if file.path.startswith(f"{RAW_FOLDER}/")]
    if len(raw) != 1:
        raise OutputMissing(
            f"{scene}/{RAW_FOLDER} holds {counted(len(raw), 'file')}; the labelled clip alone lies there"
        )
    stand_in = pick.labels.stand_in or any(file.path == STAND_IN_FILE for file in labels.files)
    if pick.draw is None or pick.video is None:
        outputs = Outputs(labels, None)
        return Entry(pick, scene, raw[0], stand_in, _content(pick, outputs)), outputs
    run = RunLayout(storage_url, dataset, pick.video.run_id)
    folder = run.output(Stage.AUGMENTED_VIDEOS.row.folder, name)
    outputs = Outputs(labels, marker := read_marker(storage, folder))
    if marker.file(AUGMENTED_VIDEO_FILE).sha256 != raw[0].sha256:
        raise OutputMissing(f"{scene} has the labels of another clip than {folder}/{AUGMENTED_VIDEO_FILE}")
    marker.file(AUGMENTATION_METADATA_FILE)
    return Entry(pick, scene, raw[0], stand_in or pick.video.stand_in, _content(pick, outputs), folder), outputs


def _labels(storage: Storage, scene: StorageUrl) -> Marker:
    labels = read_marker(storage, scene)
    return labels.model_copy(update={"files": [file for file in labels.files if _is_released(file.path)]})


def _content(pick: Pick, outputs: Outputs) -> str:
    markers = [one.model_dump(mode="json") for one in (outputs.labels, outputs.video) if one]
    clip = pick.candidate.clip
    made = [vars(one) for one in (pick.labels, pick.video) if one]
    return digest([pick.name, clip.key, str(clip.url), clip.version, made, markers])


def _is_released(path: str) -> bool:
    """Labels and what they say of themselves; no logs, prompts or videos with boxes drawn into them."""
    if path.startswith(_LABEL_FOLDERS) or path == CONFIG_FILE:
        return True
    return path.startswith("sidecars/") and path.endswith(".json")
