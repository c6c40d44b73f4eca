"""Which further draws of which clips fill what lacks of the wanted distribution. Values in, values out.

Wanted is what the cookbook's weights and exclusions would give of as many draws as all clips have. What lacks most
comes first, and each draw that is chosen counts as if it will be accepted, so that none is chosen for what lacks no
more.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.cookbooks.exclusions import expected_shares_of_pairs

Values = tuple[tuple[str, str], ...]
# So many further indexes of a clip are looked at for a draw with the values that lack, of so many clips.
MOST_INDEXES, MOST_CLIPS = 1000, 100
# Of a clip's draws with them, so many are compared: the one that has most else that lacks is taken.
_COMPARED = 8
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Covered:
    """`values` are one or two (variable, value); `wanted` is how many draws of all would have them."""

    values: Values
    accepted: int
    wanted: float

    def __str__(self) -> str:
        return f"{' x '.join(value for _, value in self.values)}: {self.accepted} of {round(self.wanted, 1):g}"


@dataclass(frozen=True)
class Lacking(Covered):
    """`chosen` of the draws have the values: two, or one where there is but one variable. `is_drawn` is False when no
    draw that was looked at has them."""

    chosen: int = 0
    is_drawn: bool = True


@dataclass(frozen=True)
class Filling:
    """`draws` are what to make, `lacking` all that lacked before: what draws were looked for first, in that order."""

    draws: Sequence[Draw]
    lacking: Sequence[Lacking]


def values_of(drawn: Mapping[str, str], order: Sequence[str]) -> Iterator[Values]:
    """Each (variable, value) alone, and each pair of them: the variables in that order, then what it does not name."""
    known = [(name, drawn[name]) for name in order if name in drawn]
    known += [(name, value) for name, value in drawn.items() if name not in order]
    yield from ((one,) for one in known)
    yield from combinations(known, 2)


def fill(
    distribution: Distribution,
    *,
    accepted: Sequence[Mapping[str, str]],
    draws: int,
    asked: Mapping[str, Collection[int]],
    limit: int | None = None,
) -> Filling:
    """At most `limit` draws. `accepted` is what was drawn for what is accepted, `draws` how many augmented clips the
    dataset is to have; `asked` are the clips that may be augmented further, by video, with the further indexes that
    each was asked for before: those are not drawn again."""
    counts = Counter(values for drawn in accepted for values in _aims(distribution, drawn))
    shares = expected_shares_of_pairs(distribution.variables, distribution.exclude)
    wanted = {values: share * draws for values, share in shares.items() if len(values) == _size(distribution)}
    lacked = {values: lacks for values, share in wanted.items() if (lacks := _whole(share) - counts[values]) > 0}
    left, clips = dict(lacked), _Clips(distribution, asked)
    chosen: list[Draw] = []
    looked_for: dict[Values, bool] = {}
    while left and (limit is None or len(chosen) < limit):
        aim = min(left, key=lambda values: (-left[values], values))
        draw = clips.draw_with(aim, left)
        looked_for[aim] = looked_for.get(aim, False) or draw is not None
        if draw is None:
            del left[aim]
            continue
        chosen.append(draw)
        for values in left.keys() & {*_aims(distribution, draw.sampled_vars)}:
            left[values] -= 1
            if not left[values]:
                del left[values]
    added = Counter(values for draw in chosen for values in _aims(distribution, draw.sampled_vars))
    rest = sorted(lacked.keys() - looked_for.keys(), key=lambda values: (-lacked[values], values))
    return Filling(
        chosen,
        [
            Lacking(one, counts[one], wanted[one], added[one], is_drawn=looked_for.get(one, True) or added[one] > 0)
            for one in (*looked_for, *rest)
        ],
    )


class _Clips:
    """The clips with their further indexes: those that were asked for least come first."""

    def __init__(self, distribution: Distribution, asked: Mapping[str, Collection[int]]) -> None:
        self._distribution = distribution
        self._taken = {video: set(indexes) for video, indexes in asked.items()}
        self._queue = sorted((len(indexes), video) for video, indexes in self._taken.items())

    def draw_with(self, aim: Values, lacking: Collection[Values]) -> Draw | None:
        """Taken from now on; None when no draw that is looked at has the values."""
        looked_at: list[tuple[int, str]] = []
        best: Draw | None = None
        while best is None and self._queue and len(looked_at) < MOST_CLIPS:
            looked_at.append(heapq.heappop(self._queue))
            found = islice(self._draws_with(aim, looked_at[-1][1]), _COMPARED)
            best = max(found, key=lambda draw: self._fills(draw, lacking), default=None)
        for _, video in looked_at:
            if best is not None and video == best.video:
                self._taken[video].add(best.index)
            heapq.heappush(self._queue, (len(self._taken[video]), video))
        return best

    def _fills(self, draw: Draw, lacking: Collection[Values]) -> int:
        return sum(values in lacking for values in _aims(self._distribution, draw.sampled_vars))

    def _draws_with(self, aim: Values, video: str) -> Iterator[Draw]:
        first = self._distribution.n_augmentations
        for index in range(first, first + MOST_INDEXES):
            if index in self._taken[video]:
                continue
            (draw,) = draws_for(self._distribution, video, further=index)
            if all(draw.sampled_vars[name] == value for name, value in aim):
                yield draw


def _whole(share: float) -> int:
    """A half is nothing: all halves together would be more than is wanted."""
    return math.ceil(share - 0.5 - _ROUNDING)


def _aims(distribution: Distribution, drawn: Mapping[str, str]) -> Iterator[Values]:
    """What of a draw is counted: pairs, or the single values where there is but one variable."""
    size = _size(distribution)
    return (values for values in values_of(drawn, list(distribution.variables)) if len(values) == size)


def _size(distribution: Distribution) -> int:
    return min(2, len(distribution.variables))
