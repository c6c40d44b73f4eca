"""Where the user's token and key come from, and that they show nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from vda_assets.config.errors import ConfigError
from vda_assets.readiness.secrets import Secret, find_secrets


def told(secret: Secret | None) -> tuple[str, str, bool] | None:
    return secret and (secret.reveal(), secret.source, secret.supplied)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"HF_TOKEN": "a", "HUGGING_FACE_HUB_TOKEN": "b"}, ("a", "HF_TOKEN", True)),
        ({"HF_TOKEN": " ", "HUGGING_FACE_HUB_TOKEN": "b"}, ("b", "HUGGING_FACE_HUB_TOKEN", True)),
        ({"HF_TOKEN": "Bearer a\n"}, ("a", "HF_TOKEN", True)),
        ({"HF_TOKEN": "Bearer "}, None),
        ({}, None),
    ],
)
def test_the_token_of_the_model_hub_is_found_in_its_variables(environment: dict[str, str], found: object) -> None:
    assert told(find_secrets(environment).hf_token) == found


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"NGC_CLI_API_KEY": "nvapi-1", "LLM_API_KEY": "nvapi-2"}, ("nvapi-1", "NGC_CLI_API_KEY", True)),
        ({"NGC_API_KEY": "legacy", "LLM_API_KEY": "nvapi-2"}, ("nvapi-2", "LLM_API_KEY", True)),
        ({"NGC_API_KEY": "legacy", "NGC_CLI_API_KEY": "other"}, ("legacy", "NGC_API_KEY", True)),
        ({"NGC_CLI_API_KEY": "legacy", "OPENAI_API_KEY": "sk-1"}, ("legacy", "NGC_CLI_API_KEY", True)),
        ({"NGC_API_KEY": "Bearer nvapi-1"}, ("nvapi-1", "NGC_API_KEY", True)),
        ({"NVIDIA_API_KEY": "Authorization: Bearer nvapi-1"}, ("nvapi-1", "NVIDIA_API_KEY", True)),
        ({"NGC_API_KEY": "authorization:bearer  NVAPI-1"}, ("NVAPI-1", "NGC_API_KEY", True)),
        ({"OPENAI_API_KEY": "sk-1", "VLM_API_KEY": "any", "NVIDIA_API_KEY": "other"}, None),
    ],
)
def test_a_key_of_nvidias_is_found_anywhere_and_any_other_in_its_own_variables_alone(
    environment: dict[str, str], found: object
) -> None:
    assert told(find_secrets(environment).ngc_key) == found


@pytest.mark.parametrize(
    ("variable", "file"),
    [
        (None, ".cache/huggingface/token"),
        ("HF_HOME", "hub-home/token"),
        ("XDG_CACHE_HOME", "caches/huggingface/token"),
        ("HF_TOKEN_PATH", "my/token"),
        ("HF_TOKEN_FILE", "mounted/token"),
    ],
)
@pytest.mark.parametrize("content", ["hf_1", "hf_1\n", "hf_1\r\nsecond line\n"])
def test_the_token_that_the_hubs_own_library_keeps_is_found_but_not_supplied(
    tmp_path: Path, variable: str | None, file: str, content: str
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(content)
    place = {"HF_HOME": path.parent, "XDG_CACHE_HOME": path.parent.parent}.get(variable or "", path)
    environment = {"HOME": str(tmp_path)} | ({variable: str(place)} if variable else {})
    found = find_secrets(environment).hf_token
    source = "HF_TOKEN_FILE" if variable == "HF_TOKEN_FILE" else str(path)
    assert told(found) == ("hf_1", source, False)


def test_places_may_be_written_with_the_home_folder_and_variables(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_1")
    for place in ("~/token", "$HOME/token", "${HOME}/token"):
        assert find_secrets({"HOME": str(tmp_path), "HF_TOKEN_PATH": place}).hf_token


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "large"])
def test_a_cache_without_a_token_holds_none(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "token"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text("" if kind == "empty" else "x" * 100_000)
    assert find_secrets({"HF_TOKEN_PATH": str(path)}).hf_token is None


def test_a_file_that_the_user_names_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"USER_INPUT_REQUIRED: correct HF_TOKEN_FILE: .*No such file"):
        find_secrets({"HF_TOKEN_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize("value", ["hf_secret\nmore", "hf_secret more", "hf_sécret", "hf_secret\x00"])
@pytest.mark.parametrize("variable", ["HF_TOKEN", "NGC_API_KEY"])
def test_what_no_request_could_carry_is_refused_without_showing_it(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"USER_INPUT_REQUIRED: correct {variable}: ") as error:
        find_secrets({variable: value})
    assert "cret" not in str(error.value)


def test_no_part_of_a_secret_shows_in_a_repr() -> None:
    secrets = find_secrets({"HF_TOKEN": "hf_0123456789", "NGC_API_KEY": "nvapi-0123456789"})
    assert "hf_" not in repr(secrets).replace("hf_token", "")
    assert "0123" not in repr(secrets) + str(secrets.hf_token) + f"{secrets.ngc_key}"


@pytest.mark.parametrize(
    ("environment", "config", "org_and_team"),
    [
        ({"NGC_ORG": "o", "NGC_TEAM": "t"}, "", ("o", "t")),
        ({"NGC_CLI_ORG": "o", "NGC_CLI_TEAM": "t"}, "[CURRENT]\norg = other\n", ("o", "t")),
        ({}, ";WARNING - machine generated\n[CURRENT]\napikey = k\norg = o\nteam = t\n", ("o", "t")),
        ({"NGC_TEAM": "t"}, "[CURRENT]\norg = o\nteam =\n", ("o", "t")),
        ({}, "[CURRENT]\norg = o\n", ("o", None)),
        ({}, "org = o\n", (None, None)),
        ({}, "[OTHER]\norg = o\n", (None, None)),
        ({}, "", (None, None)),
    ],
)
def test_organisation_and_team_come_from_variables_or_the_file_of_ngc(
    tmp_path: Path, environment: dict[str, str], config: str, org_and_team: tuple[str | None, str | None]
) -> None:
    (tmp_path / ".ngc").mkdir()
    (tmp_path / ".ngc/config").write_text(config)
    secrets = find_secrets({"HOME": str(tmp_path), **environment})
    assert (secrets.ngc_org, secrets.ngc_team) == org_and_team
