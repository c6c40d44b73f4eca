"""The reports on datasets as assets: materialized by a person, or by whoever wants them renewed.

Those of a deployment are one step, of which any are selected: a step each would be most of what loading many datasets
costs.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from vda_assets.config.names import slug_of
from vda_assets.flows.stages import OUTPUTS
from vda_assets.project import Scope
from vda_assets.runs.names import CLIP_COUNT, REPORT, REPORT_LINK, URI, asset_key
from vda_assets.runs.reporting import Report, report_on
from vda_assets.runs.resources import storage_resource_key
from vda_assets.storage.errors import StorageError


def report_assets(deployment: str, scopes: Sequence[Scope]) -> dg.AssetsDefinition:
    """Their metadata has the clips by verdict, which plot over time. `scopes` are those of the deployment's datasets,
    at least one."""
    storage_key = storage_resource_key(deployment)

    @dg.multi_asset(
        name=f"{slug_of(deployment)}__reports",
        specs=[_spec(scope) for scope in scopes],
        can_subset=True,
        required_resource_keys={storage_key},
    )
    def reports(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        failed: list[str] = []
        for scope in scopes:
            key = asset_key(scope.dataset, REPORT)
            if key not in context.selected_asset_keys:
                continue
            try:
                found = report_on(context.instance, scope, getattr(context.resources, storage_key).storage())
            except StorageError as error:
                failed.append(f"{scope.dataset.name}: {error}")
            else:
                yield dg.MaterializeResult(asset_key=key, metadata=_metadata(found))
        if failed:
            raise dg.Failure("; ".join(failed))

    return reports


def _spec(scope: Scope) -> dg.AssetSpec:
    dataset = scope.dataset
    return dg.AssetSpec(
        asset_key(dataset, REPORT),
        deps=[asset_key(dataset, output) for output in OUTPUTS],
        description=f"A page on all clips of {dataset.name}: pictures, verdicts, reasons, what was drawn and accepted.",
        group_name="reports",  # not made by the way with all that the dataset's group holds
        kinds={"html"},
        owners=dataset.owners,
        tags=scope.tags,
        skippable=True,
    )


def _metadata(found: Report) -> dict[str, dg.MetadataValue]:
    link = {REPORT_LINK: dg.MetadataValue.url(found.link)} if found.link else {}
    return {
        **link,
        URI: dg.MetadataValue.text(found.page),
        CLIP_COUNT: dg.MetadataValue.int(found.summary.clips),
        **{verdict: dg.MetadataValue.int(count) for verdict, count in found.summary.verdicts.items()},
    }
