"""Cold caches, filled by the real tasks on an embedded OSMO, from small files that stand for the weights."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from vda_assets.config.deployment import OsmoConnection
from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.embedded.service.settings import StandIn
from vda_assets.model_caches.build import CacheBuilder, CacheNeed, CacheNotFilled
from vda_assets.model_caches.contents import Source
from vda_assets.model_caches.fill import MANIFEST
from vda_assets.model_caches.state import look
from vda_assets.model_caches.workflow import IMAGE
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.credentials import GenericCredential
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.embedded.service.conftest import settings_below, wait_for
from vda_assets_tests.model_caches.filled import needs
from vda_assets_tests.weights_serving import Weights, serving_weights

NEEDS = needs()
REASON = "nvidia/Cosmos-Reason1-7B"
REASON_FILES = tuple(source for source in NEEDS["cosmos_transfer"] if source.id.startswith(REASON))
GATED = tuple(
    source for source in NEEDS["cosmos_transfer"] if source.id.startswith((REASON, "nvidia/Cosmos-Guardrail1"))
)


@dataclass
class Cluster:
    """An OSMO, a bucket, the hosts of the weights, and what was said."""

    osmo_url: str
    root: Path
    weights: Weights
    said: list[str] = field(default_factory=list)

    def need(self, name: str, sources: tuple[Source, ...] | None = None) -> CacheNeed:
        url = StorageUrl.parse(f"file://{self.root}/data/models/{name}")
        return CacheNeed(name, url, NEEDS[name] if sources is None else sources)

    def builder(self, log: Callable[[str], None] | None = None, **changes) -> CacheBuilder:
        return CacheBuilder(
            OsmoClient(self.osmo_url),
            Storage(),
            OsmoConnection(url=self.osmo_url),
            pool="default",
            gpu_platform="gpu",
            log=log or self.said.append,
            environment=self.weights.environment,
            look_seconds=0.05,
            **changes,
        )

    def workflows(self) -> dict[str, str]:
        return {entry.name: entry.status for entry in OsmoClient(self.osmo_url).workflows()}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    image = StandIn(path=[str(Path(sys.executable).parent)], environment={"PYTHONDONTWRITEBYTECODE": "1"})
    with (
        serving_weights() as weights,
        EmbeddedOsmo(settings_below(tmp_path, images={IMAGE: image}, row_seconds=0.25)) as osmo,
    ):
        for source in (*NEEDS["cosmos_transfer"], *NEEDS["auto_labeling"]):
            weights.put(source)
        yield Cluster(osmo.url, tmp_path / "bucket", weights)


def test_cold_caches_are_filled_by_one_workflow_of_two_tasks_and_then_whole(cluster: Cluster) -> None:
    wanted = [cluster.need("cosmos_transfer"), cluster.need("auto_labeling")]
    states = cluster.builder().fill(wanted)
    assert not any(state.lacking for state in states.values())
    assert cluster.workflows() == {"setup_model_cache-1": "COMPLETED"}
    cosmos = states["cosmos_transfer"].files
    revision = "fada3b2f655b89601929198343c94cd2f64d93cc"
    layout = "hub/models--Qwen--Qwen3Guard-Gen-0.6B"
    assert f"{layout}/snapshots/{revision}/config.json" in cosmos
    assert (cluster.root / f"data/models/cosmos_transfer/{layout}/refs/main").read_text() == revision
    assert set(states["auto_labeling"].files) == {"rfdetr/rf-detr-base.pth", "reid/clip_vehicleid.pt", MANIFEST}
    # Nothing of the hub client's own, no second copy of anything, no link.
    assert not [path for path in cosmos if ".cache" in path or "blobs" in path or path.endswith(".partial")]
    assert not [path for path in cluster.root.rglob("*") if path.is_symlink()]
    fetched = list(cluster.weights.fetched)
    assert cluster.builder().fill(wanted)
    assert cluster.weights.fetched == fetched
    assert len(cluster.workflows()) == 1


@pytest.mark.parametrize("harm", ["gone", "cut", "not in the manifest", "no manifest"])
def test_what_is_missing_is_fetched_and_nothing_else(cluster: Cluster, harm: str) -> None:
    need = cluster.need("cosmos_transfer", REASON_FILES)
    cluster.builder().fill([need])
    folder = cluster.root / "data/models/cosmos_transfer"
    victim = next(folder.rglob("models--nvidia--Cosmos-Reason1-7B/**/model.safetensors"))
    manifest = json.loads((folder / MANIFEST).read_text())
    if harm == "gone":
        victim.unlink()
    elif harm == "cut":
        victim.write_bytes(victim.read_bytes()[:5])
    elif harm == "not in the manifest":
        del manifest["sources"]["nvidia/Cosmos-Reason1-7B@3210bec0495fdc7a8d3dbb8d58da5711eab4b423"]
        (folder / MANIFEST).write_text(json.dumps(manifest))
    else:
        (folder / MANIFEST).unlink()
    assert look(Storage(), need.url, need.sources).lacking
    cluster.weights.fetched.clear()
    assert not cluster.builder().fill([need])["cosmos_transfer"].lacking
    expected = [f"{REASON}/model.safetensors"] if harm in ("gone", "cut") else []
    assert cluster.weights.fetched == expected


def test_a_further_need_is_added_to_what_is_there(cluster: Cluster) -> None:
    need = cluster.need("auto_labeling")
    cluster.builder().fill([need])
    more = needs("e2e_super_resolution")["auto_labeling"]
    cluster.weights.put(more[-1])
    cluster.weights.fetched.clear()
    state = cluster.builder().fill([cluster.need("auto_labeling", more)])["auto_labeling"]
    assert {"seedvr2/ema_vae.pth", "seedvr2/seedvr2_ema_7b.pth", "rfdetr/rf-detr-base.pth"} <= set(state.files)
    assert len(cluster.weights.fetched) == 2


def test_two_that_need_a_cold_cache_at_once_fill_it_once(cluster: Cluster) -> None:
    said: list[list[str]] = [[], []]
    results = []
    wanted = [cluster.need("cosmos_transfer", REASON_FILES), cluster.need("auto_labeling")]

    def fill(index: int) -> None:
        results.append(cluster.builder(said[index].append).fill(wanted))

    threads = [threading.Thread(target=fill, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(results) == 2
    ended = list(cluster.workflows().values())
    assert ended.count("COMPLETED") == 1
    assert ended.count("FAILED_CANCELED") == len(ended) - 1
    files = [name for name in cluster.weights.fetched if name.startswith(REASON)]
    assert len(ended) > 1 or len(files) == len(set(files))
    assert any("waiting for setup_model_cache" in line for line in [*said[0], *said[1]])


def test_a_builder_that_died_is_taken_over_by_whoever_needs_the_cache_next(cluster: Cluster) -> None:
    need = cluster.need("auto_labeling")
    cluster.weights.held = threading.Event()

    class Killed(BaseException):
        pass

    def die(line: str) -> None:
        if "is RUNNING" in line or "is PENDING" in line:
            raise Killed

    builder = cluster.builder(die)
    builder.tell_seconds = 0.0
    with pytest.raises(Killed):
        builder.fill([need])
    release = threading.Timer(1.0, cluster.weights.held.set)
    release.start()
    assert not cluster.builder().fill([need])["auto_labeling"].lacking
    assert cluster.workflows() == {"setup_model_cache-1": "COMPLETED"}
    assert any(line.startswith("waiting for setup_model_cache-1") for line in cluster.said)


def test_a_build_that_is_ended_between_two_legs_goes_on_and_does_not_start_over(cluster: Cluster) -> None:
    need = cluster.need("cosmos_transfer", REASON_FILES)
    assert not cluster.builder(leg_seconds=0.0).fill([need])["cosmos_transfer"].lacking
    assert list(cluster.workflows().values()) == ["COMPLETED"] * 2
    assert len(cluster.weights.fetched) == len(set(cluster.weights.fetched)) == 2


def test_a_gated_repository_stops_with_its_licence_page_and_keeps_what_else_came(cluster: Cluster) -> None:
    cluster.weights.gated["nvidia/Cosmos-Guardrail1"] = "hf_somebody"
    need = cluster.need("cosmos_transfer", GATED)
    with pytest.raises(CacheNotFilled, match=r"accept its licence at https://huggingface\.co/nvidia/Cosmos-Guardrail1"):
        cluster.builder().fill([need])
    state = look(Storage(), need.url, need.sources)
    assert [source.id.partition("@")[0] for source in state.lacking] == ["nvidia/Cosmos-Guardrail1"]


def test_the_token_that_osmo_keeps_opens_a_gated_repository(cluster: Cluster) -> None:
    cluster.weights.gated["nvidia/Cosmos-Guardrail1"] = "hf_somebody"
    token = {"token": SecretStr("hf_somebody")}
    OsmoClient(cluster.osmo_url).set_credential("hf_token", GenericCredential(credential=token))
    builder = cluster.builder(credentials={"hf_token": {"HF_TOKEN": "token"}})
    assert not builder.fill([cluster.need("cosmos_transfer", GATED)])["cosmos_transfer"].lacking


@pytest.mark.parametrize("kind", ["a web page", "not found", "broken"])
def test_weights_that_cannot_be_had_are_told_with_their_url(cluster: Cluster, kind: str) -> None:
    name = "drive.usercontent.google.com/download"
    if kind == "a web page":
        cluster.weights.pages.add(name)
    elif kind == "not found":
        del cluster.weights.web[name]
    else:
        cluster.weights.broken.add(name)
    with pytest.raises(CacheNotFilled, match=r"drive\.usercontent\.google\.com"):
        cluster.builder().fill([cluster.need("auto_labeling")])
    assert not (cluster.root / "data/models/auto_labeling/reid").exists()


def test_a_build_that_a_person_cancels_is_not_begun_again(cluster: Cluster) -> None:
    cluster.weights.held = threading.Event()
    client = OsmoClient(cluster.osmo_url)

    def cancel() -> None:
        wait_for(lambda: "RUNNING" in cluster.workflows().values())
        client.cancel("setup_model_cache-1")

    threading.Thread(target=cancel).start()
    with pytest.raises(CacheNotFilled, match="setup_model_cache-1, which fetched it, was canceled"):
        cluster.builder().fill([cluster.need("auto_labeling")])
    cluster.weights.held.set()
