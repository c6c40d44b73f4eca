"""The container's own command as a child process: heard, and killed when it falls silent or this one ends."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from pathlib import Path

from vda_assets.worker.ended import Ended
from vda_assets.worker.environment import seconds_of
from vda_assets.worker.failure import BAD_SETUP, SILENT, WorkerError, say
from vda_assets.worker.words import Words

# Working directories of the images: paidf-augmentation 1.0.x and 1.1.0, paidf-auto-labeling 1.0.0.
CONTAINER_HOMES = {"augmentation": ["/app", "/workspace"], "auto_labeling": ["/workspace"]}
CONTAINER_COMMAND = "uv run --no-sync python modules/cli.py"
# Longer than paidf-augmentation 1.0.0 waits for Cosmos, which may say nothing for 3600 seconds: its own end tells more.
SILENCE_SECONDS = 3900


def run_container(container: str, arguments: list[str], environment: dict[str, str]) -> Ended:
    """How it ended, well or not. Raises WorkerError when it cannot be started."""
    start = shlex.split(os.environ.get("PAIDF_CLI", CONTAINER_COMMAND))
    command = [os.path.expandvars(word) for word in start] + arguments
    silence_seconds = seconds_of("CONTAINER_SILENCE_TIMEOUT_SECONDS", SILENCE_SECONDS)
    say("running " + shlex.join(command))
    try:
        process = subprocess.Popen(
            command,
            cwd=home_of(container),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerError(BAD_SETUP, f"the container's command cannot be started: {error}") from None
    guard = die_with_this_process(process.pid)
    words = Words()
    try:
        has_ended = forward_output(process, words, silence_seconds)
    finally:
        # Also what the container left behind: its zombie keeps the group's number from being given away.
        kill_group(process.pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(guard, b"x")
        os.close(guard)
    code = process.wait()
    if not has_ended:
        return Ended(SILENT, f"the container was killed: it printed nothing for {silence_seconds:g} seconds", words)
    if code < 0:
        return Ended(128 - code, f"the container was killed by signal {-code}", words)
    return Ended(code, f"the container exited with {code}" if code else "the container exited 0", words)


def home_of(container: str) -> str | None:
    """The folder of the image that the container's command is relative to; None where this is no such image."""
    own = os.environ.get("PAIDF_HOME") or os.environ.get(f"PAIDF_{container.upper()}_HOME")
    homes = [own] if own else CONTAINER_HOMES[container]
    return next((home for home in homes if Path(home).is_dir()), None)


def die_with_this_process(group: int) -> int:
    """OSMO restarts a group by SIGKILL to this process's own group; a guard outside of it kills the container's.

    Returns the descriptor that dismisses the guard when it is written to.
    """
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.setsid()
            os.close(writer)
            if not os.read(reader, 1):
                kill_group(group)
        finally:
            os._exit(0)
    os.close(reader)
    return writer


def kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def forward_output(process: subprocess.Popen[bytes], words: Words, silence_seconds: float) -> bool:
    """Copies the output until the process has ended; False when it was silent for that long before."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    chunk = b"\n"
    heard_at = time.monotonic()
    try:
        # A child of the container may keep the pipe open, or the container close it: neither is its end.
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if chunk and select.select([pipe], [], [], min(1.0, silence_seconds))[0]:
                words.copy(chunk := os.read(pipe, 1 << 16))
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at >= silence_seconds:
                return False
            elif not chunk:
                time.sleep(0.02)
        while chunk and select.select([pipe], [], [], 0)[0]:
            words.copy(chunk := os.read(pipe, 1 << 16))
    finally:
        words.end()
    return True
