"""What is accepted of each value, and of each pair of values, beside what the cookbook's weights would have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.exclusions import expected_shares_of_pairs
from vda_assets.cookbooks.filling import Covered, Values, values_of

# Variables are few, but a cookbook may list thousands of values.
MOST_LINES = 200


def coverage(distribution: Distribution, draws: int, accepted: Sequence[Mapping[str, str]]) -> list[Covered]:
    """Single values first, in the cookbook's order, then pairs, what lacks most of what is wanted first.

    `draws` is how many augmented clips the dataset would have, `accepted` what was drawn for those that are released.
    """
    counts = Counter(values for drawn in accepted for values in values_of(drawn, list(distribution.variables)))
    shares = expected_shares_of_pairs(distribution.variables, distribution.exclude)
    singles: dict[Values, float] = {}
    pairs: dict[Values, float] = {}
    for values, share in shares.items():
        (singles if len(values) == 1 else pairs)[values] = share * draws
    for values in counts:
        # What is never drawn any more, of a cookbook that was another one.
        (singles if len(values) == 1 else pairs).setdefault(values, 0.0)
    lines = [Covered(values, counts[values], wanted) for values, wanted in singles.items()]
    of_pairs = [Covered(values, counts[values], wanted) for values, wanted in pairs.items()]
    of_pairs.sort(key=lambda one: (one.accepted - one.wanted, one.values))
    return [*lines, *of_pairs][:MOST_LINES]
