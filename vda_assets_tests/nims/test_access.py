"""Ways into the cluster: a kubeconfig with one context or several, the service account of a pod, or none at all."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vda_assets.base.patience import Patience
from vda_assets.nims import access
from vda_assets.nims.cluster import Cluster
from vda_assets.nims.errors import ClusterRefused, ClusterUnavailable, NimStop, NoCluster
from vda_assets_tests.http_serving import serving_http
from vda_assets_tests.kubernetes_api import TOKEN, KubernetesApi, serving_kubernetes, write_kubeconfig
from vda_assets_tests.simulated_clock import SimulatedClock


def open_cluster(context: str | None, **more: Any) -> Cluster:
    return access.open_cluster(context, **{"patience": Patience(120), **more})


def test_without_a_pod_and_a_kubeconfig_nothing_leads_into_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(NoCluster, match="there is no kubeconfig"):
        open_cluster(None, environment={"KUBECONFIG": str(tmp_path / "none")})


def test_one_of_several_contexts_is_not_guessed(tmp_path: Path) -> None:
    environment = {"KUBECONFIG": str(write_kubeconfig(tmp_path / "config", prod="http://p", dev="http://d"))}
    with pytest.raises(NimStop, match=r"set kubernetes\.context .* several contexts: dev, prod$"):
        open_cluster(None, environment=environment)
    with pytest.raises(NimStop, match=r"correct kubernetes\.context 'test' .* has: dev, prod$"):
        open_cluster("test", environment=environment)


@pytest.mark.parametrize("context", [None, "dev"])
def test_the_context_that_is_chosen_is_asked(tmp_path: Path, context: str | None) -> None:
    with serving_kubernetes(KubernetesApi(SimulatedClock())) as api:
        others = {"prod": "http://127.0.0.1:9"} if context else {}
        environment = {"KUBECONFIG": str(write_kubeconfig(tmp_path / "config", **others, dev=api.url))}
        assert open_cluster(context, environment=environment).knows_nims()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a: b: c", "contexts: 5", "users: [{token: t-0123456789\n : :", "clusters: []\ncontexts: [{name: a}]"],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_stop(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(NimStop) as raised:
        open_cluster(None, environment={"KUBECONFIG": str(path)})
    assert "0123456789" not in str(raised.value)


def test_a_pod_asks_its_own_cluster_with_its_service_account(tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    write_certificate(tmp_path)
    (tmp_path / "token").write_text(TOKEN)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "ca.crt", tmp_path / "key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.server_port)}
        cluster = open_cluster(None, environment=environment, service_account=tmp_path)
        assert cluster.get("NIMService", "qwen3-vl") is None
        server.shutdown()
    assert asked == [f"bearer {TOKEN}"]


def test_an_api_that_is_away_is_given_up_in_bounded_time(tmp_path: Path) -> None:
    clock = SimulatedClock()
    environment = {"KUBECONFIG": str(write_kubeconfig(tmp_path / "config", away="http://127.0.0.1:9"))}
    with pytest.raises(ClusterUnavailable, match=r"^no answer to GET /apis/apps\.nvidia\.com/v1alpha1: "):
        open_cluster(None, environment=environment, clock=clock).knows_nims()
    assert 60 < clock.monotonic() <= 120


@pytest.mark.parametrize(
    ("body", "said"), [(b"x" * 40_000_000, "is longer than 32 MiB"), (b"<html>", "answered with no JSON object")]
)
def test_what_is_no_answer_of_a_kubernetes_api_is_refused(tmp_path: Path, body: bytes, said: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            return

    with serving_http(Handler) as url:
        environment = {"KUBECONFIG": str(write_kubeconfig(tmp_path / "config", strange=url))}
        with pytest.raises(ClusterRefused, match=said):
            open_cluster(None, environment=environment).knows_nims()


def test_a_login_that_the_cluster_does_not_know_is_one_stop(tmp_path: Path) -> None:
    with serving_kubernetes(KubernetesApi(SimulatedClock())) as api:
        path = write_kubeconfig(tmp_path / "config", cluster=api.url)
        path.write_text(path.read_text().replace(TOKEN, "stale-0123456789"))
        with pytest.raises(ClusterRefused, match="log in to the Kubernetes cluster anew") as raised:
            open_cluster(None, environment={"KUBECONFIG": str(path)}).knows_nims()
    assert "stale-0123456789" not in str(raised.value)


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
