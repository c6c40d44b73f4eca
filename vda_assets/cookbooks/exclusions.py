"""Combinations of values that a cookbook never draws, such as midday at night.

Variables are drawn in the order of the file. The values of a variable that would complete an excluded combination with
what is drawn already have no weight there, and the others keep their proportions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from math import prod

from vda_assets.base.counted import counted

# The combinations of the variables in `exclude` are gone through, to be sure that each clip gets a draw.
MAX_COMBINATIONS, MAX_VARIABLES, MAX_EXCLUSIONS = 5_000, 20, 100

Variables = Mapping[str, Mapping[str, float]]
# Variable -> its values: a draw that has one of them for every variable is excluded.
Exclusion = Mapping[str, Collection[str]]


def weights_left(
    variables: Variables, exclude: Sequence[Exclusion], name: str, drawn: Mapping[str, str]
) -> Mapping[str, float]:
    """The weights of a variable, given those drawn before it; empty when no value with a weight is left."""
    excluded = {value for one in exclude if _is_completed_by(name, one, drawn) for value in one[name]}
    weights = variables[name]
    if not excluded:
        return weights
    left = {value: weight for value, weight in weights.items() if value not in excluded}
    total = sum(left.values())
    return {value: weight / total for value, weight in left.items()} if total else {}


def expected_shares(variables: Variables, exclude: Sequence[Exclusion]) -> dict[str, Mapping[str, float]]:
    """How often each value comes among many draws, by variable."""
    shares: dict[str, defaultdict[str, float]] = {name: defaultdict(float) for name in _concerned(variables, exclude)}
    for drawn, probability in _combinations(variables, exclude):
        for name, value in drawn.items():
            shares[name][value] += probability
    return {
        name: {value: shares[name][value] for value in weights} if name in shares else weights
        for name, weights in variables.items()
    }


def expected_shares_of_pairs(
    variables: Variables, exclude: Sequence[Exclusion]
) -> dict[tuple[tuple[str, str], ...], float]:
    """The same by (variable, value), and by pairs of these of two variables; what is never drawn is not in it."""
    shares: defaultdict[tuple[tuple[str, str], ...], float] = defaultdict(float)
    concerned = _concerned(variables, exclude)
    for drawn, probability in _combinations(variables, exclude):
        together = [(name, drawn[name]) for name in concerned]
        for values in (*((one,) for one in together), *combinations(together, 2)):
            shares[values] += probability
    alone = [name for name in variables if name not in concerned]
    for name in alone:
        shares |= {((name, value),): weight for value, weight in variables[name].items() if weight}
    singles = {values[0]: share for values, share in shares.items() if len(values) == 1}
    for (one, share), (other, other_share) in combinations(singles.items(), 2):
        if one[0] != other[0] and (one[0] in alone or other[0] in alone):
            shares[one, other] = share * other_share  # drawn without regard to each other
    order = list(variables)
    return {tuple(sorted(values, key=lambda one: order.index(one[0]))): share for values, share in shares.items()}


def check_exclusions(variables: Variables, exclude: Sequence[Exclusion]) -> None:
    """Raises ValueError for an unknown variable or value, and when some draw would find no value that is left."""
    for number, one in enumerate(exclude):
        if len(one) < 2:
            reason = "names fewer than two variables; a value that is never drawn has the weight 0"
            raise ValueError(f"exclude.{number}: {reason}")
        for name, values in one.items():
            if name not in variables:
                raise ValueError(f"exclude.{number}: {name!r} is no variable; there are {', '.join(variables)}")
            for value in values:
                if value not in variables[name]:
                    known = ", ".join(variables[name])
                    raise ValueError(f"exclude.{number}.{name}: {value!r} is no value of it; there are {known}")
    concerned = _concerned(variables, exclude)
    if len(concerned) > MAX_VARIABLES or prod(len(variables[name]) for name in concerned) > MAX_COMBINATIONS:
        raise ValueError(
            f"exclude: names {counted(len(concerned), 'variable')}, and {MAX_VARIABLES} with "
            f"{MAX_COMBINATIONS} combinations of values at most can be gone through; name fewer"
        )
    for _ in _combinations(variables, exclude):
        pass


def _is_completed_by(name: str, one: Exclusion, drawn: Mapping[str, str]) -> bool:
    return name in one and all(drawn.get(other) in values for other, values in one.items() if other != name)


def _concerned(variables: Variables, exclude: Sequence[Exclusion]) -> list[str]:
    """The variables that an exclusion names, in the order in which they are drawn."""
    return [name for name in variables if any(name in one for one in exclude)]


def _combinations(variables: Variables, exclude: Sequence[Exclusion]) -> Iterator[tuple[dict[str, str], float]]:
    """Every combination of the concerned variables that can be drawn, with its probability."""
    names = _concerned(variables, exclude)
    # Each is looked up for every combination, and a cookbook may list thousands of values.
    exclude = [{name: frozenset(values) for name, values in one.items()} for one in exclude]

    def go_on(drawn: dict[str, str], probability: float) -> Iterator[tuple[dict[str, str], float]]:
        if len(drawn) == len(names):
            yield drawn, probability
            return
        name = names[len(drawn)]
        left = weights_left(variables, exclude, name, drawn)
        if not left:
            given = ", ".join(f"{other}: {value}" for other, value in drawn.items())
            raise ValueError(f"exclude: with {given} no value of {name} is left to be drawn")
        for value, weight in left.items():
            if weight > 0:
                yield from go_on({**drawn, name: value}, probability * weight)

    return go_on({}, 1.0)
