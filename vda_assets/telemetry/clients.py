"""Clients that answer soon or not at all: whoever looks regularly looks again anyway."""

from __future__ import annotations

from collections.abc import Mapping

from vda_assets.config.deployment import Deployment
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.connect import connect

_ANSWER_SECONDS, _RETRY_SECONDS = 5.0, 1.0


def quick_client(deployment: Deployment, environment: Mapping[str, str]) -> OsmoClient:
    """Raises OsmoUnauthorized when there is no token."""
    return connect(
        deployment.osmo.url,
        token_env=deployment.osmo.token_env,
        token_file=deployment.token_file,
        user=deployment.osmo.user,
        environment=environment,
        answer_seconds=min(_ANSWER_SECONDS, deployment.osmo.answer_seconds),
        retry_budget_seconds=_RETRY_SECONDS,
    )
