"""The base of an OpenAI-compatible endpoint, behind which `/models` and `/chat/completions` are asked."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LONGEST = 2000
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d+)?")
# Without a scheme only what cannot be anything else: `host:8000`, `host.domain`.
_BARE_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_.-]+|:\d+)")
# What is invoked behind a base; people paste such a URL, and tools append it once more.
_INVOKED = re.compile(
    r"((/v1)*/(chat/completions|completions|responses|embeddings|models|health/(ready|live)))+$", re.ASCII
)
_VERSION_AT_END = re.compile(r"/v\d\w*$", re.ASCII)


def normalised(url: str) -> str:
    """The base that a URL means: without what is invoked behind it, query, doubled or final slashes; scheme and host in
    lower case. A host alone becomes its `/v1`. Raises ValueError for what is no http(s) URL."""
    if len(url) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters")
    text = url.strip()
    if "://" not in text and _BARE_HOST.match(text):
        text = f"http://{text}"
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in ("http", "https"):
        raise ValueError("must start with http:// or https://")
    host, _, path = re.sub(r"[?#].*", "", rest, flags=re.DOTALL).partition("/")
    if not _HOST.fullmatch(host.lower()):
        raise ValueError("must be http://host:port/path")
    path = re.sub(r"/+", "/", f"/{path}").rstrip("/")
    if invoked := _INVOKED.search(path):
        path = path[: invoked.start()] + ("/v1" if invoked[0].startswith("/v1/") else "")
    path = re.sub(r"(/v1){2,}$", "/v1", path)
    return f"{scheme.lower()}://{host.lower()}{path or '/v1'}"


def candidates(base: str) -> tuple[str, ...]:
    """The bases that a normalised URL may mean, the likeliest first: one alone where it ends in a version.

    Which one it is, only who asks it finds out: the first that lists a model.
    """
    if _VERSION_AT_END.search(base):
        return (base,)
    parts = urlsplit(base)
    host = f"{parts.scheme}://{parts.netloc}"
    return tuple(dict.fromkeys((base, f"{base}/v1", f"{host}/v1", host)))


def is_of_the_cluster(url: str) -> bool:
    """True for a name that only a Kubernetes cluster resolves."""
    return _hostname(url).endswith((".svc", ".svc.cluster.local"))


def may_have_the_ngc_key(url: str) -> bool:
    """True for NVIDIA's own hosts, by https, and for the cluster's: to all others an NGC key is never sent."""
    is_nvidia = url.startswith("https://") and f".{_hostname(url)}".endswith(".nvidia.com")
    return is_nvidia or is_of_the_cluster(url)


def _hostname(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return host.rstrip(".") if _HOST.fullmatch(host) else ""
