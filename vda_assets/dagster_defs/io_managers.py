"""Gives downstream assets typed references to what lies in storage, resolved per backend and checked to be there.

Video and labels never pass through Dagster: an asset that depends on `augmented_videos` gets an `OutputReference`
per partition, and reads the objects itself with `Storage.locate`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.finished import newest_materializations, text_of
from vda_assets.dagster_defs.names import RUN_ID, SOURCE_VIDEOS, VERDICT, io_manager_key
from vda_assets.dagster_defs.resources import StorageResource
from vda_assets.flows.selection import Output
from vda_assets.outcomes.marker import OutputMissing, read_marker
from vda_assets.storage.access import Storage
from vda_assets.storage.clips import Clip, clip_at, video_of
from vda_assets.storage.errors import StorageError
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl


@dataclass(frozen=True)
class OutputReference:
    """`urls` are the output's folders, or videos for `comparisons`: one per augmentation index."""

    key: str
    output: Output
    run_id: str
    verdict: str
    urls: tuple[StorageUrl, ...]


Reference = Clip | OutputReference


class ReferenceIOManager(dg.IOManager):
    """One partition is loaded as a reference, several as a mapping by partition key.

    Small results of Python-side assets are kept as JSON under `data/reports/` of the dataset's storage root.
    """

    def __init__(self, dataset: Dataset, storage: Storage) -> None:
        self._dataset, self._storage = dataset, storage

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        url = self._report(context.asset_key, context.asset_partition_keys if context.has_asset_partitions else [])
        self._storage.write_bytes(url, json.dumps(obj, indent=1, ensure_ascii=False).encode())
        context.add_output_metadata({"dagster/uri": str(url)})

    def load_input(self, context: dg.InputContext) -> Any:
        partitions = list(context.asset_partition_keys) if context.has_asset_partitions else []
        name = context.asset_key.path[-1]
        if name != SOURCE_VIDEOS and name not in list(Output):
            return json.loads(self._storage.read_bytes(self._report(context.asset_key, partitions)))
        references = self._references(context, name, partitions)
        return references[partitions[0]] if len(partitions) == 1 else references

    def _references(self, context: dg.InputContext, name: str, keys: list[str]) -> Mapping[str, Reference]:
        try:
            if name == SOURCE_VIDEOS:
                return {key: clip_at(self._storage, self._dataset.dataset_url, key) for key in keys}
            newest = newest_materializations(context.instance, context.asset_key, keys)
            return {key: self._output(Output(name), key, newest.get(key)) for key in keys}
        except (OutputMissing, StorageError, FileNotFoundError) as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    def _output(self, output: Output, key: str, materialization: dg.AssetMaterialization | None) -> OutputReference:
        if materialization is None:
            raise OutputMissing(f"{output} of {key} is not materialized; materialize it first")
        run_id = text_of(materialization, RUN_ID)
        layout = RunLayout(self._dataset.storage_url, self._dataset.name, run_id)
        urls = self._urls(output, layout, video_of(key))
        return OutputReference(key, output, run_id, text_of(materialization, VERDICT), urls)

    def _urls(self, output: Output, layout: RunLayout, video: str) -> tuple[StorageUrl, ...]:
        """A record is a claim about the bucket, not the bucket: what it names must lie there."""
        if output is Output.ORIGINAL_LABELS:
            read_marker(self._storage, layout.original_labels(video))
            return (layout.original_labels(video),)
        place = {
            Output.AUGMENTED_VIDEOS: layout.augmented_video,
            Output.AUGMENTED_LABELS: layout.augmented_labels,
            Output.COMPARISONS: layout.comparison,
        }[output]
        urls: list[StorageUrl] = []
        while self._storage.exists(place(video, len(urls))):
            urls.append(place(video, len(urls)))
        if not urls:
            raise OutputMissing(f"{place(video, 0)} does not exist any more; materialize {output} again")
        if output is not Output.COMPARISONS:
            for url in urls:
                read_marker(self._storage, url)
        return tuple(urls)

    def _report(self, key: dg.AssetKey, partitions: list[str] | Any) -> StorageUrl:
        folder = self._dataset.storage_url / f"data/reports/{'/'.join(key.path)}"
        return folder / f"{partitions[0]}.json" if partitions else folder / "report.json"


class ReferenceIOManagerFactory(dg.ConfigurableIOManagerFactory):  # type: ignore[type-arg]
    """Built per dataset; `dataset` is its configuration as plain values."""

    dataset: dict[str, Any]
    storage: StorageResource

    def create_io_manager(self, context: dg.InitResourceContext) -> ReferenceIOManager:  # noqa: ARG002
        return ReferenceIOManager(Dataset.model_validate(self.dataset), self.storage.storage())


def dataset_io_manager(dataset: Dataset, storage: StorageResource) -> dict[str, ReferenceIOManagerFactory]:
    factory = ReferenceIOManagerFactory(dataset=dataset.model_dump(mode="json"), storage=storage)
    return {io_manager_key(dataset): factory}
