"""The shipped cookbooks: keys that the containers know, names that agree, and configs that run from draw to labels."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets.config.deployment import Endpoint, Endpoints, Images
from vda_assets.cookbooks.cookbook import read_cookbook
from vda_assets.cookbooks.draw import Draw
from vda_assets.embedded.containers.augmentation.__main__ import main as augment
from vda_assets.embedded.containers.augmentation.image_operations import looks_for
from vda_assets.embedded.containers.augmentation.schema import Config as AugmentationConfig
from vda_assets.embedded.containers.auto_labeling.__main__ import main as label
from vda_assets.embedded.containers.auto_labeling.answers import answer, view
from vda_assets.embedded.containers.auto_labeling.observation import observe
from vda_assets.embedded.containers.auto_labeling.question_bank import load_bank
from vda_assets.embedded.containers.auto_labeling.settings import load_config
from vda_assets.paidf.generate import augmentation_config, auto_labeling_config
from vda_assets_tests.embedded.containers.clips import make_clip
from vda_assets_tests.embedded.containers.conftest import MODEL
from vda_assets_tests.unknown_keys import unknown_keys

COOKBOOKS = Path(__file__).parents[3] / "assets_cfg/cookbooks"
SCENES = sorted(folder.name for folder in COOKBOOKS.iterdir())
# Which question asks for which variable.
MIRRORS = {"weather": "2_1", "time_of_day": "2_2", "lighting": "2_1", "surface_condition": "2_2"}
every_scene = pytest.mark.parametrize("scene", SCENES)


@pytest.fixture
def endpoints(model_url: str) -> Endpoints:
    both = Endpoint(url=model_url, model=MODEL)
    return Endpoints(vlm=both, llm=both)


def read(scene: str, name: str) -> Any:
    return yaml.safe_load((COOKBOOKS / scene / name).read_text())


def drawable(scene: str) -> dict[str, dict[str, float]]:
    variables: dict[str, dict[str, float]] = read(scene, "workflow_config.yaml")["augmentation"]["variables"]
    return variables


def test_there_are_five_scenes() -> None:
    assert SCENES == ["city_traffic", "piazza", "robot_assembly", "trailer_dashcam", "warehouse"]


@every_scene
def test_the_augmentation_config_has_no_dead_key(scene: str) -> None:
    raw = read(scene, "augmentation/augmentation.yaml")
    assert unknown_keys(raw, AugmentationConfig.model_validate(raw).model_dump()) == []


@every_scene
def test_the_labelling_config_is_complete_but_for_what_a_run_gives(scene: str, tmp_path: Path) -> None:
    overrides = [
        f"data.0.inputs.video_path={tmp_path}/a.mp4",
        f"data.0.output.out_dir={tmp_path}",
        "endpoints.vlm.url=http://vlm/v1",
        "endpoints.llm.url=http://llm/v1",
    ]
    config = load_config(COOKBOOKS / scene / "auto_labeling/auto_labeling_config.yaml", overrides, {})
    assert config.vlm_json
    assert config.mcq_generation
    assert config.mcq_generation.window_metadata_extraction
    assert config.vlm_json.frame_fps == config.mcq_generation.window_metadata_extraction.sampling_fps
    for prompt in (config.vlm_json.scene_prompt_file, config.vlm_json.events_prompt_file):
        assert prompt
        assert Path(prompt).is_file()


@every_scene
def test_sampled_variables_are_the_augmentations_vocabulary_and_weights_sum_to_one(scene: str) -> None:
    sampled = drawable(scene)
    rewriting = read(scene, "augmentation/augmentation.yaml")["captioning"]["llm"]
    assert {name: list(weights) for name, weights in sampled.items()} == rewriting["variables"]
    for name, weights in sampled.items():
        assert set(weights) <= set(rewriting["verification_options"][name])
        assert sum(weights.values()) == pytest.approx(1)


@every_scene
def test_every_value_has_an_image_operation(scene: str) -> None:
    options = read(scene, "augmentation/augmentation.yaml")["captioning"]["llm"]["verification_options"]
    assert looks_for(value for values in options.values() for value in values)[1] == []


@every_scene
def test_the_bank_mirrors_the_sampled_values(scene: str) -> None:
    bank = json.loads((COOKBOOKS / scene / "auto_labeling/question_bank.json").read_text())
    options = {question["id"]: question["options"] for question in bank["questions"]}
    assert bank["name"] == f"window_default_{scene}"
    assert len(options) == (10 if scene == "robot_assembly" else 11)
    for variable, weights in drawable(scene).items():
        assert [option[3:].lower() for option in options[MIRRORS[variable]]] == list(weights)


@every_scene
def test_a_clip_goes_from_its_draw_through_both_containers(
    scene: str, clip: Path, endpoints: Endpoints, tmp_path: Path
) -> None:
    cookbook = read_cookbook(COOKBOOKS / scene, name=scene)
    last = {name: list(weights)[-1] for name, weights in drawable(scene).items()}
    draw = Draw(video="yardcam07", index=0, sampled_vars=last, prompt_seed=1, generation_seed=77)
    augmented = tmp_path / "augmented"
    config = tmp_path / "augmentation.yaml"
    config.write_text(yaml.safe_dump(augmentation_config(cookbook, draw, endpoints=endpoints, images=Images())))
    overrides = [f"data.0.inputs.rgb={clip}", f"data.0.output.caption={tmp_path}/caption.txt"]
    overrides += [f"data.0.output.video={augmented}/augmented_video.mp4"]
    overrides += [f"data.0.output.metadata={augmented}/metadata.json"]
    assert augment(["--config", str(config), *overrides]) == 0
    metadata = json.loads((augmented / "metadata.json").read_text())
    assert metadata["selections"] == last
    assert metadata["hallucination_check"]["seed_used"] == 77
    asked = metadata["attribute_verification"]["details"]["questions"]
    assert {one["variable"].replace(" ", "_"): len(one["options"]) >= 2 for one in asked} == dict.fromkeys(last, True)
    assert "other" not in {text for one in asked for text in one["options"].values()}

    config = tmp_path / "auto_labeling.yaml"
    config.write_text(yaml.safe_dump(auto_labeling_config(cookbook, endpoints=endpoints)))
    overrides = [f"data.0.inputs.video_path={augmented}/augmented_video.mp4", f"data.0.output.out_dir={tmp_path}/scene"]
    bank = COOKBOOKS / scene / "auto_labeling/question_bank.json"
    overrides += [f"mcq_generation.window_metadata_extraction.question_bank_file={bank}"]
    assert label(["--config", str(config), *overrides]) == 0
    status = json.loads((tmp_path / "scene/sidecars/pipeline_status.json").read_text())
    assert status["status"] == "completed"
    assert status["stages"]["tracking"]["enabled"]
    assert (tmp_path / "scene/task/mcq.json").is_file()


@pytest.mark.parametrize(
    ("scene", "drawn"),
    [
        ("city_traffic", {"weather": "rain", "time_of_day": "evening"}),
        ("warehouse", {"lighting": "dim", "surface_condition": "wet"}),
    ],
)
def test_the_labels_of_an_augmented_clip_show_what_was_selected(
    scene: str, drawn: dict[str, str], endpoints: Endpoints, tmp_path: Path
) -> None:
    source = make_clip(tmp_path / "wide.mp4", width=480, height=270, frame_count=10)
    cookbook = read_cookbook(COOKBOOKS / scene, name=scene)
    draw = Draw(video="wide", index=0, sampled_vars=drawn, prompt_seed=1, generation_seed=11)
    document = augmentation_config(cookbook, draw, endpoints=endpoints, images=Images())
    document["data"][0] = {
        "inputs": {"rgb": str(source), "controls": {"edge": None}},
        "output": {name: f"{tmp_path}/out/{name}.mp4" for name in ("video", "caption", "metadata")},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
    assert augment(["--config", str(tmp_path / "config.yaml")]) == 0
    bank = {question.id: question for question in load_bank(COOKBOOKS / scene / "auto_labeling/question_bank.json")}
    seen = view(observe(tmp_path / "out/video.mp4", None), start=0, end=9)
    assert {name: answer(bank[MIRRORS[name]], seen).text[3:].lower() for name in drawn} == drawn
