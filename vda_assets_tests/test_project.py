from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vda_assets.config.errors import ConfigError, UnknownName
from vda_assets.project import Project, load_project

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "assets_cfg", tmp_path / "assets_cfg")
    return tmp_path / "assets_cfg"


def load(folder: Path, **environment: str) -> Project:
    return load_project({"VDA_ASSETS_CFG": str(folder), **environment})


def problems_of(folder: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load(folder)
    return str(error.value)


def test_the_shipped_configuration_loads_and_keeps_its_files_under_vda_home(folder: Path) -> None:
    project = load(folder, VDA_HOME="/somewhere/else")
    assert str(project.dataset("vda-demo").storage_url) == "file:///somewhere/else/storage"
    assert project.deployment_of(project.dataset("vda-demo")).is_stand_in


def test_every_problem_of_a_file_is_told_at_once_with_its_key_and_what_is_allowed(folder: Path) -> None:
    path = folder / "datasets" / "vda-demo.yaml"
    path.write_text("url: s3://bucket/clips\ncookbok: piazza\nnightly: {cron: daily, hour: 3}\n")
    said = problems_of(folder).splitlines()
    assert all(line.startswith(f"{path}: ") for line in said)
    assert any("deployment: is missing" in line for line in said)
    assert any("cookbok: unknown key; allowed here: cookbook, deployment" in line for line in said)
    assert any("nightly.hour: unknown key; allowed here: cron, timezone" in line for line in said)
    assert any("nightly.cron: must be a cron expression of five fields" in line for line in said)
    assert any("url: s3://bucket/clips does not say where its storage root is" in line for line in said)


def test_problems_of_several_files_are_told_together(folder: Path) -> None:
    (folder / "datasets" / "vda-demo.yaml").write_text("deployment: local\n")
    (folder / "deployments" / "cloud.yaml").write_text("osmo: {url: ftp://x}\n")
    said = problems_of(folder)
    assert "vda-demo.yaml: url: is missing" in said
    assert "cloud.yaml: osmo.url: must start with http:// or https://" in said


def test_a_dataset_of_an_unknown_deployment_names_the_known_ones(folder: Path) -> None:
    path = folder / "datasets" / "vda-demo.yaml"
    path.write_text(path.read_text().replace("deployment: local", "deployment: cloud"))
    assert "deployment: unknown 'cloud'; choose from: local" in problems_of(folder)


def test_two_datasets_that_dagster_cannot_tell_apart_are_refused(folder: Path) -> None:
    (folder / "datasets" / "other.yaml").write_text("url: s3://b/datasets/vda_demo\ndeployment: local\n")
    assert "has the name of" in problems_of(folder)


def test_an_unset_variable_is_named(folder: Path) -> None:
    path = folder / "deployments" / "local.yaml"
    path.write_text(path.read_text().replace("${VDA_HOME}/osmo", "${VDA_STATE}/osmo"))
    assert "${VDA_STATE} is not set in the environment" in problems_of(folder)


def test_broken_yaml_and_doubled_keys_are_named_with_their_line(folder: Path) -> None:
    path = folder / "datasets" / "vda-demo.yaml"
    path.write_text("url: file:///a/datasets/b\ndeployment: [local\n")
    assert "line 3" in problems_of(folder)
    path.write_text("url: file:///a/datasets/b\ndeployment: local\nurl: file:///a/datasets/c\n")
    assert "line 3: key 'url' stands twice" in problems_of(folder)


def test_an_unknown_cookbook_names_those_that_there_are(folder: Path) -> None:
    path = folder / "datasets" / "vda-demo.yaml"
    path.write_text(path.read_text().replace("cookbook: city_traffic", "cookbook: moon"))
    assert "unknown cookbook 'moon'; choose from: " in problems_of(folder)
    assert "city_traffic" in problems_of(folder)


def test_a_cookbook_of_ones_own_is_a_folder(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own scene"
    shutil.copytree(folder / "cookbooks" / "city_traffic", own)
    path = folder / "datasets" / "vda-demo.yaml"
    path.write_text(path.read_text().replace("cookbook: city_traffic", f"cookbook: {own}"))
    (cookbook,) = load(folder).cookbooks.values()
    assert cookbook.folder == own


def test_a_cookbook_without_its_question_bank_is_refused(folder: Path) -> None:
    (folder / "cookbooks/city_traffic/auto_labeling/question_bank.json").unlink()
    assert "cookbook 'city_traffic' has no file auto_labeling/question_bank.json" in problems_of(folder)


def test_weights_must_sum_to_one(folder: Path) -> None:
    path = folder / "cookbooks/city_traffic/workflow_config.yaml"
    path.write_text("augmentation: {variables: {weather: {clear: 0.5, rain: 0.4}}}\n")
    assert "augmentation.variables.weather: the weights sum to 0.9, not to 1" in problems_of(folder)


def test_a_storage_profile_with_a_path_is_refused_and_its_secrets_come_from_the_environment(folder: Path) -> None:
    path = folder / "deployments" / "local.yaml"
    good = path.read_text()
    path.write_text(good + "storage:\n- {profile: s3://bucket/prefix}\n")
    assert "a credential opens a whole one, such as 's3://bucket', not a path" in problems_of(folder)

    path.write_text(good + "storage:\n- {profile: s3://bucket, access_key_id_env: KEY_ID, access_key_env: KEY}\n")
    (profile,) = load(folder).deployments["local"].storage
    with pytest.raises(ConfigError, match="USER_INPUT_REQUIRED: set KEY, the access_key of s3://bucket"):
        profile.credential({"KEY_ID": "id"})
    credential = profile.credential({"KEY_ID": "id", "KEY": "very-secret"})
    assert credential.access_key == "very-secret"
    assert "very-secret" not in repr(credential)


def test_a_folder_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="VDA_ASSETS_CFG"):
        load(tmp_path / "nowhere")


def test_an_unknown_name_lists_the_known_ones(folder: Path) -> None:
    with pytest.raises(UnknownName, match="unknown dataset 'x'; choose from: vda-demo"):
        load(folder).dataset("x")
