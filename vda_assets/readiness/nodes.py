"""Whether some node of the platform could ever hold a worker: OSMO refuses one that none can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vda_assets.config.deployment import Container, Deployment
from vda_assets.flows.place import Place
from vda_assets.flows.selection import Selection
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError
from vda_assets.osmo.models import Allocatable
from vda_assets.osmo.sizes import parse_bytes
from vda_assets.osmo.spec import ResourceSpec
from vda_assets.readiness.finding import Finding, blocking, note, ready

_GIB = 1024**3


@dataclass(frozen=True)
class _Amount:
    """How much is asked for of one resource, and how much a node has of it at most, None when it does not say."""

    key: str
    wanted: float
    most: float | None

    @property
    def is_lacking(self) -> bool:
        if self.most is None:
            return False
        # OSMO 6.4 wants more storage than is asked for, and of the others as much.
        return 0 < self.wanted >= self.most if self.key == "storage" else self.wanted > self.most

    def text(self, amount: float | None) -> str:
        if self.key in ("memory", "storage"):
            return f"{(amount or 0) / _GIB:g}Gi of {self.key}"
        return f"{amount or 0:g} {self.key.upper()}s"


def check_nodes(client: OsmoClient, deployment: Deployment, *, selection: Selection, place: Place) -> list[Finding]:
    """One finding for each container that no node can hold. A service that does not tell them is noted."""
    where = f"pool {place.pool}, platform {place.gpu_platform}"
    try:
        nodes = {
            node.hostname: most
            for node in client.nodes()
            if (most := node.of(pool=place.pool, platform=place.gpu_platform))
        }
    except OsmoError as error:
        return [note("nodes", f"whether a worker fits on one was not checked: {error}")]
    if not nodes:
        return [note("nodes", f"whether a worker fits on one was not checked: OSMO names none of {where}")]
    containers = {stage.row.container for stage in selection.stages}
    findings = [
        finding
        for container in sorted(containers)
        if (finding := _check_container(container, deployment.resources.of(container), nodes, where))
    ]
    return findings or [ready("nodes", f"{where} has {len(nodes)}, and a worker fits on one")]


def _check_container(
    container: Container, wanted: ResourceSpec, nodes: Mapping[str, Allocatable], where: str
) -> Finding | None:
    """None when a node has room for it, were the node empty."""
    key = f"resources.{container}"
    try:
        amounts = {hostname: _amounts(wanted, most) for hostname, most in nodes.items()}
    except ValueError as error:
        return blocking("nodes", f"correct {key}: {error}")
    best = min(amounts, key=lambda hostname: _distance(amounts[hostname]))
    lacking = [one for one in amounts[best] if one.is_lacking]
    if not lacking:
        return None
    asked = " and ".join(one.text(one.wanted) for one in lacking)
    has = " and ".join(one.text(one.most) for one in lacking)
    keys = " and ".join(f"{key}.{one.key}" for one in lacking)
    return blocking(
        "nodes",
        f"no node can ever hold a worker of {container}: it asks for {asked}, and the largest of {where}, {best}, has "
        f"{has}; lower {keys}, or choose another osmo.gpu_platform",
    )


def _distance(amounts: Sequence[_Amount]) -> tuple[list[bool], list[float]]:
    """Least for the node that comes closest: enough GPUs count more than enough CPUs, and so on, then what is more."""
    return [one.is_lacking for one in amounts], [-(one.most or 0) for one in amounts]


def _amounts(wanted: ResourceSpec, most: Allocatable) -> list[_Amount]:
    """Raises ValueError for a size that OSMO could not read."""
    return [
        _Amount("gpu", wanted.gpu or 0, most.gpu),
        _Amount("cpu", wanted.cpu or 0, most.cpu),
        _Amount("memory", parse_bytes(wanted.memory or "0"), most.memory_bytes),
        _Amount("storage", parse_bytes(wanted.storage or "0"), most.storage_bytes),
    ]
