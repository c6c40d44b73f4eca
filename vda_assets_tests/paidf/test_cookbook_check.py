"""A cookbook of one's own: every problem at once, errors and warnings apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets.base.problem import Severity
from vda_assets.config.deployment import Images
from vda_assets.paidf.cookbook_check import check_cookbook

SCENES = sorted((Path(__file__).parents[2] / "assets_cfg/cookbooks").iterdir())
BASE = "augmentation/augmentation.yaml"
BANK = "auto_labeling/question_bank.json"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    shutil.copytree(SCENES[0].parent / "city_traffic", tmp_path / "own")
    return tmp_path / "own"


def rewrite(folder: Path, file: str, change: Callable[[Any], None]) -> None:
    is_json = file.endswith(".json")
    text = (folder / file).read_text()
    content = json.loads(text) if is_json else yaml.safe_load(text)
    change(content)
    (folder / file).write_text(json.dumps(content) if is_json else yaml.safe_dump(content))


def said(folder: Path, severity: Severity = Severity.ERROR, version: str = "1.0.0") -> list[str]:
    problems = check_cookbook(folder, images=Images(augmentation_version=version))
    return [f"{Path(one.file).relative_to(folder)}: {one.message}" for one in problems if one.severity is severity]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_shipped_scenes_have_no_problem(scene: Path) -> None:
    assert check_cookbook(scene, images=Images()) == []
    assert said(scene, version="1.1.0") == []


def test_problems_of_every_file_are_told_together(own: Path) -> None:
    (own / "workflow_config.yaml").write_text("augmentation: {variables: {weather: {clear: 0.5, rain: 0.4}}}\n")
    rewrite(own, BASE, lambda base: base["pipeline"].update(retires=1))
    rewrite(own, "auto_labeling/auto_labeling_config.yaml", lambda base: base["vlm_json"].update(fps=1))
    (own / BANK).write_text("{")
    (own / "auto_labeling/prompts/event_analysis.md").write_text("Report each collision and near_miss.")
    errors = said(own)
    assert any(
        "workflow_config.yaml: augmentation.variables.weather: the weights sum to 0.9, not to 1" in e for e in errors
    )
    assert any("pipeline.retires: unknown key; did you mean re" in e for e in errors)
    assert any("vlm_json.fps: unknown key; " in e for e in errors)
    assert any(f"{BANK}: is not JSON" in e for e in errors)
    assert "auto_labeling/prompts/event_analysis.md: does not name the category 'anomaly'" in errors


def test_missing_files_are_named_and_the_others_still_looked_at(own: Path) -> None:
    (own / BANK).unlink()
    (own / BASE).unlink()
    rewrite(
        own,
        "auto_labeling/auto_labeling_config.yaml",
        lambda base: base["detection_and_tracking"].update(tracker="sort"),
    )
    errors = said(own)
    assert f".: has no file {BANK}" in errors
    assert f"workflow_config.yaml: augmentation.config: '{BASE}' is no file of the cookbook" in errors
    assert any("detection_and_tracking.tracker: Input should be 'boosttrack'" in e for e in errors)


def test_keys_that_the_container_ignores_are_warnings(own: Path) -> None:
    def change(base: Any) -> None:
        base["template_generation"] = {"variables": {"weather": ["snow"]}}
        base["cosmos"] = {"parameters": {"seed": 1}}
        base["captioning"]["llm"]["variables"] = {"weather_condition": ["snow"]}

    rewrite(own, BASE, change)
    assert said(own) == []
    assert said(own, Severity.WARNING) == [
        f"{BASE}: cosmos: ignored by paidf-augmentation 1.0.0: remove",
        f"{BASE}: template_generation: ignored by paidf-augmentation 1.0.0: remove",
        f"{BASE}: captioning.llm.variables.weather_condition: is no variable of workflow_config.yaml and is left out",
    ]
    assert f"{BASE}: augmentation.local_parameters: ignored by paidf-augmentation 1.1.0: remove" in said(
        own, Severity.WARNING, "1.1.0"
    )


def test_verification_options_must_hold_every_value_that_can_be_drawn(own: Path) -> None:
    def change(base: Any) -> None:
        base["captioning"]["llm"]["verification_options"] = {"weather": ["clear", "snow"]}

    rewrite(own, BASE, change)
    key = "captioning.llm.verification_options"
    assert said(own) == [
        f"{BASE}: {key}.weather: lacks overcast, rain, which can be drawn",
        f"{BASE}: {key}.time_of_day: is missing; its values are morning, midday, evening",
    ]


def test_a_variable_with_one_value_cannot_be_verified(own: Path) -> None:
    (own / "workflow_config.yaml").write_text("augmentation: {variables: {weather: {rain: 1.0}}}\n")
    rewrite(
        own, BASE, lambda base: [base["captioning"]["llm"].pop(key) for key in ("variables", "verification_options")]
    )
    assert said(own, Severity.WARNING) == [
        f"{BASE}: captioning.llm.verification_options.weather: with one option its check cannot fail; give more"
    ]


def test_the_prompts_must_name_every_variable_or_one_of_its_values(own: Path) -> None:
    def change(base: Any) -> None:
        base["captioning"]["llm"] |= {"system_prompt": "Change the time of day.", "example_prompt": "A cleared street."}

    rewrite(own, BASE, change)
    assert said(own) == [f"{BASE}: captioning.llm.system_prompt: names neither 'weather' nor one of its values"]
    rewrite(own, BASE, lambda base: base["captioning"]["llm"].update(example_prompt="A street in heavy Rain."))
    assert said(own) == []
    rewrite(own, BASE, lambda base: [base["captioning"]["llm"].pop(key) for key in ("system_prompt", "example_prompt")])
    assert said(own) == []
    assert "captioning.llm.system_prompt: is missing" in said(own, Severity.WARNING)[0]


def test_the_question_bank_must_fit_together(own: Path) -> None:
    def change(bank: Any) -> None:
        by_id = {question["id"]: question for question in bank["questions"]}
        by_id["1_10"]["include_if"] = {"9_9": "Yes"}
        by_id["2_1"]["include_if"] = {"1_1": "yes"}
        by_id["2_2"]["options"] = ["A. Day", "A. Day"]
        by_id["5_1"]["id"] = "5_2"

    rewrite(own, BANK, change)
    assert said(own) == [
        f"{BANK}: question 2_2 has an option twice",
        f"{BANK}: question 5_2 stands twice",
        f"{BANK}: question 1_10: include_if names '9_9', which is no other question's id",
        f"{BANK}: question 2_1: include_if wants 'yes' of 1_1, whose options are 'Yes', 'No'",
    ]


def test_questions_of_the_wrong_shape_are_named_by_key(own: Path) -> None:
    def change(bank: Any) -> None:
        bank["questions"][0]["aggregation"] = "loudest"
        bank["questions"][1]["aggregation"] = {"type": "supermajority", "treshold": 0.7}
        bank["questions"][2]["options"] = ["Yes"]
        del bank["questions"][3]["question"]

    rewrite(own, BANK, change)
    errors = said(own)
    assert any(e.startswith(f"{BANK}: questions.0.aggregation.type: Input should be 'majority'") for e in errors)
    assert f"{BANK}: questions.1.aggregation.treshold: unknown key; did you mean threshold?" in errors
    assert any(e.startswith(f"{BANK}: questions.2.options: ") for e in errors)
    assert f"{BANK}: questions.3.question: is missing" in errors


def test_a_gate_that_the_container_does_not_know_is_a_warning(own: Path) -> None:
    rewrite(own, BANK, lambda bank: bank["questions"][1].update(include_if_any={"1_1": "Yes", "1_2": "Yes"}))
    assert said(own) == []
    (warning,) = said(own, Severity.WARNING)
    assert warning.startswith(f"{BANK}: question 1_10: include_if_any: ignored by paidf-auto-labeling 1.0.0")


def test_blocks_that_are_no_mappings_are_told_not_stumbled_over(own: Path) -> None:
    rewrite(own, BASE, lambda base: base.update(captioning=["vlm"]))
    assert said(own) == [f"{BASE}: captioning: must be a mapping"]
    rewrite(own, BASE, lambda base: base.update(captioning={"llm": {"verification_options": {"weather": "rain"}}}))
    assert said(own) == [f"{BASE}: captioning.llm.verification_options.weather: must be a list of texts"]
