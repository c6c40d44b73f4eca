"""Calls about the caller: credentials, profile, login."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from vda_assets.embedded.service.credentials import CredentialOptions
from vda_assets.embedded.service.gate import TOKEN_PATH
from vda_assets.embedded.service.service import CallUser, TheService
from vda_assets.embedded.service.submission import check_pool
from vda_assets.embedded.service.tokens import exchange

router = APIRouter()


class ProfileSettings(BaseModel):
    email_notification: bool | None = None
    slack_notification: bool | None = None
    pool: str | None = None


class TokenRequest(BaseModel):
    token: str


@router.get("/api/credentials")
def list_credentials(service: TheService, user: CallUser) -> dict[str, Any]:
    return {"credentials": service.credentials.names(user)}


@router.post("/api/credentials/{name}")
def set_credential(name: str, options: CredentialOptions, service: TheService, user: CallUser) -> None:
    service.credentials.set(user=user, name=name, options=options)


@router.delete("/api/credentials/{name}")
def delete_credential(name: str, service: TheService, user: CallUser) -> dict[str, Any]:
    return {"credentials": service.credentials.delete(user=user, name=name)}


@router.get("/api/profile/settings")
def profile(service: TheService, user: CallUser) -> dict[str, Any]:
    row = service.store.one("SELECT settings FROM profile WHERE user = ?", user)
    defaults = {
        "username": user,
        "email_notification": False,
        "slack_notification": False,
        "pool": service.settings.pool,
    }
    own = json.loads(row["settings"]) if row else {}
    return {"profile": defaults | own, "roles": [], "pools": [], "token": None}


@router.post("/api/profile/settings")
def set_profile(settings: ProfileSettings, service: TheService, user: CallUser) -> None:
    if settings.pool is not None:
        check_pool(settings.pool, service.settings)
    with service.store.transaction():
        row = service.store.one("SELECT settings FROM profile WHERE user = ?", user)
        own = (json.loads(row["settings"]) if row else {}) | settings.model_dump(exclude_none=True)
        service.store.execute("REPLACE INTO profile (user, settings) VALUES (?, ?)", user, json.dumps(own))


@router.get("/api/auth/login")
def login() -> dict[str, None]:
    """Where to log in: nowhere, as a service says that has no identity provider; `osmo login --method token` works."""
    names = ("device_endpoint", "device_client_id", "browser_endpoint", "browser_client_id")
    return dict.fromkeys((*names, "token_endpoint", "logout_endpoint"))


@router.post(TOKEN_PATH)
def access_token(body: TokenRequest, service: TheService) -> dict[str, Any]:
    return exchange(body.token, service.settings.token)
