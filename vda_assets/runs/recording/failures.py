"""What failed in a run: clip by clip and output by output, with the reason that a person is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from vda_assets.base.cut import cut
from vda_assets.base.log import Line
from vda_assets.dispatch.accounting import NOTHING_KNOWN, Usage
from vda_assets.flows.stages import Output


@dataclass(frozen=True)
class Failure:
    """`is_own`: it comes from the clip, which can be expected to fail alike the next time. `usage` is what trying took
    of the pool."""

    reason: str
    is_own: bool
    usage: Usage


class Failures:
    """Fills while a run goes on. `log` is told each failure once, and `record` each output that failed."""

    def __init__(self, log: Callable[[str], None], record: Callable[[str, Output, Failure], None]) -> None:
        self._log, self._record = log, record
        self.reasons: dict[tuple[str, Output], str] = {}

    def add(
        self,
        key: str,
        outputs: Collection[Output],
        reason: str,
        *,
        is_own: bool = True,
        usage: Usage = NOTHING_KNOWN,
    ) -> None:
        """`key` is the clip's."""
        for output in outputs:
            self.reasons[key, output] = reason
            self._record(key, output, Failure(reason, is_own, usage))
        self._log(Line(key, f"{', '.join(sorted(outputs))} FAILED: {reason}"))

    def of(self, keys: Collection[str]) -> list[str]:
        """A line for each cause of these clips' failures."""
        return [line for key, line in lines(self.reasons) if key in keys]


def by_cause(reasons: Mapping[tuple[str, Output], str]) -> list[tuple[str, str, str]]:
    """A clip, its outputs that failed for one reason, and that reason: one row per clip and cause."""
    causes: dict[tuple[str, str], list[Output]] = defaultdict(list)
    for (key, output), reason in sorted(reasons.items()):
        causes[key, reason].append(output)
    return [(key, ", ".join(outputs), reason) for (key, reason), outputs in causes.items()]


def lines(reasons: Mapping[tuple[str, Output], str]) -> Iterator[tuple[str, str]]:
    """For each clip and cause the clip's key and one short line."""
    for key, outputs, reason in by_cause(reasons):
        yield key, f"{key} {outputs}: {cut(reason.splitlines()[0])}"
