"""Answers that are kept for some minutes: the runs of a backfill ask the same of registries, endpoints and caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

Answer = TypeVar("Answer")


class Memory(Protocol):
    """Texts by key; one that is older than some minutes is not there any more."""

    def recall(self, key: str) -> str | None: ...

    def keep(self, key: str, text: str) -> None: ...


class NoMemory:
    """Whoever wants to know it now asks now."""

    def recall(self, key: str) -> str | None:  # noqa: ARG002
        return None

    def keep(self, key: str, text: str) -> None:
        pass


def remembered(
    memory: Memory,
    key: str,
    ask: Callable[[], Answer],
    *,
    kind: type[Answer],
    is_good: Callable[[Answer], bool],
) -> Answer:
    """The kept answer, or a new one. Only a good one is kept: what is amiss is asked for again."""
    adapter = TypeAdapter(kind)
    kept = memory.recall(key)
    if kept is not None:
        try:
            return adapter.validate_json(kept)
        except ValidationError:
            pass  # another version of this project has kept it
    answer = ask()
    if is_good(answer):
        memory.keep(key, adapter.dump_json(answer).decode())
    return answer
