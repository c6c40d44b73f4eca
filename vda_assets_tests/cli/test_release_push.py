"""`vda release push` and `open` as processes: what they say, and what they need."""

from __future__ import annotations

import pytest

from vda_assets_tests.cli.project import DATASET, Project
from vda_assets_tests.hub_serving import Hub, serving_hub
from vda_assets_tests.hub_taking import TakingHandler
from vda_assets_tests.releases.made import MadeClips

TOKEN = "hf_a_writer_s_secret"
PUSH = ("release", "push", "--dataset", DATASET)


@pytest.fixture
def released(project: Project) -> Project:
    clips = MadeClips(project.place.storage, project.place.root, dataset=DATASET)
    clips.add("a.mp4")
    clips.release(version="v1")
    return project


def test_the_last_release_goes_to_a_repository_and_the_token_into_no_line(released: Project) -> None:
    with serving_hub(Hub(tokens={TOKEN}, writers={TOKEN: "team"}), TakingHandler) as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        done = released.vda(*PUSH, "--to", "team/street", **environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{hub.url}/datasets/team/street\n"
        again = released.vda(*PUSH, "--version", "v1", "--to", "hf://datasets/team/street", **environment)
        assert again.stderr.splitlines()[-1] == f"{DATASET} v1 (it was there already)"
        assert hub.repositories["team/street"].tags.keys() == {"v1"}
    assert TOKEN not in done.stdout + done.stderr + again.stderr


def test_it_goes_to_a_folder_and_is_whole_there(released: Project) -> None:
    to = f"file://{released.folder}/partner"
    done = released.vda(*PUSH, "--to", to)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{to}/v1\n"
    assert (released.folder / "partner/v1/manifest.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "team/street"), "set HF_TOKEN to a token of huggingface.co that may write to team/street"),
        (("--to", "street"), "'street' is neither OWNER/NAME of Hugging Face nor a URL"),
        (("--to", "s3://bucket/x", "--public"), "--public is for a repository of Hugging Face"),
        (("--to", "team/street", "--version", "v7"), "there is no version v7 at "),
        ((), "Missing option '--to'"),
    ],
)
def test_what_is_lacking_is_one_sentence(released: Project, arguments: tuple[str, ...], said: str) -> None:
    home = str(released.folder / "hf")
    done = released.vda(*PUSH, *arguments, HF_HOME=home, HF_TOKEN="", HUGGING_FACE_HUB_TOKEN="")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_open_without_fiftyone_says_how_to_install_it(released: Project) -> None:
    done = released.vda("release", "open", "--dataset", DATASET)
    assert done.returncode == 2
    assert done.stderr == "Error: FiftyOne is not installed here (No module named 'fiftyone'): pip install fiftyone\n"


def test_options_before_the_name_of_what_is_done_are_not_lost(released: Project) -> None:
    done = released.vda("release", "--dataset", DATASET, "push", "--to", "team/street")
    assert done.returncode == 2
    assert "options of `vda release push` stand behind its name" in done.stderr
    assert "Missing option '--dataset'" in released.vda("release").stderr
