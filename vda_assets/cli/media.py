"""`vda media`: the clips and results of the project's datasets for a browser, read-only, beside the Dagster UI."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from mimetypes import guess_type
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import click
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from vda_assets.base.counted import counted
from vda_assets.cli.world import load
from vda_assets.project import Project
from vda_assets.runs.links import CLIPS_PART, OUTPUTS_PART
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadStorageUrl, StorageError
from vda_assets.storage.layout import REPORT_FOLDER, outputs_folder
from vda_assets.storage.url import StorageUrl

# What a page may show. Nothing else is served: a bucket may hold anything.
SHOWN = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webp", ".png", ".jpg", ".json"})
# The one kind of page that is shown, and the table beside it. Its script runs as nobody's: it reads nothing from here.
_REPORT = re.compile(rf"{REPORT_FOLDER}/(?:run-[0-9a-f]+/)?report\.(?:html|csv)")
_REPORT_POLICY = (
    "default-src 'none'; media-src {shown}; img-src {shown}; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "sandbox allow-scripts allow-downloads"
)
_CHUNK_BYTES = 256 * 1024
# A video is asked for in ranges while it plays, by the link that was given at first.
_SIGNED_SECONDS = 3600.0
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
# Of a video and a picture. No sandbox: the page that a browser makes for a video could not show it.
_HEADERS = {
    "Accept-Ranges": "bytes",
    # A result never changes under its URL, a clip may.
    "Cache-Control": "private, max-age=60",
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; img-src 'self'",
    "X-Content-Type-Options": "nosniff",
}
# The link is a secret for as long as it holds: no other server is told it.
_REDIRECT_HEADERS = {"Cache-Control": "private, max-age=60", "Referrer-Policy": "no-referrer"}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="It asks nobody who they are: keep it local.")
@click.option("--port", default=8720, show_default=True, type=click.IntRange(1, 65535))
def media(host: str, port: int) -> None:
    """Serve videos and pictures of the datasets to a browser, for the links of a deployment's media_url.

    Read-only, and nothing but videos, pictures, JSON and reports below the datasets' own folders.

    Example: vda media --port 8720
    """
    click.echo(f"media of {counted(len(load().datasets), 'dataset')} at http://{host}:{port}")
    uvicorn.run(media_app(load()), host=host, port=port, log_level="warning")


def media_app(project: Project) -> Starlette:
    """`GET /<dataset>/clips/<path>` and `GET /<dataset>/outputs/<path>`, whole or a range of bytes.

    Of storage that browsers reach (`signed_links` of its profile), videos and pictures come from there themselves.
    """
    signing = {
        name: {profile.profile for profile in one.storage if profile.signed_links}
        for name, one in project.deployments.items()
    }
    storages = {name: project.storage_of(one, os.environ) for name, one in project.deployments.items()}

    def give(request: Request) -> Response:
        dataset = project.datasets.get(request.path_params["dataset"])
        if dataset is None:
            raise HTTPException(404, "there is no such dataset")
        of_part = {
            CLIPS_PART: dataset.dataset_url,
            OUTPUTS_PART: outputs_folder(dataset.storage_url, dataset.name),
        }
        part, path = request.path_params["part"], request.path_params["path"]
        is_report = part == OUTPUTS_PART and _REPORT.fullmatch(path) is not None
        if part not in of_part or not (is_report or _may_be_shown(path)):
            raise HTTPException(404, "only videos, pictures, JSON and reports of clips and outputs are shown")
        storage = storages[dataset.deployment]
        try:
            url = of_part[part] / path
            link = storage.signed(url, seconds=_SIGNED_SECONDS) if url.profile in signing[dataset.deployment] else None
            if link and not is_report:
                storage.info(url)
                return RedirectResponse(link, headers=_REDIRECT_HEADERS)
            # What the page shows comes from where this server sends the browser, too.
            shown = f"'self' {_origin(link)}" if link else "'self'"
            policy = {"Content-Security-Policy": _REPORT_POLICY.format(shown=shown)} if is_report else {}
            return _answer(storage, url, request, _HEADERS | policy)
        except (FileNotFoundError, BadStorageUrl):
            raise HTTPException(404, "there is nothing") from None
        except (StorageError, OSError):
            raise HTTPException(502, "storage does not answer") from None

    def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/health", healthy), Route("/{dataset}/{part}/{path:path}", give)])


def _origin(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"


def _may_be_shown(path: str) -> bool:
    parts = path.split("/")
    return PurePosixPath(path).suffix.lower() in SHOWN and not any(part in ("", ".", "..") for part in parts)


def _answer(storage: Storage, url: StorageUrl, request: Request, headers: dict[str, str]) -> Response:
    """Raises what storage does."""
    size = storage.info(url).size_bytes
    media_type = guess_type(url.name)[0] or "application/octet-stream"
    status, start, end = 200, 0, size
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked and asked.groups() != ("", ""):
        start, end = _span(asked[1], asked[2], size)
        if start >= end:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
        headers["Content-Range"], status = f"bytes {start}-{end - 1}/{size}", 206
    headers["Content-Length"] = str(end - start)
    content = iter(()) if request.method == "HEAD" else _bytes_of(storage, url, start, end)
    return StreamingResponse(content, status_code=status, headers=headers, media_type=media_type)


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """From and behind which byte to give; nothing lies between the two of an impossible range."""
    if not first:  # so many at the end
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _bytes_of(storage: Storage, url: StorageUrl, start: int, end: int) -> Iterator[bytes]:
    with storage.reading(url) as file:
        file.seek(start)
        left = end - start
        while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
