from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vda_assets.config.errors import BadConfigFile, ConfigError, UnknownName
from vda_assets.project import Project, load_project
from vda_assets_tests.hanging_mount import hanging_mount

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "assets_cfg", tmp_path / "assets_cfg")
    return tmp_path / "assets_cfg"


def load(folder: Path, **environment: str) -> Project:
    return load_project({"VDA_ASSETS_CFG": str(folder), **environment})


def problems_of(folder: Path) -> str:
    broken = load(folder).broken
    assert broken
    return "\n".join(str(one.error) for one in broken)


def test_the_shipped_configuration_loads_and_keeps_its_files_under_vda_home(folder: Path) -> None:
    project = load(folder, VDA_HOME="/somewhere/else")
    assert str(project.dataset("street").storage_url) == "file:///somewhere/else/storage"
    assert project.deployment_of(project.dataset("street")).is_stand_in


def test_every_problem_of_a_file_is_told_at_once_with_its_key_and_what_is_allowed(folder: Path) -> None:
    path = folder / "datasets" / "street.yaml"
    path.write_text("url: s3://bucket/clips\ncookbok: piazza\nwhen: {cron: daily, hour: 3}\n")
    said = problems_of(folder).splitlines()
    assert all(line.startswith(f"{path}: ") for line in said)
    assert any("deployment: is missing" in line for line in said)
    assert any("cookbok: unknown key; did you mean cookbook? (line 2)" in line for line in said)
    assert any("when.hour: unknown key; remove it (line 3)" in line for line in said)
    assert any("when.cron: must be a cron expression of five fields" in line for line in said)
    assert any("url: s3://bucket/clips does not say where its storage root is" in line for line in said)


@pytest.mark.parametrize("licence", ["Apache-2.0", "CC-BY-4.0 OR (MIT AND GPL-2.0+)", "LicenseRef-Our-Terms", ""])
def test_a_licence_is_an_spdx_expression(folder: Path, licence: str) -> None:
    path = folder / "datasets" / "street.yaml"
    path.write_text(f"{path.read_text()}licence: '{licence}'\n")
    if licence:
        assert load(folder).dataset("street").licence == licence
        path.write_text(path.read_text().replace(licence, f"{licence}, or ask"))
    assert "licence: must be an SPDX expression such as CC-BY-4.0" in problems_of(folder)


def test_problems_of_several_files_are_told_together(folder: Path) -> None:
    (folder / "datasets" / "street.yaml").write_text("deployment: local\n")
    (folder / "deployments" / "cloud.yaml").write_text("osmo: {url: ftp://x}\n")
    said = problems_of(folder)
    assert "street.yaml: url: is missing" in said
    assert "cloud.yaml: osmo.url: must start with http:// or https://" in said


def test_a_dataset_of_an_unknown_deployment_names_the_known_ones(folder: Path) -> None:
    path = folder / "datasets" / "street.yaml"
    path.write_text(path.read_text().replace("deployment: local", "deployment: cloud"))
    assert "deployment: unknown deployment 'cloud'; choose from: local" in problems_of(folder)


def test_two_datasets_that_dagster_cannot_tell_apart_are_refused(folder: Path) -> None:
    (folder / "datasets" / "other.yaml").write_text("url: s3://b/datasets/street\ndeployment: local\n")
    assert "has the name of" in problems_of(folder)


@pytest.mark.parametrize("name", ["a-outputs", "a-outputs-outputs"])
def test_datasets_whose_folders_hold_each_other_are_refused(folder: Path, name: str) -> None:
    (folder / "datasets" / "first.yaml").write_text("url: s3://b/datasets/a\ndeployment: local\n")
    middle = "s3://b/datasets/a-outputs"
    (folder / "datasets" / "second.yaml").write_text(f"url: s3://b/datasets/{name}\ndeployment: local\n")
    if not name.endswith("outputs-outputs"):
        assert f"url: {middle} and s3://b/datasets/a of 'a' overlap" in problems_of(folder)
        return
    assert load(folder).broken == ()
    (folder / "datasets" / "third.yaml").write_text(f"url: {middle}\ndeployment: local\n")
    assert "overlap" in problems_of(folder)


def test_datasets_of_one_beginning_or_of_two_roots_do_not_overlap(folder: Path) -> None:
    for name, url in {"a": "s3://b/datasets/a", "ab": "s3://b/datasets/ab", "c": "s3://d/datasets/a_outputs"}.items():
        (folder / "datasets" / f"{name}.yaml").write_text(f"url: {url}\ndeployment: local\n")
    assert load(folder).broken == ()


def test_an_unset_variable_is_named(folder: Path) -> None:
    path = folder / "deployments" / "local.yaml"
    path.write_text(path.read_text().replace("${VDA_HOME}/osmo", "${VDA_STATE}/osmo"))
    assert "${VDA_STATE} is not set in the environment" in problems_of(folder)


def test_broken_yaml_and_doubled_keys_are_named_with_their_line(folder: Path) -> None:
    path = folder / "datasets" / "street.yaml"
    path.write_text("url: file:///a/datasets/b\ndeployment: [local\n")
    assert "line 3" in problems_of(folder)
    path.write_text("url: file:///a/datasets/b\ndeployment: local\nurl: file:///a/datasets/c\n")
    assert "line 3: url: stands twice" in problems_of(folder)


def test_an_unknown_cookbook_names_those_that_there_are(folder: Path) -> None:
    path = folder / "datasets" / "street.yaml"
    path.write_text(path.read_text().replace("cookbook: city_traffic", "cookbook: moon"))
    assert "unknown cookbook 'moon'; choose from: " in problems_of(folder)
    assert "city_traffic" in problems_of(folder)


def test_a_cookbook_of_ones_own_is_a_folder(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own scene"
    shutil.copytree(folder / "cookbooks" / "city_traffic", own)
    path = folder / "datasets" / "street.yaml"
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
    with pytest.raises(UnknownName, match="unknown dataset 'x'; choose from: street"):
        load(folder).dataset("x")


def add(folder: Path, path: str, text: str) -> Path:
    (folder / path).write_text(text)
    return folder / path


def test_one_broken_dataset_leaves_the_others_and_says_why_only_when_it_is_asked_for(folder: Path) -> None:
    path = add(folder, "datasets/bad.yaml", "url: file:///a/datasets/bad\ndeployment: local\nwhen: {cron: daily}\n")
    project = load(folder)
    assert list(project.datasets) == ["street"]
    (broken,) = project.broken
    assert (broken.path, broken.kind, broken.name) == (path, "dataset", "bad")
    with pytest.raises(BadConfigFile, match=r"bad\.yaml: when\.cron: must be a cron expression"):
        project.dataset("bad")


def test_a_broken_dataset_is_known_by_its_files_name_too(folder: Path) -> None:
    add(folder, "datasets/of_ours.yaml", "url: [a\n")
    with pytest.raises(BadConfigFile, match=r"of_ours\.yaml"):
        load(folder).dataset("of_ours")


def test_a_dataset_whose_deployment_is_broken_is_broken_with_that_reason(folder: Path) -> None:
    deployment = add(folder, "deployments/cloud.yaml", "osmo: {url: ftp://x}\n")
    add(folder, "datasets/other.yaml", "url: s3://b/datasets/other\ndeployment: cloud\n")
    project = load(folder)
    assert [(one.kind, one.name) for one in project.broken] == [("deployment", "cloud"), ("dataset", "other")]
    assert list(project.datasets) == ["street"]
    reason = f"deployment: {deployment} is broken: osmo.url: must start with http:// or https://"
    assert reason in str(project.broken[1].error)
    with pytest.raises(BadConfigFile, match=r"cloud\.yaml: osmo\.url"):
        project.deployment("cloud")


def test_a_dataset_whose_cookbook_does_not_fit_its_containers_is_broken_for_every_reader(folder: Path) -> None:
    own = folder.parent / "own"
    shutil.copytree(folder / "cookbooks/piazza", own)
    base = own / "augmentation/augmentation.yaml"
    base.write_text(base.read_text().replace("regenerate_caption_on_retry:", "regenerate_captions:"))
    add(folder, "datasets/other.yaml", f"url: s3://b/datasets/other\ndeployment: local\ncookbook: {own}\n")
    project = load(folder)
    assert list(project.datasets) == ["street"]
    (problem,) = project.broken[0].problems
    assert problem.startswith(f"cookbook: {base}: pipeline.regenerate_captions: unknown key")
    assert "did you mean regenerate_caption_on_retry? (line " in problem


@pytest.mark.parametrize("cookbook", ["~nobody-here/scene", "x" * 5000, "./" + "x" * 300, "..", "/dev/null/x"])
def test_a_cookbook_that_can_be_no_folder_breaks_its_dataset_alone(folder: Path, cookbook: str) -> None:
    add(folder, "datasets/other.yaml", f"url: s3://b/datasets/other\ndeployment: local\ncookbook: {cookbook!r}\n")
    project = load(folder)
    assert list(project.datasets) == ["street"]
    assert [one.name for one in project.broken] == ["other"]


@pytest.mark.parametrize("tag", ["latest", "1.2.0", "1.0.01"])
def test_an_unknown_version_of_an_image_is_one_problem_of_the_datasets_that_use_it(folder: Path, tag: str) -> None:
    local = (folder / "deployments/local.yaml").read_text()
    add(folder, "deployments/cloud.yaml", local.replace("paidf-augmentation:1.0.0\n", f"paidf-augmentation:{tag}\n", 1))
    add(folder, "datasets/other.yaml", "url: s3://b/datasets/other\ndeployment: cloud\n")
    project = load(folder)
    assert list(project.datasets) == ["street"]
    assert list(project.deployments) == ["cloud", "local"]
    (broken,) = project.broken
    (problem,) = broken.problems
    assert problem.startswith("deployment: 'cloud' cannot be used: images.augmentation: ")
    assert "1.0.0 and 1.0.1 and 1.1.0" in problem


def test_a_private_tag_reads_the_configs_of_the_version_that_the_deployment_says(folder: Path) -> None:
    path = folder / "deployments/local.yaml"
    path.write_text(
        path.read_text().replace(
            "  augmentation: nvcr.io/nvidia/paidf-augmentation:1.0.0\n",
            "  augmentation: registry.local/aug:tuesday\n  augmentation_version: 1.0.1\n",
        )
    )
    assert load(folder).broken == ()


@pytest.mark.parametrize("name", ["in vain", "größe", "-x", "x" * 64])
def test_a_deployment_whose_name_no_asset_can_carry_is_refused_when_it_is_read(folder: Path, name: str) -> None:
    shutil.copyfile(folder / "deployments/local.yaml", folder / f"deployments/{name}.yaml")
    assert "the file's name: deployment name" in problems_of(folder)
    assert list(load(folder).deployments) == ["local"]


def test_two_deployments_that_dagster_cannot_tell_apart_are_refused(folder: Path) -> None:
    for name in ("my.cloud", "my-cloud"):
        shutil.copyfile(folder / "deployments/local.yaml", folder / f"deployments/{name}.yaml")
    assert list(load(folder).deployments) == ["local", "my-cloud"]
    assert "deployment 'my.cloud' has the name of" in problems_of(folder)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("when: {cron: 99 99 99 99 99}", "'99' is no minute, which takes *, 0 to 59"),
        ("when: {timezone: Europe}", "must be a time zone"),
        ("owners: [nobody]", "must be team:<name> or an e-mail address"),
        ("when: 2001-99-99", "'2001-99-99' is no timestamp"),
        ("description: !!int x", "line 4: description: 'x' is no int"),
        ("description: !!bool x", "'x' is no bool"),
        ("? [a, b]\n: c", "a key must be a text"),
        ("owners: &a [*a]", "*a stands inside of what it repeats"),
        ("owners: " + "[" * 100 + "]" * 100, "is nested more than 40 deep"),
    ],
)
def test_what_a_dataset_file_may_hold_is_one_message_with_file_line_and_key(folder: Path, line: str, said: str) -> None:
    path = add(folder, "datasets/bad.yaml", f"url: s3://b/datasets/bad\ndeployment: local\n\n{line}\n")
    project = load(folder)
    (problem,) = project.broken[0].problems
    assert said in problem
    assert "line 4" in problem
    assert project.broken[0].path == path
    assert list(project.datasets) == ["street"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("flow: nothing", "flow: unknown flow 'nothing'; choose from"),
        ("outputs: [labels]", "outputs: unknown output 'labels'; choose from"),
        ("flow: e2e\noutputs: [original_labels]", "flow and outputs exclude each other"),
    ],
)
def test_what_a_dataset_wants_is_a_flow_or_outputs_that_there_are(folder: Path, line: str, said: str) -> None:
    add(folder, "datasets/bad.yaml", f"url: s3://b/datasets/bad\ndeployment: local\n{line}\n")
    (problem,) = load(folder).broken[0].problems
    assert said in problem


def test_values_of_the_environment_are_shown_by_their_names(folder: Path) -> None:
    path = folder / "deployments/local.yaml"
    path.write_text(path.read_text().replace("max_in_flight: 4", "max_in_flight: ${SECRET}"))
    broken = load(folder, SECRET="hunter2").broken
    assert "(got '${SECRET}')" in str(broken[0].error)
    assert not any("hunter2" in str(one.error) for one in broken)


@pytest.mark.parametrize(
    "url", ["http://user:hunter2@osmo", "http://user:hun/ter2@osmo", "http://osmo?key=hunter2", "${OSMO}"]
)
def test_credentials_in_a_url_are_refused_and_never_shown(folder: Path, url: str) -> None:
    path = folder / "deployments/local.yaml"
    path.write_text(path.read_text().replace("http://127.0.0.1:8710", url))
    broken = load(folder, OSMO="http://user:hunter2@osmo").broken
    assert [one.kind for one in broken] == ["deployment", "dataset"]
    said = "\n".join(str(one.error) for one in broken)
    assert "hunter2" not in said
    assert "ter2" not in said


@pytest.mark.parametrize("place", ["", "datasets", "cookbooks/city_traffic", "cookbooks/city_traffic/augmentation"])
def test_a_mount_that_never_answers_is_told_and_not_waited_for(tmp_path: Path, place: str) -> None:
    configuration = tmp_path / "assets_cfg"
    shutil.copytree(REPOSITORY / "assets_cfg", configuration)
    with hanging_mount(configuration / place), pytest.raises(ConfigError, match="was not read within 2 seconds"):
        load_project({"VDA_ASSETS_CFG": str(configuration)}, seconds=2)


def test_a_link_to_a_mount_that_never_answers_is_told_and_not_waited_for(tmp_path: Path) -> None:
    configuration, share = tmp_path / "assets_cfg", tmp_path / "share"
    shutil.copytree(REPOSITORY / "assets_cfg", configuration)
    share.mkdir()
    (configuration / "datasets/shared.yaml").symlink_to(share / "shared.yaml")
    with hanging_mount(share), pytest.raises(ConfigError, match="assets_cfg was not read within 2 seconds"):
        load_project({"VDA_ASSETS_CFG": str(configuration)}, seconds=2)
