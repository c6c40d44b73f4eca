"""The task that fills a model cache, sent to OSMO as one file: python3 fill.py PLAN OUTPUT

It imports nothing of ours; huggingface_hub is there in the task, and imported late: the pipeline reads constants here.
PLAN is JSON, see `workflow.py`. Only what the cache lacks is fetched, into OUTPUT, which OSMO uploads when the task
ends, whether it failed or not. After `leg_seconds` no further file is begun: what came is kept, and the next workflow
goes on from there.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Uploaded behind everything else.
MANIFEST = "vda-manifest.json"
# For networks without a way to the hosts of single files: PREFIX/<host>/<path> is asked instead.
MIRROR_VARIABLE = "VDA_WEIGHTS_MIRROR"
PROGRESS = "progress:"
_TELL_SECONDS = 20.0
_ANSWER_SECONDS = 60
_TRIES = 5
# Of a size in bytes.
_MOST_DIGITS = 18
_HUB_SCRATCH = ".cache"


class NotFetched(Exception):
    """A source cannot be had; the text says why and what to do."""


class Leg:
    """What this task may still begin, and what it has to tell while it goes on."""

    def __init__(self, seconds: float, output: Path) -> None:
        self._ends = time.monotonic() + seconds
        self._output = output
        self._total_bytes = 0
        self._began = time.monotonic()
        self.fetched = 0

    @property
    def is_over(self) -> bool:
        """The first file is always fetched: a leg that fetches nothing would never end the work."""
        return self.fetched > 0 and time.monotonic() > self._ends

    def expect(self, size_bytes: int) -> None:
        self._total_bytes += size_bytes

    def tell(self) -> None:
        done = sum(path.stat().st_size for path in self._output.rglob("*") if path.is_file())
        seconds = time.monotonic() - self._began
        left = (self._total_bytes - done) / done * seconds if done else 0.0
        say(f"{PROGRESS} {done / 1e9:.2f} of {self._total_bytes / 1e9:.2f} GB, about {left / 60:.0f} min left")

    def tell_now_and_then(self) -> None:
        def tell() -> None:
            while True:
                time.sleep(_TELL_SECONDS)
                try:
                    self.tell()
                except OSError:  # a file was renamed meanwhile
                    continue

        threading.Thread(target=tell, daemon=True).start()


def main(plan_file: str, output_folder: str) -> int:
    """Exit code 0 when all that is left was fetched or the leg is over, 1 when something cannot be fetched."""
    plan = json.loads(Path(plan_file).read_text())
    output = Path(output_folder)
    output.mkdir(parents=True, exist_ok=True)
    leg = Leg(plan["leg_seconds"], output)
    problems: list[str] = []
    whole: dict[str, dict[str, int]] = dict(plan["manifest"])
    wanted = list(look_up(plan["sources"], problems))
    for _, files in wanted:
        leg.expect(sum(files[path] for path in missing(files, plan["present"])))
    leg.tell_now_and_then()
    for source, files in wanted:
        try:
            if fetch_all(source, files, missing(files, plan["present"]), leg=leg, output=output):
                whole[source["id"]] = files | write_own_files(source, output)
        except NotFetched as error:
            problems.append(str(error))
    for scratch in [*output.rglob(_HUB_SCRATCH), *output.rglob("*.partial")]:
        shutil.rmtree(scratch) if scratch.is_dir() else scratch.unlink()
    (output / MANIFEST).write_text(json.dumps({"sources": whole}, indent=1, sort_keys=True))
    for problem in problems:
        say(f"FAILED: {problem}")
    if leg.is_over and not problems:
        say("the time of this task is over; the next one goes on with what is left")
    return 1 if problems else 0


def look_up(sources: list[Any], problems: list[str]) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    """The sources with their files; one that is not there is a problem of its own."""
    for source in sources:
        try:
            yield source, files_of(source)
        except NotFetched as error:
            problems.append(str(error))


def missing(files: dict[str, int], present: dict[str, int]) -> list[str]:
    return [path for path, size in files.items() if present.get(path) != size]


def fetch_all(source: dict[str, Any], files: dict[str, int], paths: list[str], *, leg: Leg, output: Path) -> bool:
    """False when the leg was over before all of the paths were there."""
    for path in paths:
        if leg.is_over:
            return False
        fetch(source, path, files[path], output)
        leg.fetched += 1
    return True


def files_of(source: dict[str, Any]) -> dict[str, int]:
    """Path below the cache -> size in bytes, as its host tells them."""
    if source["kind"] == "web":
        with opened(source["url"], start=0) as answer:
            return {source["path"]: size_of(answer, source["url"])}
    from huggingface_hub import HfApi

    repository, revision = source["repository"], source["revision"]
    info = asked_of_hub(
        source, lambda: HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=_ANSWER_SECONDS)
    )
    files = {
        f"{source['place']}/{one.rfilename}": int(one.size or 0)
        for one in info.siblings or ()
        if not source["patterns"] or any(fnmatch.fnmatchcase(one.rfilename, each) for each in source["patterns"])
    }
    if not files:
        raise NotFetched(f"{repository} at {revision} has no file {' or '.join(source['patterns']) or 'at all'}")
    return files


def fetch(source: dict[str, Any], path: str, size: int, output: Path) -> None:
    if source["kind"] == "web":
        fetch_from_web(source["url"], output / path, size)
    else:
        from huggingface_hub import hf_hub_download

        folder = output / source["place"]
        name = str(Path(path).relative_to(source["place"]))
        asked_of_hub(
            source,
            lambda: hf_hub_download(source["repository"], name, revision=source["revision"], local_dir=folder),
        )
    got = (output / path).stat().st_size
    if got != size:
        (output / path).unlink()
        raise NotFetched(f"{path} came with {got} bytes instead of {size}")
    say(f"fetched {path}, {size / 1e6:.1f} MB")


def write_own_files(source: dict[str, Any], output: Path) -> dict[str, int]:
    """Those that no host has, such as `refs/main`; path -> size in bytes."""
    for path, content in source["own_files"].items():
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        (output / path).write_text(content)
    return {path: len(content.encode()) for path, content in source["own_files"].items()}


def asked_of_hub(source: dict[str, Any], ask: Any) -> Any:
    """The answer; what may pass is asked again. Raises NotFetched."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    repository = source["repository"]
    for attempt in range(1, _TRIES + 1):
        try:
            return ask()
        except GatedRepoError:
            raise NotFetched(
                f"{repository} is gated: accept its licence at https://huggingface.co/{repository} with the account "
                "of the token that OSMO's credential hf_token holds"
            ) from None
        except (RepositoryNotFoundError, RevisionNotFoundError):
            raise NotFetched(
                f"{repository} has no revision {source['revision']}, or the token in OSMO's credential hf_token "
                "may not see it"
            ) from None
        # Those of the library, of the HTTP library of its version, and what it stumbles over in an answer.
        except Exception as error:  # noqa: BLE001
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
            if status in (401, 403):
                raise NotFetched(
                    f"the hub refuses {repository} ({status}): accept its licence at "
                    f"https://huggingface.co/{repository} with the account of OSMO's credential hf_token"
                ) from None
            if attempt == _TRIES:
                raise NotFetched(f"{repository} did not come: {type(error).__name__}: {str(error)[:300]}") from None
            time.sleep(min(30, 2**attempt))
    raise AssertionError


def fetch_from_web(url: str, target: Path, size: int) -> None:
    """Goes on where it was cut off, if its host can do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    for attempt in range(1, _TRIES + 1):
        start = partial.stat().st_size if partial.exists() else 0
        try:
            with opened(url, start=start) as answer, partial.open("ab" if answer.status == 206 else "wb") as file:
                shutil.copyfileobj(answer, file, 1 << 20)
            if partial.stat().st_size >= size:
                break
        except (OSError, HTTPException) as error:
            if attempt == _TRIES:
                raise NotFetched(f"{url} broke off {_TRIES} times: {type(error).__name__}: {error}") from None
            time.sleep(min(30, 2**attempt))
    partial.rename(target)


def opened(url: str, *, start: int) -> Any:
    """The answer from byte `start` on. Raises NotFetched for a refusal, or a page instead of a file."""
    parts = urlsplit(url)
    mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    asked = f"{mirror}/{parts.netloc}{parts.path}{'?' if parts.query else ''}{parts.query}" if mirror else url
    request = urllib.request.Request(asked, headers={"Range": f"bytes={start}-"} if start else {})
    for attempt in range(1, _TRIES + 1):
        try:
            answer = urllib.request.urlopen(request, timeout=_ANSWER_SECONDS)
            break
        except urllib.error.HTTPError as error:
            raise NotFetched(f"{asked} answers {error.code}") from None
        # ValueError: it leads to what is no URL.
        except (OSError, HTTPException, ValueError) as error:
            if attempt == _TRIES:
                raise NotFetched(f"{asked} does not answer: {error}") from None
            time.sleep(min(30, 2**attempt))
    if answer.headers.get_content_type() == "text/html":
        answer.close()
        raise NotFetched(f"{asked} answers with a web page instead of the weights")
    return answer


def size_of(answer: Any, url: str) -> int:
    length = answer.headers.get("Content-Length", "")
    if not length.isdecimal() or len(length) > _MOST_DIGITS or not int(length):
        raise NotFetched(f"{url} does not tell how large its file is")
    return int(length)


def say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
