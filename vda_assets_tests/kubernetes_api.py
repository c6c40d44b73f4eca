"""A stand-in for a Kubernetes API with NVIDIA's NIM operator, over real HTTP: what its controllers do, a clock decides.

It keeps objects as the real one does: server-side apply with field managers, conflicts, immutable fields, namespaces
that must exist, resource versions, selectors, pages, a Role that forbids. Its Job controller downloads weights, its
operator schedules NIMs on GPUs, and both fail as the real ones do. With a `Kubelet`, Jobs are processes of this machine
instead. It validates no schema beyond what is written here.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import yaml

from vda_assets_tests.http_serving import serving_http
from vda_assets_tests.kubernetes_rbac import Rbac, Right
from vda_assets_tests.simulated_clock import SimulatedClock

Object = dict[str, Any]
Key = tuple[str, str, str]
TOKEN = "cluster-token-0123456789"
GROUPS = {
    "/api/v1": {"namespaces": "Namespace", "nodes": "Node", "secrets": "Secret", "pods": "Pod"}
    | {"persistentvolumeclaims": "PersistentVolumeClaim", "configmaps": "ConfigMap", "events": "Event"}
    | {"serviceaccounts": "ServiceAccount"},
    "/apis/batch/v1": {"jobs": "Job"},
    "/apis/apps.nvidia.com/v1alpha1": {"nimservices": "NIMService"},
}
CLUSTER_WIDE = {"namespaces", "nodes"}
_PATH = re.compile(r"(/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?(?:/([a-z]+))?(?:/([^/]+))?(?:/(status|log))?$")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


class Refusal(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Controllers(Protocol):
    """What makes pods of Jobs, in place of the simulated download. Called under the clock's lock."""

    def job_made(self, key: Key) -> None: ...

    def pod_deleted(self, key: Key) -> bool:
        """False when the pod stays for a while, until it has ended."""

    def log_of(self, key: Key, query: dict[str, str]) -> str: ...


@dataclass(repr=False)
class KubernetesApi:
    """One cluster. `gpus` are what its nodes have, `used_gpus` what others take of them; `allowed` is a set of
    "verb resource", or None for everything; `fails` is how often the next Jobs of a name fail. `accounts` has by token
    the service account, `namespace:name`, whose rights are those of `rbac`."""

    clock: SimulatedClock
    gpus: int = 2
    used_gpus: int = 0
    has_operator: bool = True
    operator_works: bool = True
    allowed: set[str] | None = None
    fails: dict[str, int] = field(default_factory=dict)
    download_seconds: float = 100
    startup_seconds: float = 150
    url: str = ""
    objects: dict[Key, Object] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    interruptions: list[Callable[[], int | None]] = field(default_factory=list)
    weights: set[str] = field(default_factory=set)
    made: list[str] = field(default_factory=list)
    controllers: Controllers | None = None
    rbac: Rbac | None = None
    accounts: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, Right]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._versions, self._uids = count(1), count(1)
        self._owners: dict[Key, dict[tuple[str, ...], str]] = {}
        self._account: str | None = None
        for number in range(3):
            gpus = {"nvidia.com/gpu": str(self.gpus)} if number == 2 and self.gpus else {}
            self.store(("nodes", "", f"node-{number}"), {"kind": "Node", "status": {"allocatable": gpus}})

    @property
    def writes(self) -> list[str]:
        return [one for one in self.requests if not one.startswith("GET ")]

    def of(self, resource: str) -> dict[str, Object]:
        return {name: one for (kind, _, name), one in self.objects.items() if kind == resource}

    def put(self, resource: str, manifest: Object, *, manager: str = "kubectl-client-side-apply") -> Object:
        """What somebody else made, with its controllers at work."""
        name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace", "")
        with self.clock.lock:
            if namespace and ("namespaces", "", namespace) not in self.objects:
                self.store(("namespaces", "", namespace), {"kind": "Namespace", "metadata": {"name": namespace}})
            key = (resource, namespace, name)
            self._apply(key, copy.deepcopy(manifest), manager, force=True)
            return self.objects[key]

    def settle(self, seconds: float = 3600) -> None:
        self.clock.advance(seconds)

    # Requests

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, Object | str]:
        parts = urlsplit(url)
        with self.clock.lock:
            self.requests.append(f"{method} {parts.path}")
            self.bodies.append(body.decode())
            token = (headers["Authorization"] or "").partition(" ")[2]
            self._account = self.accounts.get(token)
            if token != TOKEN and self._account is None:
                return 401, _status(401, "Unauthorized", "Unauthorized")
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            try:
                return self._route(method, parts.path, query, headers, json.loads(body or b"{}"))
            except Refusal as refusal:
                return refusal.status, _status(refusal.status, refusal.reason, str(refusal))

    def _route(self, method: str, path: str, query: dict[str, str], headers: Any, body: Object) -> Any:
        if path == "/version":
            return 200, {"major": "1", "minor": "34", "gitVersion": "v1.34.1"}
        if path == "/apis":
            names = [group.split("/")[2:] for group in GROUPS if group != "/api/v1" and self._serves(group)]
            return 200, {
                "kind": "APIGroupList",
                "groups": [{"name": n, "versions": [{"version": v}]} for n, v in names],
            }
        match = _PATH.fullmatch(path)
        if not match or not self._serves(match[1]):
            return 404, "404 page not found\n"
        group, namespace, resource, name, part = match.groups()
        if namespace is not None and resource is None:
            namespace, resource, name = "", "namespaces", namespace
        if resource is None:
            resources = [{"name": one, "kind": kind} for one, kind in GROUPS[group].items()]
            return 200, {"kind": "APIResourceList", "resources": resources}
        if resource not in GROUPS[group]:
            return 404, "404 page not found\n"
        key = (resource, namespace or "", name or "")
        match method:
            case "GET" if not name:
                self._allow("list", key)
                return 200, self._list(resource, namespace, query)
            case "GET" if part:
                self._allow("get", key, part)
                one = self._existing(key)
                return 200, self.controllers.log_of(key, query) if part == "log" and self.controllers else one
            case "POST" if not name:
                return 201, self._create(key, body)
            case "GET":
                self._allow("get", key)
                return 200, _shown(self._existing(key), headers)
            case "PATCH" if headers["Content-Type"] == "application/apply-patch+yaml":
                return self._patched(key, body, query, headers)
            case "DELETE":
                self._allow("delete", key)
                self._delete(key, body, query)
                return 200, _status(200, "", "")
        return 405, _status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _serves(self, group: str) -> bool:
        return group in GROUPS and (self.has_operator or "nvidia" not in group)

    def _allow(self, verb: str, key: Key, part: str = "") -> None:
        resource, namespace, name = key
        group = next(group for group, kinds in GROUPS.items() if resource in kinds)
        api = "" if group == "/api/v1" else group.split("/")[2]
        resource = f"{resource}/{part}" if part else resource
        if self._account is not None:
            assert self.rbac is not None
            right = Right(namespace, api, resource, verb, name)
            self.asked.append((self._account, right))
            if self.rbac.allows(self._account, right):
                return
        elif self.allowed is None or f"{verb} {resource}" in self.allowed:
            return
        where = "at the cluster scope" if key[0] in CLUSTER_WIDE else f'in the namespace "{namespace}"'
        who = f"system:serviceaccount:{self._account or 'vda:vda'}"
        named = f' "{name}"' if name else ""
        said = f'{resource}{f".{api}" if api else ""}{named} is forbidden: User "{who}" cannot {verb} resource'
        raise Refusal(403, "Forbidden", f'{said} "{resource}" in API group "{api}" {where}')

    def _existing(self, key: Key) -> Object:
        if key not in self.objects:
            raise Refusal(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        return self.objects[key]

    def _list(self, resource: str, namespace: str | None, query: dict[str, str]) -> Object:
        chosen = [
            one
            for (kind, where, _), one in sorted(self.objects.items())
            if kind == resource and (namespace is None or where == namespace)
        ]
        for term in filter(None, query.get("labelSelector", "").split(",")):
            label, _, value = term.partition("=")
            chosen = [one for one in chosen if one["metadata"].get("labels", {}).get(label) == value]
        for term in filter(None, query.get("fieldSelector", "").split(",")):
            path, _, value = term.partition("=")
            if path not in ("metadata.name", "involvedObject.name"):
                raise Refusal(400, "BadRequest", f"field label not supported: {path}")
            chosen = [one for one in chosen if _at(one, tuple(path.split("."))) == value]
        start, size = int(query.get("continue", 0)), int(query.get("limit", len(chosen) or 1))
        more = {"continue": str(start + size)} if start + size < len(chosen) else {}
        return {"kind": "List", "metadata": {"resourceVersion": "1", **more}, "items": chosen[start : start + size]}

    def _create(self, key: Key, body: Object) -> Object:
        key = (key[0], key[1], body.get("metadata", {}).get("name") or "")
        self._allow("create", key)
        if key[1] and ("namespaces", "", key[1]) not in self.objects:
            raise Refusal(404, "NotFound", f'namespaces "{key[1]}" not found')
        if key in self.objects:
            raise Refusal(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
        self._apply(key, body, "Swagger-Codegen", force=True)
        self.made.append("/".join(key))
        return self.objects[key]

    def _patched(self, key: Key, body: Object, query: dict[str, str], headers: Any) -> Any:
        self._allow("patch", key)
        is_new = key not in self.objects
        if is_new:
            self._allow("create", key)
        if not query.get("fieldManager"):
            raise Refusal(400, "BadRequest", "fieldManager is required for apply patch")
        if key[1] and ("namespaces", "", key[1]) not in self.objects:
            raise Refusal(404, "NotFound", f'namespaces "{key[1]}" not found')
        if body.get("metadata", {}).get("name") != key[2] or body.get("metadata", {}).get("namespace", "") != key[1]:
            raise Refusal(400, "BadRequest", "the name of the object does not match the name on the URL")
        self._apply(key, body, query["fieldManager"], force=query.get("force") == "true")
        if is_new:
            self.made.append("/".join(key))
        return (201 if is_new else 200), _shown(self.objects[key], headers)

    # Objects

    def _apply(self, key: Key, body: Object, manager: str, *, force: bool) -> None:
        live = copy.deepcopy(self.objects.get(key, {}))
        owners = dict(self._owners.get(key, {}))
        wanted = _leaves({name: body[name] for name in body if name not in ("apiVersion", "kind")})
        conflicts = [
            path
            for path, value in wanted.items()
            if owners.get(path, manager) != manager and _leaves(live).get(path) != value
        ]
        if conflicts and not force:
            fields = ", ".join(".".join(path) for path in conflicts)
            raise Refusal(409, "Conflict", f"Apply failed with {len(conflicts)} conflict: {fields}")
        for path in [path for path, owner in owners.items() if owner == manager and path not in wanted]:
            _drop(live, path)
            del owners[path]
        for path, value in wanted.items():
            if path not in owners or _leaves(live).get(path) != value:
                owners[path] = manager
            _set(live, path, value)
        _validate(key, live, self.objects.get(key))
        self._owners[key] = owners
        live |= {"apiVersion": body["apiVersion"], "kind": body["kind"]}
        before = self.objects.get(key)
        self.store(key, live)
        if key[0] == "jobs" and before is None:
            self.controllers.job_made(key) if self.controllers else self._run_job(key)
        if key[0] == "nimservices" and self.operator_works and (before or {}).get("spec") != live["spec"]:
            self.clock.after(5, lambda: self._reconcile(key, live["metadata"]["uid"]))

    def store(self, key: Key, one: Object) -> None:
        metadata = one.setdefault("metadata", {})
        metadata.setdefault("name", key[2])
        metadata.setdefault("uid", f"uid-{next(self._uids)}")
        metadata.setdefault("creationTimestamp", self.clock.now().isoformat())
        if key[1]:
            metadata.setdefault("namespace", key[1])
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[key] = one

    def _delete(self, key: Key, body: Object, query: dict[str, str]) -> None:
        one = self._existing(key)
        uid = body.get("preconditions", {}).get("uid", one["metadata"]["uid"])
        if uid != one["metadata"]["uid"]:
            raise Refusal(409, "Conflict", f"Precondition failed: UID in precondition: {uid}")
        if key[0] == "pods" and self.controllers and not self.controllers.pod_deleted(key):
            return
        del self.objects[key]
        self._owners.pop(key, None)
        # Without a policy the pods of a batch/v1 Job are orphaned.
        if body.get("propagationPolicy") or query.get("propagationPolicy"):
            for pod in [
                k for k, p in self.objects.items() if p["metadata"].get("labels", {}).get("job-name") == key[2]
            ]:
                self._delete(pod, {}, {})

    # Controllers

    def _run_job(self, key: Key) -> None:
        uid, name = self.objects[key]["metadata"]["uid"], key[2]
        pod = ("pods", key[1], f"{name}-{uid[4:]}")
        ready = ("secrets", key[1], "hf-token-secret") in self.objects
        waiting = {} if ready else {"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}
        status = {"phase": "Running" if ready else "Pending", "containerStatuses": [{"state": waiting}]}
        self.store(pod, {"kind": "Pod", "metadata": {"labels": {"job-name": name}}, "status": status})
        if ready:
            self.clock.after(self.download_seconds, lambda: self._end_job(key, uid))

    def _end_job(self, key: Key, uid: str) -> None:
        job = self.objects.get(key)
        if job is None or job["metadata"]["uid"] != uid:
            return
        if self.fails.get(key[2], 0) > 0:
            self.fails[key[2]] -= 1
            message = "Job has reached the specified backoff limit"
            ended = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": message}
        else:
            self.weights.add(key[2].removesuffix("-hf-download"))
            ended = {"type": "Complete", "status": "True"}
            self.clock.after(60, lambda: self._collect(key, uid))
        self.store(key, job | {"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "False"}, ended]}})

    def _collect(self, key: Key, uid: str) -> None:
        if key in self.objects and self.objects[key]["metadata"]["uid"] == uid:
            self._delete(key, {"propagationPolicy": "Background"}, {})

    def _reconcile(self, key: Key, uid: str) -> None:
        """What the operator and the scheduler make of a NIMService; again, a little later, while it cannot start."""
        service = self.objects.get(key)
        if service is None or service["metadata"]["uid"] != uid:
            return
        pod_key = ("pods", key[1], f"{key[2]}-0")
        if service["spec"].get("replicas") == 0:
            self.objects.pop(pod_key, None)
            self._state(key, "Ready")
            return
        labels = {"app.kubernetes.io/name": key[2]}
        used = self.used_gpus + sum("nodeName" in pod.get("spec", {}) for pod in self.of("pods").values())
        trouble = self._trouble_of_pod(key)
        pod: Object = {"kind": "Pod", "metadata": {"name": pod_key[2], "labels": labels}, "spec": {}}
        is_placed = "nodeName" in self.objects.get(pod_key, {}).get("spec", {})
        if used >= self.gpus and not is_placed:
            said = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
            scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
            self.store(pod_key, pod | {"status": {"phase": "Pending", "conditions": [scheduled]}})
        else:
            pod["spec"] = {"nodeName": "node-2"}
            waiting = {"waiting": {"reason": trouble, "message": "back-off"}} if trouble else {}
            conditions = [{"type": "Ready", "status": "False"}]
            status = {"phase": "Running", "containerStatuses": [{"state": waiting}], "conditions": conditions}
            self.store(pod_key, pod | {"status": status})
        self._state(key, "NotReady")
        if "nodeName" in pod["spec"] and not trouble:
            pod_uid = self.objects[pod_key]["metadata"]["uid"]
            self.clock.after(self.startup_seconds, lambda: self._started(key, pod_key, pod_uid))
        else:
            self.clock.after(15, lambda: self._reconcile(key, uid))

    def _trouble_of_pod(self, key: Key) -> str | None:
        if ("secrets", key[1], "nvcr-pull-secret") not in self.objects:
            return "ImagePullBackOff"
        return None if key[2] in self.weights else "CrashLoopBackOff"

    def _started(self, key: Key, pod_key: Key, pod_uid: str) -> None:
        pod = self.objects.get(pod_key)
        if key in self.objects and pod is not None and pod["metadata"]["uid"] == pod_uid:
            pod["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
            self._state(key, "Ready")

    def _state(self, key: Key, state: str) -> None:
        condition = {"type": "NIM_SERVICE_READY", "status": str(state == "Ready")}
        self.store(key, self.objects[key] | {"status": {"state": state, "conditions": [condition]}})


@contextmanager
def serving_kubernetes(api: KubernetesApi) -> Iterator[KubernetesApi]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status = api.interruptions.pop(0)() if api.interruptions else None
            if status == 0:
                self.close_connection = True
                return
            answer: tuple[int, Object | str] = (
                (status, _status(status, "AlreadyExists" if status == 409 else "", "interrupted"))
                if status
                else api.answer(self.command, self.path, self.headers, body)
            )
            text = answer[1] if isinstance(answer[1], str) else json.dumps(answer[1])
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json" if isinstance(answer[1], dict) else "text/plain")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PATCH = do_DELETE = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            return

    with serving_http(Handler) as api.url:
        yield api


def write_kubeconfig(path: Path, *, token: str = TOKEN, **servers: str) -> Path:
    """A kubeconfig with a context for each of the servers."""
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": next(iter(servers), ""),
                "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
                "users": [{"name": "somebody", "user": {"token": token}}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": "somebody"}} for name in servers],
            }
        )
    )
    return path


def _status(code: int, reason: str, message: str) -> Object:
    status = "Success" if code < 300 else "Failure"
    return {"kind": "Status", "status": status, "code": code, "reason": reason, "message": message}


def _shown(one: Object, headers: Any) -> Object:
    if "as=PartialObjectMetadata" in (headers["Accept"] or ""):
        return {"kind": "PartialObjectMetadata", "metadata": one["metadata"]}
    return one


def _validate(key: Key, one: Object, before: Object | None) -> None:
    invalid = f'{key[0]} "{key[2]}" is invalid: '
    if not _NAME.fullmatch(key[2]):
        raise Refusal(422, "Invalid", f"{invalid}metadata.name: Invalid value")
    if key[0] == "secrets" and not all(isinstance(value, str) for value in one.get("data", {}).values()):
        raise Refusal(422, "Invalid", f"{invalid}data: Invalid value: {one['data']}")
    frozen = {"jobs": ("spec", "template"), "persistentvolumeclaims": ("spec", "accessModes"), "secrets": ("type",)}
    if before is not None and key[0] in frozen and _at(one, frozen[key[0]]) != _at(before, frozen[key[0]]):
        raise Refusal(422, "Invalid", f"{invalid}{'.'.join(frozen[key[0]])}: field is immutable")
    if key[0] == "nimservices" and not all(one.get("spec", {}).get(name) for name in ("image", "authSecret")):
        raise Refusal(422, "Invalid", f"{invalid}spec.image: Required value")
    if key[0] == "jobs":
        _validate_job(one, invalid)


def _validate_job(one: Object, invalid: str) -> None:
    if len(one["metadata"]["name"]) > 63:
        raise Refusal(422, "Invalid", f"{invalid}metadata.name: must be no more than 63 characters")
    pod = _at(one, ("spec", "template", "spec")) or {}
    if pod.get("restartPolicy") not in ("Never", "OnFailure"):
        raise Refusal(422, "Invalid", f"{invalid}spec.template.spec.restartPolicy: Unsupported value")
    if not all(container.get("image") for container in pod.get("containers") or [{}]):
        raise Refusal(422, "Invalid", f"{invalid}spec.template.spec.containers[0].image: Required value")
    labels = (_at(one, ("spec", "template", "metadata", "labels")) or {}) | (one["metadata"].get("labels") or {})
    if bad := [value for value in labels.values() if not _LABEL.fullmatch(value)]:
        raise Refusal(422, "Invalid", f"{invalid}metadata.labels: Invalid value: {bad[0]!r}")


def _leaves(one: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Path -> value; a list counts as one value."""
    if not isinstance(one, dict):
        return {path: one}
    return {leaf: value for name, inner in one.items() for leaf, value in _leaves(inner, (*path, name)).items()}


def _at(one: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        one = (one or {}).get(name)
    return one


def _set(one: Object, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        one = one.setdefault(name, {})
    one[path[-1]] = value


def _drop(one: Object, path: tuple[str, ...]) -> None:
    for name in path[:-1]:
        one = one.get(name, {})
    one.pop(path[-1], None)
