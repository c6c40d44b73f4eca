"""The upload sensor of a dataset: new clips become partitions, and each is observed with its etag and size."""

from collections.abc import Sequence
from typing import Self

import dagster as dg
from pydantic import BaseModel, ValidationError

from vda_assets.config.dataset import Dataset
from vda_assets.datasets.clips import Clip, Listing, list_clips
from vda_assets.runs.names import SIZE_BYTES, SOURCE_VIDEOS, URI, asset_key, videos_partitions
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.resources import StorageResource, storage_resource_key

_INTERVAL_SECONDS = 30
# One request adds its keys in one statement; SQLite bounds how many variables that may have.
_KEYS_PER_REQUEST = 5000


class Cursor(BaseModel):
    """`newest` is the latest modification seen, in seconds since 1970: what is newer changed and is observed again."""

    version: int = 1
    newest: float = 0.0

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """A cursor that cannot be read starts over: everything is observed once more, nothing is lost."""
        try:
            cursor = cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()
        return cursor if cursor.version == 1 else cls()


def upload_sensor(dataset: Dataset) -> dg.SensorDefinition:
    """Lists the dataset's folder; starts running, since it only adds partitions."""
    storage_key = storage_resource_key(dataset.deployment)

    @dg.sensor(
        name=f"{dataset.slug}__uploads",
        description=f"Adds new clips in {dataset.dataset_url} as partitions.",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={storage_key},
    )
    def uploads(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        resource = getattr(context.resources, storage_key)
        assert isinstance(resource, StorageResource)
        listing = list_clips(resource.storage(), dataset.dataset_url, settled=True)
        return evaluate(context, dataset, listing)

    return uploads


def evaluate(
    context: dg.SensorEvaluationContext, dataset: Dataset, listing: Listing
) -> dg.SensorResult | dg.SkipReason:
    """What a listing means: keys to add and clips to observe. Nothing is ever deleted."""
    for path, reason in listing.left_out.items():
        context.log.info(f"{path} is left out: {reason}")
    for line in listing.skipped.lines:
        context.log.info(line)
    cursor = Cursor.parse(context.cursor)
    partitions = videos_partitions(dataset)
    assert partitions.name is not None
    known = set(context.instance.get_dynamic_partitions(partitions.name))
    new = [clip.key for clip in listing.clips if clip.key not in known]
    changed = [clip for clip in listing.clips if clip.key not in known or clip.modified > cursor.newest]
    if not changed:
        return dg.SkipReason(f"{len(listing.clips)} clips, none of them new or changed")
    newest = max(clip.modified for clip in listing.clips)
    return dg.SensorResult(
        dynamic_partitions_requests=[
            partitions.build_add_request(new[start : start + _KEYS_PER_REQUEST])
            for start in range(0, len(new), _KEYS_PER_REQUEST)
        ],
        asset_events=_observations(dataset, changed),
        cursor=Cursor(newest=newest).model_dump_json(),
    )


def _observations(dataset: Dataset, clips: Sequence[Clip]) -> list[dg.AssetObservation]:
    return [
        dg.AssetObservation(
            asset_key(dataset, SOURCE_VIDEOS),
            partition=clip.key,
            metadata={
                URI: dg.MetadataValue.text(str(clip.url)),
                SIZE_BYTES: dg.MetadataValue.int(clip.size_bytes),
                "version": dg.MetadataValue.text(clip.version),
            },
            tags={DATA_VERSION_TAG: clip.version},
        )
        for clip in clips
    ]
