"""The user's Hugging Face token and NGC key, found in an environment. No repr, message or log holds a part of one."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from pydantic import SecretStr

from vda_assets.config.errors import BadConfigFile, ConfigError
from vda_assets.config.yaml_file import read_file

_HF_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# A key of NVIDIA's is taken from any of these, a key of another form from the first two alone: it may be OpenAI's.
_NGC_VARIABLES = (
    "NGC_API_KEY",
    "NGC_CLI_API_KEY",
    "NVIDIA_API_KEY",
    "OPENAI_API_KEY",
    "VLM_API_KEY",
    "LLM_API_KEY",
)
_NGC_OWN_VARIABLES = _NGC_VARIABLES[:2]
_BEFORE_THE_VALUE = re.compile(r"\A(?:authorization:\s*)?bearer(?:\s+|\Z)", re.IGNORECASE)
# What can stand in an HTTP header: with anything else httpx would refuse the request, and quote the secret.
_SENDABLE = re.compile(r"[\x21-\x7e]+")
_MOST_FILE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Secret:
    """`source` is the variable or file that it came from; `supplied` that the user put it into a variable."""

    value: SecretStr
    source: str
    supplied: bool

    def reveal(self) -> str:
        return self.value.get_secret_value()


@dataclass(frozen=True)
class Secrets:
    """None for what is not there. `ngc_org` and `ngc_team` are no secrets."""

    hf_token: Secret | None = None
    ngc_key: Secret | None = None
    ngc_org: str | None = None
    ngc_team: str | None = None


def find_secrets(environment: Mapping[str, str]) -> Secrets:
    """Raises ConfigError, which names the variable or file, for a value that no request could carry."""
    ngc = _ngc_config(environment)
    return Secrets(
        hf_token=_in_variables(environment, _HF_VARIABLES) or _in_hf_files(environment),
        ngc_key=_in_variables(environment, _NGC_VARIABLES, _is_nvidias)
        or _in_variables(environment, _NGC_OWN_VARIABLES),
        ngc_org=_first(environment, "NGC_ORG", "NGC_CLI_ORG") or ngc.get("org") or None,
        ngc_team=_first(environment, "NGC_TEAM", "NGC_CLI_TEAM") or ngc.get("team") or None,
    )


def _is_nvidias(value: str) -> bool:
    return value.lower().startswith("nvapi-")


def _in_variables(
    environment: Mapping[str, str], names: Iterable[str], accepts: Callable[[str], bool] = bool
) -> Secret | None:
    values = ((name, _cut_free(environment.get(name, ""))) for name in names)
    found = next(((name, value) for name, value in values if accepts(value)), None)
    return _secret(found[1], source=found[0], supplied=True) if found else None


def _in_hf_files(environment: Mapping[str, str]) -> Secret | None:
    """A file that the user names, else the one that huggingface_hub keeps: its own function asks `os.environ`."""
    if named := environment.get("HF_TOKEN_FILE", "").strip():
        try:
            return _in_file(_path(named, environment), source="HF_TOKEN_FILE")
        except BadConfigFile as error:
            raise ConfigError(f"USER_INPUT_REQUIRED: correct HF_TOKEN_FILE: {error}") from None
    cache = _first(environment, "XDG_CACHE_HOME") or "~/.cache"
    home = _first(environment, "HF_HOME") or f"{cache}/huggingface"
    path = _path(_first(environment, "HF_TOKEN_PATH") or f"{home}/token", environment)
    try:
        return _in_file(path, source=str(path))
    except BadConfigFile:
        return None


def _in_file(path: Path, *, source: str) -> Secret | None:
    lines = read_file(path, limit=_MOST_FILE_BYTES).decode(errors="replace").split("\n", 1)
    value = _cut_free(lines[0])
    return _secret(value, source=source, supplied=False) if value else None


def _ngc_config(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The section CURRENT of what `ngc config set` writes; it only informs, so a broken file is none."""
    path = _path(_first(environment, "NGC_CONFIG_FILE") or "~/.ngc/config", environment)
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(read_file(path, limit=_MOST_FILE_BYTES).decode(errors="replace"))
    except (BadConfigFile, configparser.Error):
        return {}
    return parser["CURRENT"] if parser.has_section("CURRENT") else {}


def _cut_free(value: str) -> str:
    return _BEFORE_THE_VALUE.sub("", value.strip())


def _secret(value: str, *, source: str, supplied: bool) -> Secret:
    if not _SENDABLE.fullmatch(value):
        raise ConfigError(
            f"USER_INPUT_REQUIRED: correct {source}: it holds a blank, a line break or a letter that is no ASCII; "
            "put the token or key there, and nothing else"
        )
    return Secret(SecretStr(value), source, supplied)


def _first(environment: Mapping[str, str], *names: str) -> str | None:
    return next((value for name in names if (value := environment.get(name, "").strip())), None)


def _path(text: str, environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME", "~")
    return Path(re.sub(r"^~(?=/|$)", lambda _: home, Template(text).safe_substitute(environment)))
