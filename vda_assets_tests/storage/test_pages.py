"""A listing asks for no more than it is asked for, page by page."""

from __future__ import annotations

import http.server
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx

from vda_assets.datasets.clips import Clip, iterate_clips
from vda_assets.storage.access import Storage
from vda_assets_tests.http_serving import serving_http
from vda_assets_tests.storage.emulators import Place

CLIPS, PAGE = 60, 10


@contextmanager
def small_pages(place: Place) -> Iterator[tuple[Storage, list[dict[str, list[str]]]]]:
    """The place behind a proxy whose pages are small, and the queries of all the listings that it saw."""
    assert place.credential is not None
    upstream = str(place.credential.override_url)
    queries: list[dict[str, list[str]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            queries.append(parse_qs(urlsplit(self.path).query))
            answer = httpx.get(f"{upstream}{self.path}&max-keys={PAGE}", headers=dict(self.headers))
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

    with serving_http(Handler) as endpoint:
        yield Storage([replace(place.credential, override_url=endpoint)]), queries


def test_pages_are_asked_for_when_they_are_needed_and_only_behind_the_key(s3: Place) -> None:
    folder = s3.root / uuid.uuid4().hex
    names = [f"{number:03}.mp4" for number in range(CLIPS)]
    for name in names:
        s3.storage.write_bytes(folder / name, b"clip")
    with small_pages(s3) as (storage, queries):
        whole = [found.key for found in iterate_clips(storage, folder) if isinstance(found, Clip)]
        assert whole == names
        pages = len(queries)
        assert pages == CLIPS // PAGE

        queries.clear()
        middle = names[CLIPS // 2 - 1]
        rest = [found.key for found in iterate_clips(storage, folder, after=middle) if isinstance(found, Clip)]
        assert rest == names[CLIPS // 2 :]
        assert len(queries) <= pages // 2 + 1
        assert queries[0]["start-after"][0] >= f"{folder.key}/{middle.rpartition('.')[0]}"

        queries.clear()
        first = next(iterate_clips(storage, folder))
        assert isinstance(first, Clip)
        assert first.key == names[0]
        assert len(queries) < pages
