"""What each identity may do in Kubernetes, verb by verb; whatever else it asks for is refused."""

from __future__ import annotations

from pathlib import Path

import kubernetes
import pytest
from kubernetes.client import ApiException

from vda_assets_tests.cluster.deployed import ACCOUNTS, NAMESPACE, rbac
from vda_assets_tests.kubernetes_api import KubernetesApi, serving_kubernetes, write_kubeconfig
from vda_assets_tests.simulated_clock import SimulatedClock

NIMS = "osmo-nims"
RIGHTS = {
    "vda-webserver": {
        "vda batch/jobs delete",
        "vda /pods list",
        "vda /pods delete",
    },
    "vda-daemon": {
        "vda batch/jobs create",
        "vda batch/jobs list",
        "vda batch/jobs delete",
        "vda batch/jobs/status get",
        "vda /pods list",
        "vda /pods delete",
        "vda /pods/log get",
        "vda /events list",
    },
    "vda-code": set(),
    "vda-run": {
        *(
            f"{NIMS} {kind} {verb}"
            for kind in ("/secrets", "/persistentvolumeclaims")
            for verb in ("get", "create", "patch")
        ),
        f"{NIMS} /pods list",
        *(f"{NIMS} batch/jobs {verb}" for verb in ("get", "create", "patch", "delete")),
        *(f"{NIMS} apps.nvidia.com/nimservices {verb}" for verb in ("get", "create", "patch")),
        " /namespaces get osmo-nims",
        " /nodes list",
    },
}


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_has_these_rights_and_no_other(account: str) -> None:
    rights = rbac().rights(f"{NAMESPACE}:{account}")
    assert {f"{one.namespace} {one.group}/{one.resource} {one.verb} {one.name}".rstrip() for one in rights} == RIGHTS[
        account
    ]


def test_there_are_no_other_accounts() -> None:
    assert rbac().accounts == {f"{NAMESPACE}:{account}" for account in ACCOUNTS}


@pytest.mark.parametrize(
    ("account", "namespace", "call"),
    [
        ("vda-webserver", NAMESPACE, "list_namespaced_event"),
        ("vda-daemon", NAMESPACE, "list_namespaced_secret"),
        ("vda-daemon", "default", "list_namespaced_pod"),
        ("vda-run", NAMESPACE, "list_namespaced_pod"),
        ("vda-run", NIMS, "list_namespaced_secret"),
        ("vda-code", NAMESPACE, "list_namespaced_pod"),
    ],
)
def test_what_an_account_has_no_right_to_is_forbidden(tmp_path: Path, account: str, namespace: str, call: str) -> None:
    accounts = {one: f"{NAMESPACE}:{one}" for one in ACCOUNTS}
    with serving_kubernetes(KubernetesApi(SimulatedClock(), rbac=rbac(), accounts=accounts)) as api:
        login = write_kubeconfig(tmp_path / "kubeconfig", token=account, cluster=api.url)
        with kubernetes.config.new_client_from_config(str(login)) as client, pytest.raises(ApiException) as refused:
            getattr(kubernetes.client.CoreV1Api(client), call)(namespace)
    assert refused.value.status == 403
    assert f'User \\"system:serviceaccount:vda:{account}\\" cannot list' in refused.value.body
