"""Chooses, by a URL and its credential, which filesystem of fsspec and which backend of this room open the URL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import fsspec
from fsspec import AbstractFileSystem
from obstore.store import ObjectStore

from vda_assets.storage.azure import AzureSettings, azure_filesystem, azure_store
from vda_assets.storage.credentials import Limits, StorageCredential
from vda_assets.storage.google import ENDPOINT as GOOGLE_ENDPOINT
from vda_assets.storage.google import GoogleBucket, google_filesystem
from vda_assets.storage.local_files import LocalFiles
from vda_assets.storage.object_store import ObjectStoreBucket
from vda_assets.storage.objects import Backend
from vda_assets.storage.s3 import S3Settings, s3_filesystem, s3_store
from vda_assets.storage.url import StorageUrl


def open_filesystem(url: StorageUrl, credential: StorageCredential, limits: Limits) -> AbstractFileSystem:
    """fsspec's filesystem of the URL's profile. It caches no listings, since others write there too."""
    match url.scheme:
        case "file":
            return fsspec.filesystem("file", skip_instance_cache=True)
        case "azure":
            return azure_filesystem(AzureSettings.of(url, credential), limits)
        case "gs" if credential.access_key_id is None:
            return google_filesystem(credential, limits)
    return s3_filesystem(S3Settings.of(url, credential), limits)


def open_backend(
    url: StorageUrl, credential: StorageCredential, *, limits: Limits, filesystem: Callable[[], AbstractFileSystem]
) -> Backend:
    """The URL's bucket. `filesystem` is called when the backend needs fsspec's filesystem of the profile."""
    match url.scheme:
        case "file":
            return LocalFiles()
        case "azure":
            azure = AzureSettings.of(url, credential)
            return _bucket(partial(azure_store, azure, url.bucket, limits), limits, filesystem, url.bucket)
        case "gs" if credential.access_key_id is None:
            return GoogleBucket(filesystem(), url.bucket)
    s3 = S3Settings.of(url, credential)
    return _bucket(partial(s3_store, s3, url.bucket, limits), limits, filesystem, url.bucket)


def _bucket(
    open_store: Callable[..., ObjectStore], limits: Limits, filesystem: Callable[[], AbstractFileSystem], bucket: str
) -> ObjectStoreBucket:
    answering = open_store(whole_seconds=limits.answer_seconds)
    return ObjectStoreBucket(answering, open_store(whole_seconds=limits.copy_seconds), filesystem, bucket)


def endpoint_of(url: StorageUrl, credential: StorageCredential) -> str:
    """The address that requests for the URL go to, as messages name it."""
    match url.scheme:
        case "azure":
            return AzureSettings.of(url, credential).endpoint
        case "gs" if credential.access_key_id is None:
            return credential.override_url or GOOGLE_ENDPOINT
    return S3Settings.of(url, credential).endpoint or "AWS"
