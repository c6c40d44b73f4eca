"""The report on a dataset: what Dagster's books say of its clips, and the bucket of what there is to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from vda_assets.base.cut import cut, cut_lines
from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.cookbooks.draw import draw_name, draws_for
from vda_assets.datasets.clips import Clip, Listing, clip_key, further_of, list_clips, path_of, video_of
from vda_assets.flows.selection import wanted_of
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage
from vda_assets.project import Scope
from vda_assets.reports.facts import ClipFacts, LabelCounts, OutputFacts, Subject, Variant, verdict_of
from vda_assets.reports.places import places_of
from vda_assets.reports.previews import with_previews
from vda_assets.reports.summary import Summary
from vda_assets.reports.writing import into_folder, into_storage, write_report
from vda_assets.runs import names
from vda_assets.runs.links import media_bases
from vda_assets.runs.listing import clips_of_run
from vda_assets.runs.names import asset_key, videos_partitions
from vda_assets.runs.recording.finished import newest_records
from vda_assets.runs.standing import OutputBooks, Stand, further_in_books
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import (
    AUGMENTED_VIDEO_FILE,
    REPORT_PAGE,
    RunLayout,
    animation_at,
    report_folder,
    still_of,
)
from vda_assets.storage.url import StorageUrl

_CLIPS_AT_ONCE = 200
_UNMADE = (Stand.FAILED, Stand.QUARANTINED)
_MADE = "made"
_MOST_UNUSABLE = 50
Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """`page` is where it lies, `link` where a browser finds it when a server gives what lies in storage, else empty."""

    page: str
    link: str
    summary: Summary


def report_on(
    instance: dg.DagsterInstance, scope: Scope, storage: Storage, *, run: str = "", folder: Path | None = None
) -> Report:
    """Writes the report on the clips of a dataset, with `run` on those that this run of it made, into the dataset's
    storage or into a local folder. Raises UnknownName for a run that is none of the dataset, and what storage does."""
    dataset, now = scope.dataset, datetime.now(UTC)
    run_id, keys = clips_of_run(instance, dataset, run) if run else ("", None)
    listing = list_clips(storage, dataset.dataset_url)
    reader = _Reader(instance, scope, storage, {clip.key: clip for clip in listing.clips})
    subject = Subject(
        dataset=dataset.name,
        url=str(dataset.dataset_url),
        description=dataset.description,
        cookbook=scope.cookbook.name,
        run_id=run_id,
        weights=scope.cookbook.distribution.variables,
        unusable={} if run_id else _unusable(listing),
    )
    places = places_of(dataset, media_bases(_text(scope.deployment.media_url), dataset), run_id=run_id, folder=folder)
    lots = reader.lots(reader.keys if keys is None else sorted(keys))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        lots = (with_previews(storage, lot, folder) for lot in lots)
    url = report_folder(dataset.storage_url, dataset.name, run_id) / REPORT_PAGE
    summary = write_report(
        subject,
        lots,
        into_storage(storage, url.parent) if folder is None else into_folder(folder),
        places=places,
        variables=sorted(scope.cookbook.distribution.variables),
        written=now.isoformat(timespec="seconds"),
    )
    if folder is not None:
        return Report(str(folder / REPORT_PAGE), "", summary)
    return Report(str(url), places.link(url), summary)


def _unusable(listing: Listing) -> dict[str, str]:
    return {cut(path): cut(reason) for path, reason in list(listing.left_out.items())[:_MOST_UNUSABLE]}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@dataclass
class _Reader:
    """`clips` are those that lie in the dataset's folder, by key."""

    instance: dg.DagsterInstance
    scope: Scope
    storage: Storage
    clips: Mapping[str, Clip]
    _shown: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        dataset = self.scope.dataset
        self._books = {output: OutputBooks(self.instance, dataset, output) for output in OUTPUTS}
        wanted = wanted_of(dataset)
        self._wanted = wanted.outputs if wanted else ()

    @property
    def keys(self) -> list[str]:
        """Of all clips that lie there, or that the books know, and of their further augmentations."""
        partitions = videos_partitions(self.scope.dataset).name
        assert partitions is not None
        further = further_in_books(self.instance, self.scope.dataset, list(self.clips.values()))
        known = {*self.clips, *self.instance.get_dynamic_partitions(partitions)}
        return sorted({*known, *(one.key for one in further)}, key=lambda key: (clip_key(key), further_of(key) or 0))

    def lots(self, keys: Sequence[str]) -> Iterator[list[ClipFacts]]:
        for first in range(0, len(keys), _CLIPS_AT_ONCE):
            yield self._lot(keys[first : first + _CLIPS_AT_ONCE])

    def _lot(self, keys: Sequence[str]) -> list[ClipFacts]:
        said = {output: self._said(output, keys) for output in OUTPUTS}
        return [self._facts(key, {output: said[output].get(key) for output in OUTPUTS}) for key in keys]

    def _said(self, output: Output, keys: Sequence[str]) -> dict[str, dg.EventLogRecord]:
        """The newest word on the output of each of the clips."""
        asset = asset_key(self.scope.dataset, output)
        words = {key: self._books[output].word(key).stand for key in keys}
        made = [key for key, stand in words.items() if stand is Stand.MADE]
        failed = [key for key, stand in words.items() if stand in _UNMADE]
        with interrupts_delayed():
            return {
                **newest_records(self.instance.fetch_materializations, asset, made),
                **newest_records(self.instance.fetch_observations, asset, failed),
            }

    def _facts(self, key: str, records: Mapping[Output, dg.EventLogRecord | None]) -> ClipFacts:
        said = {output: _metadata(record) for output, record in records.items()}
        further = further_of(key)
        own = [one for one in OUTPUTS if further is None or one is not Stage.ORIGINAL_LABELS]
        outputs = {output: self._output(key, output, records[output], said[output]) for output in own}
        clip = self.clips.get(clip_key(key))
        doubts = str(said[Stage.AUGMENTED_LABELS].get(names.DOUBTS, ""))
        return ClipFacts(
            key=key,
            path=path_of(key),
            further=further,
            verdict=verdict_of({output: one.state for output, one in outputs.items()}, wanted={*self._wanted} & {*own}),
            outputs=outputs,
            variants=tuple(self._variants(key, outputs, said)),
            doubts=cut_lines(filter(None, doubts.split("; "))),
            original=clip.url if clip else None,
            size_bytes=clip.size_bytes if clip else None,
        )

    def _output(self, key: str, output: Output, record: dg.EventLogRecord | None, said: Metadata) -> OutputFacts:
        word = self._books[output].word(key)
        if record is None:
            return OutputFacts(str(Stand.MISSING))
        failed = word.stand in _UNMADE
        reason = str(said.get(names.FAILURE if failed else names.REASONS, ""))
        return OutputFacts(
            state=str(word.stand) if failed else word.made.verdict or _MADE,
            reason=cut(reason),
            at=datetime.fromtimestamp(record.timestamp, UTC).isoformat(timespec="seconds"),
            run_id=str(said.get(names.RUN_ID, "")),
            gpu_seconds=said.get(names.GPU_SECONDS),
            cost=said.get(names.COST),
            currency=str(said.get(names.CURRENCY, "")),
            stand_in=bool(said.get(names.STAND_IN)),
            labels=_label_counts(said.get(names.LABEL_COUNTS)),
        )

    def _variants(
        self, key: str, outputs: Mapping[Output, OutputFacts], said: Mapping[Output, Metadata]
    ) -> Iterator[Variant]:
        """What was made of the clip; where that failed, what was to be made."""
        video, augmented = video_of(key), said[Stage.AUGMENTED_VIDEOS]
        if outputs[Stage.AUGMENTED_VIDEOS].state in _UNMADE:
            for draw in draws_for(self.scope.cookbook.distribution, video, further=further_of(key)):
                yield Variant(draw.index, dict(draw.sampled_vars))
            return
        drawn = augmented.get(names.SAMPLED_VARS)
        if not isinstance(drawn, Mapping) or not drawn or not augmented.get(names.URI):
            return
        first = StorageUrl.parse(str(augmented[names.URI]))
        attempt = first.name.removeprefix(draw_name(video, min(map(int, drawn)), 1))
        compared = str(said[Rendered.COMPARISONS].get(names.RUN_ID, ""))
        for index, values in sorted((int(index), values) for index, values in drawn.items()):
            name = f"{draw_name(video, index, 1)}{attempt}"
            comparison, picture = self._comparison(compared, name) if compared else (None, None)
            yield Variant(
                index=index,
                values={cut(variable): cut(value) for variable, value in values.items()},
                augmented=first.parent / name / AUGMENTED_VIDEO_FILE,
                comparison=comparison,
                picture=picture,
            )

    def _comparison(self, run_id: str, name: str) -> tuple[StorageUrl | None, StorageUrl | None]:
        """The side-by-side video and the picture of it, as far as they lie there."""
        dataset = self.scope.dataset
        video = RunLayout(dataset.storage_url, dataset.name, run_id).comparison(name)
        if run_id not in self._shown:
            self._shown[run_id] = {found.path for found in self.storage.walk(video.parent)}
        there = self._shown[run_id]
        pictures = (animation_at(video), still_of(video))
        return (
            video if video.name in there else None,
            next((picture for picture in pictures if picture.name in there), None),
        )


def _metadata(record: dg.EventLogRecord | None) -> Metadata:
    event = record and (record.asset_materialization or record.asset_observation)
    return {name: value.value for name, value in event.metadata.items()} if event else {}


def _label_counts(scenes: Any) -> LabelCounts | None:
    if not isinstance(scenes, Sequence) or not scenes:
        return None
    objects: dict[str, int] = {}
    for scene in scenes:
        for kind, count in scene["objects"].items():
            objects[kind] = objects.get(kind, 0) + int(count)
    return LabelCounts(
        scenes=len(scenes),
        frames=sum(int(scene["frames"]) for scene in scenes),
        frames_with_objects=sum(int(scene["frames_with_objects"]) for scene in scenes),
        objects=dict(sorted(objects.items(), key=lambda one: (-one[1], one[0]))),
    )
