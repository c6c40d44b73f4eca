"""How Azure Blob Storage is entered: by connection string, account key, SAS token or the ambient identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import fsspec
from fsspec import AbstractFileSystem
from obstore.store import AzureStore, ObjectStore

from vda_assets.storage.credentials import Limits, StorageCredential, log_no_errors, obstore_limits
from vda_assets.storage.undocumented import replace_adlfs_client
from vda_assets.storage.url import StorageUrl


@dataclass(frozen=True)
class AzureSettings:
    """`connection` is None when the ambient identity enters: workload identity, managed identity, `az login`."""

    account: str
    endpoint: str
    connection: str | None = field(repr=False)
    parts: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, url: StorageUrl, credential: StorageCredential) -> AzureSettings:
        account, secret = url.parts[0], credential.access_key
        endpoint = credential.override_url or f"https://{account}.blob.core.windows.net"
        if secret and "sig=" in secret and "SharedAccessSignature=" not in secret:
            secret = f"BlobEndpoint={endpoint};SharedAccessSignature={secret.removeprefix('?')}"
        elif secret and ";" not in secret:
            secret = f"BlobEndpoint={endpoint};AccountName={account};AccountKey={secret}"
        parts = dict(part.split("=", 1) for part in (secret or "").split(";") if "=" in part)
        if parts and "BlobEndpoint" not in parts:
            suffix, protocol = parts.get("EndpointSuffix", "core.windows.net"), parts.get("DefaultEndpointsProtocol")
            parts["BlobEndpoint"] = f"{protocol or 'https'}://{parts.get('AccountName', account)}.blob.{suffix}"
        return cls(parts.get("AccountName", account), parts.get("BlobEndpoint", endpoint), secret, parts)


def azure_filesystem(settings: AzureSettings, limits: Limits) -> AbstractFileSystem:
    from azure.identity.aio import DefaultAzureCredential

    bounds: dict[str, Any] = {
        "connection_timeout": limits.connect_seconds,
        "read_timeout": limits.read_seconds,
        "retry_total": limits.attempts - 1,
        "initial_backoff": 1,
        "increment_base": 2,
    }
    options: dict[str, Any] = {"assume_container_exists": True, "use_listings_cache": False}
    if settings.connection:
        options["connection_string"] = settings.connection
    else:
        log_no_errors("azure.identity")
        options |= {"account_name": settings.account, "credential": DefaultAzureCredential()}
    filesystem: AbstractFileSystem = fsspec.filesystem("abfs", skip_instance_cache=True, **options)
    replace_adlfs_client(filesystem, connection=settings.connection, endpoint=settings.endpoint, **bounds)
    return filesystem


def azure_store(settings: AzureSettings, bucket: str, limits: Limits, *, whole_seconds: float) -> ObjectStore:
    # Given as options, keys would be mixed with those that the environment has for other accounts.
    provider: Any
    if key := settings.parts.get("AccountKey"):
        provider = lambda: {"access_key": key, "expires_at": None}  # noqa: E731
    elif token := settings.parts.get("SharedAccessSignature"):
        provider = lambda: {"sas_token": token, "expires_at": None}  # noqa: E731
    else:
        from obstore.auth.azure import AzureCredentialProvider

        log_no_errors("azure.identity")
        provider = AzureCredentialProvider()
    return AzureStore(
        bucket,
        account_name=settings.account,
        endpoint=settings.endpoint.rstrip("/"),
        credential_provider=provider,
        **obstore_limits(limits, whole_seconds),
    )
