"""Jobs of the Kubernetes API as processes of this machine: its Job controller, scheduler, kubelet and image registry.

A container gets the environment that its Job gives it, beside what stands in its image, and nothing of this process.
Where this process is root, it also has a host name, process ids and, where the Job asks for it, a read-only root of its
own; a read-only root lets the folders of this machine through in which volumes are, and the folder for temporary files.
Mount paths of volumes are real paths: those of ConfigMaps and Secrets have to be below `folder`.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psutil

from vda_assets_tests.kubernetes_api import Key, KubernetesApi, Object, write_kubeconfig
from vda_assets_tests.namespaces import can_enter
from vda_assets_tests.warm import WarmProcess


class _Unconfigured(Exception):
    """What a container's environment or volume is taken from is not there."""


@dataclass
class Kubelet:
    """`images` has the variables of each image that can be pulled; `cold` are those that hold other code than this
    process has."""

    api: KubernetesApi
    folder: Path
    images: dict[str, dict[str, str]]
    cold: set[str] = field(default_factory=set)
    _pods: dict[Key, _Pod] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self.api.controllers = self

    # What the API server tells

    def job_made(self, key: Key) -> None:
        job = self.api.objects[key]
        job["status"] = {"active": 1, "startTime": _now()}
        template = job["spec"]["template"]
        account = template["spec"].get("serviceAccountName") or "default"
        if ("serviceaccounts", key[1], account) not in self.api.objects:
            said = f'Error creating: pods "{key[2]}-" is forbidden: serviceaccount "{account}" not found'
            self._event("Job", key, "FailedCreate", said)
            return
        pod_key = ("pods", key[1], f"{key[2]}-{next(self._numbers):05x}")
        labels = {**template["metadata"].get("labels", {}), "job-name": key[2]}
        self.api.store(pod_key, {"metadata": {"labels": labels}, "spec": template["spec"]})
        self._start(pod_key, account)

    def pod_deleted(self, key: Key) -> bool:
        pod = self._pods.get(key)
        if pod is None or pod.has_ended:
            self._count_as_failed(key)
            return True
        if "deletionTimestamp" not in self.api.objects[key]["metadata"]:
            self.api.objects[key]["metadata"]["deletionTimestamp"] = _now()
            pod.end(self._grace(key))
        return False

    def log_of(self, key: Key, query: Mapping[str, str]) -> str:
        lines = self._log(key).read_text(errors="replace").splitlines(keepends=True) if self._log(key).exists() else []
        lines = lines[-int(query.get("tailLines", len(lines) or 1)) :]
        return "".join(f"{_now()} {line}" if query.get("timestamps", "").lower() == "true" else line for line in lines)

    # What befalls pods

    def pods_of(self, run_id: str) -> list[Key]:
        """Those of a run of Dagster."""
        with self.api.clock.lock:
            return [
                key
                for key, one in self.api.objects.items()
                if key[0] == "pods" and one["metadata"]["labels"].get("dagster/run-id") == run_id
            ]

    def pod_of(self, run_id: str) -> Key:
        (key,) = self.pods_of(run_id)
        return key

    def kill(self, key: Key) -> None:
        """As the kernel does when memory is out: exit code 137."""
        self._pods[key].kill("OOMKilled")

    def evict(self, key: Key, *, grace_seconds: float = 0) -> None:
        """As the kubelet does when its node is low on memory; with time to end when it is not that urgent."""
        self._pods[key].evicted = True
        self._pods[key].end(grace_seconds)

    def drain(self, key: Key) -> None:
        """As `kubectl drain` does of its node."""
        with self.api.clock.lock:
            if self.pod_deleted(key):
                del self.api.objects[key]

    @property
    def running(self) -> list[Key]:
        return [key for key, pod in self._pods.items() if not pod.has_ended]

    def stop(self) -> None:
        for pod in list(self._pods.values()):
            pod.kill("Error")
        for pod in list(self._pods.values()):
            pod.watcher.join(30)

    # Pods

    def _start(self, key: Key, account: str) -> None:
        spec = self.api.objects[key]["spec"]
        container = spec["containers"][0]
        if container["image"] not in self.images:
            said = f'Failed to pull image "{container["image"]}": not found'
            self._wait(key, "ImagePullBackOff", f'Back-off pulling image "{container["image"]}"', event=said)
            return
        try:
            environment = self._environment(key, container, account)
            read_only = self._mount(key, spec, container)
        except _Unconfigured as error:
            self._wait(key, "CreateContainerConfigError", str(error), event=f"Error: {error}")
            return
        command = [*container.get("command", ()), *container.get("args", ())]
        read_only_root = container.get("securityContext", {}).get("readOnlyRootFilesystem", False)
        own = {"host_name": key[2], "read_only": read_only, "read_only_root": read_only_root} if can_enter() else None
        if container["image"] in self.cold:
            command = ["env", *command]
        with self._log(key).open("wb") as log:
            process = WarmProcess(
                command[1:],
                program=command[0],
                container=own,
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        watcher = threading.Thread(target=self._watch, args=[key, process], daemon=True)
        self._pods[key] = _Pod(process, watcher)
        self._set_status(key, "Running", {"running": {"startedAt": _now()}}, ready=True)
        watcher.start()

    def _watch(self, key: Key, process: WarmProcess) -> None:
        code = process.wait()
        code = code if code >= 0 else 128 - code
        with self.api.clock.lock:
            pod = self._pods[key]
            pod.has_ended = True
            if key not in self.api.objects:
                return
            if "deletionTimestamp" in self.api.objects[key]["metadata"]:
                del self.api.objects[key]
                self._count_as_failed(key)
                return
            reason = pod.reason or ("Error" if code else "Completed")
            ended = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": _now()}}
            self._set_status(key, "Failed" if code or pod.evicted else "Succeeded", ended)
            if pod.evicted:
                said = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51Mi. "
                self.api.objects[key]["status"] |= {"reason": "Evicted", "message": said}
                self._event("Pod", key, "Evicted", said)
            if code or pod.evicted:
                self._count_as_failed(key)
            else:
                self._end_job(key, {"succeeded": 1}, {"type": "Complete", "status": "True"})

    def _count_as_failed(self, key: Key) -> None:
        """A pod that failed or went away uses up a Job without retries."""
        said = "Job has reached the specified backoff limit"
        ended = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": said}
        self._end_job(key, {"failed": 1}, ended)

    def _end_job(self, key: Key, counted: Object, condition: Object) -> None:
        job = self.api.objects.get(("jobs", key[1], key[2].rpartition("-")[0]))
        if job is not None and "conditions" not in job["status"]:
            started = {"startTime": job["status"]["startTime"]}
            self.api.store(
                ("jobs", key[1], job["metadata"]["name"]),
                job | {"status": started | counted | {"conditions": [condition]}},
            )

    def _wait(self, key: Key, reason: str, message: str, *, event: str) -> None:
        self._set_status(key, "Pending", {"waiting": {"reason": reason, "message": message}})
        self._event("Pod", key, "Failed", event)

    def _set_status(self, key: Key, phase: str, state: Object, *, ready: bool = False) -> None:
        pod = self.api.objects[key]
        container = pod["spec"]["containers"][0]
        status = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
        status |= {"ready": ready, "state": state}
        self.api.store(key, pod | {"status": {"phase": phase, "startTime": _now(), "containerStatuses": [status]}})

    def _event(self, kind: str, key: Key, reason: str, message: str) -> None:
        involved = {"kind": kind, "namespace": key[1], "name": key[2]}
        event = {"involvedObject": involved, "type": "Warning", "reason": reason, "message": message, "count": 1}
        self.api.store(("events", key[1], f"{key[2]}.{next(self._numbers):016x}"), event)

    def _grace(self, key: Key) -> float:
        return float(self.api.objects[key]["spec"].get("terminationGracePeriodSeconds", 30))

    def _log(self, key: Key) -> Path:
        return self.folder / f"{key[2]}.log"

    # What a container is given

    def _environment(self, key: Key, container: Object, account: str) -> dict[str, str]:
        environment = {**self.images[container["image"]], "HOSTNAME": key[2]}
        environment["KUBECONFIG"] = str(self._login(key, account))
        for source in container.get("envFrom", ()):
            environment |= self._data(key[1], source)
        for one in container.get("env", ()):
            environment[one["name"]] = one["value"] if "value" in one else self._value(key, one["valueFrom"])
        return environment

    def _login(self, key: Key, account: str) -> Path:
        """Stands for the token that is mounted into each pod."""
        tokens = [token for token, known in self.api.accounts.items() if known == f"{key[1]}:{account}"]
        return write_kubeconfig(self.folder / f"{key[2]}.kubeconfig", token=tokens[0], cluster=self.api.url)

    def _value(self, key: Key, source: Object) -> str:
        if "fieldRef" in source:
            return {"metadata.name": key[2], "metadata.namespace": key[1]}[source["fieldRef"]["fieldPath"]]
        ((kind, chosen),) = source.items()
        data = self._data(key[1], {kind: chosen})
        if chosen["key"] not in data:
            raise _Unconfigured(f"couldn't find key {chosen['key']} in {kind} {key[1]}/{chosen['name']}")
        return data[chosen["key"]]

    def _data(self, namespace: str, source: Object) -> dict[str, str]:
        ((kind, chosen),) = ((kind, one) for kind, one in source.items() if isinstance(one, dict))
        resource = "secrets" if kind.startswith("secret") else "configmaps"
        name = chosen.get("name") or chosen["secretName"]
        if (resource, namespace, name) not in self.api.objects:
            if chosen.get("optional"):
                return {}
            raise _Unconfigured(f'{resource.removesuffix("s")} "{name}" not found')
        one = self.api.objects[resource, namespace, name]
        return one.get("stringData") or one.get("data") or {}

    def _mount(self, key: Key, spec: Object, container: Object) -> list[str]:
        """Writes what volumes hold; returns their folders, which the container cannot write to."""
        volumes = {one["name"]: one for one in spec.get("volumes", ())}
        folders = []
        for mount in container.get("volumeMounts", ()):
            volume = volumes[mount["name"]]
            if "configMap" not in volume and "secret" not in volume:
                continue
            source = {kind: volume[kind] for kind in ("configMap", "secret") if kind in volume}
            data = self._data(key[1], source)
            where = Path(mount["mountPath"])
            assert where.is_relative_to(self.folder), where
            wanted = (
                {where: data[mount["subPath"]]} if "subPath" in mount else {where / name: data[name] for name in data}
            )
            for path, text in wanted.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists() or path.read_text() != text:
                    path.write_text(text)
                folders.append(str(path.parent))
        return sorted(set(folders))


class _Pod:
    def __init__(self, process: WarmProcess, watcher: threading.Thread) -> None:
        self.process, self.watcher = process, watcher
        self.evicted, self.reason, self.has_ended = False, "", False

    def end(self, grace_seconds: float) -> None:
        self._signal(signal.SIGTERM if grace_seconds else signal.SIGKILL)
        timer = threading.Timer(grace_seconds, self._signal, [signal.SIGKILL])
        timer.daemon = True
        timer.start()

    def kill(self, reason: str) -> None:
        self.reason = reason
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """To the container's own process: the first child of the one that made its namespaces."""
        with suppress(psutil.NoSuchProcess):
            if not self.has_ended:
                parent = psutil.Process(self.process.pid)
                inside = parent.children() if can_enter() else []
                (inside or [parent])[0].send_signal(number)


def _now() -> str:
    return datetime.now(UTC).isoformat()


@contextmanager
def running_pods(api: KubernetesApi, folder: Path, images: Mapping[str, Mapping[str, str]]) -> Iterator[Kubelet]:
    """No process of a pod is left at the end."""
    folder.mkdir()
    kubelet = Kubelet(api, folder, {name: dict(variables) for name, variables in images.items()})
    try:
        yield kubelet
    finally:
        kubelet.stop()
