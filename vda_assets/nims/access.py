"""The way into the cluster: the pod's own service account, or a context of the kubeconfig."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.cut import cut
from vda_assets.base.patience import Patience, say_nothing
from vda_assets.nims.cluster import Cluster
from vda_assets.nims.errors import NimStop, NoCluster

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def open_cluster(
    context: str | None,
    *,
    environment: Mapping[str, str],
    patience: Patience,
    clock: Clock = SYSTEM_CLOCK,
    log: Callable[[str], None] = say_nothing,
    service_account: Path = _SERVICE_ACCOUNT,
) -> Cluster:
    """The cluster of a kubeconfig's `context`; of this pod, or of the kubeconfig's only context, when that is None.

    Asks nothing yet. Raises NoCluster when there is neither, NimStop when there are several contexts or the kubeconfig
    cannot be used.
    """
    # It takes half a second and 60 MB to load, which only who looks at a NIM has to pay.
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.incluster_config import InClusterConfigLoader

    # Not `Configuration()`, which takes over what another part of this process may have made the default.
    configuration = type.__call__(Configuration)
    token = service_account / "token"
    try:
        if context is None and environment.get("KUBERNETES_SERVICE_HOST") and token.is_file():
            InClusterConfigLoader(
                token_filename=str(token), cert_filename=str(service_account / "ca.crt"), environ=environment
            ).load_and_set(configuration)
        else:
            _load_kubeconfig(configuration, context, environment)
    except yaml.YAMLError:
        # Its text may hold a piece of the file, which has keys in it.
        raise NimStop("correct the kubeconfig: it is not YAML") from None
    except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NimStop(f"correct the way into the Kubernetes cluster, which cannot be used: {cut(error)}") from None
    # Its own retries know of no deadline.
    configuration.retries = False
    return Cluster(ApiClient(configuration), patience=patience, clock=clock, log=log)


def _load_kubeconfig(configuration: Any, context: str | None, environment: Mapping[str, str]) -> None:
    from kubernetes.config.kube_config import list_kube_config_contexts, load_kube_config

    files = environment.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(file).expanduser().is_file() for file in files.split(":") if file):
        raise NoCluster("this is no pod of a cluster, and there is no kubeconfig (KUBECONFIG, ~/.kube/config)")
    contexts = sorted(one["name"] for one in list_kube_config_contexts(files)[0])
    known = ", ".join(contexts) or "none"
    if context is None and len(contexts) != 1:
        raise NimStop(f"set kubernetes.context in the deployment: the kubeconfig has several contexts: {known}")
    if context is not None and context not in contexts:
        raise NimStop(f"correct kubernetes.context {context!r} in the deployment; the kubeconfig has: {known}")
    load_kube_config(files, context=context or contexts[0], client_configuration=configuration, persist_config=False)
