"""The few calls to a Kubernetes API that a NIM needs, each bounded in bytes and seconds, and asked again when it was
not answered. No answer and no error holds what a Secret does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import urllib3
from pydantic import ValidationError

from vda_assets.base.clock import Clock
from vda_assets.base.cut import cut
from vda_assets.base.patience import Patience, Waiter
from vda_assets.nims.answers import Answer
from vda_assets.nims.catalogue import NAMESPACE
from vda_assets.nims.errors import ClusterConflict, ClusterError, ClusterRefused, ClusterUnavailable
from vda_assets.nims.manifests import Manifest

FIELD_MANAGER = "vda-assets"
NIM_API = "/apis/apps.nvidia.com/v1alpha1"
_IN_NAMESPACE = f"/namespaces/{NAMESPACE}"
# Kind -> the path of its collection.
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "Secret": f"/api/v1{_IN_NAMESPACE}/secrets",
    "PersistentVolumeClaim": f"/api/v1{_IN_NAMESPACE}/persistentvolumeclaims",
    "Pod": f"/api/v1{_IN_NAMESPACE}/pods",
    "Job": f"/apis/batch/v1{_IN_NAMESPACE}/jobs",
    "NIMService": f"{NIM_API}{_IN_NAMESPACE}/nimservices",
}
_ONLY_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=1"
_SILENCE_SECONDS = 10.0
_ANSWER_SECONDS = 30.0
_MOST_BYTES = 32 * 1024**2
# Nodes list the images that they hold: some 20 kB each.
_NODES_AT_ONCE = 200
# Kubernetes itself supports 5,000 nodes.
_MOST_PAGES = 100


class Cluster:
    """One Kubernetes API, as one identity. Raises ClusterError."""

    def __init__(self, api: Any, *, patience: Patience, clock: Clock, log: Callable[[str], None]) -> None:
        """`api` is an ApiClient of the library, which knows the address, the login and the certificates."""
        self._api = api
        self._waiter = Waiter(
            patience, whom="Kubernetes", worth_waiting=ClusterUnavailable, clock=clock, log=log, reason=cut
        )

    def knows_nims(self) -> bool:
        """Whether the NIM operator's kind of object is installed."""
        known = self._ask("GET", NIM_API)
        return known is not None and any(one.get("kind") == "NIMService" for one in known.get("resources", ()))

    def get(self, kind: str, name: str) -> Manifest | None:
        """The object, or None. Of a Secret only the metadata."""
        return self._ask("GET", f"{_PATHS[kind]}/{name}", kind=kind)

    def pods(self, label_selector: str) -> list[Manifest]:
        answer = self._ask("GET", _PATHS["Pod"], query={"labelSelector": label_selector})
        return list((answer or {}).get("items") or ())

    def has_allocatable(self, resource: str) -> bool:
        """Whether some node has any of a resource, in use or not."""
        query = {"limit": str(_NODES_AT_ONCE)}
        for _ in range(_MOST_PAGES):
            answer = self._ask("GET", _PATHS["Node"], query=query) or {}
            for node in answer.get("items") or ():
                if str(node.get("status", {}).get("allocatable", {}).get(resource, "0")) != "0":
                    return True
            more = answer.get("metadata", {}).get("continue")
            if not more:
                return False
            query["continue"] = more
        raise ClusterRefused(f"GET {_PATHS['Node']} was answered with more than {_MOST_PAGES} pages")

    def apply(self, manifest: Manifest, *, force: bool) -> None:
        """Makes the object, or changes the fields that the manifest has, by server-side apply.

        Raises ClusterConflict when somebody else owns one of them and it is not forced.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        query = {"fieldManager": FIELD_MANAGER} | ({"force": "true"} if force else {})

        def send() -> None:
            try:
                self._send("PATCH", f"{_PATHS[kind]}/{name}", kind, manifest, query)
            except ClusterConflict as error:
                if not force:
                    raise
                # Nobody's fields are in the way then: another one was writing at the same moment.
                raise ClusterUnavailable(str(error)) from None

        self._waiter.ask(send)

    def delete_job(self, job: Manifest) -> None:
        """Deletes this very Job with its pods; one that has gone, or was made anew meanwhile, is left."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": job["metadata"]["uid"]}}
        try:
            self._ask("DELETE", f"{_PATHS['Job']}/{job['metadata']['name']}", kind="Job", body=body)
        except ClusterConflict:
            return

    def _ask(
        self,
        method: str,
        path: str,
        *,
        kind: str = "",
        body: Manifest | None = None,
        query: Mapping[str, str] = MappingProxyType({}),
    ) -> Manifest | None:
        """The answer; None for what does not exist."""
        return self._waiter.ask(lambda: self._send(method, path, kind, body, query))

    def _send(
        self, method: str, path: str, kind: str, body: Manifest | None, query: Mapping[str, str]
    ) -> Manifest | None:
        headers = {"Accept": _ONLY_METADATA if kind == "Secret" else "application/json", "Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        self._api.update_params_for_auth(headers, [], ["BearerToken"])
        url = f"{self._api.configuration.host}{path}{'?' if query else ''}{urlencode(query)}"
        asked = f"{method} {path}"
        try:
            # Not by the library's own call, which reads and logs whatever comes, however much and however long.
            answer = self._api.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                preload_content=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=_SILENCE_SECONDS, read=_SILENCE_SECONDS),
            )
            try:
                text = _read(answer, asked)
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterUnavailable(f"no answer to {asked}: {cut(type(error).__name__)}: {cut(error)}") from None
        return _understood(answer.status, text, asked, kind, method)


def _read(answer: Any, asked: str) -> bytes:
    give_up = time.monotonic() + _ANSWER_SECONDS
    parts: list[bytes] = []
    size_bytes = 0
    while part := answer.read1(65_536):
        parts.append(part)
        size_bytes += len(part)
        if size_bytes > _MOST_BYTES:
            raise ClusterRefused(f"the answer to {asked} is longer than {_MOST_BYTES // 1024**2} MiB")
        if time.monotonic() > give_up:
            raise ClusterUnavailable(f"no whole answer to {asked} within {_ANSWER_SECONDS:g} s")
    return b"".join(parts)


def _understood(status: int, text: bytes, asked: str, kind: str, method: str) -> Manifest | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if status < 300:
        # Of what was changed, the answer is not looked at.
        if wrong := _wrong_shape(content) if method == "GET" else "":
            raise ClusterRefused(f"{asked} was answered with {wrong}; is this the URL of a Kubernetes API?")
        return content if isinstance(content, dict) else {}
    said = content if isinstance(content, dict) else {}
    if status == HTTPStatus.NOT_FOUND and method != "PATCH":
        return None
    # What is wrong with a Secret is told with its values.
    message = cut(str(said.get("message") or "")) if kind != "Secret" or status == HTTPStatus.FORBIDDEN else ""
    raise _error(status, f"{asked}: {message or said.get('reason') or 'HTTP'} (HTTP {status})")


def _wrong_shape(content: Any) -> str:
    """Empty for what can be used as it is."""
    if not isinstance(content, dict):
        return "no JSON object"
    try:
        Answer.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"something else than was asked for ({cut('.'.join(map(str, first['loc'])))}: {first['msg']})"
    return ""


def _error(status: int, explained: str) -> ClusterError:
    if status == HTTPStatus.CONFLICT:
        return ClusterConflict(f"Kubernetes has another {explained}")
    # 410: the page of a list that was asked for is too old.
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.GONE) or status >= 500:
        return ClusterUnavailable(f"Kubernetes could not answer {explained}")
    if status == HTTPStatus.UNAUTHORIZED:
        return ClusterRefused(f"log in to the Kubernetes cluster anew, it does not know this login: {explained}")
    if status == HTTPStatus.FORBIDDEN:
        return ClusterRefused(f"allow this identity in the Kubernetes cluster what it may not: {explained}")
    return ClusterRefused(f"Kubernetes refused {explained}")
