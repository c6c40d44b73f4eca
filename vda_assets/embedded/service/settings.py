"""What the embedded OSMO is told before it starts: where it lives, what it owns, what stands in for each image."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from vda_assets.storage.url import StorageUrl


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StandIn(_Frozen):
    """What this machine gives to the tasks of one image: environment variables, and folders put first on PATH."""

    environment: dict[str, str] = {}
    path: list[str] = []


class PlatformCapacity(_Frozen):
    """What an emulated platform owns; these need not be the machine's real numbers."""

    gpus: Annotated[int, Field(ge=0)]
    cpus: Annotated[int, Field(ge=1)]
    description: str = ""


class LabelPolicy(_Frozen):
    """What a pool asks of one label; a violation is a warning or, enforced, a refusal. No values: any will do."""

    enforcement: Literal["warn", "enforce"]
    allowed_values: frozenset[str] = frozenset()
    assert_message: str = ""


class Policy(BaseModel):
    """What administrators of a real service set; a running service follows every change of it.

    `max_num_workflows` and `max_num_tasks` count what a user has ongoing. Groups of more than `gpu_guarantee` GPUs are
    taken with priority LOW alone (-1: any). `calls_per_second` is the gateway's limit.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    labels: dict[str, LabelPolicy] = {}
    max_num_workflows: int | None = None
    max_num_tasks: int | None = None
    gpu_guarantee: int = -1
    in_maintenance: bool = False
    calls_per_second: int | None = None


class EmbeddedSettings(_Frozen):
    """`port` 0 takes any free one. `token`, when set, must come with every call as `Authorization: Bearer`.

    `workflow_data_url` is where the outputs lie that tasks hand to tasks of later groups. Every caller has the `role`;
    one with `osmo-user` may not read configurations. No call knows a workflow until `row_seconds` after its submission.
    """

    state_folder: Path
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    pool: str = "default"
    platforms: Annotated[dict[str, PlatformCapacity], Field(min_length=1)]
    images: dict[str, StandIn]
    workflow_data_url: str
    token: SecretStr | None = None
    max_num_tasks: Annotated[int, Field(ge=1)] = 100
    role: Literal["osmo-user", "osmo-admin"] = "osmo-user"
    policy: Policy = Field(default_factory=Policy)
    row_seconds: Annotated[float, Field(ge=0, le=10)] = 0.25

    @property
    def default_platform(self) -> str:
        return next(iter(self.platforms))

    @field_validator("state_folder")
    @classmethod
    def _plain_absolute_path(cls, folder: Path) -> Path:
        absolute = folder.expanduser().absolute()
        # Tasks' folders replace {{output}} in shell commands that nobody quoted, as OSMO's own paths need no quotes.
        if not re.fullmatch(r"[\w./@+-]+", str(absolute)):
            raise ValueError(f"{absolute} has characters that a shell would split or expand; choose a plain path")
        return absolute

    @field_validator("workflow_data_url")
    @classmethod
    def _storage_url(cls, url: str) -> str:
        return str(StorageUrl.parse(url))

    @field_validator("token")
    @classmethod
    def _token_that_keeps_somebody_out(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not token.get_secret_value().strip():
            raise ValueError("is empty: everybody who reaches the embedded OSMO would have it")
        return token

    @model_validator(mode="after")
    def _only_loopback_without_token(self) -> Self:
        if self.token is None and not self.is_loopback:
            raise ValueError(f"host {self.host}: whoever reaches the embedded OSMO runs commands here; set a token")
        return self

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
