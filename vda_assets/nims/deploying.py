"""Brings NIMs to serve: what is missing is made, what failed or drifted is applied again, what starts is waited for.

Nothing is ever scaled down or deleted but a failed download Job, so that it runs anew. Every step looks first at what
is there: a process that is killed is taken over by the next, and two at once make one of each object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import SecretStr

from vda_assets.base.clock import Clock
from vda_assets.base.cut import cut
from vda_assets.nims import manifests
from vda_assets.nims.catalogue import NAMESPACE, Nim
from vda_assets.nims.cluster import Cluster
from vda_assets.nims.errors import ClusterConflict, ClusterRefused, NimError, NimStop
from vda_assets.nims.looking import FAILED, has_ready_pod, look, trouble_of

POLL_SECONDS = 10.0
PROGRESS_SECONDS = 120.0
# 60 GB of weights, and a line of 100 Mbit/s.
_DOWNLOAD_SECONDS = 7200.0
# What ends by itself has ended by then: a pod that is just leaving its GPU, an operator that tries again.
_GRACE_SECONDS = 300.0
_NO_OPERATOR = (
    "install NVIDIA's NIM operator in the cluster (the chart nvidia/k8s-nim-operator), it does not know NIMService"
)


@dataclass(frozen=True)
class Keys:
    """What NIMs are deployed with; one that is None must be in the cluster already, as a Secret."""

    ngc: SecretStr | None
    hf: SecretStr | None


def bring_up(
    cluster: Cluster,
    nims: Mapping[Nim, Callable[[], bool]],
    *,
    keys: Keys,
    clock: Clock,
    log: Callable[[str], None],
) -> dict[Nim, NimError]:
    """Brings all of them up at once; returns those that do not serve, each with the reason.

    Each comes with a function that says whether its endpoint lists a model, as far as that can be seen from here.
    """
    at_work = {nim: _bring_up(cluster, nim, serves, keys, clock) for nim, serves in nims.items()}
    failed: dict[Nim, NimError] = {}
    told: dict[Nim, tuple[str, float]] = {}
    while True:
        for nim, steps in list(at_work.items()):
            try:
                doing = next(steps)
            except StopIteration:
                del at_work[nim]
                log(f"NIM {nim.name}: serves")
            except NimError as error:
                del at_work[nim]
                failed[nim] = error
            else:
                text, since = told.get(nim, ("", 0.0))
                if doing != text or clock.monotonic() - since >= PROGRESS_SECONDS:
                    log(f"NIM {nim.name}: {doing}")
                    told[nim] = doing, clock.monotonic()
        if not at_work:
            return failed
        clock.sleep(POLL_SECONDS)


def _bring_up(cluster: Cluster, nim: Nim, serves: Callable[[], bool], keys: Keys, clock: Clock) -> Iterator[str]:
    """Yields what it waits for until the NIM serves. Raises NimError."""
    seen = look(cluster, nim)
    if not (seen.is_ready or seen.may_still_start(clock)):
        _require(cluster, keys)
        _prepare(cluster, nim, keys)
        yield from _download(cluster, nim, clock)
        cluster.apply(manifests.service(nim), force=True)
    yield from _start(cluster, nim, serves, clock)


def _require(cluster: Cluster, keys: Keys) -> None:
    """Raises NimStop for what only a person can provide, before anything is made."""
    if not cluster.knows_nims():
        raise NimStop(_NO_OPERATOR)
    # Who may not list nodes finds out by pods that cannot be scheduled.
    with suppress(ClusterRefused):
        if not cluster.has_allocatable(manifests.GPU):
            raise NimStop(f"add a node with GPUs to the cluster: none has any {manifests.GPU}")
    for key, secrets, wanted in (
        (keys.ngc, (manifests.NGC_SECRET, manifests.PULL_SECRET), "set NGC_API_KEY: the NIMs' images need it"),
        (keys.hf, (manifests.HF_SECRET,), "set HF_TOKEN: the download of the NIMs' weights needs it"),
    ):
        if key is None and any(cluster.get("Secret", name) is None for name in secrets):
            raise NimStop(f"{wanted}, and the namespace {NAMESPACE} has no Secret with it")


def _prepare(cluster: Cluster, nim: Nim, keys: Keys) -> None:
    if cluster.get("Namespace", NAMESPACE) is None:
        _create(cluster, manifests.namespace())
    secrets = manifests.ngc_secrets(keys.ngc) if keys.ngc else []
    secrets += [manifests.hf_secret(keys.hf)] if keys.hf else []
    for secret in secrets:
        cluster.apply(secret, force=True)
    if cluster.get("PersistentVolumeClaim", nim.claim) is None:
        _create(cluster, manifests.claim(nim))


def _create(cluster: Cluster, manifest: manifests.Manifest) -> None:
    # Who was faster made what is needed.
    with suppress(ClusterConflict):
        cluster.apply(manifest, force=False)


def _download(cluster: Cluster, nim: Nim, clock: Clock) -> Iterator[str]:
    """Until the Job has completed: one that is at work is joined, one that failed before is run anew, once."""
    began = clock.monotonic()
    grace = _Grace(clock)
    was_at_work = False
    while True:
        job = cluster.get("Job", nim.download)
        ended = {
            one.get("type"): cut(one.get("message") or one.get("reason") or "")
            for one in ((job or {}).get("status") or {}).get("conditions") or ()
            if one.get("status") == "True"
        }
        if job is None:
            _create(cluster, manifests.download(nim))
            was_at_work = True
        elif job["metadata"].get("deletionTimestamp"):
            pass
        elif "Complete" in ended:
            return
        elif "Failed" in ended:
            if was_at_work:
                raise NimStop(
                    f"look at the log of the Job {nim.download} in {NAMESPACE}, then run again: "
                    f"the download of {nim.model} failed ({ended['Failed']})"
                )
            cluster.delete_job(job)
            continue
        else:
            was_at_work = True
            grace.end_if_lasting(trouble_of(cluster.pods(f"job-name={nim.download}")))
        if clock.monotonic() - began > _DOWNLOAD_SECONDS:
            raise NimStop(
                f"look at the Job {nim.download} in {NAMESPACE}: it has not fetched {nim.model} in "
                f"{_DOWNLOAD_SECONDS / 60:.0f} minutes"
            )
        yield f"downloading {nim.model}"


def _start(cluster: Cluster, nim: Nim, serves: Callable[[], bool], clock: Clock) -> Iterator[str]:
    began = clock.monotonic()
    grace = _Grace(clock)
    while not serves():
        seen = look(cluster, nim)
        if seen.live is None:
            raise NimStop(f"run again: somebody deleted the NIMService {nim.name} while it started")
        pods = cluster.pods(f"app.kubernetes.io/name={nim.name}")
        # A state alone may be that of the spec before.
        if seen.is_ready and has_ready_pod(pods):
            return
        trouble = trouble_of(pods)
        if trouble is None and seen.state == FAILED:
            trouble = f"look at the NIMService {nim.name} in {NAMESPACE}: {seen.why}"
        grace.end_if_lasting(trouble)
        if clock.monotonic() - began > manifests.STARTUP_SECONDS:
            raise NimStop(
                f"look at the NIMService {nim.name} in {NAMESPACE}: it does not serve after "
                f"{manifests.STARTUP_SECONDS / 60:.0f} minutes ({seen.why})"
            )
        yield f"starting, {trouble or seen.why}"


class _Grace:
    """Ends a wait whose trouble lasts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None

    def end_if_lasting(self, trouble: str | None) -> None:
        """Raises NimStop with the trouble once there was some for so long without a pause."""
        now = self._clock.monotonic()
        if trouble is None:
            self._since = None
            return
        self._since = now if self._since is None else self._since
        if now - self._since >= _GRACE_SECONDS:
            raise NimStop(trouble)
