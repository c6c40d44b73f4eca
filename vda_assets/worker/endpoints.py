"""The two model servers that both containers ask: waited for before the container starts."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from http.client import HTTPException

from vda_assets.worker.environment import seconds_of
from vda_assets.worker.failure import BAD_SETUP, ENDPOINT_NOT_READY, WorkerError, say

Endpoints = dict[str, tuple[str, str]]


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
        try:
            served = served_models(url, name, timeout_seconds=min(10.0, max(1.0, deadline - time.monotonic())))
            if served:
                model = wanted if wanted in served else served[0]
                if model != wanted:
                    say(f"WARNING: the {name} at {url} does not serve {wanted!r}; taking {model!r}")
                return url, model
            reason = "it lists no model"
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
        left = deadline - time.monotonic()
        if left <= 0:
            message = f"the {name} at {url} is not ready after {timeout_seconds:g} seconds: {reason}"
            raise WorkerError(ENDPOINT_NOT_READY, message)
        say(f"waiting for the {name} at {url}, {left:.0f} seconds left: {reason}")
        time.sleep(min(10.0, left))


def endpoint_url(name: str) -> str:
    """The base URL of the VLM or LLM."""
    url = normalise_endpoint(os.environ.get(f"{name}_ENDPOINT", ""))
    if not url.startswith(("http://", "https://")):
        raise WorkerError(BAD_SETUP, f"{name}_ENDPOINT in the run's .env is {url!r}, not an http(s) URL")
    return url


def served_models(url: str, name: str, *, timeout_seconds: float) -> list[str]:
    request = urllib.request.Request(f"{url}/models")
    if key := key_of(name):
        # Never to where the endpoint redirects.
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
        return [str(entry["id"]) for entry in json.load(response)["data"]]


def key_of(name: str) -> str | None:
    """The key for the VLM or LLM: the deployment's own, else what paidf-auto-labeling 1.0.0 sends, by the variables
    that it looks at, in order."""
    variables = (os.environ.get(f"{name}_API_KEY_ENV", ""), f"{name}_API_KEY", "NVIDIA_API_KEY", "OPENAI_API_KEY")
    return next(filter(None, map(os.environ.get, variables)), None)


def normalise_endpoint(url: str) -> str:
    """The base of an OpenAI-compatible URL: an invoke URL (NIM or NVCF) becomes the base that it belongs to."""
    url = re.sub(r"[?#].*", "", url.strip()).rstrip("/")
    url = re.sub(r"(/(chat/completions|completions|models|health/(ready|live)))+$", "", url)
    return f"{url}/v1" if re.fullmatch(r"https?://[^/]+", url) else url
