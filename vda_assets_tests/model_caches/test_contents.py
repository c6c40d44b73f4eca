"""Which weights a selection reads: what no stage reads is not asked for, and nothing that one reads is left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from vda_assets.config.deployment import Images
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.flows.selection import FLOWS
from vda_assets.model_caches.contents import needs_of
from vda_assets_tests.model_caches.filled import SCENES, scene

COOKBOOK = scene()


def ids(flow: str, cookbooks: Iterable[Cookbook] = (COOKBOOK,), images: Images | None = None) -> dict[str, list[str]]:
    needs = needs_of(FLOWS[flow], cookbooks=cookbooks, images=images or Images())
    return {cache: [source.id.partition("@")[0] for source in sources] for cache, sources in needs.items()}


def with_modalities(**weights: float) -> Cookbook:
    config = dict(COOKBOOK.augmentation)
    config["augmentation"] = {**config["augmentation"], "modalities": weights}
    return replace(COOKBOOK, augmentation=config)


def with_labeling(**blocks: object) -> Cookbook:
    return replace(COOKBOOK, auto_labeling={**COOKBOOK.auto_labeling, **blocks})


@pytest.mark.parametrize(
    ("modalities", "checkpoints"),
    [
        ({"edge": 1.0}, 1),
        ({"vis": 1.0}, 1),
        ({"edge": 0.5, "depth": 0.5}, 4),
        ({"edge": 0.2, "seg": 0.3, "vis": 0.5}, 4),
    ],
)
def test_one_modality_needs_its_own_checkpoint_and_several_need_all_four(modalities: dict, checkpoints: int) -> None:
    found = ids("augmentation_and_al", [with_modalities(**modalities)])["cosmos_transfer"]
    assert found.count("nvidia/Cosmos-Transfer2.5-2B") == checkpoints
    assert {"nvidia/Cosmos-Predict2.5-2B", "nvidia/Cosmos-Reason1-7B", "nvidia/Cosmos-Guardrail1"} <= set(found)


def test_the_checkpoints_of_two_cookbooks_are_those_of_both() -> None:
    cookbooks = [with_modalities(edge=1.0), with_modalities(seg=1.0)]
    assert ids("e2e", cookbooks)["cosmos_transfer"].count("nvidia/Cosmos-Transfer2.5-2B") == 2


def test_labels_alone_need_no_weights_of_cosmos() -> None:
    assert set(ids("auto_labeling")) == {"auto_labeling"}


def test_images_that_run_no_model_need_no_weights_of_cosmos() -> None:
    images = Images(augmentation="nvcr.io/nvidia/paidf-augmentation:1.1.0")
    assert set(ids("e2e", images=images)) == {"auto_labeling"}


@pytest.mark.parametrize(
    ("tracking", "expected"),
    [
        ({"enabled": True, "use_reid": True}, ["rfdetr/rf-detr-base.pth", "reid/clip_vehicleid.pt"]),
        ({"enabled": True}, ["rfdetr/rf-detr-base.pth", "reid/clip_vehicleid.pt"]),
        ({"enabled": True, "use_reid": False}, ["rfdetr/rf-detr-base.pth"]),
        ({"enabled": False, "use_reid": True}, []),
    ],
)
def test_tracking_needs_the_detector_and_while_reid_is_on_its_weights(tracking: dict, expected: list[str]) -> None:
    assert ids("auto_labeling", [with_labeling(detection_and_tracking=tracking)])["auto_labeling"] == expected


@pytest.mark.parametrize(
    ("block", "repository"),
    [
        ({"variant": "seedvr2_7b"}, "ByteDance-Seed/SeedVR2-7B"),
        ({"variant": "seedvr2_3b"}, "ByteDance-Seed/SeedVR2-3B"),
        ({}, "ByteDance-Seed/SeedVR2-3B"),
    ],
)
def test_super_resolution_needs_the_weights_of_its_variant(block: dict, repository: str) -> None:
    cookbook = with_labeling(super_resolution=block)
    assert repository in ids("e2e_super_resolution", [cookbook])["auto_labeling"]
    assert repository not in ids("e2e", [cookbook])["auto_labeling"]


@pytest.mark.parametrize("name", sorted(path.name for path in SCENES.iterdir()))
def test_every_scene_needs_the_seven_repositories_of_cosmos(name: str) -> None:
    assert len(set(ids("e2e", [scene(name)])["cosmos_transfer"])) == 7
