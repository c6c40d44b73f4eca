"""What the embedded OSMO is told before it starts: where it lives, what it owns, what stands in for each image."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self

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


class EmbeddedSettings(_Frozen):
    """`port` 0 takes any free one. `token`, when set, must come with every call as `Authorization: Bearer`.

    `workflow_data_url` is where the outputs lie that tasks hand to tasks of later groups.
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
