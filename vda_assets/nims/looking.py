"""What the cluster says of a NIM: whether it serves, whether its spec is ours, what keeps its pods from starting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vda_assets.base.clock import Clock
from vda_assets.base.cut import cut
from vda_assets.nims import manifests
from vda_assets.nims.catalogue import NAMESPACE, Nim
from vda_assets.nims.cluster import Cluster

READY, FAILED = "Ready", "Failed"
_PODS_IN_TROUBLE = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
}


@dataclass(frozen=True)
class Seen:
    """A NIMService as it is in the cluster; `live` is None when there is none."""

    nim: Nim
    live: Mapping[str, Any] | None

    @property
    def state(self) -> str:
        if self.live is None:
            return "missing"
        # The operator calls a NIM of no replicas Ready.
        return "scaled to 0" if self._is_scaled_to_0 else self._status.get("state") or "not looked at by the operator"

    @property
    def is_ready(self) -> bool:
        return self.state == READY

    @property
    def is_as_specified(self) -> bool:
        return self.live is not None and manifests.holds(self.live.get("spec"), manifests.service(self.nim)["spec"])

    @property
    def why(self) -> str:
        """State, with the operator's own words on a failure."""
        said = [
            str(one["message"])
            for one in self._status.get("conditions") or ()
            if self.state == FAILED and one.get("status") == "True" and one.get("message")
        ]
        return f"{self.state}{f': {cut(said[0])}' if said else ''}"

    def may_still_start(self, clock: Clock) -> bool:
        """Whether it is waited for as it is: it has our spec, or somebody else has just made it by another one."""
        if self.live is None or self._is_scaled_to_0 or self.state == FAILED:
            return False
        return self.is_as_specified or (not self._is_ours and self._is_new(clock))

    @property
    def _status(self) -> Mapping[str, Any]:
        return (self.live or {}).get("status") or {}

    @property
    def _is_scaled_to_0(self) -> bool:
        return self.live is not None and self.live.get("spec", {}).get("replicas") == 0

    @property
    def _is_ours(self) -> bool:
        return manifests.SPEC_HASH in ((self.live or {}).get("metadata", {}).get("annotations") or {})

    def _is_new(self, clock: Clock) -> bool:
        try:
            created = datetime.fromisoformat((self.live or {})["metadata"]["creationTimestamp"])
            return (clock.now() - created).total_seconds() < manifests.STARTUP_SECONDS
        except (KeyError, TypeError, ValueError):
            return False


def look(cluster: Cluster, nim: Nim) -> Seen:
    """The NIM as the cluster has it. Raises ClusterError."""
    return Seen(nim, cluster.get("NIMService", nim.name))


def trouble_of(pods: Iterable[Mapping[str, Any]]) -> str | None:
    """Why a pod does not start, when it is for a reason that time alone seldom mends."""
    for pod in pods:
        status = pod.get("status") or {}
        for condition in status.get("conditions") or ():
            if condition.get("reason") == "Unschedulable":
                return _unschedulable(str(condition.get("message") or ""))
        for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _PODS_IN_TROUBLE:
                name = pod.get("metadata", {}).get("name")
                said = f"{waiting['reason']}: {cut(waiting.get('message') or '')}"
                return f"look at the pod {name} in {NAMESPACE}, which does not start: {said}"
    return None


def has_ready_pod(pods: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        condition.get("type") == READY and condition.get("status") == "True"
        for pod in pods
        for condition in (pod.get("status") or {}).get("conditions") or ()
    )


def _unschedulable(message: str) -> str:
    if manifests.GPU in message:
        return f"free a GPU of the cluster, or add one: no node has room for the pod ({cut(message)})"
    if "PersistentVolumeClaim" in message:
        return f"give the cluster a storage class for ReadWriteMany volumes that works: the pod waits ({cut(message)})"
    return f"give the cluster a node that has room for the pod, which cannot be scheduled ({cut(message)})"
