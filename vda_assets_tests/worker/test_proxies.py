"""A company's proxy that reaches nothing of the cluster, around the worker's own wait and the container's requests."""

from __future__ import annotations

import pytest

from vda_assets.worker.proxies import is_in_cluster
from vda_assets_tests.worker.bench import Bench
from vda_assets_tests.worker.test_inputs import given_to_the_container

DEAD = "http://127.0.0.1:9"
PROXIES = {"http_proxy": DEAD, "HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD, "ALL_PROXY": DEAD, "NO_PROXY": "registry.corp"}


def test_labelling_asks_its_endpoints_without_any_proxy(bench: Bench) -> None:
    given = given_to_the_container(bench, "auto_labeling", **PROXIES)["environment"]
    assert {given[name] for name in PROXIES} == {None}


@pytest.mark.parametrize(("before", "after"), [("registry.corp", "registry.corp,127.0.0.1"), ("*", "*")])
def test_augmentation_keeps_its_proxy_for_weights_and_goes_past_it_to_its_endpoints(
    bench: Bench, before: str, after: str
) -> None:
    given = given_to_the_container(bench, "augmentation", **PROXIES | {"NO_PROXY": before})["environment"]
    assert (given["http_proxy"], given["HTTPS_PROXY"]) == (DEAD, DEAD)
    assert given["no_proxy"] == given["NO_PROXY"] == after


def test_without_a_proxy_nothing_is_set(bench: Bench) -> None:
    given = given_to_the_container(bench, "augmentation", **dict.fromkeys(PROXIES, ""))["environment"]
    assert not given["no_proxy"]


def test_an_endpoint_outside_of_the_cluster_is_asked_through_the_proxy(bench: Bench) -> None:
    environment = bench.folder / "setup/.env"
    environment.write_text(environment.read_text().replace(bench.endpoints.vlm.url, "http://vlm.example.com/v1"))
    ended = bench.run("auto_labeling", behaviour="good", **PROXIES)
    assert ended.code == 69
    assert "the VLM at http://vlm.example.com/v1 is not ready" in ended.reason
    assert "Connection refused" in ended.reason


@pytest.mark.parametrize(
    ("host", "is_inside"),
    [
        ("qwen3-vl.osmo-nims.svc.cluster.local", True),
        ("qwen3-vl.osmo-nims.svc", True),
        ("qwen3-vl", True),
        ("10.0.3.7", True),
        ("::1", True),
        ("integrate.api.nvidia.com", False),
        ("8.8.8.8", False),
    ],
)
def test_services_and_private_addresses_are_in_the_cluster(host: str, is_inside: bool) -> None:
    assert is_in_cluster(host) == is_inside
