"""What was counted already, as much of it as can come up once more."""

from __future__ import annotations

from collections.abc import Hashable

_MOST = 20_000


class Seen:
    """The newest things, each once."""

    def __init__(self) -> None:
        self._things: dict[Hashable, None] = {}

    def is_new(self, thing: Hashable) -> bool:
        """Whether it was not asked about before."""
        if thing in self._things:
            return False
        self._things[thing] = None
        if len(self._things) > _MOST:
            del self._things[next(iter(self._things))]
        return True
