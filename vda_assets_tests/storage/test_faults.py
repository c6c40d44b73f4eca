"""What goes wrong with a backend is one message: URL, profile and the setting to change, within bounded time."""

from __future__ import annotations

import http.server
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from vda_assets.storage.access import Storage
from vda_assets.storage.credentials import Limits, StorageCredential
from vda_assets.storage.errors import AccessRefused, StorageUnavailable
from vda_assets.storage.faults import explain
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import free_port
from vda_assets_tests.http_serving import serving_http
from vda_assets_tests.storage.emulators import (
    AZURE_ACCOUNT,
    AZURE_KEY,
    BUCKET,
    Place,
    azure_credential,
    azure_sas,
    moto,
    users_of,
)

IMPATIENT = Limits(connect_seconds=0.5, read_seconds=0.3, attempts=2)

Operation = Callable[[Storage, StorageUrl, Path], object]


def read_through_fsspec(storage: Storage, url: StorageUrl, scratch: Path) -> object:
    with storage.reading(url) as file:
        return file.read()


def create(storage: Storage, url: StorageUrl, scratch: Path) -> None:
    (scratch / "clip").write_bytes(b"clip")
    storage.create(scratch / "clip", url)


OPERATIONS: dict[str, Operation] = {
    "info": lambda storage, url, scratch: storage.info(url),
    "exists": lambda storage, url, scratch: storage.exists(url),
    "list": lambda storage, url, scratch: list(storage.walk(url)),
    "read": lambda storage, url, scratch: storage.read_bytes(url),
    "write": lambda storage, url, scratch: storage.write_bytes(url, b"x"),
    "download": lambda storage, url, scratch: storage.download(url, scratch / "x"),
    "read_through_fsspec": read_through_fsspec,
    "create": create,
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
# One of each way to a backend: the fast one by page and by object, and fsspec's in both directions.
each_way = pytest.mark.parametrize("name", ["list", "read", "read_through_fsspec", "create"])
PROFILES = {"s3": f"s3://{BUCKET}", "azure": f"azure://{AZURE_ACCOUNT}", "gs": f"gs://{BUCKET}"}
every_profile = pytest.mark.parametrize("scheme", list(PROFILES))


def message_of(operation: Operation, storage: Storage, url: StorageUrl, scratch: Path) -> str:
    with pytest.raises(StorageUnavailable) as raised:
        operation(storage, url, scratch)
    message = str(raised.value)
    assert message.startswith(f"{url}: ")
    assert message.endswith(f"(storage profile {url.profile})")
    assert "\n" not in message
    return message


def at(endpoint: str, scheme: str, *, limits: Limits = IMPATIENT) -> tuple[Storage, StorageUrl]:
    """Storage of the scheme whose endpoint is somewhere else."""
    profile = PROFILES[scheme]
    credential = StorageCredential(profile, access_key_id="id", access_key="key", override_url=endpoint)
    if scheme == "gs":
        credential = replace(credential, access_key_id=None, access_key=None)
    if scheme == "azure":
        credential = replace(credential, access_key=AZURE_KEY, override_url=f"{endpoint}/{AZURE_ACCOUNT}")
    bucket = f"{profile}/{BUCKET}" if scheme == "azure" else profile
    return Storage([credential], limits=limits), StorageUrl.parse(f"{bucket}/datasets/x.mp4")


@every_operation
def test_a_bucket_that_does_not_exist_is_named(place: Place, operation: Operation, tmp_path: Path) -> None:
    if place.credential is None:
        pytest.skip("folders of this machine are made when they are needed")
    url = StorageUrl.parse(str(place.root).replace(BUCKET, "no-such-bucket")) / "datasets/x.mp4"
    storage = Storage([replace(place.credential, profile=url.profile)])
    assert "there is no 'no-such-bucket'" in message_of(operation, storage, url, tmp_path)


@every_profile
@each_way
def test_an_endpoint_that_is_down_is_named(scheme: str, name: str, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    message = message_of(OPERATIONS[name], *at(endpoint, scheme), tmp_path)
    assert f"{endpoint}" in message
    assert "cannot be reached: correct override_url" in message


@every_profile
@each_way
def test_an_endpoint_that_never_answers_is_given_up(scheme: str, name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        message = message_of(OPERATIONS[name], *at(endpoint, scheme), tmp_path)
    assert "stays silent for 0.3 seconds, asked 2 times" in message


@dataclass(frozen=True)
class Guarded:
    """S3 that looks at keys and permissions: credentials of somebody who may do all, and of one who may only list."""

    url: StorageUrl
    all: StorageCredential
    lists: StorageCredential


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with moto(tmp_path_factory.mktemp("guarded")) as place:
        place.storage.write_bytes(place.root / "guarded.mp4", b"x")
        users = users_of(place, {"all": ["s3:*"], "lists": ["s3:ListBucket"]})
        keys = {name: user.credential for name, user in users.items()}
        assert keys["all"] is not None
        assert keys["lists"] is not None
        yield Guarded(place.root / "guarded.mp4", keys["all"], keys["lists"])


@every_operation
def test_an_unknown_key_id_is_named(guarded: Guarded, operation: Operation, tmp_path: Path) -> None:
    storage = Storage([replace(guarded.all, access_key_id="AKIANOBODY")])
    message = message_of(operation, storage, guarded.url, tmp_path)
    assert "not known there: correct access_key_id_env" in message


@every_operation
def test_a_wrong_secret_is_named(guarded: Guarded, operation: Operation, tmp_path: Path) -> None:
    storage = Storage([replace(guarded.all, access_key="wrong")])
    message = message_of(operation, storage, guarded.url, tmp_path)
    assert "the key is wrong: correct access_key_env" in message


@pytest.mark.parametrize("name", ["read", "write", "download", "read_through_fsspec", "create"])
def test_a_missing_permission_is_named(guarded: Guarded, name: str, tmp_path: Path) -> None:
    with pytest.raises(AccessRefused) as raised:
        OPERATIONS[name](Storage([guarded.lists]), guarded.url, tmp_path)
    assert "access_key_env" in str(raised.value)
    assert "permission" in str(raised.value)


@every_operation
def test_a_wrong_key_of_azure_is_named(azure: Place, operation: Operation, tmp_path: Path) -> None:
    assert azure.credential is not None
    port = int(str(azure.credential.access_key).partition("127.0.0.1:")[2].partition("/")[0])
    for key in (AZURE_KEY.replace("Eby8", "AAAA"), "no base64"):
        storage = Storage([azure_credential(port, key)])
        message = message_of(operation, storage, azure.root / "x.mp4", tmp_path)
        assert "the key is wrong: correct access_key_env" in message


def test_azure_opens_with_an_account_key_and_with_a_sas_token(azure: Place) -> None:
    assert azure.credential is not None
    entered = azure_sas(azure, read=True, write=True, list=True, create=True).credential
    assert entered is not None
    assert entered.access_key is not None
    endpoint, token = entered.override_url, entered.access_key
    url = azure.root / "opened/x.txt"
    azure.storage.write_bytes(url, b"content")
    for secret in (AZURE_KEY, token, f"?{token}"):
        storage = Storage([replace(azure.credential, access_key=secret, override_url=endpoint)])
        filesystem, path = storage.locate(url)
        assert storage.read_bytes(url) == filesystem.cat_file(path) == b"content"
        assert list(storage.find(url.parent)) == ["x.txt"]


# What AWS and Azure answer where no emulator does, as their references of errors have it.
ANSWERS = {
    "ExpiredToken": (400, "The provided token has expired."),
    "AuthenticationFailed": (
        403,
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        "including the signature.</Message><AuthenticationErrorDetail>Signature not valid in the specified time frame: "
        "Start [Sun, 01 Nov 2026 00:00:00 GMT] - Expiry [Mon, 02 Nov 2026 00:00:00 GMT]</AuthenticationErrorDetail>"
        "<Message>",
    ),
    "AuthorizationHeaderMalformed": (
        400,
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'",
    ),
    "PermanentRedirect": (301, "The bucket you are attempting to access must be addressed using another endpoint."),
}


@contextmanager
def answering(code: str) -> Iterator[str]:
    """A server that has one answer, to HEAD without its text, as S3 does; its URL."""
    status, text = ANSWERS[code]
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{text}</Message></Error>'.encode()
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("x-amz-bucket-region", "eu-west-1")
            self.send_header("x-ms-error-code", code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = answer  # noqa: N815 - the base class says so

        def log_message(self, *_: object) -> None:
            pass

    with serving_http(Handler) as url:
        yield url


@pytest.mark.parametrize(
    ("scheme", "code", "advice"),
    [
        ("s3", "ExpiredToken", "the credential has expired: renew access_key_env"),
        ("azure", "AuthenticationFailed", "the credential has expired: renew access_key_env"),
        ("s3", "AuthorizationHeaderMalformed", "it lies in another region than the default one: set region"),
        ("s3", "PermanentRedirect", "it lies in another region than the default one: set region"),
    ],
)
@every_operation
def test_an_expired_token_and_a_wrong_region_are_named(
    scheme: str, code: str, advice: str, operation: Operation, tmp_path: Path
) -> None:
    with answering(code) as endpoint:
        assert advice in message_of(operation, *at(endpoint, scheme), tmp_path)


def test_a_new_line_at_the_end_of_a_secret_is_no_part_of_it(guarded: Guarded, azure: Place) -> None:
    assert guarded.all.access_key
    assert azure.credential is not None
    endpoint = str(azure.credential.access_key).partition("BlobEndpoint=")[2].partition(";")[0]
    key_id, key = f"{guarded.all.access_key_id}\r\n", f"{guarded.all.access_key}\n"
    credentials = {
        guarded.url: replace(guarded.all, access_key_id=key_id, access_key=key),
        azure.root / "line": replace(azure.credential, access_key=f"{AZURE_KEY}\n", override_url=endpoint),
        azure.root / "lines": replace(azure.credential, access_key=f"{azure.credential.access_key}\n"),
    }
    for url, credential in credentials.items():
        storage = Storage([credential])
        storage.write_bytes(url, b"x")
        with storage.reading(url) as file:
            assert storage.read_bytes(url) == file.read() == b"x"
    google = StorageCredential("gs://b", access_key='{"type": "service_account"}\n')
    assert google.access_key == '{"type": "service_account"}'
    assert StorageCredential("s3://b", access_key_id="\n", access_key=" \n") == StorageCredential("s3://b")


@every_operation
def test_what_no_request_can_carry_is_an_error_like_others(s3: Place, operation: Operation, tmp_path: Path) -> None:
    assert s3.credential is not None
    storage = Storage([replace(s3.credential, access_key_id="a key\nof two lines")])
    message = message_of(operation, storage, s3.root / "x.mp4", tmp_path)
    assert "a setting has a character that no request can carry: correct access_key_id_env, access_key_env" in message


def test_keys_of_a_profile_are_not_mixed_with_those_of_the_environment(
    guarded: Guarded, azure: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(variable, "somebody-else")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c29tZWJvZHk=")
    monkeypatch.setenv("AZURE_STORAGE_SAS_KEY", "sv=1&sig=c29tZWJvZHk=")
    for storage, url in ((Storage([guarded.all]), guarded.url), (azure.storage, azure.root / "mixed")):
        storage.write_bytes(url, b"x")
        filesystem, path = storage.locate(url)
        assert storage.read_bytes(url) == filesystem.cat_file(path) == b"x"


def test_without_any_credential_that_is_said(s3: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert s3.credential is not None
    storage = Storage([replace(s3.credential, access_key_id=None, access_key=None)])
    message = message_of(OPERATIONS["read"], storage, s3.root / "x.mp4", tmp_path)
    assert "there is no credential" in message


def test_a_key_that_is_called_like_an_error_is_not_taken_for_one(s3: Place) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        s3.storage.read_bytes(s3.root / "AccessDenied connection Timeout/ExpiredToken.mp4")


@pytest.mark.parametrize(
    "answer",
    [
        "<RequestId>Yp6MT31qr0Q8pPD0V6uZ72Xv6IKm8NwSSLDyQkGBIQyXkHN</RequestId><HostId>9Gjjt/Timeout/o5H5MY=</HostId>",
        "<RequestId>TX2SSL0F24A06C7D</RequestId>",
        "RequestId:ProxyError-401e-0073\nTime:2026-11-28T09:45:34Z\nErrorCode:BlobNotFound",
        "x-ms-request-id: 'SSL-base64'",
        "'HostId': 'connect'",
        "ETag 0x8DSSL4F24A06C7D",
        "the bucket 'timeout-tests' has none",
        "<Resource>/timeout-tests/x.mp4</Resource>",
        "bucket: timeout-tests, key",
        "path: day/SSL%20x.mp4",
    ],
)
def test_what_a_service_calls_its_answer_and_its_buckets_is_no_reason(answer: str) -> None:
    url = StorageUrl.parse("s3://timeout-tests/day/SSL x.mp4")
    fault = explain(
        FileNotFoundError(f"404 Not Found: {answer}"), url, StorageCredential("s3://timeout-tests"), IMPATIENT
    )
    assert not fault.is_specific


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("The specified container does not exist.\nRequestId:1a", "there is no 'container'"),
        ("AuthorizationPermissionMismatch\nRequestId:1a", "may not do this"),
        ("403 <Code>RequestTimeTooSkewed</Code><Code>ExpiredToken</Code>", "has expired"),
    ],
)
def test_a_reason_beside_them_is_heard(answer: str, meant: str) -> None:
    # Both its names are in the words of a reason.
    url = StorageUrl.parse("s3://container/x")
    fault = explain(OSError(answer), url, StorageCredential("s3://container"), IMPATIENT)
    assert meant in str(fault.error)


def test_no_message_and_no_repr_shows_a_secret(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    credential = StorageCredential(PROFILES["s3"], access_key_id="id", access_key="top-secret", override_url=endpoint)
    assert "top-secret" not in repr(credential)
    storage = Storage([credential], limits=IMPATIENT)
    assert "top-secret" not in message_of(OPERATIONS["read"], storage, StorageUrl.parse(f"s3://{BUCKET}/x"), tmp_path)
