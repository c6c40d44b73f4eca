"""The two model servers that both containers ask: waited for before the container starts."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from http.client import HTTPException
from urllib.parse import urlsplit

from vda_assets.worker.environment import seconds_of
from vda_assets.worker.failure import BAD_SETUP, ENDPOINT_NOT_READY, WorkerError, say

Endpoints = dict[str, tuple[str, str]]


# What a base is followed by when a model is asked.
_INVOKED = re.compile(
    r"((/v1)*/(chat/completions|completions|responses|embeddings|models|health/(ready|live)))+$", re.ASCII
)
# More than any list of models, and less than what a worker could not hold.
_MOST_BYTES = 4 * 1024**2


def wait_for_endpoint(kind: str) -> tuple[str, str]:
    """(base URL, model id that the endpoint serves); waits at most ENDPOINT_WAIT_TIMEOUT_SECONDS."""
    name = kind.upper()
    url = endpoint_url(name)
    wanted = os.environ.get(f"{name}_ENDPOINT_MODEL", "")
    if os.environ.get(f"WAIT_FOR_{name}", "1") != "1":
        return url, wanted
    timeout_seconds = seconds_of("ENDPOINT_WAIT_TIMEOUT_SECONDS", 180)
    deadline = time.monotonic() + timeout_seconds
    while True:
        reason = ""
        for base in candidates(url):
            try:
                served = served_models(base, name, timeout_seconds=min(10.0, max(1.0, deadline - time.monotonic())))
            except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
                reason = reason or f"{type(error).__name__}: {error}"
                continue
            if served:
                model = wanted if wanted in served else served[0]
                if model != wanted:
                    say(f"WARNING: the {name} at {base} does not serve {wanted!r}; taking {model!r}")
                return base, model
            reason = reason or "it lists no model"
        left = deadline - time.monotonic()
        if left <= 0:
            message = f"the {name} at {url} is not ready after {timeout_seconds:g} seconds: {reason}"
            raise WorkerError(ENDPOINT_NOT_READY, message)
        say(f"waiting for the {name} at {url}, {left:.0f} seconds left: {reason}")
        time.sleep(min(10.0, left))


def endpoint_url(name: str) -> str:
    """The base URL of the VLM or LLM."""
    given = os.environ.get(f"{name}_ENDPOINT", "")
    url = normalise_endpoint(given)
    if not re.match(r"https?://[^/]", url):
        raise WorkerError(BAD_SETUP, f"{name}_ENDPOINT in the run's .env is {given!r}, not an http(s) URL")
    return url


def served_models(url: str, name: str, *, timeout_seconds: float) -> list[str]:
    request = urllib.request.Request(f"{url}/models")
    if key := key_of(name):
        # Never to where the endpoint redirects.
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
        return [str(entry["id"]) for entry in json.loads(response.read(_MOST_BYTES))["data"]]


def key_of(name: str) -> str | None:
    """The key for the VLM or LLM: the deployment's own. Without one a host of NVIDIA's or the cluster's gets what
    paidf-auto-labeling 1.0.0 sends, by the variables that it looks at, in order; those may hold an NGC key, so that
    all other hosts get none."""
    if own := os.environ.get(f"{name}_API_KEY_ENV"):
        return os.environ.get(own) or None
    if not may_have_the_ngc_key(os.environ.get(f"{name}_ENDPOINT", "")):
        return None
    variables = (f"{name}_API_KEY", "NVIDIA_API_KEY", "OPENAI_API_KEY")
    return next(filter(None, map(os.environ.get, variables)), None)


def may_have_the_ngc_key(url: str) -> bool:
    parts = urlsplit(normalise_endpoint(url))
    host = f".{parts.hostname or ''}".rstrip(".")
    if not re.fullmatch(r"[a-z0-9_.-]+", host):
        return False
    is_nvidia = parts.scheme == "https" and host.endswith(".nvidia.com")
    return is_nvidia or host.endswith((".svc", ".svc.cluster.local"))


def normalise_endpoint(url: str) -> str:
    """The base of an OpenAI-compatible URL: an invoke URL (NIM or NVCF) becomes the base that it belongs to."""
    scheme, found, rest = url.strip().partition("://")
    if not found:
        scheme, rest = "http", scheme
    host, _, path = re.sub(r"[?#].*", "", rest, flags=re.DOTALL).partition("/")
    path = re.sub(r"/+", "/", f"/{path}").rstrip("/")
    if invoked := _INVOKED.search(path):
        path = path[: invoked.start()] + ("/v1" if invoked[0].startswith("/v1/") else "")
    path = re.sub(r"(/v1){2,}$", "/v1", path)
    return f"{scheme.lower()}://{host.lower()}{path or '/v1'}"


def candidates(base: str) -> list[str]:
    """The bases that a normalised URL may mean, the likeliest first; the first that lists a model is the one."""
    if re.search(r"/v\d\w*$", base, re.ASCII):
        return [base]
    host = "/".join(base.split("/")[:3])
    return [base, f"{base}/v1", f"{host}/v1", host]
