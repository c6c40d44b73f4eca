"""The clients that `storage.py` measures: the storage room, plain fsspec, and the backends' own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import google.cloud.storage
import obstore
from azure.storage.blob import BlobServiceClient
from boto3.s3.transfer import TransferConfig
from google.auth.credentials import AnonymousCredentials
from obstore.store import AzureStore, S3Store

from vda_assets.storage.transfer import Copy, Done, mirror
from vda_assets_tests.storage.emulators import AZURE_ACCOUNT, AZURE_KEY, BUCKET, Place

Item = TypeVar("Item")
THREADS = 8
CHUNK_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class Client:
    """One way to do the jobs; `copy` takes a folder's name and a target."""

    name: str
    count: Callable[[str], int]
    copy: Callable[[str, Path], None]


def room(place: Place) -> Client:
    storage = place.storage

    def copy(folder: str, target: Path) -> None:
        url = place.root / folder
        storage.download_all((url / found.path, target / found.path) for found in storage.walk(url))

    return Client("room", lambda folder: sum(1 for _ in storage.walk(place.root / folder)), copy)


def room_verified(place: Place) -> Client:
    storage = place.storage

    def copy(folder: str, target: Path) -> None:
        url = place.root / folder
        found = storage.walk(url, with_checksums=True)
        copies = [Copy(url / one.path, target / one.path, one) for one in found]
        assert all(isinstance(one, Done) for one in mirror(storage, copies, root=target))

    return Client("room_verified", room(place).count, copy)


def fsspec_client(place: Place) -> Client:
    filesystem, root = place.storage.locate(place.root)

    def copy(folder: str, target: Path) -> None:
        filesystem.get(f"{root}/{folder}/", f"{target}/", recursive=True)

    return Client("fsspec", lambda folder: len(filesystem.find(f"{root}/{folder}", detail=True)), copy)


def own_clients(place: Place) -> Iterator[Client]:
    """The backend's own clients; local folders have none."""
    credential, prefix = place.credential, place.root.key
    if place.root.scheme == "s3":
        assert credential is not None
        endpoint, region = str(credential.override_url), str(credential.region)
        keys = {"access_key_id": str(credential.access_key_id), "secret_access_key": str(credential.access_key)}
        store = S3Store(BUCKET, endpoint=endpoint, region=region, client_options={"allow_http": True}, **keys)
        yield obstore_client(store, prefix)
        yield obstore_client(store, prefix, etags_of(store, prefix))
        yield boto3_client(endpoint, region, keys, prefix)
    if place.root.scheme == "azure":
        assert credential is not None
        endpoint = str(credential.access_key).partition("BlobEndpoint=")[2].partition(";")[0]
        options: Any = {"account_name": AZURE_ACCOUNT, "account_key": AZURE_KEY, "endpoint": endpoint}
        azure = AzureStore(BUCKET, client_options={"allow_http": True}, **options)
        yield obstore_client(azure, prefix)
        yield obstore_client(azure, prefix, md5s_of(str(credential.access_key), prefix))
        yield azure_client(str(credential.access_key), prefix)
    if place.root.scheme == "gs":
        assert credential is not None
        yield google_client(str(credential.override_url), prefix)


def obstore_client(store: Any, prefix: str, listed: Callable[[str], Iterator[tuple[str, str]]] | None = None) -> Client:
    """With `listed`, which knows the MD5s of keys, it verifies."""

    def keys(folder: str) -> Iterator[tuple[str, str]]:
        return ((meta["path"], "") for batch in obstore.list(store, f"{prefix}/{folder}") for meta in batch)

    def fetch(found: tuple[str, str], target: Path) -> None:
        key, md5 = found
        digest = hashlib.md5(usedforsecurity=False)
        with (target / key.rsplit("/", 1)[-1]).open("wb") as file:
            for chunk in obstore.get(store, key).stream(min_chunk_size=CHUNK_BYTES):
                file.write(chunk)
                if md5:
                    digest.update(chunk)
        assert not md5 or digest.hexdigest() == md5

    return Client(
        "obstore, verifying" if listed else "obstore",
        lambda folder: sum(1 for _ in keys(folder)),
        lambda folder, target: in_threads(lambda found: fetch(found, target), (listed or keys)(folder)),
    )


def etags_of(store: Any, prefix: str) -> Callable[[str], Iterator[tuple[str, str]]]:
    """S3's are MD5s."""
    return lambda folder: (
        (meta["path"], meta["e_tag"].strip('"'))
        for batch in obstore.list(store, f"{prefix}/{folder}")
        for meta in batch
    )


def md5s_of(connection: str, prefix: str) -> Callable[[str], Iterator[tuple[str, str]]]:
    """Azure lists them apart; obstore does not read them."""
    container = BlobServiceClient.from_connection_string(connection).get_container_client(BUCKET)
    return lambda folder: (
        (blob.name, bytes(blob.content_settings.content_md5).hex())
        for blob in container.list_blobs(name_starts_with=f"{prefix}/{folder}/")
    )


def boto3_client(endpoint: str, region: str, keys: dict[str, str], prefix: str) -> Client:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
    )
    alone = TransferConfig(use_threads=False)

    def found(folder: str) -> Iterator[str]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/{folder}/")
        return (item["Key"] for page in pages for item in page["Contents"])

    def fetch(key: str, target: Path) -> None:
        client.download_file(BUCKET, key, str(target / key.rsplit("/", 1)[-1]), Config=alone)

    return Client(
        "boto3",
        lambda folder: sum(1 for _ in found(folder)),
        lambda folder, target: in_threads(lambda key: fetch(key, target), found(folder)),
    )


def azure_client(connection: str, prefix: str) -> Client:
    container = BlobServiceClient.from_connection_string(connection).get_container_client(BUCKET)

    def found(folder: str) -> Iterator[str]:
        return (blob.name for blob in container.list_blobs(name_starts_with=f"{prefix}/{folder}/"))

    def fetch(key: str, target: Path) -> None:
        with (target / key.rsplit("/", 1)[-1]).open("wb") as file:
            container.download_blob(key).readinto(file)

    return Client(
        "azure-storage-blob",
        lambda folder: sum(1 for _ in found(folder)),
        lambda folder, target: in_threads(lambda key: fetch(key, target), found(folder)),
    )


def google_client(endpoint: str, prefix: str) -> Client:
    """It verifies what comes without being told to."""
    service = google.cloud.storage.Client(
        project="vda", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
    )

    def found(folder: str) -> Iterator[Any]:
        return iter(service.list_blobs(BUCKET, prefix=f"{prefix}/{folder}/"))

    def fetch(blob: Any, target: Path) -> None:
        blob.download_to_filename(str(target / blob.name.rpartition("/")[2]))

    return Client(
        "google-cloud-storage, verifying",
        lambda folder: sum(1 for _ in found(folder)),
        lambda folder, target: in_threads(lambda blob: fetch(blob, target), found(folder)),
    )


def in_threads(work: Callable[[Item], None], items: Iterator[Item]) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, items))
