"""The steps of a worker, from its arguments to its marker."""

from __future__ import annotations

import contextlib
import errno
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from vda_assets.worker.arguments import Arguments, parse_arguments
from vda_assets.worker.barrier import Barrier
from vda_assets.worker.container import run_container
from vda_assets.worker.container_environment import container_environment
from vda_assets.worker.endpoints import endpoint_url, wait_for_endpoint
from vda_assets.worker.environment import load_environment
from vda_assets.worker.failure import DISK_FULL, IO_FAILED, WorkerError, full_disk, say
from vda_assets.worker.inputs import empty_output, place_clip, writable_face
from vda_assets.worker.marker import describe, seed_used, write_outcome
from vda_assets.worker.outputs import require_clip, require_scene
from vda_assets.worker.overrides import endpoint_overrides, prepare_augmentation, prepare_auto_labeling
from vda_assets.worker.proxies import go_past_proxies
from vda_assets.worker.scene import describe_video, keep_real_media


def main(argv: list[str]) -> int:
    arguments = parse_arguments(argv)
    # A name that is no text must not end the worker while it says so.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # it is a TextIOWrapper
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    barrier = None
    code, size_bytes = 0, 0
    try:
        load_environment(arguments.setup)
        barrier = Barrier(arguments)
        size_bytes = process_clip(arguments)
    except WorkerError as error:
        code = error.code
        say(f"FAILED: {error}")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            code = DISK_FULL
            say(f"FAILED: {full_disk(arguments.container, str(error))}")
        else:
            code = IO_FAILED
            say(f"FAILED: a file cannot be read or written: {error}")
    if barrier:
        barrier.meet(size_bytes)
    return code


def process_clip(arguments: Arguments) -> int:
    """The size of the output in bytes."""
    seconds: dict[str, float] = {}
    failure = None
    with tempfile.TemporaryDirectory(prefix="vda-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        with timed(seconds, "inputs"):
            empty_output(arguments)
            clip = place_clip(arguments, scratch)
            cache = scratch / "model_cache"
            if arguments.model_cache:
                writable_face(arguments.model_cache, cache)
            prepare = prepare_augmentation if arguments.container == "augmentation" else prepare_auto_labeling
            config, overrides = prepare(arguments, clip, cache, scratch)
        with timed(seconds, "endpoints"):
            go_past_proxies(arguments.container, map(endpoint_url, ("VLM", "LLM")))
            endpoints = {kind: wait_for_endpoint(kind) for kind in ("vlm", "llm")}
        overrides += endpoint_overrides(config, endpoints)
        with timed(seconds, "container"):
            temporary = scratch / "tmp"
            temporary.mkdir()
            environment = container_environment(arguments.container, endpoints, cache, temporary)
            ended = run_container(arguments.container, ["--config", str(config), *overrides], environment)
        with timed(seconds, "outputs"):
            if arguments.container == "augmentation":
                failure = require_clip(arguments, ended, temporary)
            else:
                require_scene(arguments, ended)
                keep_real_media(arguments.output / "raw")
                describe_video(arguments.output)
            paths = sorted(path for path in arguments.output.rglob("*") if path.is_file())
            files = [describe(path, arguments.output) for path in paths]
    write_outcome(
        arguments,
        endpoints=endpoints,
        seconds=seconds,
        seed=seed_used(arguments, config),
        exit_code=ended.exit_code,
        failure=failure,
        files=files,
    )
    say(f"done, files: {len(files)}")
    return sum(int(file["size_bytes"]) for file in files)


@contextlib.contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - started, 3)
