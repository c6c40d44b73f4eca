"""The cookbook city_traffic: only keys that the containers know, and names that agree across its files."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets.reference.augmentation.image_operations import looks_for
from vda_assets.reference.augmentation.schema import Config as AugmentationConfig
from vda_assets.reference.auto_labeling.answers import answer, view
from vda_assets.reference.auto_labeling.observation import observe
from vda_assets.reference.auto_labeling.question_bank import load_bank
from vda_assets.reference.auto_labeling.settings import load_config
from vda_assets_tests.reference.clips import make_clip
from vda_assets_tests.reference.conftest import COOKBOOK, Run


def read(name: str) -> Any:
    return yaml.safe_load((COOKBOOK / name).read_text())


def unknown_keys(raw: Any, parsed: Any, path: str = "") -> list[str]:
    """The paths that `raw` has and what the schema made of it has not."""
    if isinstance(raw, dict):
        missing = [f"{path}.{key}" for key in raw if key not in parsed]
        return missing + [
            found for key in raw if key in parsed for found in unknown_keys(raw[key], parsed[key], f"{path}.{key}")
        ]
    if isinstance(raw, list):
        return [p for n, (a, b) in enumerate(zip(raw, parsed, strict=True)) for p in unknown_keys(a, b, f"{path}.{n}")]
    return []


def test_the_augmentation_config_has_no_dead_key() -> None:
    raw = read("augmentation/augmentation.yaml")
    assert unknown_keys(raw, AugmentationConfig.model_validate(raw).model_dump()) == []


def test_the_labelling_config_is_complete_but_for_what_a_run_gives(tmp_path: Path) -> None:
    overrides = [
        f"data.0.inputs.video_path={tmp_path}/a.mp4",
        f"data.0.output.out_dir={tmp_path}",
        "endpoints.vlm.url=http://vlm/v1",
        "endpoints.llm.url=http://llm/v1",
    ]
    config = load_config(COOKBOOK / "auto_labeling/auto_labeling_config.yaml", overrides, {})
    assert config.vlm_json
    for prompt in (config.vlm_json.scene_prompt_file, config.vlm_json.events_prompt_file):
        assert prompt
        assert Path(prompt).is_file()


def test_sampled_variables_are_the_augmentations_vocabulary_and_weights_sum_to_one() -> None:
    sampled = read("workflow_config.yaml")["augmentation"]["variables"]
    rewriting = read("augmentation/augmentation.yaml")["captioning"]["llm"]
    vocabulary = {name: list(weights) for name, weights in sampled.items()}
    assert vocabulary == rewriting["variables"] == rewriting["verification_options"]
    assert [sum(weights.values()) for weights in sampled.values()] == [pytest.approx(1)] * len(sampled)


def test_every_value_has_an_image_operation() -> None:
    sampled = read("workflow_config.yaml")["augmentation"]["variables"]
    assert looks_for(value for weights in sampled.values() for value in weights)[1] == []


def test_the_bank_mirrors_the_sampled_values() -> None:
    bank = json.loads((COOKBOOK / "auto_labeling/question_bank.json").read_text())
    options = {question["id"]: question["options"] for question in bank["questions"]}
    assert bank["name"] == "window_default_city_traffic"
    assert len(options) == 11
    sampled = read("workflow_config.yaml")["augmentation"]["variables"]
    for variable, question in (("weather", "2_1"), ("time_of_day", "2_2")):
        assert [option[3:].lower() for option in options[question]] == list(sampled[variable])


def test_the_labels_of_an_augmented_clip_show_what_was_selected(run_augmentation: Run, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "wide.mp4", width=480, height=270, frame_count=10)
    bank = {question.id: question for question in load_bank(COOKBOOK / "auto_labeling/question_bank.json")}
    assert run_augmentation(f"data.0.inputs.rgb={source}") == 0
    seen = view(observe(tmp_path / "out/augmented_video.mp4", None), start=0, end=9)
    assert answer(bank["2_1"], seen).text == "C. Rain"
    assert answer(bank["2_2"], seen).text == "C. Evening"
