"""A dataset's clips as dynamic partitions: one set per dataset, to which keys are only ever added."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from sqlalchemy.exc import IntegrityError

from vda_assets.config.dataset import Dataset
from vda_assets.runs.names import videos_partitions

_TRIES = 5


def add_clips(instance: dg.DagsterInstance, dataset: Dataset, keys: Sequence[str]) -> None:
    """Adds the keys that are not there yet.

    Dagster 1.13 looks and then inserts, and fails when another process inserted the same key in between.
    """
    name = videos_partitions(dataset).name
    assert name is not None
    for tries_left in reversed(range(_TRIES)):
        known = set(instance.get_dynamic_partitions(name))
        try:
            instance.add_dynamic_partitions(name, [key for key in keys if key not in known])
        except IntegrityError:
            if not tries_left:
                raise
        else:
            return
