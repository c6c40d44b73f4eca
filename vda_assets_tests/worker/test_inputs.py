"""What the worker finds and passes on: the setup, the clip, the caches, and what beats the container's config."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from vda_assets_tests.worker.bench import LLM, VLM, Bench


def given_to_the_container(bench: Bench, container: str, **environment: str) -> Any:
    path = bench.folder / "given.json"
    ended = bench.run(container, behaviour="shows_what_it_was_given", GIVEN=str(path), **environment)
    assert ended.code == 0, ended.log
    return json.loads(path.read_text())


def test_an_image_that_runs_no_model_works_without_weights(bench: Bench) -> None:
    command = bench.command("augmentation")
    at = command.index("--model-cache")
    command = [*command[:at], *command[at + 2 :]]
    done = subprocess.run(command, env=bench.environment_for("good"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_without_a_clip_it_fails(empty_bench: Bench) -> None:
    (empty_bench.folder / "clip/readme.txt").write_text("no clip")
    ended = empty_bench.run("augmentation", behaviour="good")
    expected = f"expected one clip (.mp4, .avi, .mkv) in {empty_bench.folder}/clip, found none"
    assert (ended.code, ended.reason) == (65, expected)


def test_two_clips_are_one_too_many_unless_one_is_named(bench: Bench, tiny_clip: bytes) -> None:
    (bench.folder / "clip/raw").mkdir()
    (bench.folder / "clip/raw/b.mp4").write_bytes(tiny_clip)
    ended = bench.run("augmentation", behaviour="good")
    assert ended.code == 65
    assert ended.reason.endswith("found Straße 1 = ü.mp4, b.mp4")
    assert bench.run("augmentation", "--clip-file", "raw/b.mp4", behaviour="good").code == 0
    missing = bench.run("augmentation", "--clip-file", "raw/c.mp4", behaviour="good")
    assert (missing.code, missing.reason) == (65, f"expected raw/c.mp4 in {bench.folder}/clip, found none")


def test_an_empty_clip_is_none(empty_bench: Bench) -> None:
    (empty_bench.folder / "clip/a.mp4").touch()
    assert empty_bench.run("augmentation", behaviour="good").reason.endswith("a.mp4 is empty")


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (".env", "the setup has no .env: {setup} is not a run's setup folder"),
        ("configs/auto_labeling/auto_labeling_config.yaml", "the setup has no {missing}"),
        ("configs/auto_labeling/question_bank.json", "the setup has no {missing}"),
    ],
)
def test_a_setup_that_lacks_something_is_refused(bench: Bench, missing: str, reason: str) -> None:
    setup = bench.folder / "setup"
    (setup / missing).unlink()
    if missing == ".env":
        (setup / "runtime.env").unlink()
    ended = bench.run("auto_labeling", behaviour="good")
    assert (ended.code, ended.reason) == (64, reason.format(setup=setup, missing=missing))


def test_storage_tools_that_leave_dotfiles_out_do_no_harm(bench: Bench) -> None:
    (bench.folder / "setup/.env").unlink()
    assert bench.run("augmentation", behaviour="good").code == 0


def test_a_question_bank_without_a_name_is_refused(bench: Bench) -> None:
    (bench.folder / "setup/configs/auto_labeling/question_bank.json").write_text('{"questions": []}')
    ended = bench.run("auto_labeling", behaviour="good")
    assert ended.code == 64
    assert "is no question bank with name and questions" in ended.reason


@pytest.mark.parametrize("name", ["a: b_aug0", "a #1_aug0", "a${b}_aug0"])
def test_a_name_that_yaml_would_change_is_refused(bench: Bench, name: str) -> None:
    bench.name = name
    bench.write_setup(bench.endpoints)
    ended = bench.run("augmentation", behaviour="good")
    assert ended.code == 64
    assert "cannot be passed to the container; use plain names" in ended.reason


def test_an_output_folder_that_holds_inputs_is_not_emptied(bench: Bench) -> None:
    bench.environment["TMPDIR"] = "/tmp"
    ended = bench.run("augmentation", "--output", str(bench.folder), behaviour="good")
    assert ended.code == 64
    assert list((bench.folder / "clip").iterdir())


def test_relative_folders_are_taken_from_where_the_worker_starts(bench: Bench) -> None:
    ended = bench.run("augmentation", "--output", "output", "--clip", "clip", behaviour="good", PAIDF_HOME="/")
    assert ended.code == 0, ended.log


def test_a_command_that_cannot_be_started_is_a_bad_setup(bench: Bench) -> None:
    ended = bench.run("augmentation", behaviour="good", PAIDF_CLI="/no/such/command")
    assert ended.code == 64
    assert ended.reason.startswith("the container's command cannot be started")


@pytest.mark.parametrize("other_disk", [False, True])
def test_a_container_that_resolves_links_finds_the_clip_under_the_results_name(bench: Bench, other_disk: bool) -> None:
    (link,) = (bench.folder / "clip").iterdir()
    link.rename(bench.folder / "blob")
    link.symlink_to(bench.folder / "blob")
    if not other_disk:
        assert given_to_the_container(bench, "auto_labeling")["clip"] == f"{bench.name}.mp4"
        return
    with TemporaryDirectory(dir="/dev/shm") as folder:
        assert Path(folder).stat().st_dev != link.stat().st_dev
        assert given_to_the_container(bench, "auto_labeling", TMPDIR=folder)["clip"] == f"{bench.name}.mp4"
        assert list(Path(folder).iterdir()) == []


@pytest.mark.parametrize("container", ["augmentation", "auto_labeling"])
def test_the_key_that_opens_an_endpoint_is_the_one_that_the_container_looks_at(bench: Bench, container: str) -> None:
    endpoints = bench.endpoints
    own = {
        "vlm": endpoints.vlm.model_copy(update={"api_key_env": "TEAM_KEY"}),
        "llm": endpoints.llm.model_copy(update={"api_key_env": "LLM_API_KEY"}),
    }
    bench.write_setup(endpoints.model_copy(update=own))
    keys = {"NVIDIA_API_KEY": "nvapi-of-all", "TEAM_KEY": "of-the-vlm", "LLM_API_KEY": "of-the-llm"}
    given = given_to_the_container(bench, container, **keys)["environment"]
    assert (given["VLM_API_KEY"], given["LLM_API_KEY"]) == ("of-the-vlm", "of-the-llm")


@pytest.mark.parametrize("container", ["augmentation", "auto_labeling"])
def test_an_ngc_key_in_a_task_does_not_reach_an_endpoint_outside_of_the_cluster(bench: Bench, container: str) -> None:
    keys = dict.fromkeys(("VLM_API_KEY", "LLM_API_KEY", "NVIDIA_API_KEY", "OPENAI_API_KEY"), "nvapi-0123456789")
    given = given_to_the_container(bench, container, **keys)["environment"]
    assert (given["VLM_API_KEY"], given["LLM_API_KEY"]) == (None, None)
    if container == "auto_labeling":
        assert (given["NVIDIA_API_KEY"], given["OPENAI_API_KEY"]) == (None, None)


@pytest.mark.parametrize("name", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
def test_one_token_of_hugging_face_is_given_under_both_names(bench: Bench, name: str) -> None:
    before = {"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "", name: "hf_secret"}
    given = given_to_the_container(bench, "augmentation", **before)["environment"]
    assert given["HF_TOKEN"] == given["HUGGING_FACE_HUB_TOKEN"] == "hf_secret"


@pytest.mark.parametrize("container", ["augmentation", "auto_labeling"])
def test_what_was_set_before_does_not_beat_what_the_worker_found_out(bench: Bench, container: str) -> None:
    before = {"VLM_BASE_URL": "http://old", "VLM_MODEL": "old", "LLM_MODEL": "old", "LLM_CAPTION_ENDPOINT_URL": "old"}
    given = given_to_the_container(bench, container, **before, MODEL_CACHE_PATH="")
    assert given["overrides"]["endpoints.vlm.url"] == bench.endpoints.vlm.url
    assert {name: given["environment"][name] for name in before} == {
        "VLM_BASE_URL": bench.endpoints.vlm.url,
        "VLM_MODEL": VLM,
        "LLM_MODEL": LLM,
        "LLM_CAPTION_ENDPOINT_URL": None,
    }


def test_the_labelling_cache_can_be_written_and_stays_as_it_is(bench: Bench) -> None:
    cache = bench.folder / "cache"
    (cache / "rfdetr").mkdir()
    (cache / "rfdetr/rf-detr-base.pth").write_text("weights")
    given = given_to_the_container(bench, "auto_labeling")
    assert given["overrides"]["pipeline.model_cache_path"] == given["environment"]["MODEL_CACHE_PATH"]
    assert given["cache"] == {"rfdetr/rf-detr-base.pth": "weights"}
    assert [path.name for path in (cache / "rfdetr").iterdir()] == ["rf-detr-base.pth"]


@pytest.mark.parametrize("root", ["", "hub/"])
def test_the_hub_layout_is_found_with_its_links(bench: Bench, root: str) -> None:
    model = bench.folder / "cache" / f"{root}models--nvidia--Cosmos-Transfer2.5-2B"
    for folder in ("blobs", "refs", "snapshots/61f5694b"):
        (model / folder).mkdir(parents=True)
    (model / "blobs/abc").write_text("weights")
    (model / "refs/main").write_text("61f5694b")
    (model / "snapshots/61f5694b/model.pt").symlink_to("../../blobs/abc")
    (model / "snapshots/61f5694b/real.pt").write_text("real")
    found = given_to_the_container(bench, "augmentation")["cache"]
    name = model.name
    assert {path.removeprefix(f"{name}/"): text for path, text in found.items()} == {
        "blobs/abc": "weights",
        "refs/main": "61f5694b",
        "snapshots/61f5694b/model.pt": "weights",
        "snapshots/61f5694b/real.pt": "real",
    }


def test_odd_things_in_a_cache_are_passed_over(bench: Bench) -> None:
    cache = bench.folder / "cache"
    (cache / "räder = 1").mkdir()
    (cache / "räder = 1/weights.pth").write_text("weights")
    (cache / "dangling").symlink_to("nowhere")
    (cache / "round").symlink_to("round")
    (cache / "up").symlink_to(".")
    os.mkfifo(cache / "pipe")
    Path(os.fsdecode(os.fsencode(cache) + b"/\xff\xfe")).write_text("bytes")
    ended = bench.run("augmentation", behaviour="good")
    assert ended.code == 0, ended.log
    assert "WARNING: cannot be used of the model cache: 3, the first: " in ended.log


def test_a_cache_that_is_not_there_is_said(bench: Bench) -> None:
    (bench.folder / "cache").rmdir()
    ended = bench.run("augmentation", behaviour="good")
    assert ended.code == 0
    assert "WARNING: cannot be used of the model cache: 1, the first: [Errno 2]" in ended.log


def test_endpoints_that_a_config_lists_by_role_are_overridden_in_their_places(bench: Bench) -> None:
    config = bench.folder / "setup/configs" / f"{bench.name}.yaml"
    document = yaml.safe_load(config.read_text())
    roles = ("video_transfer", "llm", "vlm")
    document["endpoints"] = [{"id": f"the-{role}", "role": role, "url": "", "model": ""} for role in roles]
    config.write_text(yaml.safe_dump(document, sort_keys=False))
    overrides = given_to_the_container(bench, "augmentation")["overrides"]
    given = {key: value for key, value in overrides.items() if key.startswith("endpoints.")}
    assert given == {
        "endpoints.2.url": bench.endpoints.vlm.url,
        "endpoints.2.model": VLM,
        "endpoints.1.url": bench.endpoints.llm.url,
        "endpoints.1.model": LLM,
    }
