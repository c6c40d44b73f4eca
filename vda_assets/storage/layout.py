"""Where everything of a run lies under storage_url. It is exactly the layout that the reference has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vda_assets.storage.url import DATASETS_FOLDER, StorageUrl

SETUP_FOLDER = "setup_b0"
# Written last by a worker: where it lies, the output is whole.
OUTCOME_FILE = "outcome.json"
AUGMENTED_VIDEO_FILE = "augmented_video.mp4"
AUGMENTATION_METADATA_FILE = "metadata.json"
# Beside the folders of a dataset's runs.
REPORT_FOLDER, REPORT_PAGE = "report", "report.html"
# Folders of the outputs, below a run's root.
PSEUDO_LABELED, AUGMENTED, PSEUDO_LABELED_AUGMENTED = (
    "outputs/pseudo_labeled",
    "outputs/augmented",
    "outputs/pseudo_labeled_augmented",
)


def _last_part(folder: str) -> str:
    return folder.rpartition("/")[2]


_DRAW_PATTERN = r"_aug\d+(?:_try\d+)?"
_OUTPUT_PATTERN = (
    rf"{PSEUDO_LABELED}/(?P<original>[^/]+)/|"
    rf"(?:{AUGMENTED}|{PSEUDO_LABELED_AUGMENTED})/(?P<made>[^/]+){_DRAW_PATTERN}/"
)
_DISPLAY_PATTERN = (
    rf"(?P<shown>.+){_DRAW_PATTERN}_(?:compare|{_last_part(AUGMENTED)}|{_last_part(PSEUDO_LABELED_AUGMENTED)})|"
    rf"(?P<labelled>.+)_{_last_part(PSEUDO_LABELED)}"
)


@dataclass(frozen=True)
class RunLayout:
    """`run_id` is `run-` and 8 hex digits; `video` is a clip's key without its extension."""

    storage_url: StorageUrl
    dataset: str
    run_id: str

    @property
    def root(self) -> StorageUrl:
        return outputs_folder(self.storage_url, self.dataset) / self.run_id

    @property
    def setup(self) -> StorageUrl:
        return self.root / SETUP_FOLDER

    def output(self, folder: str, name: str) -> StorageUrl:
        """Where one worker's results lie: `folder` is a stage's, `name` `<video>` or a draw's."""
        return self.root / f"{folder}/{name}"

    def remuxed_clip(self, video: str, content: str) -> StorageUrl:
        """Where a clip of another format lies as an MP4 for workers. `content` tells versions of the clip apart."""
        return self.root / f"remuxed/{video}/{content}.mp4"

    def video_at(self, path: str) -> str | None:
        """The video that a path below the run's root belongs to; None for what all of them share."""
        shown = rf"display/{re.escape(self.dataset)}_(?:{_DISPLAY_PATTERN})\.(?:mp4|png|webp)"
        match = re.match(rf"{_OUTPUT_PATTERN}|remuxed/(?P<remuxed>[^/]+)/|{shown}$", path)
        return next((video for video in match.groupdict().values() if video), None) if match else None

    def output_folder_at(self, path: str) -> str | None:
        """The folder of a stage's output that the path lies in, relative to the root; None when it lies in none."""
        match = re.match(_OUTPUT_PATTERN, path)
        return match[0].rstrip("/") if match else None

    def comparison(self, name: str) -> StorageUrl:
        """`name` is a draw's: `<video>_aug<i>`, or `<video>_aug<i>_try<n>` for a further attempt."""
        return self.root / f"display/{self.dataset}_{name}_compare.mp4"

    def look(self, folder: str, name: str) -> StorageUrl:
        """Where the small moving picture of what lies in `output(folder, name)` lies."""
        return self.root / f"display/{self.dataset}_{name}_{_last_part(folder)}.webp"


def outputs_folder(storage_url: StorageUrl, dataset: str) -> StorageUrl:
    """The folder that holds the folders of a dataset's runs."""
    return storage_url / f"{DATASETS_FOLDER}/{dataset}-outputs"


def report_folder(storage_url: StorageUrl, dataset: str, run_id: str = "") -> StorageUrl:
    """Where the report on a dataset lies, or the one on those clips of it that a run made."""
    folder = outputs_folder(storage_url, dataset) / REPORT_FOLDER
    return folder / run_id if run_id else folder


def animation_at(comparison: StorageUrl) -> StorageUrl:
    """Where the small moving picture of a side-by-side video lies."""
    return comparison.parent / f"{comparison.name.removesuffix('.mp4')}.webp"


def still_of(comparison: StorageUrl) -> StorageUrl:
    """Where the picture lies that takes the place of a side-by-side video."""
    return comparison.parent / f"{comparison.name.removesuffix('.mp4')}.png"


def model_cache(storage_url: StorageUrl, name: str) -> StorageUrl:
    """The folder of a model cache; `name` is `cosmos_transfer` or `auto_labeling`."""
    return storage_url / f"data/models/{name}"
