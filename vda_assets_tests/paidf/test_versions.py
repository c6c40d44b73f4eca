"""What the two images are by version, and what cannot be made with a deployment's."""

from __future__ import annotations

from typing import Any

import pytest

from vda_assets.base.failed import Failed
from vda_assets.config.deployment import Container, Deployment, Images
from vda_assets.paidf.versions import VERSIONS, ContainerVersion, version_of, why_not, why_unusable

GENERATOR = {"url": "http://cosmos:8000/v1", "model": "cosmos"}


def deployment(version: str = "1.0.0", *, generator: dict[str, Any] | None = None, labels: str = "1.0.0") -> Deployment:
    return Deployment.model_validate(
        {
            "osmo": {"url": "http://osmo"},
            "images": {"augmentation": f"aug:{version}", "auto_labeling": f"label:{labels}"},
            "endpoints": {"video_transfer": generator} if generator else {},
        }
    )


def reason(failed: Failed | None) -> str:
    assert failed is not None
    return failed.reason


def row(version: str) -> ContainerVersion:
    return VERSIONS[Container.AUGMENTATION, version]


def test_1_0_1_is_1_0_0_in_all_that_is_read_and_written() -> None:
    older, newer = row("1.0.0"), row("1.0.1")
    assert (older.config, older.home, older.interpreter) == (newer.config, newer.home, newer.interpreter)
    assert older.model_cache == newer.model_cache == "cosmos_transfer"


def test_1_1_0_runs_no_model_and_lives_elsewhere() -> None:
    version = row("1.1.0")
    assert (version.home, version.interpreter) == ("/workspace", "/workspace/.venv/bin/python")
    assert version.model_cache is None
    assert version.decoders == {"h264", "mpeg4", "mjpeg", "vp9"}
    assert VERSIONS[Container.AUTO_LABELING, "1.0.0"].decoders == {"h264", "mpeg4", "mjpeg"}


@pytest.mark.parametrize("tag", ["aug:latest", "aug", "aug:1.2.0", "aug:1.0.01"])
def test_an_unknown_tag_says_which_versions_there_are_and_how_to_name_one(tag: str) -> None:
    version = version_of(Images(augmentation=tag), Container.AUGMENTATION)
    assert isinstance(version, Failed)
    assert "1.0.0 and 1.0.1 and 1.1.0" in version.reason
    assert version_of(Images(augmentation=tag, augmentation_version="1.0.1"), Container.AUGMENTATION) is row("1.0.1")


def test_labelling_1_1_0_is_refused_with_its_reason() -> None:
    assert "is one image per stage and writes another scene; use the image of 1.0.0" in reason(
        why_unusable(deployment(labels="1.1.0"))
    )


def test_a_container_without_a_model_of_its_own_needs_the_endpoint_of_one() -> None:
    assert "endpoints.video_transfer: is missing" in reason(why_unusable(deployment("1.1.0")))
    assert why_unusable(deployment("1.1.0", generator=GENERATOR)) is None
    assert why_unusable(deployment("1.0.1")) is None


def test_vp9_of_a_generator_cannot_be_labelled_by_1_0_0() -> None:
    vp9 = deployment("1.1.0", generator={**GENERATOR, "returns": "vp9"})
    assert "returns vp9, which paidf-auto-labeling 1.0.0 cannot decode" in reason(why_not(vp9, labels_augmented=True))
    assert why_not(vp9, labels_augmented=False) is None


def test_what_the_generator_returns_must_be_said_before_it_is_labelled() -> None:
    silent = deployment("1.1.0", generator=GENERATOR)
    assert "endpoints.video_transfer.returns: is missing" in reason(why_not(silent, labels_augmented=True))
    assert why_not(silent, labels_augmented=False) is None


def test_h264_of_a_generator_and_the_videos_of_1_0_can_be_labelled() -> None:
    h264 = deployment("1.1.0", generator={**GENERATOR, "returns": "h264"})
    assert why_not(h264, labels_augmented=True) is None
    assert why_not(deployment("1.0.0", generator={**GENERATOR, "returns": "vp9"}), labels_augmented=True) is None
