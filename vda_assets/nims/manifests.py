"""The Kubernetes objects of a NIM, as NVIDIA's own installer makes them: same names, same fields, so that either takes
over what the other left."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from vda_assets.nims.catalogue import NAMESPACE, PORT, Nim

Manifest = dict[str, Any]

PULL_SECRET, NGC_SECRET, HF_SECRET = "nvcr-pull-secret", "ngc-api-secret", "hf-token-secret"
GPU = "nvidia.com/gpu"
# Beside the installer's own `orion.nvidia.com/spec-hash`, which is never touched.
SPEC_HASH = "vda-assets/spec-hash"
# What the startup probe grants a NIM until it must answer: 60 s, and then 120 looks, 30 s apart.
_FIRST_LOOK_SECONDS, _LOOKS, _LOOK_SECONDS = 60, 120, 30
STARTUP_SECONDS = _FIRST_LOOK_SECONDS + _LOOKS * _LOOK_SECONDS
_STORE = "/model-store"


def namespace() -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def ngc_secrets(key: SecretStr) -> list[Manifest]:
    """What pulls the images, and what the NIMs themselves read."""
    name, value = "$oauthtoken", key.get_secret_value()
    login = {"username": name, "password": value, "auth": _base64(f"{name}:{value}")}
    registries = json.dumps({"auths": {"nvcr.io": login}})
    return [
        _secret(PULL_SECRET, {".dockerconfigjson": registries}, kind="kubernetes.io/dockerconfigjson"),
        _secret(NGC_SECRET, {"NGC_API_KEY": value}),
    ]


def hf_secret(token: SecretStr) -> Manifest:
    return _secret(HF_SECRET, {"HF_TOKEN": token.get_secret_value()})


def claim(nim: Nim) -> Manifest:
    """The volume of a NIM's weights."""
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": nim.volume}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _named(nim.claim), "spec": spec}


def download(nim: Nim) -> Manifest:
    """The Job that fills the volume; what lies there already, it does not fetch again."""
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": HF_SECRET, "key": "HF_TOKEN"}}}
    container = {
        "name": "download",
        "image": "python:3.11-slim",
        "command": ["sh", "-c", f"pip install --no-cache-dir 'huggingface_hub>=1,<2' && hf download {nim.model}"],
        "env": [{"name": "HF_HOME", "value": f"{_STORE}/huggingface"}, token],
        "volumeMounts": [{"name": "model-store", "mountPath": _STORE}],
    }
    pod = {
        "restartPolicy": "OnFailure",
        "containers": [container],
        "volumes": [{"name": "model-store", "persistentVolumeClaim": {"claimName": nim.claim}}],
    }
    spec = {"backoffLimit": 2, "ttlSecondsAfterFinished": 60, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _named(nim.download), "spec": spec}


def service(nim: Nim) -> Manifest:
    """The NIMService, with a hash of its spec."""
    amounts = {GPU: 1, "memory": nim.memory}
    probe = {
        "httpGet": {"path": "/v1/health/ready", "port": PORT},
        "initialDelaySeconds": _FIRST_LOOK_SECONDS,
        "periodSeconds": _LOOK_SECONDS,
        "failureThreshold": _LOOKS,
        "timeoutSeconds": 5,
    }
    settings = {
        "NIM_MODEL_PATH": f"hf://{nim.model}",
        "NIM_SERVED_MODEL_NAME": nim.model,
        "NIM_CACHE_PATH": _STORE,
        "HF_HOME": f"{_STORE}/huggingface/hub",
        "HF_HUB_OFFLINE": "1",
        "NIM_PROXY_CLIENT_MAX_BODY_SIZE": "500M",
        **nim.settings,
    }
    spec = {
        "image": {
            "repository": "nvcr.io/nim/nvidia/model-free-nim",
            "tag": "2.0.2",
            "pullPolicy": "IfNotPresent",
            "pullSecrets": [PULL_SECRET],
        },
        "authSecret": NGC_SECRET,
        "env": [{"name": name, "value": value} for name, value in settings.items()],
        "storage": {"pvc": {"name": nim.claim}},
        "replicas": 1,
        "resources": {"limits": amounts, "requests": amounts},
        "expose": {"service": {"type": "ClusterIP", "port": PORT}},
        "startupProbe": {"enabled": True, "probe": probe},
    }
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    metadata = {**_named(nim.name), "annotations": {SPEC_HASH: digest}}
    return {"apiVersion": "apps.nvidia.com/v1alpha1", "kind": "NIMService", "metadata": metadata, "spec": spec}


def holds(live: Any, wanted: Any) -> bool:
    """Whether an object has everything that is wanted of it; what others or the cluster added does not count."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(holds(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(live, list) or not all(isinstance(one, Mapping) for one in wanted):
            return bool(live == wanted)
        named = {one.get("name"): one for one in live if isinstance(one, Mapping)}
        return all(holds(named.get(one["name"]), one) for one in wanted)
    # A quantity may be written as a number or as a text.
    return str(live) == str(wanted)


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE}


def _secret(name: str, values: Mapping[str, str], *, kind: str = "Opaque") -> Manifest:
    data = {key: _base64(value) for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _named(name), "type": kind, "data": data}


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
