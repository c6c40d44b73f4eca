"""Where on an OSMO service workflows go, and what it gives to their workers, as the readiness checks found it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vda_assets.osmo.service import Priority


@dataclass(frozen=True)
class Place:
    """Each worker gets the `task_credentials`: OSMO credential -> {environment variable: key}."""

    pool: str
    gpu_platform: str
    task_credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    priority: Priority = "NORMAL"
