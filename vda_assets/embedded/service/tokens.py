"""Login tokens: the configured access token itself, or a short-lived signed one in the shape of a JWT."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from pydantic import SecretStr

from vda_assets.embedded.service.errors import ApiError

LIFETIME_SECONDS = 300


def exchange(given: str, configured: SecretStr | None) -> dict[str, Any]:
    """Access token -> a signed token for 300 s, as OSMO 6.4 answers; raises ApiError for a wrong one."""
    if configured is None or not hmac.compare_digest(given.encode(), configured.get_secret_value().encode()):
        raise ApiError("Access Token is invalid")
    expires_at = int(time.time()) + LIFETIME_SECONDS
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    payload = _encode(json.dumps({"aud": "osmo", "exp": expires_at}).encode())
    return {
        "token": f"{head}.{payload}.{_signature(f'{head}.{payload}', configured)}",
        "expires_at": expires_at,
        "error": None,
    }


def is_valid(bearer: str, configured: SecretStr) -> bool:
    """Whether a call with this bearer may pass: the access token, or a signed one that has not expired."""
    if hmac.compare_digest(bearer.encode(), configured.get_secret_value().encode()):
        return True
    signed, _, signature = bearer.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(signed, configured).encode()):
        return False
    payload = signed.rpartition(".")[2]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return bool(claims["exp"] > time.time())


def _signature(text: str, configured: SecretStr) -> str:
    return _encode(hmac.new(configured.get_secret_value().encode(), text.encode(), hashlib.sha256).digest())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
