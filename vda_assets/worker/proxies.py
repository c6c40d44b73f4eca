"""Keeps a proxy from getting between the worker, its container and model servers of the cluster.

Names like `qwen3-vl.osmo-nims.svc.cluster.local` mean nothing to a company's proxy outside of the cluster.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from urllib.parse import urlsplit

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
ENDINGS_IN_THE_CLUSTER = (".svc", ".local", ".internal", ".localhost")


def go_past_proxies(container: str, urls: Iterable[str]) -> None:
    """Changes the environment of this process, which the container takes over."""
    hosts = {urlsplit(url).hostname or "" for url in urls}
    direct = {host for host in hosts if is_in_cluster(host)}
    if container == "auto_labeling" and direct == hosts:
        # As the reference does: labelling asks nobody but its endpoints.
        for name in (*PROXIES, "no_proxy"):
            os.environ.pop(name, None)
            os.environ.pop(name.upper(), None)
    elif direct and any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXIES):
        # Augmentation keeps the proxy: it fetches weights that the cache lacks from outside.
        spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        # An asterisk means every host only as long as it stands alone.
        listed = spared if spared.strip() == "*" else ",".join(filter(None, [spared, *sorted(direct)]))
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = listed


def is_in_cluster(host: str) -> bool:
    """Whether the host is nothing that a proxy reaches better: a service's name, or an address of a private network."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(ENDINGS_IN_THE_CLUSTER)
