from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from vda_assets.config.errors import BadConfigFile
from vda_assets.cookbooks.cookbook import Distribution, read_cookbook
from vda_assets.cookbooks.question_bank import parse_question_bank

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
    with pytest.raises(BadConfigFile, match=r"augmentation.config: '../other.yaml' is no file of the cookbook"):
        read_cookbook(own, name="own")


def test_a_question_bank_keeps_what_the_container_ignores_apart(own: Path) -> None:
    path = own / "auto_labeling/question_bank.json"
    path.write_text(
        '{"name": "n", "version": 2, "questions": [{"id": "1", "question": "?", "options": ["Yes", "No"],'
        ' "aggregation": {"type": "supermajority", "min_yes": 2}, "include_if_any": {}, "note": ""}]}'
    )
    (question,) = parse_question_bank(path, path.read_bytes()).questions
    assert question.ignored_keys == ["include_if_any", "note"]
    assert question.aggregation
    assert (question.aggregation.min_yes, question.aggregation.threshold) == (2, 0.6)


def test_a_link_that_leaves_the_cookbook_is_refused_and_named_with_its_target(own: Path, tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_text("private")
    link = own / "auto_labeling/prompts/notes.md"
    link.symlink_to(secret)
    with pytest.raises(BadConfigFile, match="is a link that leaves the cookbook") as error:
        read_cookbook(own, name="own")
    assert str(error.value).startswith(f"{link}: ")
    assert str(secret) in str(error.value)


@pytest.mark.parametrize("through", ["auto_labeling/prompts", "auto_labeling/question_bank.json"])
def test_a_link_in_a_required_place_is_refused_too(own: Path, tmp_path: Path, through: str) -> None:
    (own / through).rename(tmp_path / "elsewhere")
    (own / through).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadConfigFile, match="leaves the cookbook"):
        read_cookbook(own, name="own")


def test_links_inside_of_a_cookbook_are_followed_as_a_mounted_config_map_needs_it(own: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    (mounted / "..2024").mkdir(parents=True)
    for path in sorted(own.iterdir()):
        path.rename(mounted / "..2024" / path.name)
        (mounted / path.name).symlink_to(f"..data/{path.name}")
    (mounted / "..data").symlink_to("..2024")
    assert sorted(read_cookbook(mounted, name="own").files) == [
        "augmentation/augmentation.yaml",
        "auto_labeling/auto_labeling_config.yaml",
        "auto_labeling/prompts/event_analysis.md",
        "auto_labeling/question_bank.json",
        "workflow_config.yaml",
    ]


@pytest.mark.parametrize("target", [".", "..", "nowhere", "loop"])
def test_a_link_in_a_circle_or_to_nothing_is_refused(own: Path, target: str) -> None:
    (own / "auto_labeling/loop").symlink_to(target)
    with pytest.raises(BadConfigFile, match="is a link to"):
        read_cookbook(own, name="own")


def test_hidden_files_are_not_part_of_a_cookbook(own: Path) -> None:
    before = read_cookbook(own, name="own")
    (own / "auto_labeling/.DS_Store").write_bytes(b"x")
    (own / ".git").mkdir()
    (own / ".git/config").write_text("[remote]")
    after = read_cookbook(own, name="own")
    assert after.files == before.files
    assert after.auto_labeling_digest == before.auto_labeling_digest


def test_a_folder_that_is_no_cookbook_by_its_size_is_refused(own: Path) -> None:
    with (own / "auto_labeling/video.mp4").open("wb") as file:
        file.truncate(2_000_000)
    with pytest.raises(BadConfigFile, match=r"video\.mp4: is larger than 1,000,000 bytes"):
        read_cookbook(own, name="own")
    (own / "auto_labeling/video.mp4").unlink()
    for number in range(600):
        (own / f"{number}.txt").touch()
    with pytest.raises(BadConfigFile, match="holds more than 500 files"):
        read_cookbook(own, name="own")


@pytest.mark.parametrize("count", [0, 50, 3_000_000])
def test_a_clip_gets_no_more_variants_than_a_workflow_has_tasks(own: Path, count: int) -> None:
    path = own / "workflow_config.yaml"
    path.write_text(path.read_text().replace("n_augmentations: 1", f"n_augmentations: {count}"))
    with pytest.raises(BadConfigFile, match=r"n_augmentations: must be 1 to 49: .* OSMO takes 100 at most"):
        read_cookbook(own, name="own")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"name": "a", "name": "b"}', "key 'name' stands twice"),
        ('{"name": "\\ud800", "questions": []}', "is not JSON"),
        ('{"name": "http://u:secret@host"}', "holds a URL with credentials"),
        ("9" * 10_000, "is not JSON"),
        ("\xff\xfe", "is not JSON"),
    ],
)
def test_a_question_bank_from_anywhere_is_one_message(own: Path, text: str, said: str) -> None:
    path = own / "auto_labeling/question_bank.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadConfigFile, match=said) as error:
        read_cookbook(own, name="own")
    assert str(path) in str(error.value)
    assert "secret" not in str(error.value)
