"""How often an output failed alike, so that nobody's nights are spent on a clip that cannot be made.

Each failure leaves an observation of the clip; what it says for programs stands in its data version, the one tag that
Dagster 1.13 reads for all partitions at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import dagster as dg

from vda_assets.base.causes import kind_of
from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Dataset
from vda_assets.flows.stages import OUTPUTS, Output
from vda_assets.flows.work import attempt_of
from vda_assets.runs.names import asset_key
from vda_assets.runs.private import DATA_VERSION_TAG, observed_versions

# So many failures alike, of the same clip and configuration, are no accident.
MOST_TRIES = 2
# What stands there instead once a person asked for another try.
ASKED_AGAIN = "asked-again"
_DIGITS = 16


@dataclass(frozen=True)
class FailedTry:
    """`of` is what was to be made, as the beginning of its output hash and the attempt that the hash ends with; `cause`
    is the kind of its reason, hashed.

    `tries` counts failures alike in a row, 0 when the cause did not lie in the clip.
    """

    of: str
    cause: str
    tries: int

    @classmethod
    def first(cls, output_hash: str, reason: str, *, is_own: bool) -> Self:
        cause = hashlib.sha256(kind_of(reason).encode()).hexdigest()
        return cls(_shortened(output_hash), cause[:_DIGITS], int(is_own))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for what is no failure of ours."""
        of, _, rest = text.partition(".")
        cause, _, tries = rest.partition(".")
        return cls(of, cause, int(tries)) if tries.isdecimal() else None

    def __str__(self) -> str:
        return f"{self.of}.{self.cause}.{self.tries}"

    def after(self, former: FailedTry | None) -> FailedTry:
        """This failure, counted with the one before."""
        if former is None or former.of != self.of:
            return self
        if not self.tries:
            return FailedTry(self.of, former.cause, former.tries)
        alike = former.tries if former.cause == self.cause else 0
        return FailedTry(self.of, self.cause, alike + 1)

    def is_of(self, output_hash: str) -> bool:
        return not self.of or self.of == _shortened(output_hash)

    @property
    def attempt(self) -> int:
        """Which try at augmenting the clip it was."""
        return attempt_of(self.of)

    @property
    def is_last(self) -> bool:
        return self.tries >= MOST_TRIES


def _shortened(output_hash: str) -> str:
    digest, dash, attempt = output_hash.partition("-")
    return f"{digest[:_DIGITS]}{dash}{attempt}"


def ask_again(instance: dg.DagsterInstance, dataset: Dataset, output: Output, key: str) -> None:
    """Has the output of the clip made again by the next run that is asked for it, whatever is known of it."""
    tags = {DATA_VERSION_TAG: ASKED_AGAIN}
    instance.report_runless_asset_event(dg.AssetObservation(asset_key(dataset, output), partition=key, tags=tags))


def newest_tries(
    instance: dg.DagsterInstance, dataset: Dataset, keys: Sequence[str]
) -> dict[tuple[str, Output], FailedTry]:
    """The newest failure of each output of these clips, whether it was made since or not."""
    found: dict[tuple[str, Output], FailedTry] = {}
    for output in OUTPUTS:
        with interrupts_delayed():
            versions = observed_versions(instance, asset_key(dataset, output), keys)
        found |= {(key, output): one for key, text in versions.items() if (one := FailedTry.parse(text))}
    return found
