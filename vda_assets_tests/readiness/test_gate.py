"""What a run makes and asks before it submits: credentials, images, and who gets what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Container, Deployment
from vda_assets.config.errors import ConfigError
from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.flows.selection import FLOWS
from vda_assets.osmo.auth import DevUserAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.readiness.finding import Level
from vda_assets.readiness.gate import Gate, check_gate
from vda_assets.storage.access import Storage
from vda_assets_tests.embedded.service.conftest import settings_below
from vda_assets_tests.model_caches.filled import fill, needs, scene
from vda_assets_tests.registry_serving import DIGEST, Registry, serving_registry

BOTH = {"HF_TOKEN": "hf_0123456789", "NGC_API_KEY": "nvapi-0123456789"}
EMBEDDED = {"state_folder": "/x", "workflow_data_url": "file:///x", "platforms": {}, "images": {}}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving_registry(Registry({"augmentation:1.0.0", "labelling:1.0.0"}, login="none")) as registry:
        yield registry


@pytest.fixture
def client(tmp_path: Path) -> Iterator[OsmoClient]:
    with EmbeddedOsmo(settings_below(tmp_path / "osmo")) as osmo, OsmoClient(osmo.url, DevUserAuth("somebody")) as one:
        yield one


class Bench:
    """A dataset below a folder, and the gate of a run over it."""

    def __init__(self, folder: Path, client: OsmoClient, registry: Registry) -> None:
        self.folder, self._client, self._registry = folder, client, registry

    @property
    def url(self) -> str:
        return self._client.url

    def fill(self, *caches: str) -> None:
        for cache in caches:
            fill(self.folder / "data/models" / cache, needs()[cache])

    def check(
        self, environment: Mapping[str, str], flow: str = "e2e", *, priority: str | None = None, **deployment: Any
    ) -> Gate:
        images = {"augmentation": "augmentation:1.0.0", "auto_labeling": "labelling:1.0.0"}
        given = {
            "osmo": {"url": self._client.url},
            "images": {name: self._registry.image(image) for name, image in images.items()},
            **deployment,
        }
        return check_gate(
            self._client,
            Storage(),
            dataset=Dataset(url=f"file://{self.folder}/datasets/yard", deployment="cloud", priority=priority),
            deployment=Deployment.model_validate(given),
            cookbook=scene(),
            selection=FLOWS[flow],
            # Nobody's hub: whether it opens the weights is not known then.
            environment={"HF_ENDPOINT": "http://127.0.0.1:9", **environment},
        )


@pytest.fixture
def bench(tmp_path: Path, client: OsmoClient, registry: Registry) -> Bench:
    return Bench(tmp_path, client, registry)


def stops(gate: Gate) -> dict[str, str]:
    return {one.subject: one.message for one in gate.findings if one.level is Level.BLOCKING}


def given(gate: Gate) -> set[str]:
    """The credentials that workers get."""
    assert gate.place
    return set(gate.place.task_credentials)


def names(client: OsmoClient) -> set[str]:
    return {one.name for one in client.credentials()}


def test_a_run_makes_what_osmo_lacks_and_gives_it_to_workers(bench: Bench, client: OsmoClient) -> None:
    bench.fill("cosmos_transfer", "auto_labeling")
    gate = bench.check(BOTH)
    assert stops(gate) == {}
    assert names(client) == {"hf_token", "nvcr_io"} == given(gate)
    assert gate.digests == {Container.AUGMENTATION: DIGEST, Container.AUTO_LABELING: DIGEST}


@pytest.mark.parametrize(("of_dataset", "taken"), [(None, "LOW"), ("HIGH", "HIGH")])
def test_a_datasets_own_priority_wins_over_its_deployments(bench: Bench, of_dataset: str | None, taken: str) -> None:
    bench.fill("auto_labeling")
    gate = bench.check(BOTH, "auto_labeling", priority=of_dataset, osmo={"url": bench.url, "priority": "LOW"})
    assert gate.place is not None
    assert gate.place.priority == taken


def test_without_a_token_a_run_that_must_fetch_gated_weights_stops(bench: Bench) -> None:
    bench.fill("auto_labeling")
    assert stops(bench.check({}))["hf_token"].startswith("set HF_TOKEN to a token of huggingface.co")


@pytest.mark.parametrize(("flow", "caches"), [("e2e", ["cosmos_transfer", "auto_labeling"]), ("auto_labeling", [])])
def test_without_a_token_a_run_that_fetches_nothing_gated_goes_on(bench: Bench, flow: str, caches: list[str]) -> None:
    bench.fill(*caches)
    gate = bench.check({}, flow)
    assert "hf_token" not in stops(gate)
    assert given(gate) == set()


@pytest.mark.parametrize("name", ["hf_token", "nvcr_io", "team"])
def test_what_a_deployment_names_must_be_there_and_is_asked_for_once(bench: Bench, name: str) -> None:
    bench.fill("cosmos_transfer", "auto_labeling")
    stopped = stops(bench.check({}, task_credentials={name: {"ANY": "key"}}))
    assert list(stopped) == ["task credentials" if name == "team" else name]


def test_the_stand_ins_are_given_nothing_and_nobodys_secrets_are_read(
    bench: Bench, client: OsmoClient, registry: Registry
) -> None:
    gate = bench.check({"HF_TOKEN": "broken token"}, osmo_local=EMBEDDED)
    assert (stops(gate), given(gate), names(client), registry.asked) == ({}, set(), set(), [])
    with pytest.raises(ConfigError, match="USER_INPUT_REQUIRED: correct HF_TOKEN: "):
        bench.check({"HF_TOKEN": "broken token"})
