"""Labels on frames: boxes stand where the scene says, each track in its own colour."""

from __future__ import annotations

from PIL import Image

from vda_assets.labels.drawing import colour_of, draw_labels
from vda_assets.labels.scene import read_scene
from vda_assets_tests.labels.conftest import WriteScene, good_documents


def test_a_box_has_the_colour_of_its_track_where_it_lies(write_scene: WriteScene) -> None:
    documents = good_documents()
    seen = documents["sidecars/metadata.json"]
    seen["width"], seen["height"] = 128, 96
    scene = read_scene(write_scene(documents))
    black = Image.new("RGB", (1280, 960))
    drawn = draw_labels(scene, {0: black, 3: black})
    assert drawn[3].size == (640, 480)
    assert drawn[0].getbbox() is None, "the first frame has no detection"
    # (13.5, 20, 43.25, 44.12) of 128x96, five times as large.
    bottom_right = (216, 219)
    assert drawn[3].getpixel(bottom_right) == colour_of("truck_1")
    assert drawn[3].getpixel((bottom_right[0] + 3, bottom_right[1] + 3)) == (0, 0, 0)
    assert black.getbbox() is None


def test_tracks_are_told_apart_by_colour() -> None:
    colours = {colour_of(f"car_{number}") for number in range(50)}
    assert len(colours) == 50
    assert all(max(colour) == 255 for colour in colours)
