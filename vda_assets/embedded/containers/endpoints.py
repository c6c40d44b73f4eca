"""Asks an OpenAI-compatible endpoint which models it serves; that is all the stand-ins need of it.

EndpointError   the endpoint cannot be used: no answer, not an answer of a model server, or another model
"""

import json
import urllib.error
import urllib.request
from http.client import HTTPException

REQUEST_TIMEOUT_SECONDS = 5.0


class EndpointError(Exception):
    """The endpoint cannot be used; the message names its address and why."""


def served_models(url: str, *, api_key: str | None = None) -> tuple[str, ...]:
    """The model ids that `GET <url>/models` lists; raises EndpointError when there is no usable answer."""
    if not url.startswith(("http://", "https://")):
        raise EndpointError(f"endpoint url {url!r}: not an http(s) address; set it in the config or by an override")
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    request = urllib.request.Request(f"{url.rstrip('/')}/models", headers=headers)  # noqa: S310 - scheme checked above
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
            answer = json.load(response)
    except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
        raise EndpointError(f"endpoint {url}: {error}; is the model server up?") from error
    models = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        raise EndpointError(f"endpoint {url}: /models answered without a `data` list; is it a model server?")
    return tuple(str(model["id"]) for model in models if isinstance(model, dict) and "id" in model)


def require_model(url: str, model: str, *, api_key: str | None = None) -> str:
    """The served model to use: `model`, or the first one when `model` is empty; raises EndpointError without one."""
    models = served_models(url, api_key=api_key)
    if not models:
        raise EndpointError(f"endpoint {url}: lists no model; wait until one is loaded")
    if model and model not in models:
        raise EndpointError(f"endpoint {url}: does not serve {model!r}, only {', '.join(models)}")
    return model or models[0]
