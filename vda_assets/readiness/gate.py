"""What every run checks before it submits anything, and how what is cold is made warm."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vda_assets.base.parallel import within
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Container, Deployment, Role
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.flows.place import Place
from vda_assets.flows.selection import Selection
from vda_assets.model_caches.build import CacheNeed
from vda_assets.nims.deploying import Keys
from vda_assets.osmo.client import OsmoClient
from vda_assets.readiness.caches import CacheReadiness, cache_needs, check_model_caches, fill_model_caches
from vda_assets.readiness.checks import (
    check_data_credential,
    check_images,
    check_task_credentials,
    endpoints_of,
)
from vda_assets.readiness.credentials import (
    HF_CREDENTIAL,
    CredentialReadiness,
    Replace,
    ensure_credentials,
    worker_credentials,
)
from vda_assets.readiness.endpoints import check_endpoint, repair_endpoints
from vda_assets.readiness.finding import Finding, Level, blocking
from vda_assets.readiness.gated import check_gated
from vda_assets.readiness.images import ImageReadiness, ask_for_images
from vda_assets.readiness.memory import Memory, NoMemory, remembered
from vda_assets.readiness.nodes import check_nodes
from vda_assets.readiness.pools import PoolReadiness, check_service
from vda_assets.readiness.secrets import Secrets, find_secrets
from vda_assets.readiness.writing import check_writing
from vda_assets.storage.access import Storage

# A download of weights may take two hours, and a NIM one more to start.
WARMING_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Gate:
    """What a run needs to know before it submits: `place` is None when the findings block.

    `digests` are what the images' tags named when they were asked for, `needs` what is read of the model caches.
    """

    findings: tuple[Finding, ...]
    place: Place | None
    digests: Mapping[Container, str] = field(default_factory=dict)
    needs: tuple[CacheNeed, ...] = ()


def check_gate(
    client: OsmoClient,
    storage: Storage,
    *,
    dataset: Dataset,
    deployment: Deployment,
    cookbook: Cookbook,
    selection: Selection,
    environment: Mapping[str, str],
    replacing: Replace = Replace.NONE,
    probe: bool = True,
    memory: Memory = NoMemory(),  # noqa: B008 - has no state
) -> Gate:
    """The checks that do not depend on how large the dataset is; credentials that OSMO lacks are made first.

    What registries, endpoints and caches answered lately is taken from the `memory`. Raises OsmoError when the service
    does not answer, StorageError when storage does not, ConfigError for a secret that cannot be one.
    """
    needs = cache_needs(deployment, dataset.storage_url, selection=selection, cookbooks=[cookbook])
    caches = remembered(
        memory,
        f"caches {[(str(need.url), [source.id for source in need.sources]) for need in needs]}",
        lambda: check_model_caches(storage, needs),
        kind=CacheReadiness,
        is_good=lambda found: not found.are_cold,
    )
    gated = caches.gated if probe else ()
    gate = check_deployment(
        client,
        deployment=deployment,
        selection=selection,
        environment=environment,
        replacing=replacing,
        probe=probe,
        # A complete cache is read without a token.
        needed=[HF_CREDENTIAL] if caches.gated else [],
        memory=memory,
    )
    findings = (
        *gate.findings,
        check_writing(storage, dataset),
        check_data_credential(client, dataset.storage_url),
        *(check_gated(gated, token=_secrets(deployment, environment).hf_token, environment=environment)),
        *caches.findings,
    )
    place = replace(gate.place, priority=dataset.priority or gate.place.priority) if gate.place else None
    return replace(gate, findings=findings, needs=needs, place=place)


def check_deployment(
    client: OsmoClient,
    *,
    deployment: Deployment,
    selection: Selection,
    environment: Mapping[str, str],
    replacing: Replace = Replace.NONE,
    probe: bool = True,
    needed: Collection[str] = (),
    memory: Memory = NoMemory(),  # noqa: B008 - has no state
) -> Gate:
    """What all datasets of a deployment share: service, pool, nodes, credentials, images, endpoints.

    The credentials of these names are `needed`. Raises what `check_gate` does.
    """
    service, credentials, place = _found(client, deployment, environment, replacing=replacing, needed=needed)
    images = remembered(
        memory,
        f"images {deployment.images} {sorted(selection.stages)} {probe}",
        lambda: ask_for_images(
            deployment,
            selection,
            ngc_key=_secrets(deployment, environment).ngc_key,
            registries=credentials.registries,
            probe=probe,
        ),
        kind=ImageReadiness,
        is_good=lambda found: _are_ready(found.findings),
    )
    endpoints = remembered(
        memory,
        f"endpoints {deployment.endpoints} {sorted(selection.stages)}",
        lambda: tuple(check_endpoints(deployment, selection, environment=environment)),
        kind=tuple[Finding, ...],
        is_good=_are_ready,
    )
    findings = (
        *service.findings,
        *(check_nodes(client, deployment, selection=selection, place=place) if place else ()),
        *check_images(deployment, selection),
        *images.findings,
        *credentials.findings,
        *check_task_credentials(client, deployment),
        *endpoints,
    )
    return Gate(findings, place, images.digests)


def _are_ready(findings: Sequence[Finding]) -> bool:
    return all(one.level is Level.READY for one in findings)


def check_endpoints(deployment: Deployment, selection: Selection, *, environment: Mapping[str, str]) -> list[Finding]:
    """The endpoints that the selected stages ask. Raises ConfigError for a secret that cannot be one."""
    key = _keys(deployment, environment).ngc
    roles = endpoints_of(deployment, selection)
    return [check_endpoint(deployment, role, ngc_key=key, environment=environment) for role in roles]


def check_caches(
    client: OsmoClient,
    storage: Storage,
    needs: Sequence[CacheNeed],
    *,
    deployment: Deployment,
    environment: Mapping[str, str],
) -> Gate:
    """What filling these caches asks for, and no more. Raises what `check_gate` does."""
    caches = check_model_caches(storage, needs)
    if not caches.are_cold:
        return Gate(caches.findings, None)
    needed = [HF_CREDENTIAL] if caches.gated else []
    service, credentials, place = _found(client, deployment, environment, replacing=Replace.NONE, needed=needed)
    token = _secrets(deployment, environment).hf_token
    findings = (
        *service.findings,
        *credentials.findings,
        *check_gated(caches.gated, token=token, environment=environment),
        *caches.findings,
    )
    return Gate(findings, place, needs=tuple(needs))


def warm_up(
    client: OsmoClient,
    storage: Storage,
    gate: Gate,
    *,
    deployment: Deployment,
    selection: Selection,
    environment: Mapping[str, str],
    log: Callable[[str], None],
) -> list[Finding]:
    """Makes what the gate found cold, caches and endpoints at the same time, and asks again; nothing when all is warm.

    Raises what `check_gate` does.
    """
    place = gate.place
    cold = {one.subject.partition(" ")[0] for one in gate.findings if one.level is Level.COLD}
    ways: list[Callable[[], list[Finding]]] = []
    if "endpoint" in cold:
        roles = endpoints_of(deployment, selection)
        ways.append(lambda: warm_endpoints(deployment, roles, environment=environment, log=log))
    if "model" in cold and place is not None:
        ways.append(
            lambda: fill_model_caches(
                client, storage, gate.needs, deployment=deployment, place=place, environment=environment, log=log
            )
        )
    results, late = within(WARMING_SECONDS, lambda way: way(), ways, threads=len(ways))
    if late:
        return [blocking("warming up", f"what is cold did not become warm within {WARMING_SECONDS / 3600:.0f} hours")]
    return [finding for findings in results for finding in findings]


def warm_endpoints(
    deployment: Deployment, roles: Sequence[Role], *, environment: Mapping[str, str], log: Callable[[str], None]
) -> list[Finding]:
    """Brings up those that are NIMs of the cluster and do not serve; what was found of all of them then."""
    keys = _keys(deployment, environment)
    return repair_endpoints(deployment, roles, keys=keys, log=log, environment=environment)


def _found(
    client: OsmoClient,
    deployment: Deployment,
    environment: Mapping[str, str],
    *,
    replacing: Replace,
    needed: Collection[str],
) -> tuple[PoolReadiness, CredentialReadiness, Place | None]:
    """The service with its pool, its credentials, and where workflows go, None where they cannot go anywhere."""
    service = check_service(client, deployment)
    secrets = _secrets(deployment, environment)
    credentials = _credentials(client, deployment, secrets, replacing=replacing, needed=needed)
    if service.pool is None or service.gpu_platform is None:
        return service, credentials, None
    workers = worker_credentials(deployment, credentials.listed)
    priority = deployment.osmo.priority
    return service, credentials, Place(service.pool, service.gpu_platform, workers, priority)


def _secrets(deployment: Deployment, environment: Mapping[str, str]) -> Secrets:
    """The stand-ins fetch nothing and ask nobody who knows the user."""
    return Secrets() if deployment.is_stand_in else find_secrets(environment)


def _keys(deployment: Deployment, environment: Mapping[str, str]) -> Keys:
    secrets = _secrets(deployment, environment)
    return Keys(
        ngc=secrets.ngc_key.value if secrets.ngc_key else None, hf=secrets.hf_token.value if secrets.hf_token else None
    )


def _credentials(
    client: OsmoClient, deployment: Deployment, secrets: Secrets, *, replacing: Replace, needed: Collection[str]
) -> CredentialReadiness:
    if deployment.is_stand_in:
        return CredentialReadiness((), ())
    return ensure_credentials(client, secrets, replace=replacing, needed={*deployment.task_credentials, *needed})
