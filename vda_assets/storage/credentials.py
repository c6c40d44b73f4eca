"""What opens a storage profile, and how patient its opener is."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class StorageCredential:
    """What opens one profile, as OSMO's DATA credential does (6.4). Without keys the ambient identity is used.

    `azure://`: the access_key is the connection string; outside of OSMO an account key or a SAS token will do.
    `gs://`: with an access_key_id it is an HMAC pair, as OSMO takes it; alone, a service account's JSON or its path.
    White space around the two keys is dropped: a secret that comes from a file often ends with a new line.
    """

    profile: str
    access_key_id: str | None = None
    access_key: str | None = field(default=None, repr=False)
    region: str | None = None
    override_url: str | None = None
    addressing_style: str | None = None

    def __post_init__(self) -> None:
        for name in ("access_key_id", "access_key"):
            if secret := getattr(self, name):
                object.__setattr__(self, name, secret.strip() or None)


@dataclass(frozen=True)
class Limits:
    """How often a request is made before it counts as failed, and how long a backend may take for each attempt.

    It may keep silent for `connect_seconds` and then `read_seconds`. All of an answer has to be there within
    `answer_seconds`, or within `copy_seconds` when it is a file that is copied.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    attempts: int = 3
    answer_seconds: float = 120.0
    copy_seconds: float = 24 * 3600.0


DEFAULT_LIMITS = Limits()


def obstore_limits(limits: Limits, whole_seconds: float) -> dict[str, Any]:
    """The limits in obstore's words; `whole_seconds` is the one for all of an answer."""
    return {
        "client_options": {
            "allow_http": True,
            "connect_timeout": timedelta(seconds=limits.connect_seconds),
            "read_timeout": timedelta(seconds=limits.read_seconds),
            "timeout": timedelta(seconds=whole_seconds),
        },
        "retry_config": {
            "max_retries": limits.attempts - 1,
            "retry_timeout": timedelta(seconds=limits.attempts * (limits.connect_seconds + limits.read_seconds)),
        },
    }


def log_no_errors(library: str) -> None:
    """Silences a library that logs, at length, each error that it raises as well."""
    logging.getLogger(library).setLevel(logging.CRITICAL)
