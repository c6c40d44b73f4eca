"""The stand-in for Kubernetes is as unkind as the real one where Jobs and their pods are concerned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from kubernetes.client import ApiException

from vda_assets_tests.end_to_end.world import wait_for
from vda_assets_tests.kubelet import Kubelet, running_pods
from vda_assets_tests.kubernetes_api import KubernetesApi, Object, serving_kubernetes, write_kubeconfig
from vda_assets_tests.kubernetes_rbac import Rbac
from vda_assets_tests.simulated_clock import SimulatedClock

IMAGE, SLEEP = "registry.example.com/tool:1", ["sleep", "60"]
ACCOUNT = {"kind": "ServiceAccount", "metadata": {"name": "default"}}


class Node:
    def __init__(self, kubelet: Kubelet, client: kubernetes.client.ApiClient) -> None:
        self.kubelet, self.api = kubelet, kubelet.api
        self.batch, self.core = kubernetes.client.BatchV1Api(client), kubernetes.client.CoreV1Api(client)

    def start(self, *command: str, name: str = "job", **container: Any) -> None:
        container = {"name": "main", "image": IMAGE, "args": list(command), **container}
        pod = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 1}
        template = {"metadata": {"labels": {"app": name}}, "spec": pod}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}
        self.batch.create_namespaced_job("n", job | {"spec": {"backoffLimit": 0, "template": template}})

    def pod(self, name: str = "job") -> Object:
        (pod,) = (one for key, one in self.api.of("pods").items() if key.startswith(f"{name}-"))
        return pod

    def key(self) -> tuple[str, str, str]:
        return "pods", "n", self.pod()["metadata"]["name"]

    def ended(self, count: str) -> Object:
        wait_for(lambda: self.api.of("jobs")["job"]["status"].get(count) == 1, f"a job that {count}")
        return self.pod()["status"]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    api = KubernetesApi(SimulatedClock(), rbac=Rbac([], namespace="n"), accounts={"t": "n:default"})
    api.put("serviceaccounts", {"apiVersion": "v1", **ACCOUNT, "metadata": {"name": "default", "namespace": "n"}})
    with (
        serving_kubernetes(api),
        running_pods(api, tmp_path / "node", {IMAGE: {"PATH": "/usr/bin:/bin"}}) as kubelet,
        kubernetes.config.new_client_from_config(
            str(write_kubeconfig(tmp_path / "kubeconfig", cluster=api.url))
        ) as client,
    ):
        yield Node(kubelet, client)


def test_a_container_has_the_environment_of_its_job_and_nothing_of_this_process(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_PROCESS", "1")
    node.start("env", env=[{"name": "GIVEN", "value": "1"}])
    assert node.ended("succeeded")["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    said = node.core.read_namespaced_pod_log(node.key()[2], "n", _preload_content=False).data.decode()
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names == {"PATH", "GIVEN", "HOSTNAME", "KUBECONFIG"}


@pytest.mark.parametrize(
    ("strike", "reason", "code"),
    [
        (lambda node: node.kubelet.kill(node.key()), "OOMKilled", 137),
        (lambda node: node.kubelet.evict(node.key()), "Error", 137),
    ],
)
def test_a_pod_that_is_struck_fails_its_job(node: Node, strike: Any, reason: str, code: int) -> None:
    node.start(*SLEEP)
    strike(node)
    status = node.ended("failed")
    assert status["phase"] == "Failed"
    assert status["containerStatuses"][0]["state"]["terminated"] | {"finishedAt": ""} == {
        "exitCode": code,
        "reason": reason,
        "finishedAt": "",
    }


def test_a_job_that_is_deleted_without_a_policy_leaves_its_pod(node: Node) -> None:
    node.start(*SLEEP)
    node.batch.delete_namespaced_job("job", "n")
    assert node.kubelet.running == [node.key()]
    node.core.delete_namespaced_pod(node.key()[2], "n")
    wait_for(lambda: not node.api.of("pods"), "the end of the pod after its grace period")
    assert node.kubelet.running == []


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"image": "registry.example.com/none:1"}, "ImagePullBackOff"),
        ({"envFrom": [{"secretRef": {"name": "none"}}]}, "CreateContainerConfigError"),
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, "CreateContainerConfigError"),
    ],
)
def test_a_pod_that_cannot_start_waits_and_says_why(node: Node, container: Object, reason: str) -> None:
    node.start(*SLEEP, **container)
    (event,) = node.api.of("events").values()
    assert node.pod()["status"]["phase"] == "Pending"
    assert node.pod()["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
    assert event["involvedObject"]["name"] == node.key()[2]


@pytest.mark.parametrize(
    ("name", "container", "status"),
    [("Job", {}, 422), ("a" * 64, {}, 422), ("b", {"image": ""}, 422), ("job", {}, 409)],
)
def test_a_job_that_kubernetes_would_not_take_is_refused(node: Node, name: str, container: Object, status: int) -> None:
    node.start(*SLEEP)
    with pytest.raises(ApiException) as refused:
        node.start(*SLEEP, name=name, **container)
    assert refused.value.status == status


def test_what_is_gone_is_not_found(node: Node) -> None:
    for ask in (node.batch.read_namespaced_job_status, node.batch.delete_namespaced_job):
        with pytest.raises(ApiException) as refused:
            ask("job", "n")
        assert refused.value.status == 404
