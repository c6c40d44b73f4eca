"""What opens a storage profile, and how patient its opener is."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class StorageCredential:
    """OSMO's DATA credential (6.4): what opens one profile. Without keys the ambient identity is used.

    `azure://`: the access_key is the connection string; outside of OSMO an account key or a SAS token will do.
    `gs://`: with an access_key_id it is an HMAC pair, as OSMO takes it; alone, a service account's JSON or its path.
    """

    profile: str
    access_key_id: str | None = None
    access_key: str | None = field(default=None, repr=False)
    region: str | None = None
    override_url: str | None = None
    addressing_style: str | None = None


@dataclass(frozen=True)
class Limits:
    """How long a backend may keep silent, and how often a request is made before it counts as failed."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    attempts: int = 3


DEFAULT_LIMITS = Limits()


def obstore_limits(limits: Limits) -> dict[str, Any]:
    """The same in obstore's words."""
    return {
        "client_options": {
            "allow_http": True,
            "connect_timeout": timedelta(seconds=limits.connect_seconds),
            "read_timeout": timedelta(seconds=limits.read_seconds),
            "timeout": timedelta(hours=24),  # of a whole object; silence ends it sooner
        },
        "retry_config": {
            "max_retries": limits.attempts - 1,
            "retry_timeout": timedelta(seconds=limits.attempts * (limits.connect_seconds + limits.read_seconds)),
        },
    }


def log_no_errors(library: str) -> None:
    """Some log, at length, each error that they raise as well."""
    logging.getLogger(library).setLevel(logging.CRITICAL)
