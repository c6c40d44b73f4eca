#!/usr/bin/env python3
"""How the storage room compares, backend by backend, with plain fsspec and with the backend's own best client.

Lists 10,000 clips and copies 1,000 x 10 KB and 8 x 64 MB to this machine, from emulators that run here. All figures are
ratios of what was measured side by side in this one run, the best of the rounds: below 1 the room is faster (or
needs less CPU of its own process; the emulators' is not counted). `copy` is what pipelines do. `mirror` is `vda stage`,
which verifies MD5s and resumes as well; there the best client is one that verifies MD5s too, and fsspec, which does
not, has less to do. Google's emulator answers one request after the other, so it always gets the quick load.

  python benchmarks/storage.py [--quick] [--json] [--backend s3 …]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import obstore
import pytest
from azure.storage.blob import BlobServiceClient
from boto3.s3.transfer import TransferConfig
from obstore.store import AzureStore, S3Store

sys.path.insert(0, str(Path(__file__).parents[1]))

from vda_assets.storage.transfer import Copy, Done, mirror
from vda_assets_tests.storage.emulators import AZURE_ACCOUNT, AZURE_KEY, BACKENDS, BUCKET, Place

Item = TypeVar("Item")
THREADS = 8
KILO, MEGA = 1_000, 1_000_000
CHUNK_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class Load:
    """How many objects each folder has, and of which size."""

    clips: int
    small: int
    large: int
    large_bytes: int
    rounds: int

    def folders(self) -> dict[str, tuple[int, int]]:
        return {"clips": (self.clips, 1), "small": (self.small, 10 * KILO), "large": (self.large, self.large_bytes)}


FULL = Load(clips=10_000, small=1_000, large=8, large_bytes=64 * MEGA, rounds=3)
QUICK = Load(clips=500, small=20, large=2, large_bytes=32 * MEGA, rounds=2)


@dataclass(frozen=True)
class Client:
    """One way to do the jobs; `copy` takes a folder's name and a target."""

    name: str
    count: Callable[[str], int]
    copy: Callable[[str, Path], None]


@dataclass(frozen=True)
class Spent:
    wall_seconds: float
    cpu_seconds: float


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
    """The backend's own clients; Google's emulator and local folders have none that could do better."""
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


def in_threads(work: Callable[[Item], None], items: Iterator[Item]) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, items))


def fill(place: Place, load: Load) -> None:
    storage, content = place.storage, random.Random(1).randbytes(load.large_bytes)
    for folder, (count, size_bytes) in load.folders().items():
        urls = [place.root / folder / f"{number:06}.mp4" for number in range(count)]
        with ThreadPoolExecutor(1 if size_bytes >= MEGA or place.root.scheme == "gs" else THREADS) as threads:
            list(threads.map(lambda url, size=size_bytes: storage.write_bytes(url, content[:size]), urls))


def measured(clients: list[Client], rounds: int, work: Callable[[Client], None]) -> dict[str, Spent]:
    """The least that each client spent; the rounds go around, so that all see the same machine."""
    best: dict[str, Spent] = {}
    for _ in range(rounds):
        for client in clients:
            cpu, wall = time.process_time(), time.perf_counter()
            work(client)
            spent = Spent(time.perf_counter() - wall, time.process_time() - cpu)
            known = best.get(client.name, spent)
            best[client.name] = Spent(
                min(known.wall_seconds, spent.wall_seconds), min(known.cpu_seconds, spent.cpu_seconds)
            )
    return best


def copied(client: Client, folder: str, expected: int, scratch: Path) -> None:
    target = scratch / "copy"
    target.mkdir()
    client.copy(folder, target)
    assert sum(1 for path in target.rglob("*") if path.is_file()) == expected
    shutil.rmtree(target)


def figures_of(backend: str, load: Load, scratch: Path) -> Iterator[dict[str, Any]]:
    with BACKENDS[backend](scratch) as place:
        fill(place, load)
        own = list(own_clients(place))
        plain, ours, verified = fsspec_client(place), room(place), room_verified(place)

        def count(client: Client) -> None:
            assert client.count("clips") == load.clips

        listing = [client for client in own if "verifying" not in client.name]
        yield from ratios(
            f"{backend}.list_{load.clips}", measured([ours, plain, *listing], load.rounds, count), "room", listing
        )
        for folder, name in (("small", f"{load.small}x10KB"), ("large", f"{load.large}x{load.large_bytes // MEGA}MB")):
            expected = load.folders()[folder][0]
            spent = measured(
                [ours, verified, plain, *own],
                load.rounds,
                lambda client, folder=folder, expected=expected: copied(client, folder, expected, scratch),
            )
            verifying = [client for client in own if "verifying" in client.name]
            yield from ratios(f"{backend}.copy_{name}", spent, "room", own)
            yield from ratios(f"{backend}.mirror_{name}", spent, "room_verified", verifying)


def ratios(name: str, spent: dict[str, Spent], who: str, own: list[Client]) -> Iterator[dict[str, Any]]:
    mine, plain = spent[who], spent["fsspec"]
    seconds = {
        client: {"wall": round(one.wall_seconds, 3), "cpu": round(one.cpu_seconds, 3)} for client, one in spent.items()
    }

    def figure(kind: str, value: float, against: str) -> dict[str, Any]:
        return {"name": f"{name}.{kind}", "value": round(value, 2), "unit": "ratio", "against": against}

    yield {**figure("wall_vs_fsspec", mine.wall_seconds / plain.wall_seconds, "fsspec"), "seconds": seconds}
    if own:
        best = min((client.name for client in own), key=lambda client: spent[client].cpu_seconds)
        yield figure("cpu_vs_best", mine.cpu_seconds / spent[best].cpu_seconds, best)


def main() -> int:
    parser = argparse.ArgumentParser(description="the storage room against fsspec and the backends' own clients")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, in less than a minute")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--backend", action="append", choices=list(BACKENDS), help="only this one; may be repeated")
    arguments = parser.parse_args()
    figures: list[dict[str, Any]] = []
    for backend in arguments.backend or BACKENDS:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vda-benchmark-")))
            try:
                load = QUICK if arguments.quick or backend == "gs" else FULL
                for figure in figures_of(backend, load, scratch):
                    figures.append(figure)
                    if not arguments.json:
                        print(f"{figure['name']:42} {figure['value']:6.2f}  against {figure['against']}", flush=True)
            except pytest.skip.Exception as reason:
                print(f"{backend}: {reason}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"figures": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
