"""Whether the model caches hold what a run reads of them, and how what is missing gets there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.config.deployment import Deployment
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.flows.selection import Selection
from vda_assets.model_caches.build import CacheBuilder, CacheNeed, CacheNotFilled
from vda_assets.model_caches.contents import needs_of
from vda_assets.model_caches.fill import MIRROR_VARIABLE
from vda_assets.model_caches.state import look
from vda_assets.osmo.service import OsmoService
from vda_assets.readiness.finding import Finding, blocking, cold, ready
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl

# A task that fetches weights asks the same mirrors as the pipeline.
_MIRRORS = ("HF_ENDPOINT", MIRROR_VARIABLE)


def cache_needs(
    deployment: Deployment, storage_url: StorageUrl, *, selection: Selection, cookbooks: Iterable[Cookbook]
) -> list[CacheNeed]:
    """What the selection reads of which cache. In the embedded default nothing reads weights: the list is empty."""
    if deployment.is_stand_in:
        return []
    needs = needs_of(selection, cookbooks=cookbooks, images=deployment.images)
    return [CacheNeed(name, deployment.model_caches.url(name, storage_url), sources) for name, sources in needs.items()]


def check_model_caches(storage: Storage, needs: Sequence[CacheNeed]) -> list[Finding]:
    """One finding for each cache. Raises StorageError when storage does not answer."""
    return [_check(storage, need) for need in needs]


def _check(storage: Storage, need: CacheNeed) -> Finding:
    state = look(storage, need.url, need.sources)
    subject = f"model cache {need.name}"
    if state.lacking:
        missing = ", ".join(source.id for source in state.lacking)
        return cold(subject, f"{need.url} lacks {len(state.lacking)} of {len(need.sources)} parts: {missing}")
    return ready(subject, f"{need.url}: {len(state.files)} files, {state.size_bytes / 1e9:.1f} GB, all that is needed")


def fill_model_caches(
    client: OsmoService,
    storage: Storage,
    needs: Sequence[CacheNeed],
    *,
    deployment: Deployment,
    pool: str,
    gpu_platform: str,
    credentials: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    log: Callable[[str], None],
    clock: Clock = SYSTEM_CLOCK,
) -> list[Finding]:
    """Fetches what is missing by a workflow on OSMO, or waits for who does, and looks again.

    Raises OsmoError or StorageError when one of them does not answer.
    """
    builder = CacheBuilder(
        client,
        storage,
        deployment.osmo,
        pool=pool,
        gpu_platform=gpu_platform,
        log=log,
        credentials=credentials,
        environment={name: environment[name] for name in _MIRRORS if environment.get(name)},
        clock=clock,
    )
    try:
        builder.fill(needs)
    except CacheNotFilled as error:
        return [blocking("model caches", str(error))]
    return check_model_caches(storage, needs)
