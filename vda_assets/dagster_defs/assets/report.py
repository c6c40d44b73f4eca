"""The report on a dataset as an asset: materialized by a person, or by whoever wants it renewed."""

import dagster as dg

from vda_assets.flows.stages import OUTPUTS
from vda_assets.project import Scope
from vda_assets.runs.names import CLIP_COUNT, REPORT, REPORT_LINK, URI, asset_key
from vda_assets.runs.reporting import report_on
from vda_assets.runs.resources import storage_resource_key


def report_asset(scope: Scope) -> dg.AssetsDefinition:
    """Its metadata has the clips by verdict, which plot over time."""
    dataset = scope.dataset
    storage_key = storage_resource_key(dataset.deployment)

    @dg.asset(
        key=asset_key(dataset, REPORT),
        deps=[asset_key(dataset, output) for output in OUTPUTS],
        description=f"A page on all clips of {dataset.name}: pictures, verdicts, reasons, what was drawn and accepted.",
        group_name="reports",  # not made by the way with all that the dataset's group holds
        kinds={"html"},
        owners=dataset.owners,
        tags=scope.tags,
        required_resource_keys={storage_key},
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        found = report_on(context.instance, scope, getattr(context.resources, storage_key).storage())
        link = {REPORT_LINK: dg.MetadataValue.url(found.link)} if found.link else {}
        return dg.MaterializeResult(
            metadata={
                **link,
                URI: dg.MetadataValue.text(found.page),
                CLIP_COUNT: dg.MetadataValue.int(found.summary.clips),
                **{verdict: dg.MetadataValue.int(count) for verdict, count in found.summary.verdicts.items()},
            }
        )

    return report
