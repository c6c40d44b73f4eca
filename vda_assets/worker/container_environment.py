"""The environment that a container is started in."""

from __future__ import annotations

import os
from pathlib import Path

from vda_assets.worker.endpoints import Endpoints, key_of


def container_environment(container: str, endpoints: Endpoints, cache: Path, temporary: Path) -> dict[str, str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary)}
    # Whatever these were set to before, they beat the config: *_BASE_URL and *_MODEL in auto-labeling 1.0.0,
    # *_ENDPOINT_* in augmentation 1.0.0.
    for kind, (url, model) in endpoints.items():
        environment[f"{kind.upper()}_BASE_URL"] = environment[f"{kind.upper()}_ENDPOINT_URL"] = url
        # augmentation 1.0.0 looks at no other variable for its key.
        environment.pop(f"{kind.upper()}_API_KEY", None)
        if key := key_of(kind.upper()):
            environment[f"{kind.upper()}_API_KEY"] = key
        environment[f"{kind.upper()}_MODEL"] = environment[f"{kind.upper()}_ENDPOINT_MODEL"] = model
    for name in ("LLM_CAPTION_ENDPOINT_URL", "LLM_CAPTION_ENDPOINT_MODEL", "AUTO_LABELING_DRY_RUN"):
        environment.pop(name, None)
    # Older libraries look at the one name, newer ones at the other.
    tokens = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    if token := next(filter(None, map(os.environ.get, tokens)), None):
        environment |= {name: os.environ.get(name) or token for name in tokens}
    if container == "auto_labeling":
        # It would send these to an endpoint that has no key of its own, whose ever that is.
        for name in ("NVIDIA_API_KEY", "OPENAI_API_KEY"):
            environment.pop(name, None)
        environment["MODEL_CACHE_PATH"] = str(cache)
    else:
        hub = cache / "hub"
        environment["HF_HUB_CACHE"] = str(hub if hub.is_dir() else cache)
    return environment
