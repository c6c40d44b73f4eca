"""What failed in a run: clip by clip and output by output, with the reason that a person is told."""

from __future__ import annotations

from collections.abc import Callable, Collection

from vda_assets.base.cut import cut
from vda_assets.flows.stages import Output


class Failures:
    """Fills while a run goes on. `log` is told each failure once."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self.reasons: dict[tuple[str, Output], str] = {}

    def add(self, key: str, outputs: Collection[Output], reason: str) -> None:
        """`key` is the clip's."""
        for output in outputs:
            self.reasons[key, output] = reason
        self._log(f"{key}: {', '.join(sorted(outputs))} FAILED: {reason}")

    def of(self, keys: Collection[str]) -> list[str]:
        """A line for each output that failed of these clips."""
        return [
            f"{key} {output}: {cut(reason.splitlines()[0])}"
            for (key, output), reason in self.reasons.items()
            if key in keys
        ]
