"""What stands on the page of an output: first of all what there is to look at, inline."""

from __future__ import annotations

from functools import partial
from typing import Any

import dagster as dg
import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.cookbooks.draw import Draw
from vda_assets.datasets.clips import Clip
from vda_assets.flows.comparisons import Comparison
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import OUTPUTS, Rendered, Stage
from vda_assets.flows.work import stage_outputs
from vda_assets.outcomes.looks import LOOK
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.runs import names
from vda_assets.runs.links import media_link
from vda_assets.runs.recording.materializing import comparison_materialization, stage_materialization
from vda_assets.storage.layout import RunLayout

SERVER = "http://media.example"
DATASET = Dataset(url="s3://bucket/datasets/yard", deployment="local")
LAYOUT = RunLayout(DATASET.storage_url, DATASET.name, "run-0a1b2c3d")
SHOWN = f"{SERVER}/yard/outputs/run-0a1b2c3d"


def item_of(video: str, draws: int) -> Item:
    clip = Clip(f"{video}.mp4", DATASET.dataset_url / f"{video}.mp4", 1, "1", 0.0)
    return Item(clip, tuple(Draw(video, index, {}, 1, 2) for index in range(draws)), {one: {} for one in OUTPUTS})


def page(stage: Stage, *, video: str = "a", draws: int = 1, media_url: str | None = SERVER) -> dict[str, Any]:
    item = item_of(video, draws)
    shown = [draw.name for draw in item.draws] if stage.row.per_index else [video]
    judgements = [Judgement(Verdict.ACCEPTED, facts={LOOK: str(LAYOUT.look(stage.row.folder, name))}) for name in shown]
    made = stage_materialization(
        dg.AssetKey("made"),
        item,
        stage,
        layout=LAYOUT,
        urls=stage_outputs(LAYOUT, stage, item.draws),
        judgements=judgements,
        workflow_id="w",
        made_with={},
        taken={},
        link=partial(media_link, media_url, DATASET),
    )
    return dict(made.metadata)


def test_labels_show_their_picture_first() -> None:
    metadata = page(Stage.ORIGINAL_LABELS)
    assert next(iter(metadata)) == names.LOOK
    picture = f"{SHOWN}/display/yard_a_pseudo_labeled.webp"
    assert metadata[names.LOOK] == dg.MetadataValue.md(f"![original labels]({picture})")
    assert names.VIDEO not in metadata


def test_augmented_videos_show_each_index_and_open_its_video() -> None:
    metadata = page(Stage.AUGMENTED_VIDEOS, draws=2)
    assert list(metadata)[:2] == [names.LOOK, names.VIDEO]
    first, second = metadata[names.LOOK].value.splitlines()
    video = f"{SHOWN}/outputs/augmented/a_aug{{}}/augmented_video.mp4"
    assert first == f"[![augmented videos]({SHOWN}/display/yard_a_aug0_augmented.webp)]({video.format(0)})"
    assert second.endswith(f"({video.format(1)})")
    assert metadata[names.VIDEO].value == video.format(0)
    assert [url.rpartition("/")[2] for url in metadata[names.MEDIA].value] == [
        *("augmented_video.mp4", "augmented_video.mp4"),
        *("yard_a_aug0_augmented.webp", "yard_a_aug1_augmented.webp"),
    ]


@pytest.mark.parametrize(("video", "draws"), [("a", 40), ("long" * 30, 4), ("é" * 400, 1)])
def test_pictures_that_would_not_stand_inline_are_left_out(video: str, draws: int) -> None:
    for stage in Stage:
        look = page(stage, video=video, draws=draws).get(names.LOOK)
        assert look is None or len(look.value) < 1000


@pytest.mark.parametrize("stage", Stage)
def test_without_a_media_url_there_is_no_picture_that_no_browser_finds(stage: Stage) -> None:
    assert next(iter(page(stage, media_url=None))) == names.VERDICT


@pytest.mark.parametrize("media_url", [SERVER, None])
def test_a_comparison_that_is_a_still_picture_names_the_clips_too(media_url: str | None) -> None:
    item, png = item_of("a", 1), LAYOUT.root / "display/yard_a_aug0_compare.png"
    still = Comparison(png, item.clip.url, LAYOUT.root / "a.mp4", b"jpeg", size_bytes=1, problem="no encoder")
    made = comparison_materialization(
        dg.AssetKey(Rendered.COMPARISONS),
        item,
        layout=LAYOUT,
        comparisons=[still],
        link=partial(media_link, media_url, DATASET),
    )
    assert next(iter(made.metadata)) == names.PREVIEW
    assert made.metadata[names.MEDIA].value == [str(png), str(item.clip.url), str(LAYOUT.root / "a.mp4")]
