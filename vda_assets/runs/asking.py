"""Which clips of a dataset to ask for, by where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vda_assets.config.dataset import When
from vda_assets.runs.standing import Stand, Standings, worst_of

# What nobody has to ask for: a failure may have been an accident until it comes back.
UNFINISHED = frozenset({Stand.MISSING, Stand.FAILED})


@dataclass(frozen=True)
class Choice:
    """`keys` are the clips to ask for, `counts` how many clips stand where, `left` how many the limit left out."""

    keys: Sequence[str]
    counts: Counter[Stand]
    left: int

    @property
    def summary(self) -> str:
        """Such as `12 missing, 3 quarantined, 985 made`."""
        return ", ".join(f"{self.counts[stand]} {stand}" for stand in Stand if self.counts[stand]) or "no clips"


def choose(standings: Standings, wanted: Collection[Stand], *, limit: int | None = None) -> Choice:
    """The clips that stand at one of `wanted`, in the order of the standings."""
    stands = {key: worst_of(outputs) for key, outputs in standings.items()}
    keys = [key for key, stand in stands.items() if stand in wanted]
    taken = keys if limit is None else keys[:limit]
    return Choice(taken, Counter(stands.values()), len(keys) - len(taken))


def wanted_by(when: When) -> frozenset[Stand]:
    """Where a clip stands that the dataset's own schedule asks for."""
    return UNFINISHED | {Stand.CHANGED} if when.redo_changed else UNFINISHED
