"""`assets_cfg/datasets/<name>.yaml`: one folder of clips, the deployment that works on it and its cookbook."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from vda_assets.config.cron import check_cron
from vda_assets.config.names import check_label, slug_of
from vda_assets.config.yaml_file import ConfigModel
from vda_assets.storage.url import StorageUrl, split_dataset_url

# What Dagster takes for an owner.
_OWNER = re.compile(r"team:\S+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", re.ASCII)
# A name of SPDX's list, a LicenseRef- of one's own, or several joined by AND, OR and WITH.
_LICENCE = re.compile(r"(?=.{1,200}\Z)\(*[\w.+-]+\)*(?: (?:AND|OR|WITH) \(*[\w.+-]+\)*)*", re.ASCII)


def _dataset_url(text: str) -> str:
    _, name = split_dataset_url(StorageUrl.parse(text))
    check_label(name, "dataset")
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as 'UTC' or 'Europe/Berlin'") from None
    return text


def _owner(text: str) -> str:
    if not _OWNER.fullmatch(text):
        raise ValueError("must be team:<name> or an e-mail address")
    return text


def _licence(text: str) -> str:
    if not _LICENCE.fullmatch(text):
        raise ValueError("must be an SPDX expression such as CC-BY-4.0 or LicenseRef-Our-Terms")
    return text


class When(ConfigModel):
    """When what is wanted is asked for by itself: of each new or changed clip (`arrival`), at the ticks of `cron` of
    all clips, or, without either, never: then only a person does.

    A tick asks for at most `limit` clips, those that were reported `first`: the oldest or the newest ones. Outputs that
    were made of another clip or configuration than there is now are kept until a person asks, unless `redo_changed`.
    `started` switches all of it on as soon as it is loaded; otherwise somebody does in the UI.
    """

    arrival: bool = False
    cron: Annotated[str, AfterValidator(check_cron)] | None = None
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    limit: Annotated[int, Field(ge=1)] | None = None
    first: Literal["oldest", "newest"] = "oldest"
    redo_changed: bool = False
    started: bool = False


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

    def treatment(self, verdict: str) -> Treatment:
        """What becomes of an output with that verdict; `fail` for a missing one."""
        known: dict[str, Treatment] = self.model_dump()
        return known.get(verdict, "fail")


class Canary(ConfigModel):
    """Of a new dataset, cookbook or image, so many `clips` are made and judged first. The rest follows when at least
    the share `accepted` of them passes, by the dataset's verdict policy, in every output."""

    clips: Annotated[int, Field(ge=1, le=100)] = 5
    accepted: Annotated[float, Field(ge=0, le=1)] = 0.8


class Dataset(ConfigModel):
    description: str = ""
    url: Annotated[str, AfterValidator(_dataset_url)]
    deployment: str
    cookbook: str = "city_traffic"
    # A flow, or single outputs instead: what is asked for by itself, and by `vda run` when nothing else is said.
    flow: str | None = None
    outputs: list[str] = []
    when: When = When(cron="0 2 * * *")
    # Whose workflows OSMO prefers; without it that of the deployment.
    priority: Literal["HIGH", "NORMAL", "LOW"] | None = None
    verdicts: VerdictPolicy = VerdictPolicy()
    canary: Canary | None = None
    # How many further tries, each with another seed, a clip gets whose augmented videos are rejected.
    retry_rejected: Annotated[int, Field(ge=0, le=10)] = 0
    owners: list[Annotated[str, AfterValidator(_owner)]] = []
    # Under which its clips, and what is made of them, may be used; stands in everything that is released.
    licence: Annotated[str, AfterValidator(_licence)] | None = None

    @model_validator(mode="after")
    def _one_wish(self) -> Self:
        if self.flow and self.outputs:
            raise ValueError("flow and outputs exclude each other: a flow is a choice of outputs")
        return self

    @model_validator(mode="after")
    def _best_of_what_is_kept(self) -> Self:
        if self.retry_rejected and self.verdicts.rejected == "fail":
            raise ValueError(
                "retry_rejected and verdicts.rejected: fail exclude each other: the best of several tries is taken, "
                "and fail keeps none that is rejected; say flag, or leave retry_rejected out"
            )
        return self

    @cached_property
    def dataset_url(self) -> StorageUrl:
        return StorageUrl.parse(self.url)

    @cached_property
    def storage_url(self) -> StorageUrl:
        return split_dataset_url(self.dataset_url)[0]

    @property
    def name(self) -> str:
        return self.dataset_url.name

    @property
    def slug(self) -> str:
        """The name as Dagster takes it in asset keys, groups and jobs."""
        return slug_of(self.name)


def overlap(one: Dataset, other: Dataset) -> bool:
    """Whether a folder of one, of its clips or of its outputs, is or holds a folder of the other."""
    return any(
        mine.startswith(theirs) or theirs.startswith(mine) for mine in _folders(one) for theirs in _folders(other)
    )


def _folders(dataset: Dataset) -> tuple[str, str]:
    url = str(dataset.dataset_url).rstrip("/")
    return f"{url}/", f"{url}-outputs/"
