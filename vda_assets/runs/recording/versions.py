"""What the data version of an output says: what it was made from, and what it is worth.

A data version is the one thing that Dagster 1.13 reads of all partitions at once: 100,000 verdicts in a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

_DOUBTS = "doubts"


@dataclass(frozen=True)
class OutputVersion:
    """`verdict` is empty where there is none to give; `parent` is that of the augmented clip that labels are of."""

    output_hash: str
    verdict: str = ""
    parent: str = ""
    has_doubts: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Anything that was not written here has no verdict, and is made from something unknown."""
        output_hash, verdict, parent, doubts = [*text.split(".", 3), "", "", ""][:4]
        return cls(output_hash, verdict, parent, doubts == _DOUBTS)

    def __str__(self) -> str:
        return ".".join([self.output_hash, self.verdict, self.parent, _DOUBTS if self.has_doubts else ""])
