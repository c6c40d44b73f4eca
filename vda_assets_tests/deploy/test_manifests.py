"""The manifests of every overlay, as they are rendered: what Kubernetes would take, and what nobody may lose."""

from __future__ import annotations

import json
import re
import shutil
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from vda_assets.project import load_project
from vda_assets_tests.deploy.manifests import (
    DEPLOY,
    OVERLAYS,
    Pod,
    config_map,
    environment_of,
    of_kind,
    pods,
    rendered,
    rendered_folder,
    run_job,
)
from vda_assets_tests.end_to_end.world import REPOSITORY

# The first that has all that is used, for each overlay, and the newest that is known, for the one with most objects.
KUBERNETES = [*((overlay, "1.29") for overlay in OVERLAYS), ("microk8s", kubernetes_validate.latest_version())]
PAGE = REPOSITORY / "docs/deploy-on-kubernetes.md"
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.mark.parametrize(("overlay", "version"), KUBERNETES)
def test_kubernetes_would_take_every_object_with_every_key(overlay: str, version: str) -> None:
    for one in [*rendered(overlay), run_job(overlay)]:
        kubernetes_validate.validate(one, version, strict=True)


@each_overlay
def test_every_object_has_a_name_of_its_own_and_a_namespace_that_is_made(overlay: str) -> None:
    objects = rendered(overlay)
    keys = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects]
    assert len(set(keys)) == len(keys)
    made = {one["metadata"]["name"] for one in of_kind(overlay, "Namespace")}
    of_the_cluster = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
    assert {namespace for kind, namespace, _ in keys if kind not in of_the_cluster} <= made


@each_overlay
def test_no_pod_can_become_root_or_write_but_below_tmp(overlay: str) -> None:
    for pod in pods(overlay):
        own = pod.spec["securityContext"]
        assert own["runAsNonRoot"] is True, pod.name
        assert own["runAsUser"] == own["runAsGroup"] == 1000, pod.name
        assert own["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.name
        assert not any("hostPath" in volume for volume in pod.spec["volumes"]), pod.name
        for container in pod.containers:
            asked = container["securityContext"]
            assert asked["readOnlyRootFilesystem"] is True, pod.name
            assert asked["allowPrivilegeEscalation"] is False, pod.name
            assert asked["capabilities"] == {"drop": ["ALL"]}, pod.name
            writable = [one["mountPath"] for one in container["volumeMounts"] if not _is_read_only(pod, one)]
            assert writable == ["/tmp"], pod.name


def _is_read_only(pod: Pod, mount: dict[str, Any]) -> bool:
    """A ConfigMap never can be written to, whatever the mount says."""
    (volume,) = [one for one in pod.spec["volumes"] if one["name"] == mount["name"]]
    return mount.get("readOnly") is True or "configMap" in volume


@each_overlay
def test_every_container_says_what_it_needs_and_how_it_is_found_alive(overlay: str) -> None:
    for pod in pods(overlay):
        for container in pod.containers:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), pod.name
            assert "memory" in container["resources"]["limits"], pod.name
            if pod.name != "a run":
                assert {"startupProbe", "livenessProbe"} <= set(container), pod.name
                assert ("readinessProbe" in container) == ("ports" in container), pod.name
        sizes = [volume["emptyDir"] for volume in pod.spec["volumes"] if "emptyDir" in volume]
        assert all("sizeLimit" in size for size in sizes), pod.name


@each_overlay
def test_every_command_is_one_that_the_image_has(overlay: str) -> None:
    commands = {one.name for one in entry_points(group="console_scripts")}
    for pod in pods(overlay):
        for container in pod.containers:
            # The image has no entrypoint of its own.
            started = [*container.get("command", []), *container["args"]]
            probed = [container[probe]["exec"]["command"] for probe in container if "exec" in _probe(container, probe)]
            assert {one[0] for one in (started, *probed)} <= commands, pod.name


def _probe(container: dict[str, Any], key: str) -> dict[str, Any]:
    return container[key] if key.endswith("Probe") else {}


@each_overlay
def test_every_image_is_one_tag_without_a_registry_and_runs_have_the_same(overlay: str) -> None:
    images = {container["image"] for pod in pods(overlay) for container in pod.containers}
    assert len(images) == 1, images
    name, _, tag = images.pop().rpartition(":")
    assert tag not in ("", "latest")
    assert "/" not in name
    assert "." not in name


@each_overlay
def test_no_secret_stands_in_a_manifest(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []
    text = yaml.safe_dump_all(rendered(overlay))
    assert not re.search(r"(?i)(nvapi-\w|hf_[a-z0-9]{8}|AKIA[0-9A-Z]{8}|AccountKey=|-----BEGIN)", text)
    for one in of_kind(overlay, "Deployment"):
        named = [name for name in environment_of(one) if re.search("KEY|TOKEN|PASSWORD|SECRET", name)]
        assert named == [], one["metadata"]["name"]


@each_overlay
def test_every_config_map_is_made_here_and_every_secret_is_told_of_with_its_keys(overlay: str) -> None:
    made = {one["metadata"]["name"] for one in of_kind(overlay, "ConfigMap")}
    page = PAGE.read_text()
    for pod in pods(overlay):
        sources = [source for container in pod.containers for source in container.get("envFrom", [])]
        maps = {source["configMapRef"]["name"] for source in sources if "configMapRef" in source}
        maps |= {volume["configMap"]["name"] for volume in pod.spec["volumes"] if "configMap" in volume}
        assert maps <= made, pod.name
        secrets = {source["secretRef"]["name"] for source in sources if "secretRef" in source}
        secrets |= {volume["secret"]["secretName"] for volume in pod.spec["volumes"] if "secret" in volume}
        assert all(f"`{name}`" in page for name in secrets), pod.name
    wanted = set(re.findall(r"_env: (\w+)", config_map(overlay, "vda-deployments")["cluster.yaml"]))
    assert all(f"`{name}`" in page for name in wanted)


@each_overlay
def test_variables_that_the_instance_reads_are_given_by_a_config_map_or_told_of(overlay: str) -> None:
    read = set(re.findall(r"env: (\w+)}", config_map(overlay, "vda-dagster")["dagster.yaml"]))
    missing = read - set(config_map(overlay, "vda-environment"))
    assert missing == {"DAGSTER_PG_PASSWORD"}
    assert "`DAGSTER_PG_PASSWORD`" in PAGE.read_text()


@each_overlay
def test_the_configuration_of_an_overlay_is_one_that_loads(overlay: str, tmp_path: Path) -> None:
    folder = tmp_path / "assets_cfg"
    shutil.copytree(REPOSITORY / "assets_cfg/cookbooks", folder / "cookbooks")
    for name in ("deployments", "datasets"):
        (folder / name).mkdir()
        for file, content in config_map(overlay, f"vda-{name}").items():
            (folder / name / file).write_text(content)
    project = load_project({"VDA_ASSETS_CFG": str(folder)})
    assert project.broken == ()
    assert list(project.datasets) == ["yard"]


@each_overlay
def test_every_pod_is_cut_off_but_from_what_policies_name(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    (nothing,) = [one for one in policies if one["metadata"]["name"] == "vda-nothing"]
    assert nothing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for pod in pods(overlay):
        reached = {
            port["port"]
            for policy in policies
            if _selects(policy["spec"]["podSelector"], pod)
            for rule in policy["spec"].get("ingress", [])
            if rule["from"]
            for port in rule["ports"]
        }
        served = {port["containerPort"] for container in pod.containers for port in container.get("ports", [])}
        assert served <= reached, pod.name
        egress = [one for one in policies if _selects(one["spec"]["podSelector"], pod) and "egress" in one["spec"]]
        assert len(egress) > 1, f"{pod.name} reaches nothing but names"


def _selects(selector: dict[str, Any], pod: Pod) -> bool:
    alike = all(pod.labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return alike and all(pod.labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))


@each_overlay
def test_every_policy_and_service_selects_a_pod(overlay: str) -> None:
    all_pods = list(pods(overlay))
    for one in of_kind(overlay, "NetworkPolicy"):
        assert any(_selects(one["spec"]["podSelector"], pod) for pod in all_pods), one["metadata"]["name"]
    for one in of_kind(overlay, "Service"):
        (pod,) = [pod for pod in all_pods if _selects({"matchLabels": one["spec"]["selector"]}, pod)]
        ports = {port["name"] for container in pod.containers for port in container["ports"]}
        assert {port["targetPort"] for port in one["spec"]["ports"]} <= ports
    for one in of_kind(overlay, "PodDisruptionBudget"):
        assert any(_selects(one["spec"]["selector"], pod) for pod in all_pods), one["metadata"]["name"]


@each_overlay
def test_a_pod_has_a_token_for_kubernetes_only_where_a_role_is_bound_to_its_account(overlay: str) -> None:
    accounts = {one["metadata"]["name"]: one for one in of_kind(overlay, "ServiceAccount")}
    bindings = of_kind(overlay, "RoleBinding", "ClusterRoleBinding")
    bound = {subject["name"] for one in bindings for subject in one["subjects"]}
    for pod in pods(overlay):
        account = accounts[pod.spec["serviceAccountName"]]
        given = pod.spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
        # Of a run's account the roles for NIMs are bound where those are wanted.
        assert given == (account["metadata"]["name"] in bound) or pod.name == "a run", pod.name


@each_overlay
def test_the_workspace_names_a_service_that_is_there(overlay: str) -> None:
    (location,) = yaml.safe_load(config_map(overlay, "vda-dagster")["workspace.yaml"])["load_from"]
    server = location["grpc_server"]
    services = {one["metadata"]["name"]: one["spec"]["ports"] for one in of_kind(overlay, "Service")}
    assert server["port"] in {port["port"] for port in services[server["host"]]}


@pytest.mark.parametrize(
    ("overlay", "key"),
    [("aws", "eks.amazonaws.com/role-arn"), ("azure", "azure.workload.identity/client-id")],
)
def test_an_overlay_without_keys_gives_each_account_that_asks_storage_an_identity_of_its_own(
    overlay: str, key: str
) -> None:
    found = {
        one["metadata"]["name"]: one["metadata"].get("annotations", {}) for one in of_kind(overlay, "ServiceAccount")
    }
    identities = {name: given[key] for name, given in found.items() if key in given}
    assert set(identities) == {"vda-run", "vda-code", "vda-media", "vda-metrics"}
    assert len(set(identities.values())) == 4


def test_on_azure_every_pod_of_such_an_account_asks_for_its_identity() -> None:
    asking = {pod.name for pod in pods("azure") if pod.labels.get("azure.workload.identity/use") == "true"}
    assert asking == {"vda-code", "vda-media", "vda-metrics", "a run"}


def test_the_login_in_front_is_what_policies_let_reach_the_ui_and_the_media() -> None:
    objects = rendered_folder(DEPLOY / "proxy")
    for one in objects:
        kubernetes_validate.validate(one, "1.29", strict=True)
    (template,) = [one["spec"]["template"] for one in objects if one["kind"] == "Deployment"]
    proxy = Pod("proxy", template["metadata"]["labels"], template["spec"])
    services = {one["metadata"]["name"] for one in of_kind("aws", "Service")}
    upstreams = [arg for one in proxy.containers for arg in one["args"] if arg.startswith("--upstream=")]
    assert {arg.removeprefix("--upstream=http://") for arg in upstreams} == {"vda-webserver", "vda-media"} <= services
    for pod in pods("aws"):
        let_in = [
            source["podSelector"]
            for policy in of_kind("aws", "NetworkPolicy")
            if _selects(policy["spec"]["podSelector"], pod)
            for rule in policy["spec"].get("ingress", [])
            for source in rule["from"]
        ]
        reached = any(_selects(selector, proxy) for selector in let_in)
        assert reached == (pod.name in ("vda-webserver", "vda-media")), pod.name
    assert "`vda-proxy`" in PAGE.read_text()


def test_the_chart_values_say_that_they_were_not_tried() -> None:
    text = (DEPLOY / "dagster-chart-values.yaml").read_text()
    assert "not tried against the chart" in text
    assert json.dumps(yaml.safe_load(text))


@each_overlay
def test_osmos_token_is_a_file_that_kubernetes_renews_where_it_is_asked_for_and_in_no_environment(overlay: str) -> None:
    (deployment,) = config_map(overlay, "vda-deployments").values()
    path = Path(yaml.safe_load(deployment)["osmo"]["token_file"])
    asking = {pod.name: pod for pod in pods(overlay) if "secret" in str(pod.spec["volumes"])}
    assert set(asking) == {"vda-code", "vda-metrics", "a run"}
    for pod in asking.values():
        (mount,) = [one for one in pod.containers[0]["volumeMounts"] if one["mountPath"] == str(path.parent)]
        (volume,) = [one for one in pod.spec["volumes"] if one["name"] == mount["name"]]
        # With a subPath, Kubernetes would leave the file as it was.
        assert (volume["secret"], mount.get("subPath")) == ({"secretName": "vda-osmo"}, None), pod.name
    assert f"`{path.name}`" in PAGE.read_text()


@each_overlay
def test_what_prometheus_is_told_of_is_what_the_exporter_serves_and_it_alone_gets_there(overlay: str) -> None:
    (pod,) = [one for one in of_kind(overlay, "Deployment") if one["metadata"]["name"] == "vda-metrics"]
    template = pod["spec"]["template"]
    (container,) = template["spec"]["containers"]
    (port,) = container["ports"]
    told = template["metadata"]["annotations"]
    assert (told["prometheus.io/port"], told["prometheus.io/path"]) == (str(port["containerPort"]), "/metrics")
    assert container["args"][-1] == str(port["containerPort"])
    (policy,) = [one for one in of_kind(overlay, "NetworkPolicy") if one["metadata"]["name"] == "vda-metrics"]
    (rule,) = policy["spec"]["ingress"]
    (source,) = rule["from"]
    assert {"namespaceSelector", "podSelector"} == set(source)
    secrets = {one["secretRef"]["name"] for one in container["envFrom"] if "secretRef" in one}
    assert secrets == {"vda-postgres", "vda-media"}, "no key that writes, no key of a registry"


@each_overlay
def test_every_pod_logs_for_a_collector(overlay: str) -> None:
    settings = config_map(overlay, "vda-environment")
    for pod in pods(overlay):
        for container in pod.containers:
            maps = [one for one in container.get("envFrom", []) if "configMapRef" in one]
            own = {one["name"]: one.get("value") for one in container.get("env", [])}
            has = {**(settings if maps else {}), **own}
            is_dagsters = container.get("command", [""])[0].startswith("dagster")
            assert has.get("VDA_LOG_FORMAT") == "json", pod.name
            assert not is_dagsters or container["args"][-2:] == ["--log-format", "json"], pod.name
