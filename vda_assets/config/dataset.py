"""`assets_cfg/datasets/<name>.yaml`: one folder of clips, the deployment that works on it and its cookbook."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from vda_assets.config.yaml_file import ConfigModel
from vda_assets.osmo.spec import LABEL_VALUE_PATTERN
from vda_assets.storage.url import StorageUrl, split_dataset_url

_CRON = re.compile(r"^\S+(\s+\S+){4}$")


def _dataset_url(text: str) -> str:
    _, name = split_dataset_url(StorageUrl.parse(text))
    if not LABEL_VALUE_PATTERN.match(name):
        raise ValueError(f"dataset name {name!r} must be 1 to 63 of A-Z a-z 0-9 _ . - (it labels OSMO workflows)")
    return text


def _cron(text: str) -> str:
    if not _CRON.match(text):
        raise ValueError("must be a cron expression of five fields, such as '0 2 * * *'")
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("must be a time zone such as 'UTC' or 'Europe/Berlin'") from None
    return text


class Nightly(ConfigModel):
    """When the dataset's automation asks for what is missing."""

    cron: Annotated[str, AfterValidator(_cron)] = "0 2 * * *"
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"


Treatment = Literal["pass", "flag", "fail"]


class VerdictPolicy(ConfigModel):
    """What becomes of an output with each verdict; a missing one always fails.

    `pass`: materialized. `flag`: materialized, its check fails, and it is kept out of releases. `fail`: not
    materialized, its clip counts as failed; what was made stays in storage as evidence.
    """

    accepted: Literal["pass"] = "pass"
    degraded: Treatment = "pass"
    unverified: Treatment = "flag"
    rejected: Treatment = "flag"


class Dataset(ConfigModel):
    description: str = ""
    url: Annotated[str, AfterValidator(_dataset_url)]
    deployment: str
    cookbook: str = "city_traffic"
    nightly: Nightly = Nightly()
    verdicts: VerdictPolicy = VerdictPolicy()
    owners: Annotated[list[str], Field(description="`team:<name>` or an e-mail address each")] = []

    @property
    def dataset_url(self) -> StorageUrl:
        return StorageUrl.parse(self.url)

    @property
    def storage_url(self) -> StorageUrl:
        return split_dataset_url(self.dataset_url)[0]

    @property
    def name(self) -> str:
        return self.dataset_url.name

    @property
    def slug(self) -> str:
        """The name as Dagster takes it in asset keys, groups and jobs."""
        return re.sub(r"[^A-Za-z0-9]", "_", self.name)
