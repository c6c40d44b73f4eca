"""A dataset's clips as dynamic partitions: one set per dataset."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from sqlalchemy.exc import IntegrityError

from vda_assets.config.dataset import Dataset
from vda_assets.runs.names import videos_partitions
from vda_assets.runs.neighbours import clips_of_living_runs

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


def forget_clips(instance: dg.DagsterInstance, dataset: Dataset, keys: Sequence[str]) -> list[str]:
    """Takes those of the keys out that are there and that no run works on, and returns them.

    What Dagster knows of them stays in its event log: a clip that comes back has its history.
    """
    name = videos_partitions(dataset).name
    assert name is not None
    known = instance.get_existing_dynamic_partitions(name, keys) if keys else set()
    forgotten = sorted(known - clips_of_living_runs(instance, dataset))
    for key in forgotten:
        instance.delete_dynamic_partition(name, key)
    return forgotten
