"""Users' credentials as OSMO 6.4 keeps them: GENERIC, REGISTRY and DATA, each under a name of its user."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from vda_assets.embedded.service.errors import ApiError, server_error
from vda_assets.embedded.service.store import Row, Store
from vda_assets.osmo.spec import NAME_PATTERN
from vda_assets.storage.credentials import StorageCredential
from vda_assets.storage.errors import BadStorageUrl
from vda_assets.storage.url import parse_profile

_ORDER = "CASE type WHEN 'DATA' THEN 0 WHEN 'REGISTRY' THEN 1 ELSE 2 END, name"
_DOCKER_HUB = "registry-1.docker.io"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RegistryCredential(_Body):
    registry: str = ""
    username: str = ""
    auth: str


class DataCredentialBody(_Body):
    endpoint: str
    access_key_id: str | None = None
    access_key: str | None = None
    region: str | None = None
    override_url: str | None = None
    addressing_style: Literal["virtual", "path", "auto"] | None = None


class GenericCredential(_Body):
    credential: dict[str, str]


class CredentialOptions(_Body):
    registry_credential: RegistryCredential | None = None
    data_credential: DataCredentialBody | None = None
    generic_credential: GenericCredential | None = None


class Credentials:
    """Payloads leave this class only towards tasks, never towards the API."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def names(self, user: str) -> list[dict[str, str | None]]:
        rows = self._store.all(f"SELECT * FROM credential WHERE user = ? ORDER BY {_ORDER}", user)  # noqa: S608 - constant
        return [_public(row) for row in rows]

    def payloads(self, user: str) -> dict[str, dict[str, str]]:
        """Name -> the keys and values that a task may ask for."""
        rows = self._store.all("SELECT name, payload FROM credential WHERE user = ?", user)
        return {row["name"]: json.loads(row["payload"]) for row in rows}

    def data_credentials(self, user: str) -> list[StorageCredential]:
        rows = self._store.all("SELECT profile, payload FROM credential WHERE user = ? AND type = 'DATA'", user)
        return [StorageCredential(profile=row["profile"], **json.loads(row["payload"])) for row in rows]

    def set(self, *, user: str, name: str, options: CredentialOptions) -> None:
        """Raises ApiError for anything but one kind, and for a GENERIC name that exists (delete it first)."""
        given = [
            kind for kind in (options.registry_credential, options.data_credential, options.generic_credential) if kind
        ]
        if len(given) != 1:
            kinds = str(list(CredentialOptions.model_fields))
            raise ApiError(f"Exactly one of the following must be set dict_keys({kinds})")
        if not NAME_PATTERN.fullmatch(name):
            raise ApiError(f"Credential name {name} must match {NAME_PATTERN.pattern}")
        kind, profile, payload = _stored(given[0])
        with self._store.transaction():
            if profile is not None:
                self._store.execute("DELETE FROM credential WHERE user = ? AND profile = ?", user, profile)
            try:
                self._store.insert(
                    "credential", user=user, name=name, type=kind, profile=profile, payload=json.dumps(payload)
                )
            except sqlite3.IntegrityError:
                message = (
                    ' duplicate key value violates unique constraint "credential_pkey"\n'
                    f"DETAIL:  Key (user_name, cred_name)=({user}, {name}) already exists.\n"
                )
                raise ApiError(message) from None

    def delete(self, *, user: str, name: str) -> list[dict[str, str | None]]:
        with self._store.transaction():
            rows = self._store.all("SELECT * FROM credential WHERE user = ? AND name = ?", user, name)
            if not rows:
                raise ApiError(f"Credential {name} does not exits")
            self._store.execute("DELETE FROM credential WHERE user = ? AND name = ?", user, name)
        return [_public(row) for row in rows]


def _public(row: Row) -> dict[str, str | None]:
    return {"cred_name": row["name"], "cred_type": row["type"], "profile": row["profile"]}


def _stored(
    given: RegistryCredential | DataCredentialBody | GenericCredential,
) -> tuple[str, str | None, dict[str, Any]]:
    if isinstance(given, GenericCredential):
        return "GENERIC", None, given.credential
    if isinstance(given, RegistryCredential):
        return "REGISTRY", given.registry or _DOCKER_HUB, {"username": given.username, "auth": given.auth}
    try:
        profile = parse_profile(given.endpoint)
    except BadStorageUrl as error:
        raise server_error(str(error)) from error
    return "DATA", profile, given.model_dump(exclude={"endpoint"}, exclude_none=True)
