"""What lies in a run's folder tells which clip it belongs to, whichever try it is of and whatever clips are called."""

from __future__ import annotations

import pytest

from vda_assets.cookbooks.draw import draw_name
from vda_assets.storage.layout import (
    AUGMENTED,
    PSEUDO_LABELED,
    PSEUDO_LABELED_AUGMENTED,
    RunLayout,
    animation_at,
    still_of,
)
from vda_assets.storage.url import StorageUrl

LAYOUT = RunLayout(StorageUrl.parse("s3://bucket"), "dock", "run-0a1b2c3d")


@pytest.mark.parametrize("attempt", [1, 2, 13])
@pytest.mark.parametrize("video", ["a", "a_aug0", "a_aug0_try2", "a_try2", "_aug1", "a=2Fb_compare"])
def test_a_path_tells_its_video(video: str, attempt: int) -> None:
    name = draw_name(video, 0, attempt)
    comparison = LAYOUT.comparison(name)
    looks = [LAYOUT.look(AUGMENTED, name), LAYOUT.look(PSEUDO_LABELED_AUGMENTED, name)]
    for url in (comparison, still_of(comparison), animation_at(comparison), *looks, LAYOUT.look(PSEUDO_LABELED, video)):
        assert LAYOUT.video_at(str(url).removeprefix(f"{LAYOUT.root}/")) == video
    for folder in (AUGMENTED, PSEUDO_LABELED_AUGMENTED):
        path = str(LAYOUT.output(folder, name) / "outcome.json").removeprefix(f"{LAYOUT.root}/")
        assert LAYOUT.video_at(path) == video
        assert LAYOUT.output_folder_at(path) == f"{folder}/{name}"
