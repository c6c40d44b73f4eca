"""The service, and where on it a run's workflows go: the pool, its platform, the pod templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vda_assets.config.deployment import SYSTEM, Deployment
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError, OsmoForbidden
from vda_assets.osmo.models import Pool
from vda_assets.readiness.finding import Finding, blocking, note, ready


@dataclass(frozen=True)
class PoolReadiness:
    """`pool` and `gpu_platform` are None when the findings block."""

    findings: tuple[Finding, ...]
    pool: str | None = None
    gpu_platform: str | None = None


def check_service(client: OsmoClient, deployment: Deployment) -> PoolReadiness:
    """Service, pool, platform and pod template. Raises OsmoError when the service cannot be asked at all."""
    findings = [ready("service", f"OSMO {client.version()} at {deployment.osmo.url}")]
    pools = client.pools()
    name, finding = _pool(pools, deployment.osmo.pool)
    findings.append(finding)
    if name is None:
        return PoolReadiness(tuple(findings))
    platform, finding = _platform(pools[name], deployment.osmo.gpu_platform)
    findings.append(finding)
    findings.append(_pod_templates(client))
    return PoolReadiness(tuple(findings), name if platform else None, platform)


def pools_for_gpus(pools: Mapping[str, Pool]) -> list[str]:
    """The pools that are ONLINE and have a platform for GPU work."""
    return sorted(name for name, pool in pools.items() if name != SYSTEM and pool.online and gpu_platforms(pool))


def gpu_platforms(pool: Pool) -> list[str]:
    """All but OSMO's own platform, which is for what needs no GPU."""
    return sorted(pool.platforms.keys() - {SYSTEM})


def _pool(pools: Mapping[str, Pool], wanted: str | None) -> tuple[str | None, Finding]:
    """The pool by name, None when there is none of that name or none can be chosen."""
    if wanted is None:
        usable = pools_for_gpus(pools)
        if len(usable) == 1:
            return usable[0], ready("pool", f"{usable[0]}, the only one that is ONLINE and has a platform with GPUs")
        if usable:
            return None, blocking("pool", f"set osmo.pool (several are ONLINE); choose from: {', '.join(usable)}")
        message = "this login may use no pool that is ONLINE and has a platform with GPUs: ask its administrator"
        return None, blocking("pool", message)
    if wanted not in pools:
        known = ", ".join(sorted(pools.keys() - {SYSTEM})) or "none"
        return None, blocking("pool", f"osmo.pool {wanted!r} does not exist; this login may use: {known}")
    if not pools[wanted].online:
        status = pools[wanted].status
        return wanted, blocking(
            "pool", f"pool {wanted!r} is {status}; wait for its backend, or choose another osmo.pool"
        )
    return wanted, ready("pool", f"{wanted} is ONLINE")


def _platform(pool: Pool, wanted: str | None) -> tuple[str | None, Finding]:
    platforms = gpu_platforms(pool)
    if wanted is None and len(platforms) == 1:
        return platforms[0], ready("platform", f"{platforms[0]}, the only one of its pool")
    if wanted in platforms:
        return wanted, ready("platform", f"{wanted}")
    if not platforms:
        return None, blocking("platform", "the pool has no platform with GPUs; choose another osmo.pool")
    reason = f"{wanted!r} is not in the pool" if wanted else "the pool has several"
    return None, blocking("platform", f"set osmo.gpu_platform ({reason}); choose from: {', '.join(platforms)}")


def _pod_templates(client: OsmoClient) -> Finding:
    """A service that tells its configuration to administrators alone is as good as one that tells it."""
    try:
        templates = client.pod_templates()
    except OsmoForbidden:
        message = (
            "not checked: this login's roles may not read the POD_TEMPLATE of OSMO (config:Read), administrators may"
        )
        return note("pod template", message)
    except OsmoError as error:
        return note("pod template", f"not checked: {error}")
    if "nvidia.com/gpu" in str(templates):
        return ready("pod template", "asks for nvidia.com/gpu")
    message = "no POD_TEMPLATE mentions nvidia.com/gpu; add the GPU toleration or node selector of your cluster to one"
    return blocking("pod template", message)
