"""The prompt: composed from the selections, after asking the endpoints that the real one would ask.

CaptionError   no prompt for this sample, as when a model server is down; the sample is skipped
"""

import random
from collections.abc import Mapping
from pathlib import Path

from vda_assets.embedded.containers.augmentation.schema import Captioning, Endpoint, Endpoints
from vda_assets.embedded.containers.endpoints import EndpointError, require_model


class CaptionError(Exception):
    """There is no prompt for the sample; the message says why."""


def selections(captioning: Captioning) -> dict[str, str]:
    """What is applied, verified and reported: the first value of each variable, sorted by name."""
    if captioning.llm is None:
        return {}
    chosen = {**(captioning.llm.variables or {}), **(captioning.llm.verification_values or {})}
    return {name: values[0] for name, values in sorted(chosen.items()) if values}


def effective_endpoints(endpoints: Endpoints | None, environment: Mapping[str, str]) -> tuple[Endpoint, Endpoint]:
    """The VLM and the captioning LLM, where the environment beats the config."""
    configured = endpoints or Endpoints()
    return (
        _endpoint(configured.vlm, environment, "VLM_ENDPOINT"),
        _endpoint(configured.llm, environment, "LLM_CAPTION_ENDPOINT", "LLM_ENDPOINT"),
    )


def evaluation_endpoints(endpoints: Endpoints | None, environment: Mapping[str, str]) -> tuple[Endpoint, Endpoint]:
    """The VLM and LLM of the attribute verification: the captioning LLM of the environment is not theirs."""
    configured = endpoints or Endpoints()
    return (
        _endpoint(configured.vlm, environment, "VLM_ENDPOINT"),
        _endpoint(configured.llm, environment, "LLM_ENDPOINT"),
    )


def _endpoint(configured: Endpoint | None, environment: Mapping[str, str], *prefixes: str) -> Endpoint:
    def first(key: str, fallback: str) -> str:
        return next((value for prefix in prefixes if (value := environment.get(f"{prefix}_{key}"))), fallback)

    base = configured or Endpoint(url="")
    return Endpoint(url=first("URL", base.url), model=first("MODEL", base.model))


def caption(
    captioning: Captioning, *, media: Path, vlm: Endpoint, llm: Endpoint, environment: Mapping[str, str]
) -> str:
    """The prompt for `media`; raises CaptionError when an endpoint that it needs cannot be used."""
    rewriting = captioning.llm
    try:
        if rewriting is not None and rewriting.text is not None:
            return rewriting.text
        if rewriting is not None and rewriting.file_path is not None:
            lines = [line for line in Path(rewriting.file_path).read_text().splitlines() if line.strip()]
            return random.Random(rewriting.seed).choice(lines)
        if captioning.vlm is not None:
            require_model(vlm.url, vlm.model, api_key=environment.get("VLM_API_KEY"))
        if rewriting is not None:
            require_model(llm.url, llm.model, api_key=environment.get("LLM_API_KEY"))
    except (EndpointError, OSError, IndexError) as error:
        raise CaptionError(f"no caption: {error}") from error
    chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in selections(captioning).items())
    return f"[CPU stand-in caption, no model was asked] The scene of {media.name} with the same motion" + (
        f", under {chosen}." if chosen else "."
    )
