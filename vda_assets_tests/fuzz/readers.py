"""Every reader of what comes from outside, with good texts to begin from and the errors that it documents."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import huggingface_hub.constants
import yaml
from pydantic import SecretStr

from vda_assets.base.clock import SYSTEM_CLOCK
from vda_assets.base.patience import NO_PATIENCE
from vda_assets.cli.hub import HubClips
from vda_assets.cli.mirror import clips_of_run
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment, Endpoints, Images
from vda_assets.config.errors import BadConfigFile, ConfigError
from vda_assets.config.yaml_file import model_of, parse_model
from vda_assets.cookbooks.cookbook import read_cookbook
from vda_assets.cookbooks.draw import draws_for
from vda_assets.dagster_defs.sensors.uploads import Cursor
from vda_assets.datasets.clips import key_of, path_of, skipped_kind, video_of
from vda_assets.datasets.origin import read_origin
from vda_assets.labels.scene import read_scene
from vda_assets.labels.summarise import summarise
from vda_assets.labels.validate import validate_scene
from vda_assets.model_caches import fill
from vda_assets.model_caches.fill import MANIFEST
from vda_assets.model_caches.state import look as look_at_cache
from vda_assets.nims.access import open_cluster
from vda_assets.nims.catalogue import NIMS
from vda_assets.nims.cluster import Cluster
from vda_assets.nims.errors import NimError
from vda_assets.nims.looking import has_ready_pod, look, trouble_of
from vda_assets.osmo.auth import DevUserAuth, ends_soon
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError
from vda_assets.osmo.login_file import LoginFileAuth
from vda_assets.outcomes.gates import excluded_variables, gate_findings, hallucination_score
from vda_assets.outcomes.marker import OutputMissing, read_marker
from vda_assets.paidf.generate import augmentation_config, auto_labeling_config, check_configs
from vda_assets.publishing.finished import find_finished, list_files
from vda_assets.publishing.packing import items_in
from vda_assets.publishing.trace import trace
from vda_assets.readiness.asking import Manners
from vda_assets.readiness.ngc import check_team
from vda_assets.readiness.registry import Login, ask_registry
from vda_assets.readiness.secrets import find_secrets
from vda_assets.readiness.served_models import ask_for_models
from vda_assets.releases.errors import ReleaseError
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadClipName, BadStorageUrl
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl, split_dataset_url
from vda_assets.worker.ended import failed_steps
from vda_assets.worker.scene import describe_video
from vda_assets.worker.whole_files import json_problem, mp4_problem
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.kubernetes_api import write_kubeconfig
from vda_assets_tests.labels.conftest import good_documents

CONFIG = REPOSITORY / "assets_cfg"
COOKBOOK = CONFIG / "cookbooks/city_traffic"
EXCHANGES = REPOSITORY / "vda_assets_tests/osmo/exchanges"
VARIABLES = {"VDA_HOME": "/home/u/.vda", "HOME": "/home/u"}


@dataclass(frozen=True)
class Reader:
    """`read` gets a folder of its own, which it may fill, and what was sent. `errors` are those that it documents."""

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path, bytes], object]
    errors: tuple[type[Exception], ...] = ()


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


# Configuration


def _configuration() -> Iterator[Reader]:
    for kind, model, file in (
        ("dataset", Dataset, "datasets/street.yaml"),
        ("deployment", Deployment, "deployments/local.yaml"),
    ):

        def read(_: Path, content: bytes, model: Any = model) -> object:
            return parse_model(Path("x.yaml"), content, model, variables=VARIABLES)

        yield Reader(kind, ((CONFIG / file).read_bytes(),), read, (BadConfigFile,))
    for file in ("workflow_config.yaml", "augmentation/augmentation.yaml"):
        yield Reader(f"cookbook {file}", ((COOKBOOK / file).read_bytes(),), _cookbook_with(file), (ConfigError,))
    for file in ("auto_labeling/auto_labeling_config.yaml", "auto_labeling/question_bank.json"):
        yield Reader(f"cookbook {file}", ((COOKBOOK / file).read_bytes(),), _cookbook_with(file), (ConfigError,))
    attributes = {"url": "s3://clips/datasets/street", "deployment": "local", "when": {"cron": "0 2 * * *", "limit": 5}}
    yield Reader("component", (_json(attributes),), _component, (BadConfigFile,))


def _component(_: Path, content: bytes) -> object:
    """What Dagster hands over: whatever its YAML can hold."""
    try:
        attributes = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None
    return model_of(Path("defs.yaml"), attributes, Dataset, variables=VARIABLES)


def _cookbook_with(file: str) -> Callable[[Path, bytes], object]:
    def read(folder: Path, content: bytes) -> object:
        if not (folder / "scene").exists():
            shutil.copytree(COOKBOOK, folder / "scene")
        (folder / "scene" / file).write_bytes(content)
        cookbook = read_cookbook(folder / "scene", name="scene")
        check_configs(cookbook, endpoints=Endpoints(), images=Images())
        draws = draws_for(cookbook.distribution, "clip")
        excluded_variables(cookbook.augmentation)
        generated = [augmentation_config(cookbook, one, endpoints=Endpoints(), images=Images()) for one in draws]
        generated.append(auto_labeling_config(cookbook, endpoints=Endpoints()))
        return yaml.safe_dump(generated).encode(), cookbook.question_bank.questions

    return read


# What lies in storage


def _url(folder: Path) -> StorageUrl:
    return StorageUrl.parse(f"file://{folder}")


def _stored(path: str, read: Callable[[Storage, StorageUrl], object]) -> Callable[[Path, bytes], object]:
    """A reader of the object at `path` below a folder."""

    def with_content(folder: Path, content: bytes) -> object:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        return read(Storage(), _url(folder))

    return with_content


def _storage() -> Iterator[Reader]:
    file = {"path": "sidecars/metadata.json", "size_bytes": 3, "sha256": "0" * 64}
    marker = {"version": 2, "container": "augmentation", "name": "a_aug0", "work": "w", "attempt": 1, "files": [file]}
    yield Reader("marker", (_json(marker),), _stored("outcome.json", read_marker), (OutputMissing,))
    manifest = {"sources": {"nvidia/x@main": {"a/b.bin": 7}}}
    yield Reader("cache manifest", (_json(manifest),), _stored(MANIFEST, lambda s, u: look_at_cache(s, u, [])))
    configs = {"configs": [{"video_name": "clip", "video": "clip.mp4"}, {"video_name": "b", "video": "b/c.mp4"}]}
    layout = ("datasets/street-outputs/run-0a1b2c3d/setup_b0/configs/manifest.yaml", "street", "run-0a1b2c3d")
    yield Reader(
        "setup manifest",
        (yaml.safe_dump(configs).encode(),),
        _stored(layout[0], lambda storage, url: clips_of_run(storage, RunLayout(url, *layout[1:]))),
        (click.ClickException,),
    )
    origin = {"repository": "nvidia/x", "commit": "0123"}
    yield Reader(
        "origin",
        (_json(origin),),
        _stored("datasets/street-outputs/origin.json", lambda s, u: read_origin(s, u / "datasets/street")),
    )
    release = {"dataset": "street", "version": "v1"}
    row = {"file_name": "train/a.mp4", "name": "a", "variables": []}
    yield Reader("release manifest", (_json(release),), _release("manifest.json", row=row), (ReleaseError,))
    pushed = {"content": "0", "SHA256SUMS": "0" * 64}
    yield Reader("release that is pushed", (_json(release | pushed),), _pushed, (ReleaseError,))
    sums = b"".join(b"%s  %s\n" % (b"0" * 64, path) for path in (b"CONTENT", b"labels/mot/a/gt/gt.txt"))
    yield Reader("release sums", (sums,), _pushed_sums, (ReleaseError,))
    yield Reader("release rows", (_json(row) + b"\n",), _release("metadata.jsonl", release=release), (ReleaseError,))
    yield Reader("object key", (b"a/b.mp4", "ü/clip 1.MOV".encode(), b"..a/%2e%2e=/x.mp4"), _key)
    urls = (
        b"s3://clips/datasets/street",
        b"azure://a/c/datasets/d",
        b"swift://h/n/c/datasets/d",
        b"file:///a/datasets/d",
    )
    yield Reader(
        "storage url", urls, lambda _, text: split_dataset_url(StorageUrl.parse(_text(text))), (BadStorageUrl,)
    )


def _pushed(folder: Path, manifest: bytes, sums: bytes = b"") -> object:
    root = folder / "own/releases/street/v1"
    (root / "labels/mot/a/gt").mkdir(parents=True, exist_ok=True)
    for name, content in {"manifest.json": manifest, "SHA256SUMS": sums, "labels/mot/a/gt/gt.txt": b""}.items():
        (root / name).write_bytes(content)
    finished = find_finished(Storage(), _url(folder / "own"), "street", "v1")
    return list(items_in(list_files(finished, folder)))


def _pushed_sums(folder: Path, content: bytes) -> object:
    manifest = {"content": "0", "SHA256SUMS": hashlib.sha256(content).hexdigest()}
    return _pushed(folder, _json(manifest), content)


def _release(file: str, **others: Any) -> Callable[[Path, bytes], object]:
    def read(folder: Path, content: bytes) -> object:
        for name, one in {"row": "metadata.jsonl", "release": "manifest.json"}.items():
            if name in others:
                (folder / one).write_text(json.dumps(others[name]) + "\n")
        (folder / file).write_bytes(content)
        (folder / "train").mkdir(exist_ok=True)
        return json.dumps(trace(Storage(), _url(folder) / "train/a.mp4")).encode()

    return read


def _text(content: bytes) -> str:
    """As the name of a file or an object, of which none is longer."""
    return content[:4096].decode("utf-8", errors="surrogateescape")


def _key(_: Path, content: bytes) -> object:
    """Whatever a listing names: a clip's key leads back to it, and neither leads out of its folder."""
    path, root = _text(content), StorageUrl.parse("s3://clips/datasets/street")
    skipped_kind(path)
    try:
        url = root / path
        key = key_of(path)
    except (BadStorageUrl, BadClipName):
        return None
    assert str(url).startswith(f"{root}/")
    assert path_of(key) == path
    assert "/" not in video_of(key)
    layout = RunLayout(StorageUrl.parse("s3://clips"), "street", "run-0a1b2c3d")
    for place in (layout.output("outputs/augmented", video_of(key)), layout.comparison(video_of(key))):
        assert str(StorageUrl.parse(str(place))).startswith(f"{layout.root}/")
    return layout.video_at(path)


# What containers leave


def _labels() -> Iterator[Reader]:
    documents = good_documents()
    for file, document in documents.items():
        seed = _json(document) if file.endswith(".json") else yaml.safe_dump(document).encode()
        yield Reader(f"scene {file}", (seed,), _scene_with(file))
    checks = {"passed": True, "score": 0.9, "threshold": 0.7, "attempt": 1, "details": {"results": []}}
    metadata = {"hallucination_check": checks, "attribute_verification": checks}
    yield Reader("gates", (_json(metadata),), _gates)
    described = {
        "stages": {"tracking": {"failure_reason": "x"}},
        "duration_span": [0, 1.5],
        "framerate": 25.0,
        "width": 9,
    }
    yield Reader(
        "worker", (_json(described | {"height": 9}), b"\0\0\0\x20ftypisom\0\0\0\x08moov\0\0\0\x08mdat"), _worker
    )
    yield Reader(
        "cursor",
        (b'{"version":3,"after":"a.mp4","told":"x","gone":{"a.mp4":1.5}}',),
        lambda _, text: Cursor.parse(_text(text)),
    )


def _scene_with(file: str) -> Callable[[Path, bytes], object]:
    def read(folder: Path, content: bytes) -> object:
        for name, document in good_documents().items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(
                _json(document) if name.endswith(".json") else yaml.safe_dump(document).encode()
            )
        (folder / file).write_bytes(content)
        problems = validate_scene(folder)
        if not any(problem.file == file for problem in problems):
            summary = summarise(read_scene(folder))
            return _json([summary.counts, summary.as_markdown()])
        return " ".join(problem.message for problem in problems).encode()

    return read


def _gates(_: Path, content: bytes) -> object:
    """Read as an augmented video's metadata is."""
    from pydantic_core import from_json

    try:
        metadata = from_json(content)
    except ValueError:
        return None
    if not isinstance(metadata, dict):
        return None
    findings = gate_findings(metadata, sampled_vars={"weather": "rain"}, excluded=[])
    return " ".join(one.reason for one in findings).encode(), hallucination_score(metadata)


def _worker(folder: Path, content: bytes) -> object:
    """Runs in the image, on what the container has just written."""
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw/clip.mp4").touch()
    (folder / "sidecars").mkdir(exist_ok=True)
    file = folder / "sidecars/metadata.json"
    file.write_bytes(content)
    shutil.rmtree(folder / "contextual", ignore_errors=True)
    describe_video(folder)
    return failed_steps(file), json_problem(file), mp4_problem(file)


# What services answer


@dataclass
class RawServer:
    """Below HTTP: whoever calls gets these bytes, and the connection is closed."""

    content: bytes = b""
    url: str = field(default="", init=False)

    @contextmanager
    def serving(self) -> Iterator[RawServer]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(2)
                    connection.recv(65536)
                    connection.sendall(self.content)
                except OSError:
                    continue


def _answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", "content-type: application/json", "connection: close", *headers])
    return head.encode() + b"\r\n\r\n" + body


def exchange(name: str, **changes: str) -> bytes:
    """What a real service has answered, with changes of its fields."""
    recorded = json.loads((EXCHANGES / f"{name}.json").read_text())["exchanges"][0]
    body = recorded["response_body"]
    return _answer(_json({**body, **changes} if changes else body), f"{recorded['status']} X")


ASKED: dict[str, Callable[[OsmoClient], object]] = {
    "query_running": lambda client: client.workflow("traffic-5"),
    "list_page": lambda client: list(client.workflows()),
    "pool": lambda client: client.pools(),
    "pool_quota": lambda client: client.pool_quota(),
    "resources": lambda client: client.nodes(),
    "credentials_list": lambda client: client.credentials(),
    "profile": lambda client: client.profile(),
    "logs": lambda client: client.log_tail("traffic-5", task="t", lines=5),
    "submit_bad_name": lambda client: client.cancel("traffic-5"),
}
REDIRECT = _answer(b'{"message": "no", "error_code": "X"}', "307 X", "location: https://elsewhere.example/x")
PLAIN = _answer(b"a proxy says no", "502 X", "content-type: text/plain; charset=utf-8")


def services(server: RawServer) -> Iterator[Reader]:
    """Readers of what the server answers."""
    client = OsmoClient(server.url, auth=DevUserAuth("u"), retry_budget_seconds=0.0, answer_seconds=5.0)
    brisk = Manners(5.0, NO_PATIENCE)
    host = server.url.removeprefix("http://")

    def answered(read: Callable[[], object]) -> Callable[[Path, bytes], object]:
        def with_content(_: Path, content: bytes) -> object:
            server.content = content
            return read()

        return with_content

    for name, ask in ASKED.items():
        seeds = (exchange(name), REDIRECT, PLAIN)
        yield Reader(f"osmo {name}", seeds, answered(lambda ask=ask: ask(client)), (OsmoError,))  # type: ignore[misc]
    challenge = f'www-authenticate: Bearer realm="{server.url}/token",service="r",scope="repository:x:pull"'
    registry = (
        _answer(b'{"schemaVersion": 2}', "200 OK", f"docker-content-digest: sha256:{'0' * 64}"),
        _answer(b'{"token": "abc"}', "401 X", challenge),
        _answer(b"", "307 X", f"location: {server.url}/elsewhere"),
    )
    logins = {host: Login("u", SecretStr("p"))}
    yield Reader("registry", registry, answered(lambda: ask_registry(f"{host}/x:1", logins=logins, manners=brisk)))
    listed = (_answer(b'{"object": "list", "data": [{"id": "Qwen/Qwen3"}]}'), REDIRECT, PLAIN)
    yield Reader("models", listed, answered(lambda: ask_for_models(f"{server.url}/v1", None, answer_seconds=5.0)))
    yield from _asked_beside_osmo(server, answered, brisk)
    jwt = b'{"exp": 1800000000.5}'
    yield Reader("token", (jwt,), lambda _, content: ends_soon(_token(content), remedy="log in"), (OsmoError,))


def _asked_beside_osmo(
    server: RawServer, answered: Callable[[Callable[[], object]], Callable[[Path, bytes], object]], brisk: Manners
) -> Iterator[Reader]:
    secrets = find_secrets({"NGC_API_KEY": "nvapi-0", "NGC_ORG": "o", "NGC_TEAM": "t"})
    yield Reader("ngc", (_answer(b"{}"), PLAIN), answered(lambda: check_team(secrets, api=server.url, manners=brisk)))
    for kind, (ask, seed) in KUBERNETES.items():

        def asked(ask: Callable[[Cluster], object] = ask) -> object:
            with tempfile.TemporaryDirectory() as folder:
                environment = {"KUBECONFIG": str(write_kubeconfig(Path(folder) / "kubeconfig", cluster=server.url))}
                return ask(open_cluster(None, environment=environment, patience=NO_PATIENCE))

        yield Reader(f"kubernetes {kind}", (_answer(_json(seed)), PLAIN, REDIRECT), answered(asked), (NimError,))
    listed = {"sha": "0" * 40, "id": "o/r", "siblings": [{"rfilename": "a.mp4", "size": 3}], "private": False}
    source = {"kind": "hub", "repository": "o/r", "revision": "main", "place": "p", "patterns": []}

    def of_hub(ask: Callable[[], object]) -> Callable[[], object]:
        def with_endpoint() -> object:
            with patch.object(huggingface_hub.constants, "ENDPOINT", server.url), patch.object(fill, "_TRIES", 1):
                return ask()

        return with_endpoint

    seeds = (_answer(_json(listed)), PLAIN, REDIRECT)
    find = of_hub(lambda: HubClips.find("o/r", "main"))
    yield Reader("hub dataset", seeds, answered(find), (click.ClickException,))
    weights = {"kind": "web", "url": f"{server.url}/w.pth", "path": "w.pth"}
    seeds_of_web = (_answer(b"abc", "200 OK", "content-length: 3"), PLAIN, REDIRECT)
    yield Reader("web", seeds_of_web, answered(of_hub(lambda: fill.files_of(weights))), (fill.NotFetched,))
    yield Reader("hub model", seeds, answered(of_hub(lambda: fill.files_of(source))), (fill.NotFetched,))


_META = {"name": "n", "uid": "u", "annotations": {"a": "b"}, "creationTimestamp": "2026-11-22T06:00:00Z"}
_WAITING = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}}
_CONDITION = {"type": "Ready", "status": "True", "reason": "Unschedulable", "message": "no node"}
_POD = {"metadata": _META, "status": {"conditions": [_CONDITION], "containerStatuses": [_WAITING]}}
_NODE = {"metadata": {"name": "n"}, "status": {"allocatable": {"nvidia.com/gpu": "0", "cpu": "8"}}}
_NIM_SERVICE = {"metadata": _META, "spec": {"replicas": 1}, "status": {"state": "Failed", "conditions": [_CONDITION]}}


def _pods(cluster: Cluster) -> object:
    pods = cluster.pods("app=x")
    return (trouble_of(pods) or "").encode(), has_ready_pod(pods)


def _nim(cluster: Cluster) -> object:
    seen = look(cluster, NIMS[0])
    return seen.why.encode(), seen.is_ready, seen.is_as_specified, seen.may_still_start(SYSTEM_CLOCK)


KUBERNETES: dict[str, tuple[Callable[[Cluster], object], object]] = {
    "api": (lambda cluster: cluster.knows_nims(), {"resources": [{"kind": "NIMService", "name": "nimservices"}]}),
    "nodes": (lambda cluster: cluster.has_allocatable("nvidia.com/gpu"), {"items": [_NODE], "metadata": {}}),
    "pods": (_pods, {"items": [_POD], "metadata": {}}),
    "nim": (_nim, _NIM_SERVICE),
}


def _token(claims: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.x"


def _login() -> Iterator[Reader]:
    kept = {"url": "https://osmo.example.com", "token_login": {"id_token": "e30.e30.x", "refresh_token": "r"}}

    def read(folder: Path, content: bytes) -> object:
        (folder / "login.yaml").write_bytes(content)
        return LoginFileAuth(folder / "login.yaml").service_url()

    yield Reader("login", (yaml.safe_dump(kept).encode(),), read, (OsmoError,))


LOCAL = (*_login(), *_configuration(), *_storage(), *_labels())
