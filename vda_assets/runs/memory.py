"""The readiness checks' memory in Dagster's database, which all runs of an instance share."""

import time

import dagster as dg
from pydantic import BaseModel, ValidationError

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.flows.work import digest
from vda_assets.runs.private import keep_text, kept_texts

KEPT_SECONDS = 300.0


class _Kept(BaseModel):
    """`at` is in seconds since 1970."""

    at: float
    text: str


class InstanceMemory:
    """Of no deployment in particular: a key names everything that the answer depends on."""

    def __init__(self, instance: dg.DagsterInstance, *, seconds: float = KEPT_SECONDS) -> None:
        self._instance, self._seconds = instance, seconds

    def recall(self, key: str) -> str | None:
        """None when nothing was kept, or too long ago."""
        name = _name(key)
        with interrupts_delayed():
            text = kept_texts(self._instance, [name]).get(name, "")
        try:
            kept = _Kept.model_validate_json(text)
        except ValidationError:
            return None
        return kept.text if 0 <= time.time() - kept.at < self._seconds else None

    def keep(self, key: str, text: str) -> None:
        """The newest text of a key counts."""
        with interrupts_delayed():
            keep_text(self._instance, _name(key), _Kept(at=time.time(), text=text).model_dump_json())


def _name(key: str) -> str:
    return f"vda/ready/{digest(key)[:32]}"
