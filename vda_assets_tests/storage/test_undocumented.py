"""What is used of gcsfs, adlfs, s3fs and obstore without their promise is still there, and still means what it did.

A test that fails here after an upgrade says which function of `vda_assets/storage/undocumented.py` to look at; the
tests of outages and faults then show whether what it was for still holds.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from vda_assets.storage.credentials import Limits, StorageCredential
from vda_assets.storage.undocumented import gcsfs_within, is_panic
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.storage.emulators import Place


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_gcsfs_still_makes_its_requests_in_two_decorated_methods() -> None:
    from gcsfs.core import GCSFileSystem
    from gcsfs.retry import retry_request

    changed = "gcsfs has changed how it repeats requests: look at gcsfs_within"
    wanted = {"_request": ["self", "method", "path"], "_get_file_request": ["self", "rpath", "lpath"]}
    for name, first in wanted.items():
        request = getattr(getattr(GCSFileSystem, name, None), "__wrapped__", None)
        assert request is not None, changed
        assert inspect.iscoroutinefunction(request), changed
        assert parameters(request)[:3] == first, changed
    assert parameters(retry_request)[:2] == ["func", "retries"], changed
    assert "self._request(" in inspect.getsource(GCSFileSystem._call), changed
    assert "self._get_file_request(" in inspect.getsource(GCSFileSystem._get_file), changed
    assert issubclass(gcsfs_within(attempts=2, answer_seconds=1), GCSFileSystem)


def test_gcsfs_still_has_a_call_of_its_json_api() -> None:
    from gcsfs.core import GCSFileSystem

    changed = "gcsfs has changed its call of the JSON API: look at google_page"
    assert parameters(GCSFileSystem._call)[:4] == ["self", "method", "path", "args"], changed
    assert "json_out" in parameters(GCSFileSystem._call), changed
    assert callable(getattr(GCSFileSystem, "call", None)), changed


def test_adlfs_still_asks_azure_through_the_client_that_can_be_replaced() -> None:
    from adlfs import AzureBlobFile, AzureBlobFileSystem

    changed = "adlfs has changed how it keeps Azure's client: look at replace_adlfs_client"
    assert "self.service_client = " in inspect.getsource(AzureBlobFileSystem.do_connect), changed
    assert "self.fs.service_client" in inspect.getsource(AzureBlobFile._get_container_client), changed
    assert "self.credential = " in inspect.getsource(AzureBlobFileSystem.__init__), changed


def test_adlfs_has_the_client_that_it_was_given(azure: Place) -> None:
    filesystem, _ = azure.storage.locate(azure.root)
    retries = filesystem.service_client._config.retry_policy.total_retries
    assert retries == Limits().attempts - 1, "adlfs or azure-storage-blob has changed: look at replace_adlfs_client"


def test_s3fs_still_repeats_as_often_as_its_attribute_says() -> None:
    from s3fs import S3FileSystem

    changed = "s3fs has changed how it repeats requests: look at repeat_s3fs_once"
    assert isinstance(S3FileSystem.retries, int), changed
    assert "retries=self.retries" in inspect.getsource(S3FileSystem._call_s3), changed


def test_s3fs_still_has_a_call_of_s3_itself() -> None:
    from s3fs import S3FileSystem

    changed = "s3fs has changed its call of S3: look at s3_head"
    assert parameters(S3FileSystem._call_s3)[:2] == ["self", "method"], changed
    assert callable(getattr(S3FileSystem, "call_s3", None)), changed


def test_a_panic_of_obstore_is_still_known_as_one(s3: Place) -> None:
    import obstore
    from obstore.store import S3Store

    assert s3.credential is not None
    store = S3Store(
        StorageUrl.parse(str(s3.root)).bucket,
        endpoint=s3.credential.override_url,
        access_key_id="two\nlines",
        secret_access_key="key",
        client_options={"allow_http": True},
    )
    with pytest.raises(BaseException) as raised:
        obstore.get(store, "x")
    if not isinstance(raised.value, Exception):
        assert is_panic(raised.value), "obstore has changed what a panic is: look at is_panic"


def test_an_exception_is_no_panic() -> None:
    assert not is_panic(KeyboardInterrupt())
    assert not is_panic(ValueError())
    assert StorageCredential("s3://b").access_key is None
