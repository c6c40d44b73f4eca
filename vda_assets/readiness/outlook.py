"""What lies ahead of a run: how many clips of what length, how many GPUs are free, how long such work took before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import mean, quantiles
from typing import TypeVar

from vda_assets.base.counted import counted
from vda_assets.base.failed import Failed
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.datasets.clips import Clip
from vda_assets.flows.inputs import look_into
from vda_assets.flows.place import Place
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.flows.workflow import dataset_labels, stage_label
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError
from vda_assets.osmo.statuses import WorkflowStatus
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout

Item = TypeVar("Item")

# Clips that are opened for their length.
_SAMPLE = 8
_NEWEST_WORKFLOWS = 200
# Fewer say nothing of a range.
_FEWEST_WORKFLOWS = 3


@dataclass(frozen=True)
class History:
    """Minutes of completed workflows that made the same stages of the same dataset."""

    count: int
    minutes: tuple[float, float]


@dataclass(frozen=True)
class Outlook:
    """`mean_seconds` and `mean_frames` are of one clip, None when none could be opened; `free_gpus` is None when the
    service does not say. `at_once` is how many clips share the pool, each of which holds `gpus_of_one` GPUs."""

    clips: int
    at_once: int
    gpus_of_one: int = 1
    mean_seconds: float | None = None
    mean_frames: float | None = None
    free_gpus: int | None = None
    history: History | None = None

    @property
    def rounds(self) -> int:
        return max(1, -(-self.clips // self.at_once))

    def __str__(self) -> str:
        length = f" of {self.mean_seconds:.1f} s each" if self.mean_seconds is not None else ""
        free = f", {counted(self.free_gpus, 'GPU')} free" if self.free_gpus is not None else ""
        return f"{counted(self.clips, 'clip')}{length}, {self.at_once} at once{free}"


def sample_of(items: Sequence[Item]) -> Sequence[Item]:
    """A few, evenly spread: opening all clips of a dataset would take longer than the overview is worth."""
    return items[:: max(1, math.ceil(len(items) / _SAMPLE))]


def look_ahead(
    client: OsmoClient,
    storage: Storage,
    sample: Sequence[Clip],
    *,
    clips: int,
    dataset: Dataset,
    deployment: Deployment,
    selection: Selection,
    place: Place | None,
) -> Outlook:
    """Opens the sample of the clips. What cannot be known is left out: an overview stops nobody."""
    lengths = [seen for seen in look_into(storage, sample) if not isinstance(seen, Failed)]
    free = _free_gpus(client, place)
    return Outlook(
        clips,
        at_once=_at_once(deployment, free),
        gpus_of_one=_gpus_of_one(deployment),
        mean_seconds=mean(one.duration_seconds for one in lengths) if lengths else None,
        mean_frames=mean(one.frame_count for one in lengths) if lengths else None,
        free_gpus=free,
        history=_history(client, dataset, selection),
    )


def _free_gpus(client: OsmoClient, place: Place | None) -> int | None:
    if place is None:
        return None
    try:
        pool = client.pool_quota().pools.get(place.pool)
    except OsmoError:
        return None
    return pool.resource_usage.quota_free if pool else None


def _at_once(deployment: Deployment, free_gpus: int | None) -> int:
    """A workflow holds the GPUs of one worker for nearly all of its time."""
    most = deployment.osmo.max_in_flight
    return most if free_gpus is None else max(1, min(most, free_gpus // _gpus_of_one(deployment)))


def _gpus_of_one(deployment: Deployment) -> int:
    return max(1, deployment.resources.augmentation.gpu or 1, deployment.resources.auto_labeling.gpu or 1)


def _history(client: OsmoClient, dataset: Dataset, selection: Selection) -> History | None:
    wanted = {stage_label(stage) for stage in selection.stages}
    others = {stage_label(stage) for stage in Stage} - wanted
    labels = dataset_labels(RunLayout(dataset.storage_url, dataset.name, ""))
    try:
        if not wanted or not client.keeps_labels:
            return None
        newest = islice(client.workflows(labels=labels, statuses=[WorkflowStatus.COMPLETED]), _NEWEST_WORKFLOWS)
        minutes = [
            one.duration_seconds / 60
            for one in newest
            if one.duration_seconds and wanted <= one.labels.keys() and not others & one.labels.keys()
        ]
    except OsmoError:
        return None
    if len(minutes) < _FEWEST_WORKFLOWS:
        return None
    tenths = quantiles(minutes, n=10, method="inclusive")
    return History(len(minutes), (tenths[0], tenths[-1]))
