"""The client of a service behind a CA of its own, or behind a proxy: both are told by variables, as pods have them."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from vda_assets.osmo.connect import connect
from vda_assets.osmo.errors import OsmoUnavailable
from vda_assets_tests.http_serving import serving_http

VERSION = {"major": "6", "minor": "4", "revision": "0"}


def service() -> tuple[type[BaseHTTPRequestHandler], list[str]]:
    """One that knows its version, and the targets that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = json.dumps(VERSION).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return

    return Handler, asked


@contextmanager
def serving_https(folder: Path) -> Iterator[tuple[str, Path]]:
    """The URL, and the certificate, which nobody else has signed."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=osmo", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), service()[0]) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}", certificate
        finally:
            server.shutdown()
            thread.join()


def version_of(url: str) -> str:
    with connect(url, user="somebody", environment={}, retry_budget_seconds=0) as client:
        return str(client.version())


def test_a_ca_of_ones_own_is_believed_when_a_variable_names_its_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_https(tmp_path) as (url, certificate):
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(OsmoUnavailable, match="certificate"):
            version_of(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "6" in version_of(url)


def test_a_service_is_asked_through_the_proxy_that_a_variable_names(monkeypatch: pytest.MonkeyPatch) -> None:
    handler, asked = service()
    with serving_http(handler) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert "6" in version_of("http://osmo.invalid")
    assert asked == ["http://osmo.invalid/api/version"]
