"""Login tokens: the configured access token, kept in a file, or a short-lived signed one in the shape of a JWT."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from vda_assets.embedded.service.errors import ApiError, EmptyToken

LIFETIME_SECONDS = 300


def token_in(path: Path) -> SecretStr:
    """The token that the file holds; makes file and token when there is none. Raises EmptyToken for an empty file."""
    if not path.exists():
        _make(path)
    token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise EmptyToken(f"{path} is empty: delete it, and the next start makes a new token")
    return SecretStr(token)


def _make(path: Path) -> None:
    """The file appears under its name only whole, and only once, whoever starts at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32))
        Path(path).hardlink_to(part)
    except FileExistsError:
        return
    finally:
        Path(part).unlink()


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
