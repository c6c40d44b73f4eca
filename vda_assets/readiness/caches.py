"""Whether the model caches hold what a run reads of them, and how what is missing gets there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.counted import counted
from vda_assets.config.deployment import Deployment
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.flows.place import Place
from vda_assets.flows.selection import Selection
from vda_assets.model_caches.build import CacheBuilder, CacheNeed, CacheNotFilled
from vda_assets.model_caches.contents import HubFiles, needs_of
from vda_assets.model_caches.fill import MIRROR_VARIABLE
from vda_assets.model_caches.state import CacheState, look
from vda_assets.osmo.service import OsmoService
from vda_assets.readiness.finding import Finding, Level, blocking, cold, ready
from vda_assets.readiness.gated import HubFile
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl

# A task that fetches weights asks the same mirrors as the pipeline.
_MIRRORS = ("HF_ENDPOINT", MIRROR_VARIABLE)
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


@dataclass(frozen=True)
class CacheReadiness:
    """`gated` is a file of each repository that is still to be fetched: some are open, some want a licence accepted."""

    findings: tuple[Finding, ...]
    gated: tuple[HubFile, ...]

    @property
    def are_cold(self) -> bool:
        return any(one.level is Level.COLD for one in self.findings)


def cache_needs(
    deployment: Deployment, storage_url: StorageUrl, *, selection: Selection, cookbooks: Iterable[Cookbook]
) -> tuple[CacheNeed, ...]:
    """What the selection reads of which cache. In the embedded default nothing reads weights: there is none."""
    if deployment.is_stand_in:
        return ()
    needs = needs_of(selection, cookbooks=cookbooks, images=deployment.images)
    return tuple(
        CacheNeed(name, deployment.model_caches.url(name, storage_url), sources) for name, sources in needs.items()
    )


def check_model_caches(storage: Storage, needs: Sequence[CacheNeed]) -> CacheReadiness:
    """One finding for each cache. Raises StorageError when storage does not answer."""
    states = [(need.name, look(storage, need.url, need.sources)) for need in needs]
    gated = {
        one.repository: HubFile(one.repository, one.revision, one.sample)
        for _, state in states
        for one in state.lacking
        if isinstance(one, HubFiles)
    }
    return CacheReadiness(tuple(_finding(name, state) for name, state in states), tuple(gated.values()))


def _finding(name: str, state: CacheState) -> Finding:
    subject = f"model cache {name}"
    if state.lacking:
        missing = ", ".join(source.id for source in state.lacking)
        count = len(state.lacking) + len(state.whole)
        return cold(subject, f"{state.url} lacks {len(state.lacking)} of {counted(count, 'part')}: {missing}")
    return ready(subject, f"{state.url} has all that is needed: {counted(len(state.files), 'file')}, {_gb(state)}")


def _gb(state: CacheState) -> str:
    return f"{state.size_bytes / 1e9:.1f} GB"


def _hub_token(place: Place) -> dict[str, dict[str, str]]:
    """The credential that workers have their token of the hub from, for the variable that its own library reads."""
    for name, keys in place.task_credentials.items():
        for variable in _TOKEN_VARIABLES:
            if variable in keys:
                return {name: {_TOKEN_VARIABLES[0]: keys[variable]}}
    return {}


def fill_model_caches(
    client: OsmoService,
    storage: Storage,
    needs: Sequence[CacheNeed],
    *,
    deployment: Deployment,
    place: Place,
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
        pool=place.pool,
        gpu_platform=place.gpu_platform,
        log=log,
        credentials=_hub_token(place),
        environment={name: environment[name] for name in _MIRRORS if environment.get(name)},
        clock=clock,
    )
    try:
        builder.fill(needs)
    except CacheNotFilled as error:
        return [blocking("model caches", str(error))]
    return list(check_model_caches(storage, needs).findings)
