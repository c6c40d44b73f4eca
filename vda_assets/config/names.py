"""What datasets and deployments may be called, and the one name that Dagster and the pools know each by."""

from __future__ import annotations

import re

from vda_assets.osmo.spec import LABEL_VALUE_PATTERN


def check_label(name: str, kind: str) -> str:
    """Returns the name; raises ValueError when no OSMO workflow can carry it as a label."""
    if not LABEL_VALUE_PATTERN.fullmatch(name):
        raise ValueError(
            f"{kind} name {name!r} must be 1 to 63 of A-Z a-z 0-9 _ . -, with a letter or digit at both ends"
        )
    return name


def slug_of(name: str) -> str:
    """The name as Dagster takes it in asset keys, groups, jobs, sensors, resources and pools."""
    return re.sub(r"[^A-Za-z0-9]", "_", name)
