"""What all datasets of a deployment share: preflight, model caches, inference endpoints. Cheap while all is well.

Caches and endpoints are upstream of preflight, and that of the outputs: their pages say what was found and what to do.
A run asks the same questions itself.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment, Role
from vda_assets.config.errors import ConfigError
from vda_assets.config.names import slug_of
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.flows.selection import FLOWS
from vda_assets.model_caches.build import CacheNeed
from vda_assets.model_caches.contents import MODEL_CACHES
from vda_assets.osmo.errors import OsmoError
from vda_assets.readiness.caches import cache_needs
from vda_assets.readiness.credentials import Replace
from vda_assets.readiness.finding import Finding, Level, NotReady, require
from vda_assets.readiness.gate import check_caches, warm_endpoints, warm_up
from vda_assets.readiness.preflight import check_everything
from vda_assets.runs.names import STAND_IN, shared_key
from vda_assets.runs.resources import osmo_resource_key, storage_resource_key
from vda_assets.runs.shared import FINDINGS, NIMS, PREFLIGHT, READY_VERSION, findings_table
from vda_assets.storage.errors import StorageError

# What the caches and preflight are made for; a run with super-resolution fetches what it needs besides.
_FLOW = FLOWS["e2e"]
_CHECK = "is_ready"
Events = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


class PreflightConfig(dg.Config):
    """What a materialization of a deployment's preflight may be told."""

    probe: bool = Field(True, description="Ask the images' registries and NGC; not where they cannot be reached.")
    refresh: bool = Field(False, description="Replace OSMO's credentials also by secrets that come from a file.")


def shared_assets(
    name: str, deployment: Deployment, datasets: Sequence[Dataset], cookbooks: Mapping[str, Cookbook]
) -> list[dg.AssetsDefinition]:
    """The unpartitioned assets of one deployment, in a group of its name."""
    return [
        *(_model_cache(name, cache, deployment, datasets, cookbooks) for cache in MODEL_CACHES),
        *(_nim(name, nim, role, deployment, datasets) for nim, role in NIMS.items()),
        _preflight(name, deployment, datasets, cookbooks),
    ]


def _model_cache(
    name: str, cache: str, deployment: Deployment, datasets: Sequence[Dataset], cookbooks: Mapping[str, Cookbook]
) -> dg.AssetsDefinition:
    key = shared_key(name, "model_cache", cache)

    spec = _spec(
        key,
        name,
        datasets,
        kinds={"osmo", "model"},
        description=f"The weights that containers read of the cache {cache}; what is missing is fetched on OSMO.",
    )

    @dg.multi_asset(
        name=_op_name(key), specs=[spec], check_specs=[_check_spec(key)], required_resource_keys=_resources(name)
    )
    def model_cache(context: dg.AssetExecutionContext) -> Events:
        storage = getattr(context.resources, storage_resource_key(name)).storage()
        needs = _needs(cache, deployment, datasets, cookbooks)
        with _one_message(), getattr(context.resources, osmo_resource_key(name)).client() as client:
            gate = check_caches(client, storage, needs, deployment=deployment, environment=os.environ)
            findings = list(gate.findings)
            if all(one.level is not Level.BLOCKING for one in findings):
                findings += warm_up(
                    client,
                    storage,
                    gate,
                    deployment=deployment,
                    selection=_FLOW,
                    environment=os.environ,
                    log=context.log.info,
                )
        yield from _told(key, findings, deployment)

    return model_cache


def _needs(
    cache: str, deployment: Deployment, datasets: Sequence[Dataset], cookbooks: Mapping[str, Cookbook]
) -> list[CacheNeed]:
    """What the datasets read of that cache, by the place where it lies."""
    of_root: dict[str, list[CacheNeed]] = {}
    for dataset in datasets:
        several = cache_needs(deployment, dataset.storage_url, selection=_FLOW, cookbooks=[cookbooks[dataset.cookbook]])
        for need in several:
            if need.name == cache:
                of_root.setdefault(str(need.url), []).append(need)
    return [
        CacheNeed(cache, alike[0].url, tuple(dict.fromkeys(source for need in alike for source in need.sources)))
        for alike in of_root.values()
    ]


def _nim(name: str, nim: str, role: Role, deployment: Deployment, datasets: Sequence[Dataset]) -> dg.AssetsDefinition:
    key = shared_key(name, "nim", nim)
    endpoint = deployment.endpoints.of(role)
    assert endpoint is not None
    stands_in = " Here a stand-in that lists its model and answers no prompt." if deployment.is_stand_in else ""

    spec = _spec(
        key,
        name,
        datasets,
        kinds={"nim", "kubernetes"},
        description=f"The {role} that both containers ask: {endpoint.model} at {endpoint.url}; a NIM of the cluster is "
        f"deployed or repaired.{stands_in}",
    )

    @dg.multi_asset(
        name=_op_name(key), specs=[spec], check_specs=[_check_spec(key)], required_resource_keys=_resources(name)
    )
    def nim_endpoint(context: dg.AssetExecutionContext) -> Events:
        with _one_message():
            findings = warm_endpoints(deployment, [role], environment=os.environ, log=context.log.info)
        yield from _told(key, findings, deployment)

    return nim_endpoint


def _preflight(
    name: str, deployment: Deployment, datasets: Sequence[Dataset], cookbooks: Mapping[str, Cookbook]
) -> dg.AssetsDefinition:
    key = shared_key(name, PREFLIGHT)

    spec = _spec(
        key,
        name,
        datasets,
        kinds={"osmo"},
        description=f"Pool, platform, storage and datasets of {name} are ready; how long their e2e flow takes.",
        deps=[
            *(shared_key(name, "model_cache", one) for one in MODEL_CACHES),
            *(shared_key(name, "nim", one) for one in NIMS),
        ],
    )

    @dg.multi_asset(
        name=_op_name(key), specs=[spec], check_specs=[_check_spec(key)], required_resource_keys=_resources(name)
    )
    def preflight(context: dg.AssetExecutionContext, config: PreflightConfig) -> Events:
        storage = getattr(context.resources, storage_resource_key(name)).storage()
        replacing = Replace.KNOWN if config.refresh else Replace.SUPPLIED
        findings: list[Finding] = []
        overview: list[str] = []
        with _one_message(), getattr(context.resources, osmo_resource_key(name)).client() as client:
            for dataset in datasets:
                result = check_everything(
                    client,
                    storage,
                    dataset=dataset,
                    deployment=deployment,
                    cookbook=cookbooks[dataset.cookbook],
                    selection=_FLOW,
                    environment=os.environ,
                    # They are the deployment's: once is enough.
                    replacing=replacing if dataset is datasets[0] else Replace.NONE,
                    probe=config.probe,
                )
                findings += [finding for finding in result.findings if finding not in findings]
                overview += [f"{dataset.name}: {result.overview.lines()[0]}", *result.overview.lines()[1:]]
        more = {"time overview": dg.MetadataValue.md("\n".join(["```", *overview, "```"]))}
        yield from _told(key, findings, deployment, more=more)

    return preflight


@contextmanager
def _one_message() -> Iterator[None]:
    """What can be asked by nobody, or not now, fails without a stack trace."""
    try:
        yield
    except ConfigError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except (OsmoError, StorageError) as error:
        raise dg.Failure(str(error)) from error


def _spec(
    key: dg.AssetKey,
    name: str,
    datasets: Sequence[Dataset],
    *,
    kinds: set[str],
    description: str,
    deps: Sequence[dg.AssetKey] = (),
) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=deps,
        description=description,
        group_name=slug_of(name),
        kinds=kinds,
        owners=sorted({owner for dataset in datasets for owner in dataset.owners}),
        tags={"deployment": name},
    )


def _check_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(_CHECK, asset=key, description="Nothing of it stops a run.")


def _resources(name: str) -> set[str]:
    return {osmo_resource_key(name), storage_resource_key(name)}


def _op_name(key: dg.AssetKey) -> str:
    return "__".join(key.path)


def _told(
    key: dg.AssetKey,
    findings: Sequence[Finding],
    deployment: Deployment,
    *,
    more: Mapping[str, dg.MarkdownMetadataValue] | None = None,
) -> Events:
    """The check's result with every finding; then the materialization, or the failure that says what to do."""
    found = findings_table(findings)
    blocked = [one for one in findings if one.level is Level.BLOCKING]
    yield dg.AssetCheckResult(asset_key=key, check_name=_CHECK, passed=not blocked, metadata={FINDINGS: found})
    try:
        require(findings)
    except NotReady as error:
        raise dg.Failure(str(error), metadata={FINDINGS: found}, allow_retries=False) from None
    yield dg.MaterializeResult(
        asset_key=key,
        metadata={FINDINGS: found, STAND_IN: dg.MetadataValue.bool(deployment.is_stand_in), **(more or {})},
        data_version=dg.DataVersion(READY_VERSION),
    )
