"""What `datasets.py` measures with: a lister of S3 objects that are not there, and rows in Dagster's books by the lot.

An emulator takes minutes to be filled with 100,000 objects and longer to list them, and Dagster 12 ms to log an event.
"""

from __future__ import annotations

import html
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg

from vda_assets.runs.private import DATA_VERSION_TAG

_OBJECT = (
    "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    '<ETag>"0123456789abcdef0123456789abcdef"</ETag><Size>1000000</Size><StorageClass>STANDARD</StorageClass></Contents>'
)
_LOGGED = "SELECT event, run_id, dagster_event_type, timestamp, step_key, asset_key FROM event_logs WHERE id = ?"
_LOG = """INSERT INTO event_logs (id, event, run_id, dagster_event_type, timestamp, step_key, asset_key, partition)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_TAG = "INSERT INTO asset_event_tags (asset_key, event_id, event_timestamp, key, value) VALUES (?, ?, ?, ?, ?)"


@contextmanager
def listed_on_s3(prefix: str, clips: int, port: int) -> Iterator[None]:
    """ListObjectsV2 of `<prefix>/000000.mp4` and so on, answered from memory by a process of its own."""
    context = get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_serve, args=(prefix, clips, port, ready), daemon=True)
    process.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        process.kill()
        process.join()


def _serve(prefix: str, clips: int, port: int, ready) -> None:  # noqa: ANN001 - multiprocessing has no public name for it
    keys = [f"{prefix}/{number:06}.mp4" for number in range(clips)]

    class Lister(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            after = query.get("continuation-token") or query.get("start-after") or [""]
            begin = bisect_right(keys, after[0])
            page = keys[begin : begin + int(query.get("max-keys", ["1000"])[0])]
            more = begin + len(page) < len(keys)
            token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
            found = "".join(_OBJECT.format(html.escape(key)) for key in page)
            body = (
                '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<IsTruncated>{str(more).lower()}</IsTruncated><KeyCount>{len(page)}</KeyCount>{token}{found}"
                "</ListBucketResult>"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Lister)
    ready.set()
    server.serve_forever()


def log_by_the_lot(
    instance: dg.DagsterInstance,
    home: Path,
    example: dg.AssetMaterialization | dg.AssetObservation,
    versions: Iterable[tuple[str, str]],
) -> None:
    """For each partition and data version an event such as `example`, which is logged itself for its first row."""
    instance.report_runless_asset_event(example)
    (path,) = home.rglob("index.db")
    with closing(sqlite3.connect(path)) as books, books:
        (newest,) = books.execute("SELECT max(id) FROM event_logs").fetchone()
        event, *same = books.execute(_LOGGED, [newest]).fetchone()
        *_, timestamp, _, key = same
        rows, tags = [], []
        for number, (partition, version) in enumerate(versions, newest + 1):
            rows.append((number, event.replace(str(example.partition), partition), *same, partition))
            tags.append((key, number, timestamp, DATA_VERSION_TAG, version))
        books.executemany(_LOG, rows)
        books.executemany(_TAG, tags)
