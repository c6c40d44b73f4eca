"""The assets that all datasets of a deployment share: their keys, and what a run's own checks say in their place."""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from vda_assets.config.deployment import Role
from vda_assets.model_caches.contents import MODEL_CACHES
from vda_assets.readiness.finding import Finding, Level
from vda_assets.runs.names import shared_key
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.tables import table

# Asset of an endpoint -> its role in the deployment; the names are those of the cluster's own NIMs.
NIMS = {"qwen3_vl": Role.VLM, "qwen25_14b": Role.LLM}
PREFLIGHT = "preflight"
FINDINGS = "findings"
# The same for all of them and for ever: one more look makes nothing downstream out of date.
READY_VERSION = "ready"
_MARKS = {Level.READY: "✓", Level.NOTE: "·", Level.COLD: "❄", Level.BLOCKING: "✗"}


def findings_table(findings: Sequence[Finding]) -> dg.TableMetadataValue:
    return table(("", "check", "found"), [(_MARKS[one.level], one.subject, one.message) for one in findings])


def report_first(
    instance: dg.DagsterInstance,
    deployment_name: str,
    findings: Sequence[Finding],
    log_event: Callable[[dg.AssetMaterialization], None],
) -> None:
    """Logs what a run's gate found as the materialization of those that have none: the UI would warn of them."""
    for key, subject in _subjects(deployment_name):
        if instance.get_latest_materialization_event(key) is None:
            told = [one for one in findings if one.subject.startswith(subject)]
            metadata = {FINDINGS: findings_table(told)}
            tags = {DATA_VERSION_TAG: READY_VERSION}
            log_event(dg.AssetMaterialization(key, metadata=metadata, tags=tags))


def _subjects(deployment_name: str) -> Iterator[tuple[dg.AssetKey, str]]:
    """Each key, and with what the subjects of its findings begin."""
    for cache in MODEL_CACHES:
        yield shared_key(deployment_name, "model_cache", cache), f"model cache {cache}"
    for nim, role in NIMS.items():
        yield shared_key(deployment_name, "nim", nim), f"endpoint {role}"
    yield shared_key(deployment_name, PREFLIGHT), ""
