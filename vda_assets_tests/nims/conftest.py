"""A cluster whose time is simulated, and everything that is needed to deploy into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from vda_assets.base.patience import Patience
from vda_assets.nims.access import open_cluster
from vda_assets.nims.catalogue import NIMS, Nim
from vda_assets.nims.cluster import Cluster
from vda_assets.nims.deploying import Keys, bring_up
from vda_assets.nims.errors import NimError
from vda_assets_tests.kubernetes_api import KubernetesApi, serving_kubernetes, write_kubeconfig
from vda_assets_tests.simulated_clock import SimulatedClock

NGC_KEY, HF_TOKEN = "nvapi-0123456789", "hf_0123456789"
KEYS = Keys(SecretStr(NGC_KEY), SecretStr(HF_TOKEN))


class World:
    """`log` is what was told, `told_at` when."""

    def __init__(self, api: KubernetesApi, folder: Path) -> None:
        self.api, self.clock, self.folder = api, api.clock, folder
        self.log: list[str] = []
        self.told_at: list[float] = []
        self._kubeconfig = write_kubeconfig(folder / "kubeconfig", cluster=api.url)

    def tell(self, text: str) -> None:
        self.log.append(text)
        self.told_at.append(self.clock.monotonic())

    def cluster(self) -> Cluster:
        environment = {"KUBECONFIG": str(self._kubeconfig)}
        return open_cluster(None, environment=environment, patience=Patience(120), clock=self.clock, log=self.tell)

    def bring_up(
        self, *nims: Nim, keys: Keys = KEYS, serves: Callable[[], bool] = lambda: False
    ) -> dict[str, NimError]:
        """As from outside of the cluster: no endpoint can be seen unless `serves` says so."""
        chosen = dict.fromkeys(nims or NIMS, serves)
        failed = bring_up(self.cluster(), chosen, keys=keys, clock=self.clock, log=self.tell)
        return {nim.name: error for nim, error in failed.items()}

    def states(self) -> dict[str, str]:
        return {name: one.get("status", {}).get("state") for name, one in self.api.of("nimservices").items()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving_kubernetes(KubernetesApi(SimulatedClock())) as api:
        yield World(api, tmp_path)
