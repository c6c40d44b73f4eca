from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from vda_assets.config.deployment import Deployment, Images
from vda_assets.config.errors import BadConfigFile
from vda_assets.cookbooks.cookbook import Distribution, read_cookbook
from vda_assets.cookbooks.question_bank import read_question_bank

COOKBOOKS = Path(__file__).parents[2] / "assets_cfg/cookbooks"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    shutil.copytree(COOKBOOKS / "piazza", tmp_path / "own")
    return tmp_path / "own"


def test_values_in_a_list_are_drawn_evenly() -> None:
    distribution = Distribution.model_validate({"variables": {"weather": ["clear", "rain", "snow", "rain"]}})
    assert distribution.variables == {"weather": {"clear": 0.25, "rain": 0.5, "snow": 0.25}}


def test_the_base_config_may_have_another_name_and_still_decides_what_is_finished(own: Path) -> None:
    before = read_cookbook(own, name="own").augmentation_digest
    (own / "augmentation/augmentation.yaml").rename(own / "cosmos.yaml")
    config = yaml.safe_load((own / "workflow_config.yaml").read_text())
    config["augmentation"]["config"] = "./cosmos.yaml"
    (own / "workflow_config.yaml").write_text(yaml.safe_dump(config))
    renamed = read_cookbook(own, name="own")
    assert renamed.augmentation_digest != before
    (own / "cosmos.yaml").write_text((own / "cosmos.yaml").read_text().replace("num_steps: 35", "num_steps: 20"))
    assert read_cookbook(own, name="own").augmentation_digest != renamed.augmentation_digest
    assert read_cookbook(own, name="own").auto_labeling_digest == renamed.auto_labeling_digest


def test_a_base_config_outside_of_the_cookbook_is_refused(own: Path) -> None:
    config = yaml.safe_load((own / "workflow_config.yaml").read_text())
    config["augmentation"]["config"] = "../other.yaml"
    (own / "workflow_config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(BadConfigFile, match=r"augmentation.config: '../other.yaml' leads out of the cookbook"):
        read_cookbook(own, name="own")


def test_a_question_bank_keeps_what_the_container_ignores_apart(own: Path) -> None:
    path = own / "auto_labeling/question_bank.json"
    path.write_text(
        '{"name": "n", "version": 2, "questions": [{"id": "1", "question": "?", "options": ["Yes", "No"],'
        ' "aggregation": {"type": "supermajority", "min_yes": 2}, "include_if_any": {}, "note": ""}]}'
    )
    (question,) = read_question_bank(path).questions
    assert question.ignored_keys == ["include_if_any", "note"]
    assert question.aggregation
    assert (question.aggregation.min_yes, question.aggregation.threshold) == (2, 0.6)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("nvcr.io/nvidia/paidf-augmentation:1.0.0", "1.0.0"),
        ("registry.local:5000/aug:v1.1.0-acme.3@sha256:00ff", "1.1.0"),
    ],
)
def test_the_tag_of_an_image_says_which_configs_it_reads(image: str, version: str) -> None:
    assert Images(augmentation=image).augmentation_version == version


@pytest.mark.parametrize("tag", ["", ":latest", ":1.2.0", ":1.0.01", "@sha256:00ff", ":1.1"])
def test_a_tag_of_no_known_version_is_refused(tag: str) -> None:
    with pytest.raises(ValidationError, match=r"configs can be written for 1\.0\.0 and 1\.1\.0 alone"):
        Images(augmentation=f"registry.local:5000/aug{tag}")
    with pytest.raises(ValidationError, match=r"configs can be written for 1\.0\.0 alone"):
        Images(auto_labeling=f"registry.local:5000/label{tag}")


def test_a_container_without_a_model_of_its_own_needs_the_endpoint_of_one() -> None:
    deployment = {"osmo": {"url": "http://osmo"}, "images": {"augmentation": "aug:1.1.0"}}
    with pytest.raises(ValidationError, match=r"endpoints\.video_transfer: is missing"):
        Deployment.model_validate(deployment)
    endpoint = {"url": "http://cosmos:8000/v1/", "model": "cosmos"}
    known = Deployment.model_validate({**deployment, "endpoints": {"video_transfer": endpoint}})
    assert known.endpoints.video_transfer
    assert known.endpoints.video_transfer.url == "http://cosmos:8000/v1"
