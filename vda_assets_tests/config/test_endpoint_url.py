"""One table for both who make a base of a URL: the pipeline and, with nothing but the standard library, the worker."""

from __future__ import annotations

import pytest

from vda_assets.config import endpoint_url
from vda_assets.worker import endpoints as worker

BASES = {
    "http://h:8000/v1": "http://h:8000/v1",
    "http://h:8000": "http://h:8000/v1",
    "http://h:8000/": "http://h:8000/v1",
    "h:8000/v1": "http://h:8000/v1",
    "qwen3-vl.osmo-nims.svc:8000": "http://qwen3-vl.osmo-nims.svc:8000/v1",
    "https://h/v1/chat/completions": "https://h/v1",
    "https://h/chat/completions": "https://h/v1",
    "https://h/v1/models": "https://h/v1",
    "https://h/v1/models/": "https://h/v1",
    "https://h/v1/completions": "https://h/v1",
    "https://h/v1/responses": "https://h/v1",
    "https://h/v1/embeddings": "https://h/v1",
    "https://h/v1/health/ready": "https://h/v1",
    "https://h/v1/chat/completions/chat/completions": "https://h/v1",
    "https://h/v1/chat/completions/v1/models": "https://h/v1",
    "https://h/v1?x=1#f": "https://h/v1",
    "https://h?x=/v1/models": "https://h/v1",
    "https://h/v1/v1": "https://h/v1",
    "https://h/v1//": "https://h/v1",
    "https://h//v1///models": "https://h/v1",
    "HTTP://H/v1": "http://h/v1",
    " https://h/V1/x\t": "https://h/V1/x",
    "https://h/p/a": "https://h/p/a",
    "https://h/p/a/v1/chat/completions": "https://h/p/a/v1",
    "https://h/models/qwen/v1": "https://h/models/qwen/v1",
    "https://h/api/v3/chat/completions": "https://h/api/v3",
    "https://api.nvcf.nvidia.com/v2/nvcf/pexec/functions/ID": "https://api.nvcf.nvidia.com/v2/nvcf/pexec/functions/ID",
    "http://[::1]:8000/v1/models": "http://[::1]:8000/v1",
}
CANDIDATES = {
    "https://h/v1": ["https://h/v1"],
    "https://h/api/v3": ["https://h/api/v3"],
    "https://h/p/a": ["https://h/p/a", "https://h/p/a/v1", "https://h/v1", "https://h"],
}
HOSTS_WITH_THE_NGC_KEY = {
    "https://integrate.api.nvidia.com/v1": True,
    "https://nvidia.com/v1": True,
    "http://integrate.api.nvidia.com/v1": False,
    "http://qwen3-vl.osmo-nims.svc.cluster.local:8000/v1": True,
    "http://qwen3-vl.osmo-nims.svc.cluster.local.:8000/v1": True,
    "http://vlm.team-a.svc/v1": True,
    "https://evilnvidia.com/v1": False,
    "https://nvidia.com.example.com/v1": False,
    "https://example.com/.nvidia.com/v1": False,
    "https://example.com/x.svc": False,
    "http://127.0.0.1:8000/v1": False,
    "http://[::1]:8000/v1": False,
}


@pytest.mark.parametrize(("url", "base"), BASES.items())
def test_every_form_of_a_url_becomes_the_base_that_is_meant(url: str, base: str) -> None:
    assert endpoint_url.normalised(url) == base
    assert worker.normalise_endpoint(url) == base


@pytest.mark.parametrize("url", BASES.values())
def test_a_base_stays_as_it_is(url: str) -> None:
    assert endpoint_url.normalised(url) == url
    assert worker.normalise_endpoint(url) == url


@pytest.mark.parametrize(("base", "expected"), CANDIDATES.items())
def test_a_url_that_no_rule_decides_has_several_bases_to_ask(base: str, expected: list[str]) -> None:
    assert list(endpoint_url.candidates(base)) == expected
    assert worker.candidates(base) == expected


@pytest.mark.parametrize(("url", "may"), HOSTS_WITH_THE_NGC_KEY.items())
def test_an_ngc_key_goes_to_nvidia_and_to_the_cluster_alone(url: str, may: bool) -> None:
    assert endpoint_url.may_have_the_ngc_key(url) is may
    assert worker.may_have_the_ngc_key(url) is may


@pytest.mark.parametrize(
    "url",
    ["", " ", "osmo", "http//h/v1", "ftp://h/v1", "http://", "http:///v1", "http://a b/v1", "https://h\\.nvidia.com"],
)
def test_what_is_no_url_of_an_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        endpoint_url.normalised(url)


def test_a_url_without_end_is_refused_before_it_is_taken_apart() -> None:
    with pytest.raises(ValueError, match="longer than 2000 characters"):
        endpoint_url.normalised("http://h" + "/v1" * 100_000)
