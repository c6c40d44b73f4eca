"""What former runs finished, read from Dagster's event log and checked against storage."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from vda_assets.dagster_defs.names import DATA_VERSION_TAG, RUN_ID

_PAGE = 1000


def newest_materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, dg.AssetMaterialization]:
    """The newest materialization of each of the partitions that has one; a few queries for hundreds of them."""
    newest: dict[str, dg.AssetMaterialization] = {}
    if not partitions:
        return newest
    cursor: str | None = None
    while len(newest) < len(partitions):
        page = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=list(partitions)), limit=_PAGE, cursor=cursor
        )
        for record in page.records:
            if record.partition_key and record.asset_materialization:
                newest.setdefault(record.partition_key, record.asset_materialization)
        if not page.has_more:
            break
        cursor = page.cursor
    return newest


def with_hash(
    materializations: Mapping[str, dg.AssetMaterialization], hashes: Mapping[str, str]
) -> dict[str, dg.AssetMaterialization]:
    """Those that were made from exactly what their partition would be made from today."""
    return {
        partition: materialization
        for partition, materialization in materializations.items()
        if (materialization.tags or {}).get(DATA_VERSION_TAG) == hashes[partition]
    }


def run_ids(materializations: Iterable[dg.AssetMaterialization]) -> list[str]:
    return [text_of(materialization, RUN_ID) for materialization in materializations]


def text_of(materialization: dg.AssetMaterialization, name: str) -> str:
    """A text in a materialization's metadata; empty when it has none of that name."""
    value = materialization.metadata.get(name)
    return str(value.value) if value is not None else ""
