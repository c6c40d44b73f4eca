"""Gives downstream assets typed references to what lies in storage, resolved per backend and checked to be there.

Video and labels never pass through Dagster: an asset that depends on `augmented_videos` gets an `OutputReference`
per partition, and reads the objects itself with `Storage.locate`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any
from urllib.parse import quote

import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.base.parallel import as_they_come
from vda_assets.config.dataset import Dataset
from vda_assets.config.names import slug_of
from vda_assets.cookbooks.draw import draw_name
from vda_assets.datasets.clips import clip_at, video_of
from vda_assets.flows.selection import output_named
from vda_assets.flows.stages import OUTPUTS, Output, Stage
from vda_assets.flows.work import attempt_of
from vda_assets.outcomes.marker import OutputMissing, read_marker
from vda_assets.outcomes.verdict import Verdict
from vda_assets.runs.names import DATASET_TAG, IO_MANAGER, PARENT_VERDICT, RUN_ID, SOURCE_VIDEOS, URI, VERDICT
from vda_assets.runs.recording.finished import hash_of, newest_materializations, text_of
from vda_assets.runs.resources import StorageResource, storage_resource_key
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl

_WRITES_AT_ONCE = 16


@dataclass(frozen=True)
class OutputReference:
    """`urls` are the output's folders, or videos for `comparisons`: one per augmentation index.

    `parent_verdict` is that of the augmented clip on the labels of it: accepted labels may be those of a rejected clip.
    """

    key: str
    output: Output
    run_id: str
    verdict: str
    parent_verdict: Verdict | None
    urls: tuple[StorageUrl, ...]


class DatasetsIOManager(dg.IOManager):
    """That of all datasets. An asset that is no dataset's own names in its metadata whose storage keeps its results.

    There is one because each job lists every resource of the project: with one per dataset they would be the square.
    """

    def __init__(self, managers: Mapping[str, ReferenceIOManager]) -> None:
        """By the dataset's slug."""
        self._managers = managers

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        self._manager(context).handle_output(context, obj)

    def load_input(self, context: dg.InputContext) -> Any:
        assert context.upstream_output is not None
        return self._manager(context.upstream_output).load_input(context)

    def _manager(self, asset: dg.OutputContext) -> ReferenceIOManager:
        named = (asset.definition_metadata or {}).get(DATASET_TAG)
        name = asset.asset_key.path[0] if named is None else str(getattr(named, "value", named))
        manager = self._managers.get(slug_of(name))
        if manager is None:
            key, example = asset.asset_key.to_user_string(), next(iter(self._managers), "street")
            says = "does not name a dataset" if named is None else f"names {name!r}, which is no dataset"
            raise dg.Failure(
                f"the metadata of {key} {says}: give it the one whose storage keeps it, such as "
                f'{{"dataset": "{example}"}}',
                allow_retries=False,
            )
        return manager


class ReferenceIOManager(dg.IOManager):
    """One partition is loaded as a reference, several as a mapping by partition key.

    Small results of Python-side assets are kept as JSON under `data/reports/` of the dataset's storage root, one file
    per partition: an asset that makes a range of them at once returns a mapping by partition key.
    """

    def __init__(self, dataset: Dataset, storage: StorageResource) -> None:
        """Storage is opened, and its secrets are read, only when something is loaded or kept."""
        self._dataset, self._storage = dataset, storage

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        keys: list[str | None] = [*context.asset_partition_keys] if context.has_asset_partitions else [None]
        if isinstance(obj, Mapping) and obj.keys() == set(keys):
            contents = obj
        elif len(keys) == 1:
            contents = {keys[0]: obj}
        else:
            name = context.asset_key.to_user_string()
            message = f"{name} was made for {counted(len(keys), 'partition')}: return a mapping with exactly their keys"
            raise dg.Failure(message, allow_retries=False)
        reports = _Reports(self._storage.storage(), self._dataset, context.asset_key)
        for _ in as_they_come(lambda item: reports.write(*item), contents.items(), threads=_WRITES_AT_ONCE):
            pass
        place = reports.url(keys[0])
        context.add_output_metadata({URI: str(place if len(keys) == 1 else place.parent)})

    def load_input(self, context: dg.InputContext) -> Any:
        storage, keys = (
            self._storage.storage(),
            list(context.asset_partition_keys) if context.has_asset_partitions else [],
        )
        name = context.asset_key.path[-1]
        try:
            if name == SOURCE_VIDEOS:
                loaded: Mapping[Any, Any] = {key: clip_at(storage, self._dataset.dataset_url, key) for key in keys}
            elif name in OUTPUTS:
                newest = newest_materializations(context.instance, context.asset_key, keys)
                loaded = {key: self._reference(storage, output_named(name), key, newest.get(key)) for key in keys}
            else:
                reports = _Reports(storage, self._dataset, context.asset_key)
                loaded = {key: reports.read(key) for key in keys} if keys else {None: reports.read(None)}
        except (OutputMissing, StorageError, FileNotFoundError) as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        return next(iter(loaded.values())) if len(keys) <= 1 else loaded

    def _reference(
        self, storage: Storage, output: Output, key: str, materialization: dg.AssetMaterialization | None
    ) -> OutputReference:
        """The reference, once what it names was seen in storage: a materialization only claims that it is there."""
        if materialization is None:
            raise OutputMissing(f"{output} of {key} is not materialized; materialize it first")
        run_id = text_of(materialization, RUN_ID)
        layout = RunLayout(self._dataset.storage_url, self._dataset.name, run_id)
        attempt = attempt_of(hash_of(materialization))
        urls = _existing(storage, output, layout, video_of(key), attempt)
        parent = text_of(materialization, PARENT_VERDICT)
        return OutputReference(
            key,
            output,
            run_id,
            text_of(materialization, VERDICT),
            Verdict(parent) if parent in list(Verdict) else None,
            urls,
        )


class _Reports:
    """What a Python-side asset returned: a JSON file per partition, or one for all of it."""

    def __init__(self, storage: Storage, dataset: Dataset, key: dg.AssetKey) -> None:
        self._storage, self._folder = storage, dataset.storage_url / f"data/reports/{'/'.join(key.path)}"

    def url(self, partition: str | None) -> StorageUrl:
        # Clips' keys stay as they are; what other partitions are called may hold anything.
        return self._folder / (f"{quote(partition, safe='=')}.json" if partition is not None else "report.json")

    def write(self, partition: str | None, content: Any) -> None:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        self._storage.write_bytes(self.url(partition), text.encode())

    def read(self, partition: str | None) -> Any:
        return json.loads(self._storage.read_bytes(self.url(partition)))


def _existing(storage: Storage, output: Output, layout: RunLayout, video: str, attempt: int) -> tuple[StorageUrl, ...]:
    """Where the output lies, checked to be there. Raises OutputMissing."""
    if isinstance(output, Stage) and not output.row.per_index:
        urls = [layout.output(output.row.folder, video)]
    else:
        urls = list(takewhile(storage.exists, _by_index(output, layout, video, attempt)))
    if not urls:
        first = next(_by_index(output, layout, video, attempt))
        raise OutputMissing(f"{first} does not exist any more; materialize {output} again")
    if isinstance(output, Stage):
        for url in urls:
            read_marker(storage, url)
    return tuple(urls)


def _by_index(output: Output, layout: RunLayout, video: str, attempt: int) -> Iterator[StorageUrl]:
    """Where the output lies for each augmentation index that there may be."""
    for index in count():
        name = draw_name(video, index, attempt)
        yield layout.output(output.row.folder, name) if isinstance(output, Stage) else layout.comparison(name)


def datasets_io_manager(
    datasets: Iterable[Dataset], resources: Mapping[str, Mapping[str, object]]
) -> dict[str, DatasetsIOManager]:
    """`resources` are those of each deployment."""
    managers = {}
    for dataset in datasets:
        storage = resources[dataset.deployment][storage_resource_key(dataset.deployment)]
        assert isinstance(storage, StorageResource)
        managers[dataset.slug] = ReferenceIOManager(dataset, storage)
    return {IO_MANAGER: DatasetsIOManager(managers)}
