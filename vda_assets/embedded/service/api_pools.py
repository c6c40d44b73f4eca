"""Calls about the pool, its platforms and nodes: what the emulator pretends to own, and how much of it is taken."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from vda_assets.embedded.service.service import Service, Texts, TheService
from vda_assets.embedded.service.submission import check_pool
from vda_assets.embedded.service.views import BACKEND

router = APIRouter()

_LIMITS = {"cpu": "{{USER_CPU}}", "memory": "{{USER_MEMORY}}", "ephemeral-storage": "{{USER_STORAGE}}"}
_USER_LIMITS = {**_LIMITS, "nvidia.com/gpu": "{{USER_GPU}}"}
_POD_TEMPLATES: dict[str, Any] = {
    "default_ctrl": {
        "spec": {
            "containers": [
                {
                    "name": "osmo-ctrl",
                    "resources": {
                        "limits": _LIMITS,
                        "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"},
                    },
                }
            ]
        }
    },
    "default_user": {
        "spec": {
            "containers": [
                {"name": "{{USER_CONTAINER_NAME}}", "resources": {"limits": _USER_LIMITS, "requests": _USER_LIMITS}}
            ]
        }
    },
    "gpu_tolerations": {
        "spec": {
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "nodeSelector": {"nvidia.com/gpu.present": "true"},
        }
    },
}


@router.get("/api/pool")
def pools(service: TheService, pools: Texts = None) -> dict[str, Any]:
    _check(service, pools)
    return {"pools": {service.settings.pool: _pool(service)}}


@router.get("/api/pool_quota")
def pool_quota(service: TheService, pools: Texts = None) -> dict[str, Any]:
    _check(service, pools)
    total = sum(capacity.gpus for capacity in service.settings.platforms.values())
    used = sum(service.engine.in_use(name)[0] for name in service.settings.platforms)
    usage = {
        "quota_used": str(used),
        "quota_free": str(total - used),
        "quota_limit": str(total),
        "total_usage": str(used),
        "total_capacity": str(total),
        "total_free": str(total - used),
    }
    guarantee = service.settings.policy.gpu_guarantee
    pool = _pool(service) | {"resources": {"gpu": {"guarantee": guarantee, "maximum": -1, "weight": 1}}}
    return {"node_sets": [{"pools": [pool | {"resource_usage": usage}]}], "resource_sum": usage}


@router.get("/api/resources")
def resources(
    service: TheService, pools: Texts = None, platforms: Texts = None, concise: bool = False
) -> dict[str, Any]:
    _check(service, pools)
    wanted = [name for name in service.settings.platforms if not platforms or name in platforms]
    nodes = {name: _node(service, name) for name in wanted}
    if not concise:
        return {"resources": list(nodes.values())}
    pool = _pool(service)
    taken = ("usage_fields", "allocatable_fields")
    return {
        "pools": [
            {
                "pool": pool["name"],
                "platform": name,
                "status": pool["status"],
                "backend": BACKEND,
                **{each: node[each] for each in taken},
            }
            for name, node in nodes.items()
        ]
    }


@router.get("/api/configs/pod_template")
def pod_templates() -> dict[str, Any]:
    return _POD_TEMPLATES


def _check(service: Service, pools: list[str] | None) -> None:
    for pool in pools or ():
        check_pool(pool, service.settings)


def _pool(service: Service) -> dict[str, Any]:
    policy = service.settings.policy
    return {
        "name": service.settings.pool,
        "description": "Tasks run as processes of one machine (embedded OSMO)",
        "status": "MAINTENANCE" if policy.in_maintenance else "ONLINE",
        "download_type": None,
        "enable_maintenance": policy.in_maintenance,
        "backend": BACKEND,
        "default_platform": service.settings.default_platform,
        "default_exec_timeout": "",
        "default_queue_timeout": "",
        "max_exec_timeout": "",
        "max_queue_timeout": "",
        "default_exit_actions": {},
        "resources": {"gpu": None},
        "topology_keys": [],
        "platforms": {
            name: {
                "description": capacity.description,
                "host_network_allowed": False,
                "privileged_allowed": False,
                "allowed_mounts": [],
                "default_mounts": [],
            }
            for name, capacity in service.settings.platforms.items()
        },
    }


def _node(service: Service, platform: str) -> dict[str, Any]:
    """Each platform is one node. Memory and storage are not emulated: the node has the usual numbers of a real one."""
    pool, capacity = service.settings.pool, service.settings.platforms[platform]
    gpus_used, cpus_used = service.engine.in_use(platform)
    memory, storage = "1056763036Ki", "3000000000Ki"
    free: dict[str, Any] = {
        "storage": 3_000_000_000 * 1024,
        "cpu": capacity.cpus,
        "memory": memory,
        "gpu": capacity.gpus,
    }
    available = free | {"cpu": capacity.cpus - cpus_used, "gpu": capacity.gpus - gpus_used}
    mounts = {"host_network": False, "privileged": False, "default_mounts": [], "allowed_mounts": []}
    return {
        "hostname": f"embedded-{platform}",
        "exposed_fields": {
            "node": f"embedded-{platform}",
            "pool/platform": [f"{pool}/{platform}"],
            "storage": "2861",
            "cpu": str(capacity.cpus),
            "memory": "1007",
            "gpu": str(capacity.gpus),
        },
        "taints": [],
        "usage_fields": {"storage": "0Ki", "cpu": str(cpus_used), "memory": "0Ki", "gpu": str(gpus_used)},
        "conditions": None,
        "non_workflow_usage_fields": {
            "cpu": "0",
            "memory": "0Ki",
            "nvidia.com/gpu": "0",
            "ephemeral-storage": "0Ki",
        },
        "allocatable_fields": {
            "storage": storage,
            "cpu": str(capacity.cpus),
            "memory": memory,
            "gpu": str(capacity.gpus),
        },
        "platform_allocatable_fields": {pool: {platform: free}},
        "platform_available_fields": {pool: {platform: available}},
        "platform_workflow_allocatable_fields": {pool: {platform: free}},
        "config_fields": {pool: {platform: mounts}},
        "backend": BACKEND,
        "label_fields": None,
        "pool_platform_labels": {pool: [platform]},
        "resource_type": "RESERVED",
    }
