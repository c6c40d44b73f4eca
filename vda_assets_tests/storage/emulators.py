"""Object stores that run on this machine: moto's S3, azurite, and an emulator of Google Cloud Storage."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import fsspec
import httpx
import pytest
import yaml
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from vda_assets.storage.access import Storage
from vda_assets.storage.credentials import StorageCredential
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import REPOSITORY, free_port, wait_for

BUCKET = "vda-bucket"
AZURITE = REPOSITORY / ".cache" / "azurite"
AZURITE_VERSION = "3.37.0"
AZURE_ACCOUNT = "devstoreaccount1"
# The emulator's own well-known key.
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


_SECRETS = {"access_key_id": "VDA_TEST_KEY_ID", "access_key": "VDA_TEST_KEY"}


@dataclass(frozen=True)
class Place:
    """Somewhere to store: its root URL and what opens it (nothing for this machine's own folders)."""

    root: StorageUrl
    credential: StorageCredential | None = None

    @property
    def storage(self) -> Storage:
        return Storage([self.credential] if self.credential else [])


@contextmanager
def local(folder: Path) -> Iterator[Place]:
    yield Place(StorageUrl.parse(f"file://{folder}/storage"))


@contextmanager
def moto(folder: Path) -> Iterator[Place]:
    port = free_port()
    with _serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder, port):
        credential = StorageCredential(
            f"s3://{BUCKET}",
            access_key_id="an-id",
            access_key="a-secret",
            region="eu-central-1",
            override_url=f"http://127.0.0.1:{port}",
            addressing_style="path",
        )
        place = Place(StorageUrl.parse(f"s3://{BUCKET}/team"), credential)
        place.storage.locate(place.root)[0].mkdir(BUCKET)
        yield place


def users_of(place: Place, actions: Mapping[str, Sequence[str]]) -> dict[str, Place]:
    """The same moto, entered by users who may do these actions of S3 and nothing else; from now on it looks at keys."""
    assert place.credential is not None
    endpoint = str(place.credential.override_url)
    own = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    iam = boto3.client("iam", endpoint_url=endpoint, **own)
    users: dict[str, Place] = {}
    for name, allowed in actions.items():
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys = {"access_key_id": key["AccessKeyId"], "access_key": key["SecretAccessKey"]}
        users[name] = Place(place.root, replace(place.credential, **keys))
    httpx.post(f"{endpoint}/moto-api/reset-auth", content=b"0").raise_for_status()
    return users


def azure_sas(place: Place, **permissions: bool) -> Place:
    """The same azurite, entered with a token that permits so much."""
    assert place.credential is not None
    token = generate_account_sas(
        AZURE_ACCOUNT,
        AZURE_KEY,
        resource_types=ResourceTypes(service=True, container=True, object=True),
        permission=AccountSasPermissions(**permissions),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    endpoint = str(place.credential.access_key).partition("BlobEndpoint=")[2].partition(";")[0]
    return Place(place.root, replace(place.credential, access_key=token, override_url=endpoint))


@contextmanager
def azurite(folder: Path) -> Iterator[Place]:
    port = free_port()
    script = _installed_azurite()
    options = ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    command = ["node", str(script), "--blobHost", "127.0.0.1", "--blobPort", str(port), *options]
    with _serving(command, folder, port):
        place = Place(StorageUrl.parse(f"azure://{AZURE_ACCOUNT}/{BUCKET}/team"), azure_credential(port))
        fsspec.filesystem("abfs", connection_string=azure_credential(port).access_key).mkdir(BUCKET)
        yield place


def azure_credential(port: int, key: str = AZURE_KEY) -> StorageCredential:
    endpoint = f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}"
    connection = f"AccountName={AZURE_ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};DefaultEndpointsProtocol=http"
    return StorageCredential(f"azure://{AZURE_ACCOUNT}", access_key_id=AZURE_ACCOUNT, access_key=connection)


@contextmanager
def google(folder: Path) -> Iterator[Place]:
    port = free_port()
    program = Path(sys.executable).with_name("gcp-storage-emulator")
    command = [str(program), "start", "--host=127.0.0.1", f"--port={port}", "--in-memory", f"--default-bucket={BUCKET}"]
    with _serving(command, folder, port):
        credential = StorageCredential(f"gs://{BUCKET}", override_url=f"http://127.0.0.1:{port}")
        yield Place(StorageUrl.parse(f"gs://{BUCKET}/team"), credential)


BACKENDS: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "file": local,
    "s3": moto,
    "azure": azurite,
    "gs": google,
}


def configure(assets_cfg: Path, place: Place) -> None:
    """Points a copy of the project's configuration at the place: the dataset and the embedded OSMO's own data."""
    path = assets_cfg / "deployments/local.yaml"
    deployment = yaml.safe_load(path.read_text())
    deployment["osmo_local"]["workflow_data_url"] = f"{place.root}/workflows"
    if place.credential:
        profile = {key: value for key, value in asdict(place.credential).items() if value and key not in _SECRETS}
        deployment["storage"] = [profile | {f"{key}_env": name for key, name in _SECRETS.items()}]
    path.write_text(yaml.safe_dump(deployment))
    path = assets_cfg / "datasets/street.yaml"
    dataset = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**dataset, "url": f"{place.root}/datasets/street"}))


def secrets_of(place: Place) -> dict[str, str]:
    """The environment variables that the configuration names."""
    return {name: getattr(place.credential, key) for key, name in _SECRETS.items()} if place.credential else {}


@contextmanager
def _serving(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "emulator.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:

        def serves() -> bool:
            assert server.poll() is None, (folder / "emulator.log").read_text()
            return _listens(port)

        wait_for(serves, command[0])
        yield
    finally:
        # It keeps nothing, and when asked to end some wait for clients that hold a connection open.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _listens(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=2)
    except httpx.HTTPError:
        return False
    return True


def _installed_azurite() -> Path:
    """Installs it once, beside the repository's other caches; a machine without npm skips what needs it."""
    script = AZURITE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not script.exists():
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            pytest.skip("azurite needs node and npm, which this machine does not have")
        AZURITE.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(AZURITE)]
        with (AZURITE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not script.exists():
                subprocess.run([*command, f"azurite@{AZURITE_VERSION}"], check=True, env=dict(os.environ))
    return script
