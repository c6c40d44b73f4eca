"""Waiting for the model servers: real ones on loopback, ready, slow, empty or gone."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from vda_assets.config.deployment import Endpoint
from vda_assets.worker.endpoints import key_of
from vda_assets_tests.http_serving import serving_http
from vda_assets_tests.worker.bench import LLM, VLM, Bench

Answer = Callable[[BaseHTTPRequestHandler], tuple[int, str]]
NOBODY = "http://127.0.0.1:9/v1"


@contextmanager
def model_server(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self) if self.path == "/v1/models" else (404, "")
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            return

    with serving_http(Handler) as url:
        yield f"{url}/v1"


def listing(*models: str) -> tuple[int, str]:
    return 200, json.dumps({"data": [{"id": model} for model in models]})


def with_vlm(bench: Bench, url: str, model: str = VLM, api_key_env: str | None = None) -> None:
    """The URL as it is: what the pipeline would have made of it is not what the worker is asked about here."""
    vlm = Endpoint(url=NOBODY, model=model, api_key_env=api_key_env).model_copy(update={"url": url})
    bench.write_setup(bench.endpoints.model_copy(update={"vlm": vlm}))


def test_an_endpoint_that_is_gone_is_waited_for_and_then_given_up(bench: Bench) -> None:
    with_vlm(bench, NOBODY)
    ended = bench.run("augmentation", behaviour="good", ENDPOINT_WAIT_TIMEOUT_SECONDS="0.3")
    assert ended.code == 69
    assert ended.reason.startswith(f"the VLM at {NOBODY} is not ready after 0.3 seconds: URLError")
    assert f"vda_worker: waiting for the VLM at {NOBODY}, 0 seconds left" in ended.log
    assert "running" not in ended.log


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (listing(), "it lists no model"),
        ((200, "<html>"), "JSONDecodeError"),
        ((200, "[]"), "TypeError"),
        ((503, "loading"), "HTTPError: HTTP Error 503"),
    ],
)
def test_an_endpoint_without_a_model_is_not_ready(bench: Bench, answer: tuple[int, str], reason: str) -> None:
    with model_server(lambda _: answer) as url:
        with_vlm(bench, url)
        ended = bench.run("augmentation", behaviour="good", ENDPOINT_WAIT_TIMEOUT_SECONDS="0.2")
    assert ended.code == 69
    assert f": {reason}" in ended.reason


def test_an_endpoint_that_accepts_and_says_nothing_is_given_up(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with_vlm(bench, f"http://127.0.0.1:{server.getsockname()[1]}/v1")
        ended = bench.run("augmentation", behaviour="good", ENDPOINT_WAIT_TIMEOUT_SECONDS="0.2")
    assert ended.code == 69
    assert "TimeoutError" in ended.reason


def test_an_endpoint_that_comes_up_late_is_waited_for(bench: Bench) -> None:
    calls = iter([(503, "loading")])
    with model_server(lambda _: next(calls, listing(VLM))) as url:
        with_vlm(bench, url)
        ended = bench.run("augmentation", behaviour="good", ENDPOINT_WAIT_TIMEOUT_SECONDS="0.6")
    # Between two looks lie 10 seconds, or what is left.
    assert ended.log.count("waiting for the VLM") == 1
    assert ended.code == 0, ended.log


def test_the_served_model_is_taken_when_the_wanted_one_is_not_served(bench: Bench) -> None:
    with model_server(lambda _: listing("other/vlm", "third/vlm")) as url:
        with_vlm(bench, url)
        ended = bench.run("augmentation", behaviour="good")
    assert ended.outcome is not None
    assert ended.outcome["models"] == {"vlm": "other/vlm", "llm": LLM}
    assert f"does not serve '{VLM}'; taking 'other/vlm'" in ended.log


@pytest.mark.parametrize(
    "ending", ["", "/", "/chat/completions", "/models", "/completions?api-version=1", "/health/ready", None]
)
def test_an_invoke_url_becomes_its_base(bench: Bench, ending: str | None) -> None:
    base = bench.endpoints.vlm.url
    with_vlm(bench, base.removesuffix("/v1") if ending is None else f"{base}{ending}")
    ended = bench.run("augmentation", behaviour="good")
    assert ended.code == 0, ended.log
    assert f"endpoints.vlm.url={base} " in ended.log


def test_a_key_is_sent_as_the_container_sends_it(bench: Bench) -> None:
    def guarded(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        return listing(VLM) if request.headers["Authorization"] == "Bearer secret-key" else (401, "")

    with model_server(guarded) as url:
        with_vlm(bench, url, api_key_env="TEAM_KEY")
        ended = bench.run("augmentation", behaviour="good", TEAM_KEY="secret-key", NVIDIA_API_KEY="other")
    assert ended.code == 0, ended.log
    assert "secret-key" not in ended.log


@pytest.mark.parametrize("variable", ["VLM_API_KEY", "NVIDIA_API_KEY", "OPENAI_API_KEY"])
def test_no_key_that_is_not_the_endpoints_own_leaves_the_cluster(bench: Bench, variable: str) -> None:
    sent: list[str | None] = []

    def open_to_all(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        sent.append(request.headers["Authorization"])
        return listing(VLM)

    with model_server(open_to_all) as url:
        with_vlm(bench, url)
        ended = bench.run("augmentation", behaviour="good", **{variable: "nvapi-0123456789"})
    assert ended.code == 0, ended.log
    assert sent == [None]


@pytest.mark.parametrize("host", ["qwen3-vl.osmo-nims.svc.cluster.local", "qwen3-vl.osmo-nims.svc"])
def test_a_model_server_of_the_cluster_gets_the_key_that_the_container_would_send(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("VLM_API_KEY", raising=False)
    monkeypatch.setenv("NVIDIA_API_KEY", "nvapi-0123456789")
    monkeypatch.setenv("VLM_ENDPOINT", f"http://{host}:8000/v1")
    assert key_of("VLM") == "nvapi-0123456789"


def test_the_base_of_an_undecided_url_is_the_first_that_lists_a_model(bench: Bench) -> None:
    with model_server(lambda _: listing(VLM)) as url:
        with_vlm(bench, url.removesuffix("/v1") + "/ui/chat")
        ended = bench.run("augmentation", behaviour="good")
    assert ended.code == 0, ended.log
    assert f"endpoints.vlm.url={url} " in ended.log


def test_what_is_no_url_is_a_bad_setup(bench: Bench) -> None:
    environment = bench.folder / "setup/.env"
    environment.write_text(environment.read_text().replace("VLM_ENDPOINT=http://", "VLM_ENDPOINT=ftp://"))
    ended = bench.run("augmentation", behaviour="good")
    assert ended.code == 64
    assert ended.reason.startswith("VLM_ENDPOINT in the run's .env is 'ftp://127.0.0.1:")
