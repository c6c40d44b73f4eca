"""Stops a run from burning one GPU job per clip on a cause that has nothing to do with the clips."""

from __future__ import annotations

from vda_assets.base.causes import kind_of

# So many clips in a row that failed alike, with no success between them, are no chance.
ALIKE_IN_A_ROW = 5


class Systemic:
    """Counts causes that come again and again. `cause` is set once it is plain that all others would fail alike."""

    def __init__(self) -> None:
        self.cause: str | None = None
        self._kind, self._count = "", 0

    def failed(self, cause: str) -> None:
        """`cause` is what a clip failed for."""
        kind = kind_of(cause)
        self._count = self._count + 1 if kind == self._kind else 1
        self._kind = kind
        if self._count >= ALIKE_IN_A_ROW:
            self.cause = cause.splitlines()[0]

    def succeeded(self) -> None:
        self._kind, self._count = "", 0
