"""What former runs finished, read from Dagster's event log and checked against storage."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import dagster as dg

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.base.parallel import in_order
from vda_assets.config.dataset import Dataset
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import OUTPUTS, Output, Stage
from vda_assets.outcomes.verdict import Verdict
from vda_assets.outcomes.whole import is_whole
from vda_assets.runs.names import RUN_ID, VERDICT, asset_key
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.versions import OutputVersion
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl

_PAGE = 1000
_PARALLEL_READS = 8


def newest_materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, dg.AssetMaterialization]:
    """The newest materialization of each of the partitions that has one; a few queries for hundreds of them."""
    records = newest_records(instance.fetch_materializations, key, partitions)
    return {name: record.asset_materialization for name, record in records.items() if record.asset_materialization}


def newest_records(
    fetch: Callable[..., dg.EventRecordsResult], key: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, dg.EventLogRecord]:
    """The newest record of each of the partitions that has one; `fetch` is the instance's way to records of a kind."""
    newest: dict[str, dg.EventLogRecord] = {}
    if not partitions:
        return newest
    cursor: str | None = None
    while len(newest) < len(partitions):
        page = fetch(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=list(partitions)), limit=_PAGE, cursor=cursor
        )
        for record in page.records:
            if record.partition_key:
                newest.setdefault(record.partition_key, record)
        if not page.has_more:
            break
        cursor = page.cursor
    return newest


class Finished:
    """The finished outputs, by output and clip key: made from the same clip and configuration, and whole in storage."""

    def __init__(self, storage_url: StorageUrl, dataset: str) -> None:
        self._storage_url, self._dataset = storage_url, dataset
        self._found: dict[Output, dict[str, dg.AssetMaterialization]] = {output: {} for output in OUTPUTS}

    def add(self, output: Output, key: str, materialization: dg.AssetMaterialization) -> None:
        self._found[output][key] = materialization

    def materializations(self, output: Output) -> Iterable[dg.AssetMaterialization]:
        return self._found[output].values()

    def runs(self, key: str) -> dict[Output, RunLayout]:
        """For each finished output of a clip the run whose folder holds it."""
        return {output: self.run_of(found[key]) for output, found in self._found.items() if key in found}

    def verdicts(self) -> dict[tuple[str, Stage], Verdict]:
        """By clip key and stage the verdict on each finished output of a stage."""
        return {
            (key, stage): Verdict(verdict)
            for stage in Stage
            for key, materialization in self._found[stage].items()
            if (verdict := text_of(materialization, VERDICT)) in list(Verdict)
        }

    def run_of(self, materialization: dg.AssetMaterialization) -> RunLayout:
        return RunLayout(self._storage_url, self._dataset, text_of(materialization, RUN_ID))


def find_finished(
    instance: dg.DagsterInstance, storage: Storage, dataset: Dataset, items: Mapping[str, Item]
) -> Finished:
    """Reads Dagster's event log, and checks in storage what it says of outputs whose hash is still the same."""
    finished = Finished(dataset.storage_url, dataset.name)

    def lies_whole(claim: tuple[Output, str, dg.AssetMaterialization]) -> bool:
        output, key, materialization = claim
        return is_whole(storage, items[key], output, layout=finished.run_of(materialization))

    claims = [
        (output, key, materialization)
        for output in OUTPUTS
        for key, materialization in _newest(instance, dataset, output, list(items)).items()
        if hash_of(materialization) == items[key].output_hashes[output]
    ]
    for claim, is_there in zip(claims, in_order(lies_whole, claims, threads=_PARALLEL_READS), strict=True):
        if is_there:
            finished.add(*claim)
    return finished


def _newest(
    instance: dg.DagsterInstance, dataset: Dataset, output: Output, keys: Sequence[str]
) -> dict[str, dg.AssetMaterialization]:
    with interrupts_delayed():
        return newest_materializations(instance, asset_key(dataset, output), keys)


def hash_of(materialization: dg.AssetMaterialization) -> str:
    """The hash of what the output was made from."""
    return OutputVersion.parse((materialization.tags or {}).get(DATA_VERSION_TAG, "")).output_hash


def text_of(materialization: dg.AssetMaterialization, name: str) -> str:
    """A text in a materialization's metadata; empty when it has none of that name."""
    value = materialization.metadata.get(name)
    return str(value.value) if value is not None else ""
