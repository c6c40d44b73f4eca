"""What each backend is told: endpoint, key, region, addressing and limits, for fsspec and for obstore alike."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import fsspec
from botocore.exceptions import NoCredentialsError
from botocore.session import get_session
from fsspec import AbstractFileSystem
from obstore.store import AzureStore, ObjectStore, S3Store

from vda_assets.storage.google import GoogleBucket
from vda_assets.storage.local_files import LocalFiles
from vda_assets.storage.object_store import ObjectStoreContainer
from vda_assets.storage.objects import Backend
from vda_assets.storage.url import StorageUrl

# OSMO 6.4's, for credentials that name none.
_DEFAULT_REGIONS = {"s3": "us-east-1", "swift": "us-east-1", "gs": "us-east1", "tos": "cn-beijing"}
_IDENTITY_LASTS = timedelta(minutes=5)
_GOOGLE_INTEROPERABLE = "https://storage.googleapis.com"


@dataclass(frozen=True)
class DataCredential:
    """OSMO's DATA credential (6.4): what opens one profile. Without keys the ambient identity is used.

    `azure://`: the access_key is the connection string; outside of OSMO an account key or a SAS token will do.
    `gs://`: with an access_key_id it is an HMAC pair, as OSMO takes it; alone, a service account's JSON or its path.
    """

    profile: str
    access_key_id: str | None = None
    access_key: str | None = field(default=None, repr=False)
    region: str | None = None
    override_url: str | None = None
    addressing_style: str | None = None


@dataclass(frozen=True)
class Limits:
    """How long a backend may keep silent, and how often a request is made before it counts as failed."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    attempts: int = 3


DEFAULT_LIMITS = Limits()


def open_filesystem(url: StorageUrl, credential: DataCredential, limits: Limits) -> AbstractFileSystem:
    """fsspec's filesystem of the URL's profile. Its listings are not cached: others write there too."""
    match url.scheme:
        case "file":
            return fsspec.filesystem("file", skip_instance_cache=True)
        case "azure":
            return _azure_filesystem(_Azure.of(url, credential), limits)
        case "gs" if credential.access_key_id is None:
            return _google_filesystem(credential, limits)
    return _s3_filesystem(_S3.of(url, credential), limits)


def open_backend(
    url: StorageUrl, credential: DataCredential, *, limits: Limits, filesystem: Callable[[], AbstractFileSystem]
) -> Backend:
    """The URL's container; `filesystem` opens that of its profile when it is needed."""
    match url.scheme:
        case "file":
            return LocalFiles()
        case "azure":
            store = _azure_store(_Azure.of(url, credential), url.container, limits)
            return ObjectStoreContainer(store, filesystem, url.container)
        case "gs" if credential.access_key_id is None:
            return GoogleBucket(filesystem(), url.container)
    return ObjectStoreContainer(_s3_store(_S3.of(url, credential), url.container, limits), filesystem, url.container)


def endpoint_of(url: StorageUrl, credential: DataCredential) -> str:
    """Where requests go, for messages."""
    match url.scheme:
        case "azure":
            return _Azure.of(url, credential).endpoint
        case "gs" if credential.access_key_id is None:
            return credential.override_url or _GOOGLE_INTEROPERABLE
    return _S3.of(url, credential).endpoint or "AWS"


# S3, and what OSMO enters as if it were S3


@dataclass(frozen=True)
class _S3:
    """`endpoint` None is AWS. `virtual`: the bucket is part of the host name."""

    endpoint: str | None
    region: str
    virtual: bool
    key_id: str | None
    key: str | None = field(repr=False)

    @classmethod
    def of(cls, url: StorageUrl, credential: DataCredential) -> _S3:
        endpoint = credential.override_url
        if endpoint is None and url.scheme != "s3":
            endpoint = _GOOGLE_INTEROPERABLE if url.scheme == "gs" else f"https://{url.parts[0]}"
        # OSMO 6.4 takes virtual addressing for endpoints of one's own too; botocore leaves it where a host is a number.
        style = credential.addressing_style or "virtual"
        virtual = style == "virtual" if endpoint else style != "path"
        if endpoint and (urlsplit(endpoint).hostname or "").replace(".", "").isdigit():
            virtual = False
        region = credential.region or (None if endpoint else get_session().get_config_variable("region"))
        region = region or _DEFAULT_REGIONS[url.scheme]
        return cls(endpoint, region, virtual, credential.access_key_id, credential.access_key)


def _expect_nothing(params: dict[str, Any], **_: Any) -> None:
    """Takes botocore's `Expect: 100-continue` away: aiohttp 3 waits for that answer without any time limit."""
    params["headers"].pop("Expect", None)


def _s3_filesystem(settings: _S3, limits: Limits) -> AbstractFileSystem:
    config: dict[str, Any] = {
        "connect_timeout": limits.connect_seconds,
        "read_timeout": limits.read_seconds,
        "retries": {"mode": "standard", "total_max_attempts": limits.attempts},
        "s3": {"addressing_style": "virtual" if settings.virtual else "path"},
    }
    if settings.endpoint:
        # Checksum trailers are AWS's own; older MinIO, Swift, TOS and Google refuse or misread them.
        config |= {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    from aiobotocore.session import AioSession  # a third of a second to load

    session = AioSession()
    session.register("before-call.s3", _expect_nothing)
    filesystem = fsspec.filesystem(
        "s3",
        session=session,
        key=settings.key_id,
        secret=settings.key,
        endpoint_url=settings.endpoint,
        client_kwargs={"region_name": settings.region},
        config_kwargs=config,
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    # s3fs repeats on top of botocore; the second time is for answers that break off.
    filesystem.retries = 2
    return filesystem


def _s3_store(settings: _S3, bucket: str, limits: Limits) -> ObjectStore:
    endpoint = settings.endpoint
    if endpoint and settings.virtual:
        address = urlsplit(endpoint)
        endpoint = f"{address.scheme}://{bucket}.{address.netloc}"
    keys: dict[str, Any]
    if settings.key_id:
        keys = {"access_key_id": settings.key_id, "secret_access_key": settings.key}
    else:
        keys = {"credential_provider": _AmbientAwsIdentity()}
    if endpoint:
        keys["endpoint"] = endpoint
    return S3Store(
        bucket, region=settings.region, virtual_hosted_style_request=settings.virtual, **keys, **_obstore_limits(limits)
    )


class _AmbientAwsIdentity:
    """botocore's own search, so that obstore finds what s3fs finds: environment, profiles, web identity, instance."""

    def __init__(self) -> None:
        self._session = get_session()

    def __call__(self) -> Any:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        # botocore renews what is about to expire; it is asked again after a while, never later than that.
        frozen = credentials.get_frozen_credentials()
        expires_at = datetime.now(UTC) + _IDENTITY_LASTS if frozen.token else None
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": expires_at,
        }


def _obstore_limits(limits: Limits) -> dict[str, Any]:
    return {
        "client_options": {
            "allow_http": True,
            "connect_timeout": timedelta(seconds=limits.connect_seconds),
            "read_timeout": timedelta(seconds=limits.read_seconds),
            "timeout": timedelta(hours=24),  # of a whole object; silence ends it sooner
        },
        "retry_config": {
            "max_retries": limits.attempts - 1,
            "retry_timeout": timedelta(seconds=limits.attempts * (limits.connect_seconds + limits.read_seconds)),
        },
    }


# Azure


@dataclass(frozen=True)
class _Azure:
    """Without connection string the ambient identity enters: workload identity, managed identity, `az login`."""

    account: str
    endpoint: str
    connection: str | None = field(repr=False)
    parts: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, url: StorageUrl, credential: DataCredential) -> _Azure:
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


def _azure_filesystem(settings: _Azure, limits: Limits) -> AbstractFileSystem:
    from azure.identity.aio import DefaultAzureCredential
    from azure.storage.blob.aio import BlobServiceClient

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
        options |= {"account_name": settings.account, "credential": DefaultAzureCredential()}
    filesystem = fsspec.filesystem("abfs", skip_instance_cache=True, **options)
    # adlfs has no option for the retries: Azure's own would go on for minutes at an endpoint that is down.
    if settings.connection:
        filesystem.service_client = BlobServiceClient.from_connection_string(settings.connection, **bounds)
    else:
        filesystem.service_client = BlobServiceClient(settings.endpoint, credential=filesystem.credential, **bounds)
    return filesystem


def _azure_store(settings: _Azure, container: str, limits: Limits) -> ObjectStore:
    keys: dict[str, Any] = {"account_name": settings.account, "endpoint": settings.endpoint.rstrip("/")}
    if "AccountKey" in settings.parts:
        keys["account_key"] = settings.parts["AccountKey"]
    elif "SharedAccessSignature" in settings.parts:
        keys["sas_key"] = settings.parts["SharedAccessSignature"]
    else:
        from obstore.auth.azure import AzureCredentialProvider

        keys["credential_provider"] = AzureCredentialProvider()
    return AzureStore(container, **keys, **_obstore_limits(limits))


# Google


def _google_filesystem(credential: DataCredential, limits: Limits) -> AbstractFileSystem:
    # gcsfs 2026.10 reads this at its import: it would probe every bucket, and stalls on emulators.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import aiohttp
    from gcsfs import GCSFileSystem
    from gcsfs.retry import retry_request

    # It logs the stack of every error that it raises as well.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)

    class BoundedFileSystem(GCSFileSystem):  # type: ignore[misc]  # gcsfs is untyped
        # Six attempts with pauses that double are in the decorator, not in an option.
        _request = retry_request(retries=limits.attempts)(GCSFileSystem._request.__wrapped__)

    token: Any = credential.access_key
    if token and token.lstrip().startswith("{"):
        token = json.loads(token)
    elif token is None and credential.override_url:
        token = "anon"  # noqa: S105 - an emulator's
    return BoundedFileSystem(
        token=token,
        endpoint_url=credential.override_url,
        requests_timeout=aiohttp.ClientTimeout(sock_connect=limits.connect_seconds, sock_read=limits.read_seconds),
        use_listings_cache=False,
        skip_instance_cache=True,
    )
