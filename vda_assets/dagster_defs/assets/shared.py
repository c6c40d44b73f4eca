"""What all datasets of a deployment share: preflight, model caches, inference endpoints. Cheap while all is well."""

from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment, Role
from vda_assets.config.names import slug_of
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.flows.selection import FLOWS
from vda_assets.readiness.checks import MODEL_CACHES, check_endpoint, check_model_cache
from vda_assets.readiness.finding import Finding, Level, NotReady, require
from vda_assets.readiness.preflight import check_everything
from vda_assets.runs.names import STAND_IN, shared_key
from vda_assets.runs.resources import osmo_resource_key, storage_resource_key
from vda_assets.runs.tables import table

# Asset of an endpoint -> its role in the deployment; the names are those of the cluster's own NIMs.
NIMS = {"qwen3_vl": Role.VLM, "qwen25_14b": Role.LLM}
_MARKS = {Level.READY: "✓", Level.NOTE: "·", Level.BLOCKING: "✗"}


def shared_assets(
    name: str, deployment: Deployment, datasets: Sequence[Dataset], cookbooks: Mapping[str, Cookbook]
) -> list[dg.AssetsDefinition]:
    """The unpartitioned assets of one deployment, in a group of its name."""
    checks: Mapping[tuple[str, ...], tuple[str, Callable[[dg.AssetExecutionContext], list[Finding]]]] = {
        **{
            ("model_cache", cache): (_cache_text(cache), _cache_check(cache, name, deployment, datasets))
            for cache in MODEL_CACHES
        },
        **{("nim", nim): (_nim_text(deployment, role), _nim_check(role, deployment)) for nim, role in NIMS.items()},
    }
    assets = [
        _checked_asset(shared_key(name, *parts), name, deployment, description=text, check=check)
        for parts, (text, check) in checks.items()
    ]
    return [*assets, _preflight(name, deployment, datasets, cookbooks)]


def _checked_asset(
    key: dg.AssetKey,
    name: str,
    deployment: Deployment,
    *,
    description: str,
    check: Callable[[dg.AssetExecutionContext], list[Finding]],
) -> dg.AssetsDefinition:
    @dg.asset(
        key=key,
        description=description,
        group_name=slug_of(name),
        kinds={"osmo"},
        tags={"deployment": name},
        required_resource_keys={storage_resource_key(name)},
    )
    def checked(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        findings = check(context)
        _require(findings)
        return dg.MaterializeResult(
            metadata={"findings": _table(findings), STAND_IN: dg.MetadataValue.bool(deployment.is_stand_in)}
        )

    return checked


def _preflight(
    name: str, deployment: Deployment, datasets: Sequence[Dataset], cookbooks: Mapping[str, Cookbook]
) -> dg.AssetsDefinition:
    @dg.asset(
        key=shared_key(name, "preflight"),
        description=f"Pool, platform, storage and datasets of {name} are ready; how long their e2e flow takes.",
        group_name=slug_of(name),
        kinds={"osmo"},
        tags={"deployment": name},
        required_resource_keys={osmo_resource_key(name), storage_resource_key(name)},
    )
    def preflight(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        storage = getattr(context.resources, storage_resource_key(name)).storage()
        findings: list[Finding] = []
        overview: list[str] = []
        with getattr(context.resources, osmo_resource_key(name)).client() as client:
            for dataset in datasets:
                result = check_everything(
                    client,
                    storage,
                    dataset=dataset,
                    deployment=deployment,
                    cookbook=cookbooks[dataset.cookbook],
                    selection=FLOWS["e2e"],
                )
                findings += [finding for finding in result.findings if finding not in findings]
                overview += [f"{dataset.name}: {result.overview.lines()[0]}", *result.overview.lines()[1:]]
        _require(findings)
        return dg.MaterializeResult(
            metadata={
                "findings": _table(findings),
                "time overview": dg.MetadataValue.md("\n".join(["```", *overview, "```"])),
                STAND_IN: dg.MetadataValue.bool(deployment.is_stand_in),
            },
        )

    return preflight


def _cache_check(
    cache: str, name: str, deployment: Deployment, datasets: Sequence[Dataset]
) -> Callable[[dg.AssetExecutionContext], list[Finding]]:
    def check(context: dg.AssetExecutionContext) -> list[Finding]:
        storage = getattr(context.resources, storage_resource_key(name)).storage()
        roots = dict.fromkeys(dataset.storage_url for dataset in datasets)
        return [check_model_cache(storage, deployment, root, cache) for root in roots]

    return check


def _nim_check(role: Role, deployment: Deployment) -> Callable[[dg.AssetExecutionContext], list[Finding]]:
    return lambda _context: [check_endpoint(deployment, role)]


def _cache_text(cache: str) -> str:
    return f"Weights of {cache} under data/models/{cache} of every storage root."


def _nim_text(deployment: Deployment, role: Role) -> str:
    endpoint = deployment.endpoints.of(role)
    assert endpoint is not None
    stands_in = " Here a stand-in that lists its model and answers no prompt." if deployment.is_stand_in else ""
    return f"The {role} that both containers ask: {endpoint.model} at {endpoint.url}.{stands_in}"


def _require(findings: Sequence[Finding]) -> None:
    try:
        require(findings)
    except NotReady as error:
        raise dg.Failure(str(error), metadata={"findings": _table(findings)}, allow_retries=False) from None


def _table(findings: Sequence[Finding]) -> dg.TableMetadataValue:
    return table(("", "check", "found"), [(_MARKS[one.level], one.subject, one.message) for one in findings])
