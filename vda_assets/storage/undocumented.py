"""What this room uses of gcsfs, adlfs, s3fs and obstore that they do not promise to keep.

All of it is here, and a test names what an upgrade has changed of it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fsspec import AbstractFileSystem


def gcsfs_within(*, attempts: int, answer_seconds: float) -> type[AbstractFileSystem]:
    """GCSFileSystem that makes each request so often, and takes no longer over an answer that is not a file's copy.

    gcsfs has no option for it: six attempts, with pauses that double to half a minute, are in a decorator, and its one
    timeout is for copies as well. What it exports under that name (2026.10) would probe every bucket first, and stalls
    on emulators.
    """
    from gcsfs.core import GCSFileSystem
    from gcsfs.retry import retry_request

    async def answered(self: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        async with asyncio.timeout(answer_seconds if method == "GET" else None):
            return await GCSFileSystem._request.__wrapped__(self, method, path, *args, **options)

    class BoundedFileSystem(GCSFileSystem):  # type: ignore[misc]  # gcsfs is untyped
        _request = retry_request(retries=attempts)(answered)
        _get_file_request = retry_request(retries=attempts)(GCSFileSystem._get_file_request.__wrapped__)

    return BoundedFileSystem


def google_page(filesystem: AbstractFileSystem, bucket: str, options: dict[str, Any]) -> dict[str, Any]:
    """One page of a listing, in the words of Google's JSON API: gcsfs itself keeps whole listings in memory."""
    page: dict[str, Any] = filesystem.call("GET", "b/{}/o", bucket, json_out=True, **options)
    return page


def replace_adlfs_client(
    filesystem: AbstractFileSystem, *, connection: str | None, endpoint: str, **bounds: Any
) -> None:
    """Gives adlfs a client of Azure with bounds.

    It has no option for retries, and Azure's own would go on for minutes at an endpoint that is down.
    """
    from azure.storage.blob.aio import BlobServiceClient

    if connection:
        filesystem.service_client = BlobServiceClient.from_connection_string(connection, **bounds)
    else:
        filesystem.service_client = BlobServiceClient(endpoint, credential=filesystem.credential, **bounds)


def repeat_s3fs_once(filesystem: AbstractFileSystem) -> None:
    """s3fs repeats on top of botocore; the second time is for answers that break off."""
    filesystem.retries = 2


def s3_head(filesystem: AbstractFileSystem, bucket: str, key: str) -> dict[str, Any]:
    """S3's own answer to HEAD: `info` of s3fs leaves the encryption out."""
    head: dict[str, Any] = filesystem.call_s3("head_object", Bucket=bucket, Key=key)
    return head


def is_panic(error: BaseException) -> bool:
    """Whether obstore's Rust broke down. Its PanicException is no Exception, and no module has it to import."""
    return type(error).__module__ == "pyo3_runtime"
