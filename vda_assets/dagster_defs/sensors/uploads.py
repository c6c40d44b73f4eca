"""The upload sensor of a dataset: new clips become partitions, each is reported with its version and size, and clips
that were deleted are forgotten.

One tick is bounded in time and events, so it may see only a part of the dataset; the next one goes on behind that. A
clip has changed when its version is not the one last reported, which Dagster's event log knows: nothing is remembered
besides, and a cursor that is lost costs one more listing.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Self

import dagster as dg
from pydantic import BaseModel, ValidationError

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.counted import counted
from vda_assets.base.cut import LINES, cut
from vda_assets.config.dataset import Dataset
from vda_assets.datasets.clips import Clip, LeftOut, Skipped, SkippedByKind, iterate_clips, path_of
from vda_assets.runs.dead_runs import fail_dead_runs
from vda_assets.runs.links import media_link
from vda_assets.runs.names import SIZE_BYTES, SOURCE_VIDEOS, URI, VIDEO, asset_key, videos_partitions
from vda_assets.runs.neighbours import clips_of_living_runs
from vda_assets.runs.private import DATA_VERSION_TAG, reported_versions
from vda_assets.runs.resources import StorageResource, storage_resource_key
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadClipName

_INTERVAL_SECONDS = 30
# Dagster waits a minute for a tick's answer and takes at most 100 MB of it. A materialization is under 2 kB there, and
# takes the daemon 5 to 25 ms to store.
LISTING_SECONDS = 20.0
MOST_REPORTED = 500
# So many paths are compared with Dagster's books in one question.
_PAGE = 1000
_LONGEST_CURSOR_BYTES = 4000
# A deleted clip is forgotten when it was missed for so long: an upload that replaces it may take its time.
GONE_SECONDS = 3600.0
# More at once are no deletions but somebody's move, or a bucket that shows half of itself: a person decides.
MOST_GONE = 500


class Cursor(BaseModel):
    """`after` is the path behind which the next tick goes on, empty at the beginning; `told` is a hash of what the log
    last said of paths that are no clips; `gone` are the keys of clips that are missed, each since when (seconds since
    1970)."""

    version: int = 3
    after: str = ""
    told: str = ""
    gone: dict[str, float] = {}

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """A cursor that cannot be read starts over: everything is looked at once more, nothing is lost."""
        try:
            cursor = cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()
        return cursor if cursor.version == 3 else cls()


def upload_sensor(dataset: Dataset, media_url: str | None) -> dg.SensorDefinition:
    """Lists the dataset's folder; starts running, since it only adds partitions."""
    storage_key = storage_resource_key(dataset.deployment)

    @dg.sensor(
        name=f"{dataset.slug}__uploads",
        description=f"Adds new clips in {dataset.dataset_url} as partitions.",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={storage_key},
    )
    def uploads(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource = getattr(context.resources, storage_key)
        assert isinstance(resource, StorageResource)
        return evaluate(context, dataset, resource.storage(), media_url=media_url)

    return uploads


def evaluate(
    context: dg.SensorEvaluationContext,
    dataset: Dataset,
    storage: Storage,
    *,
    media_url: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> dg.SensorResult:
    """One tick: keys to add, clips to report, and keys of clips that are gone for long enough.

    None is given up that a run works on, nor any when a tick sees no clip at all.
    """
    # This is the one thing of ours that always runs: dead runs would keep others from starting.
    fail_dead_runs(context.instance)
    cursor = Cursor.parse(context.cursor)
    tick = _Tick(context.instance, dataset, clock)
    tick.look_at(iterate_clips(storage, dataset.dataset_url, after=cursor.after, settled=True))
    gone, forgotten, note = _gone(context.instance, dataset, cursor, tick, now=clock.now().timestamp())
    told = hashlib.sha256("\n".join(tick.not_taken).encode()).hexdigest()[:16]
    if told != cursor.told:
        for line in tick.not_taken:
            context.log.info(line)
    partitions = videos_partitions(dataset)
    requests = [partitions.build_add_request(tick.new_keys)] if tick.new_keys else []
    return dg.SensorResult(
        dynamic_partitions_requests=[*requests, *([partitions.build_delete_request(forgotten)] if forgotten else [])],
        asset_events=[_materialization(dataset, clip, media_url) for clip in tick.changed],
        cursor=Cursor(after=tick.after, told=told, gone=gone).model_dump_json(),
        skip_reason=dg.SkipReason(tick.summary + note),
    )


def _gone(
    instance: dg.DagsterInstance, dataset: Dataset, cursor: Cursor, tick: "_Tick", *, now: float
) -> tuple[dict[str, float], list[str], str]:
    """The clips that are missed since when, those that are to be forgotten now, and what is said of both."""
    if not tick.paths:
        return cursor.gone, [], ""
    name = videos_partitions(dataset).name
    assert name is not None
    missed: dict[str, float] = {}
    known = {*instance.get_dynamic_partitions(name)}
    for key in known - tick.keys:
        with suppress(BadClipName):
            path = path_of(key)
            if path not in tick.paths and cursor.after < path and (not tick.after or path <= tick.after):
                missed[key] = cursor.gone.get(key, now)
            elif key in cursor.gone and path not in tick.paths:
                missed[key] = cursor.gone[key]
    if len(missed) > MOST_GONE or 2 * len(missed) > len(known) > 1:
        return (
            {},
            [],
            f"; {counted(len(missed), 'clip is', 'clips are')} gone, too many to be forgotten without `vda forget`",
        )
    due = [key for key, since in missed.items() if now - since >= GONE_SECONDS]
    forgotten = sorted({*due} - clips_of_living_runs(instance, dataset)) if due else []
    left = {key: since for key, since in missed.items() if key not in forgotten}
    notes = [f"; {counted(len(left), 'is', 'are')} gone"] if left else []
    notes += [f"; forgotten: {cut(', '.join(forgotten))}"] if forgotten else []
    return left, forgotten, "".join(notes)


class _Tick:
    """What was seen of the dataset, as much as one tick may take."""

    def __init__(self, instance: dg.DagsterInstance, dataset: Dataset, clock: Clock) -> None:
        self._instance, self._dataset, self._clock = instance, dataset, clock
        self._left_out: list[str] = []
        self._left_out_besides = 0
        self._skipped = SkippedByKind()
        self.paths: set[str] = set()
        self.keys: set[str] = set()  # of the clips among them
        self.changed: list[Clip] = []
        self.new_keys: list[str] = []
        self.after = ""

    @property
    def not_taken(self) -> list[str]:
        """Lines for the log on what is no clip, or none that can be used."""
        more = [f"… and {self._left_out_besides} more; `vda videos` names them"] if self._left_out_besides else []
        return self._left_out + more + [cut(line) for line in self._skipped.lines]

    @property
    def summary(self) -> str:
        seen = f"{counted(len(self.keys), 'clip')} looked at, {len(self.changed)} of them new or changed"
        return f"{seen}; the next tick goes on behind {self.after!r}" if self.after else seen

    def look_at(self, listing: Iterator[Clip | LeftOut | Skipped]) -> None:
        """Stops after `LISTING_SECONDS` and before there are more than `MOST_REPORTED`; `after` then says where."""
        page: list[Clip | LeftOut | Skipped] = []
        until = math.inf
        for found in listing:
            # What lies before it may have been listed for nothing: from the first on, so that every tick gets ahead.
            until = min(until, self._clock.monotonic() + LISTING_SECONDS)
            page.append(found)
            is_late = self._clock.monotonic() >= until
            if is_late or len(page) == _PAGE:
                if not self._take(page) or is_late:
                    return
                page = []
        if self._take(page):
            self.after = ""

    def _take(self, page: Sequence[Clip | LeftOut | Skipped]) -> bool:
        """Whether all of the page could be taken."""
        changed, new_keys = self._changed([found for found in page if isinstance(found, Clip)])
        room = MOST_REPORTED - len(self.changed)
        is_whole = len(changed) <= room
        if not is_whole:
            page = page[: page.index(changed[room])]
            changed = changed[:room]
        self.changed += changed
        self.new_keys += [clip.key for clip in changed if clip.key in new_keys]
        for found in page:
            self._count(found)
        return is_whole

    def _changed(self, clips: Sequence[Clip]) -> tuple[list[Clip], set[str]]:
        """Those of the clips that are to be reported, and the keys of those among them that are new."""
        keys = [clip.key for clip in clips]
        partitions = videos_partitions(self._dataset)
        assert partitions.name is not None
        new_keys = {*keys} - self._instance.get_existing_dynamic_partitions(partitions.name, keys)
        reported = reported_versions(self._instance, asset_key(self._dataset, SOURCE_VIDEOS), keys)
        changed = [clip for clip in clips if clip.key in new_keys or reported.get(clip.key) != clip.version]
        return changed, new_keys

    def _count(self, found: Clip | LeftOut | Skipped) -> None:
        if not isinstance(found, Skipped):
            self.paths.add(found.path)
        if isinstance(found, Clip):
            self.keys.add(found.key)
        elif isinstance(found, Skipped):
            self._skipped.add(found)
        elif len(self._left_out) < LINES:
            self._left_out.append(cut(f"{found.path} is left out: {found.reason}"))
        else:
            self._left_out_besides += 1
        # A name that is no text cannot stand in a cursor; what lies between it and the one before is seen again.
        if found.path.isprintable() and len(found.path.encode()) <= _LONGEST_CURSOR_BYTES:
            self.after = found.path


def _materialization(dataset: Dataset, clip: Clip, media_url: str | None) -> dg.AssetMaterialization:
    played = media_link(media_url, dataset, clip.url)
    return dg.AssetMaterialization(
        asset_key(dataset, SOURCE_VIDEOS),
        partition=clip.key,
        metadata={
            **({VIDEO: dg.MetadataValue.url(played)} if played else {}),
            URI: dg.MetadataValue.text(str(clip.url)),
            SIZE_BYTES: dg.MetadataValue.int(clip.size_bytes),
            "version": dg.MetadataValue.text(clip.version),
        },
        tags={DATA_VERSION_TAG: clip.version},
    )
