#!/usr/bin/env python3
"""Runs one stage of one clip inside an NVIDIA container: `vda_worker.py augmentation|auto_labeling …`.

One file, standard library only, Python 3.10 and newer: it is written to a run's setup folder and started there by OSMO.
The container's exit code proves nothing (paidf-augmentation 1.0.0 exits 0 on failure), so what must exist is looked
for, and `outcome.json` is written last. OSMO uploads in no order: readers compare every file with the list in it.

Exit codes, each but the first with one line `vda_worker: FAILED: <reason>`:
  0   done: the output is whole
  64  bad setup: an argument, the setup folder, or the container's command
  65  not exactly one clip
  69  an endpoint is not ready
  70  the container exited 0 but left something out, or left it damaged
  73  the disk is full, for the worker or for the container
  74  a file cannot be read or written
  75  the container was killed because it kept silent for CONTAINER_SILENCE_TIMEOUT_SECONDS
  any other: the container's own, 128 + n when signal n killed it
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

BAD_SETUP, NO_CLIP, ENDPOINT_NOT_READY, OUTPUT_INCOMPLETE, DISK_FULL, IO_FAILED, SILENT = 64, 65, 69, 70, 73, 74, 75
CLIP_EXTENSIONS = (".mp4", ".avi", ".mkv")
# Working directories of the two images (paidf-augmentation and paidf-auto-labeling 1.0.0).
CONTAINER_HOMES = {"augmentation": "/app", "auto_labeling": "/workspace"}
CONTAINER_COMMAND = "uv run --no-sync python modules/cli.py"
REQUIRED_FILES = {
    "augmentation": ["augmented_video.mp4"],
    "auto_labeling": ["config.yaml", "sidecars/pipeline_status.json", "raw/*"],
}
SR_CLIP = "sidecars/sr_output.mp4"
# What the checks of an augmented clip found; a clip without is kept, and judged to be unverified.
CHECKS_FILE = "metadata.json"
OUTCOME_FILE = "outcome.json"
# Longer than paidf-augmentation 1.0.0 waits for Cosmos, which may say nothing for 3600 seconds: its own end tells more.
SILENCE_SECONDS = 3900
WORDS_OF_A_FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded|\[Errno 27\]")
LONGEST_LINE = 500
BARRIER_PORTS = {"augmentation": 12346, "auto_labeling": 12344}
# What the lead allows for its peers' uploads: OSMO 6.4 deletes their pods as soon as the lead's own is over.
UPLOAD_SECONDS, UPLOAD_BYTES_PER_SECOND = 2.0, 20e6

Endpoints = dict[str, tuple[str, str]]


class WorkerError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


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
        size_bytes = run_stage(arguments)
    except WorkerError as error:
        code = error.code
        say(f"FAILED: {error}")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            code = DISK_FULL
            say(f"FAILED: {full_disk(arguments.stage, str(error))}")
        else:
            code = IO_FAILED
            say(f"FAILED: a file cannot be read or written: {error}")
    if barrier:
        barrier.meet(size_bytes)
    return code


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    def absolute(text: str) -> Path:
        # The container runs in a folder of its own and takes relative paths from there.
        return Path(text).absolute()

    parser = argparse.ArgumentParser(prog="vda_worker.py")
    parser.add_argument("stage", choices=sorted(CONTAINER_HOMES))
    parser.add_argument("--setup", type=absolute, required=True, help="folder of the run's setup")
    parser.add_argument("--clip", type=absolute, required=True, help="folder that holds the clip")
    parser.add_argument("--clip-file", help="which file below it; the only clip when not given")
    parser.add_argument("--model-cache", type=absolute, required=True)
    parser.add_argument("--name", required=True, help="name of the result: <video> or <video>_aug<i>")
    parser.add_argument(
        "--output", type=absolute, required=True, help="folder of this task's own; emptied at the start"
    )
    parser.add_argument("--work", required=True, help="hash of the work, carried into outcome.json")
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--image", help="the container's image, carried into outcome.json")
    parser.add_argument("--super-resolution", action="store_true")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--peers", type=int, default=1, help="workers of this group that must finish together")
    parser.add_argument("--lead-host", help="where rank 0 listens")
    return parser.parse_args(argv)


def load_environment(setup: Path) -> None:
    """Values already in the environment win over the setup's."""
    # `runtime.env` says the same, for storage tools that leave out names with a leading dot.
    path = next((path for path in (setup / ".env", setup / "runtime.env") if path.is_file()), None)
    if path is None:
        raise WorkerError(BAD_SETUP, f"the setup has no .env: {setup} is not a run's setup folder")
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value)


def seconds_of(variable: str, default: float) -> float:
    text = os.environ.get(variable) or str(default)
    try:
        return float(text)
    except ValueError:
        raise WorkerError(BAD_SETUP, f"{variable} is {text!r}, not a number of seconds") from None


def run_stage(arguments: argparse.Namespace) -> int:
    """The size of the output in bytes."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="vda-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        with timed(seconds, "inputs"):
            empty_output(arguments)
            clip = stage_clip(arguments, scratch)
            cache = writable_face(arguments.model_cache, scratch / "model_cache")
            prepare = prepare_augmentation if arguments.stage == "augmentation" else prepare_auto_labeling
            config, overrides = prepare(arguments, clip, cache, scratch)
        with timed(seconds, "endpoints"):
            endpoints = {kind: wait_for_endpoint(kind) for kind in ("vlm", "llm")}
        overrides += endpoint_overrides(config, endpoints)
        with timed(seconds, "container"):
            environment = container_environment(arguments.stage, endpoints, cache)
            words = run_container(arguments.stage, ["--config", str(config), *overrides], environment)
        with timed(seconds, "outputs"):
            require_outputs(arguments, words)
            if arguments.stage == "auto_labeling":
                keep_real_media(arguments.output / "raw")
                describe_video(arguments.output)
            paths = sorted(path for path in arguments.output.rglob("*") if path.is_file())
            files = [describe(path, arguments.output) for path in paths]
    write_outcome(arguments, endpoints=endpoints, seconds=seconds, seed=seed_used(arguments, config), files=files)
    say(f"done: {len(files)} files")
    return sum(int(file["size_bytes"]) for file in files)


@contextlib.contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - started, 3)


# Inputs


def empty_output(arguments: argparse.Namespace) -> None:
    """A group that restarts in place finds what its former attempt left; none of it may pass for this attempt's."""
    output: Path = arguments.output
    if any(given.is_relative_to(output) for given in (arguments.setup, arguments.clip, arguments.model_cache)):
        raise WorkerError(BAD_SETUP, f"the output folder {output} holds inputs; give a folder of its own")
    output.mkdir(parents=True, exist_ok=True)
    leftovers = list(output.iterdir())
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if leftovers:
        say(f"removed what a former attempt left in {output}: {', '.join(sorted(path.name for path in leftovers))}")


def stage_clip(arguments: argparse.Namespace, scratch: Path) -> Path:
    """The clip under the result's own name: the containers name their files after it, and it is safe and unique."""
    what = arguments.clip_file or f"one clip ({', '.join(CLIP_EXTENSIONS)})"
    candidates = [arguments.clip / arguments.clip_file] if arguments.clip_file else arguments.clip.rglob("*")
    found = sorted(path for path in candidates if path.suffix.lower() in CLIP_EXTENSIONS and path.is_file())
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:5])
        raise WorkerError(NO_CLIP, f"expected {what} in {arguments.clip}, found {names or 'none'}")
    if not found[0].stat().st_size:
        raise WorkerError(NO_CLIP, f"the clip {found[0]} is empty")
    if "/" in arguments.name:
        raise WorkerError(BAD_SETUP, f"--name {arguments.name!r} is not a bare name")
    staged = scratch / "clip" / f"{arguments.name}{found[0].suffix.lower()}"
    staged.parent.mkdir()
    staged.symlink_to(found[0].resolve())
    return staged


def writable_face(cache: Path, face: Path) -> Path:
    """A folder of links to the read-only cache: the containers create lock files beside the weights."""
    face.mkdir()
    odd: list[str] = []
    for folder, subfolders, names in os.walk(cache, onerror=lambda error: odd.append(str(error))):
        mirrored = face / Path(folder).relative_to(cache)
        for name in subfolders:
            source = Path(folder, name)
            if source.is_symlink():
                (mirrored / name).symlink_to(source)
            else:
                (mirrored / name).mkdir()
        for name in names:
            source = Path(folder, name)
            if os.path.isfile(source):  # noqa: PTH113 - Path.is_file raises where a folder may not be entered
                (mirrored / name).symlink_to(source)
            else:
                odd.append(str(source))
    if odd:
        say(f"WARNING: {len(odd)} entries of the model cache cannot be used, the first: {odd[0]}")
    return face


def prepare_augmentation(
    arguments: argparse.Namespace, clip: Path, _cache: Path, scratch: Path
) -> tuple[Path, list[str]]:
    output = arguments.output
    return setup_file(arguments.setup, f"configs/{arguments.name}.yaml"), [
        override("data.0.inputs.rgb", clip),
        override("data.0.output.video", output / "augmented_video.mp4"),
        override("data.0.output.metadata", output / CHECKS_FILE),
        override("data.0.output.caption", scratch / "caption.txt"),
    ]


def prepare_auto_labeling(
    arguments: argparse.Namespace, clip: Path, cache: Path, scratch: Path
) -> tuple[Path, list[str]]:
    cookbook = "configs/auto_labeling"
    bank = setup_file(arguments.setup, f"{cookbook}/question_bank.json")
    prompt = setup_file(arguments.setup, f"{cookbook}/prompts/event_analysis.md")
    reduced = scratch / "question_bank.json"
    try:
        content = json.loads(bank.read_text(encoding="utf-8"))
        reduced.write_text(json.dumps({key: content[key] for key in ("name", "questions")}), encoding="utf-8")
    except (ValueError, KeyError, TypeError) as error:
        raise WorkerError(BAD_SETUP, f"{bank} is no question bank with name and questions: {error!r}") from None
    return setup_file(arguments.setup, f"{cookbook}/auto_labeling_config.yaml"), [
        override("data.0.inputs.video_path", clip),
        override("data.0.output.out_dir", arguments.output),
        override("pipeline.model_cache_path", cache),
        "pipeline.gpu_ids=0",
        f"super_resolution.enabled={str(arguments.super_resolution).lower()}",
        override("mcq_generation.window_metadata_extraction.question_bank_file", reduced),
        override("vlm_json.scene_prompt_file", prompt),
        override("vlm_json.events_prompt_file", prompt),
    ]


def endpoint_overrides(config: Path, endpoints: Endpoints) -> list[str]:
    """By name in the 1.0 containers, by place in paidf-augmentation 1.1.0, whose endpoints are a list with roles."""
    listed = re.search(r"^endpoints:\n((?:[- ].*\n)*)", config.read_text(encoding="utf-8"), re.MULTILINE)
    roles = re.findall(r"^[- ] *role: (\w+)", listed[1] if listed else "", re.MULTILINE)
    overrides = []
    for kind, (url, model) in endpoints.items():
        place = roles.index(kind) if kind in roles else kind
        overrides += [override(f"endpoints.{place}.url", url), override(f"endpoints.{place}.model", model)]
    return overrides


def setup_file(setup: Path, name: str) -> Path:
    if not (setup / name).is_file():
        raise WorkerError(BAD_SETUP, f"the setup has no {name}")
    return setup / name


def override(key: str, value: object) -> str:
    """Both containers read override values as YAML, and auto-labeling looks at paths before that: no quotes help.

    So only what YAML takes as that very text may pass: no mapping, comment, interpolation, number, date or keyword.
    """
    text = str(value)
    is_plain = re.fullmatch(r"[\w/.](?:[^\x00-\x1f\x7f]*[^\s:])?", text) and not re.search(r":\s|\s#|\$\{", text)
    if not is_plain or re.fullmatch(
        r"(?i)[-+.:\d_eE]+|0[xob][\da-f_]+|\.?(inf|nan)|null|true|false|yes|no|on|off", text
    ):
        raise WorkerError(BAD_SETUP, f"{key}: {text!r} cannot be passed to the container; use plain names")
    return f"{key}={text}"


# Endpoints


def wait_for_endpoint(kind: str) -> tuple[str, str]:
    """(base URL, model id that the endpoint serves); waits at most ENDPOINT_WAIT_TIMEOUT_SECONDS."""
    name = kind.upper()
    url = normalise_endpoint(os.environ.get(f"{name}_ENDPOINT", ""))
    wanted = os.environ.get(f"{name}_ENDPOINT_MODEL", "")
    if not url.startswith(("http://", "https://")):
        raise WorkerError(BAD_SETUP, f"{name}_ENDPOINT in the run's .env is {url!r}, not an http(s) URL")
    if os.environ.get(f"WAIT_FOR_{name}", "1") != "1":
        return url, wanted
    timeout_seconds = seconds_of("ENDPOINT_WAIT_TIMEOUT_SECONDS", 180)
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            served = served_models(url, name, timeout_seconds=min(10.0, max(1.0, deadline - time.monotonic())))
            if served:
                model = wanted if wanted in served else served[0]
                if model != wanted:
                    say(f"WARNING: the {name} at {url} does not serve {wanted!r}; taking {model!r}")
                return url, model
            reason = "it lists no model"
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
        left = deadline - time.monotonic()
        if left <= 0:
            message = f"the {name} at {url} is not ready after {timeout_seconds:g} seconds: {reason}"
            raise WorkerError(ENDPOINT_NOT_READY, message)
        say(f"waiting for the {name} at {url}, {left:.0f} seconds left: {reason}")
        time.sleep(min(10.0, left))


def served_models(url: str, name: str, *, timeout_seconds: float) -> list[str]:
    request = urllib.request.Request(f"{url}/models")
    # The keys that paidf-auto-labeling 1.0.0 sends, in its order; never to where the endpoint redirects.
    variables = (f"{name}_API_KEY", "NVIDIA_API_KEY", "OPENAI_API_KEY")
    if key := next(filter(None, map(os.environ.get, variables)), None):
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
        return [str(entry["id"]) for entry in json.load(response)["data"]]


def normalise_endpoint(url: str) -> str:
    """The base of an OpenAI-compatible URL: an invoke URL (NIM or NVCF) becomes the base that it belongs to."""
    url = re.sub(r"[?#].*", "", url.strip()).rstrip("/")
    url = re.sub(r"(/(chat/completions|completions|models|health/(ready|live)))+$", "", url)
    return f"{url}/v1" if re.fullmatch(r"https?://[^/]+", url) else url


# Container


def container_environment(stage: str, endpoints: Endpoints, cache: Path) -> dict[str, str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # Whatever these were set to before, they beat the config: *_BASE_URL and *_MODEL in auto-labeling 1.0.0,
    # *_ENDPOINT_* in augmentation 1.0.0.
    for kind, (url, model) in endpoints.items():
        environment[f"{kind.upper()}_BASE_URL"] = environment[f"{kind.upper()}_ENDPOINT_URL"] = url
        environment[f"{kind.upper()}_MODEL"] = environment[f"{kind.upper()}_ENDPOINT_MODEL"] = model
    for name in ("LLM_CAPTION_ENDPOINT_URL", "LLM_CAPTION_ENDPOINT_MODEL", "AUTO_LABELING_DRY_RUN"):
        environment.pop(name, None)
    if stage == "auto_labeling":
        environment["MODEL_CACHE_PATH"] = str(cache)
    else:
        hub = cache / "hub"
        environment["HF_HUB_CACHE"] = str(hub if hub.is_dir() else cache)
    return environment


class Words:
    """What the container says: copied to the worker's own output; its last line, and one of a full disk, are kept."""

    def __init__(self) -> None:
        self.last = self.of_full_disk = ""
        self._begun, self._is_at_line_start = b"", True

    def copy(self, chunk: bytes) -> None:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        self._is_at_line_start = chunk.endswith(b"\n") if chunk else self._is_at_line_start
        *ended, begun = re.split(rb"[\r\n]", self._begun + chunk)
        self._begun = begun[:LONGEST_LINE]
        for line in ended:
            self._keep(line)

    def end(self) -> None:
        self._keep(self._begun)
        if not self._is_at_line_start:
            print(flush=True)

    def _keep(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode(errors="replace").strip()
        self.last = text or self.last
        if WORDS_OF_A_FULL_DISK.search(text):
            self.of_full_disk = text


def container_failed(stage: str, code: int, what: str, words: Words) -> WorkerError:
    """With the words that tell the cause, as far as the container has told it."""
    if words.of_full_disk:
        return WorkerError(DISK_FULL, full_disk(stage, f"{what}, and had said: {words.of_full_disk}"))
    return WorkerError(code, f"{what}; the last it said: {words.last}" if words.last else what)


def full_disk(stage: str, what: str) -> str:
    return f"the disk is full: {what}; give resources.{stage} of the deployment more storage"


def run_container(stage: str, arguments: list[str], environment: dict[str, str]) -> Words:
    """What it said, when it exits 0. Raises WorkerError with its exit code, SILENT or DISK_FULL."""
    home = os.environ.get("PAIDF_HOME", CONTAINER_HOMES[stage])
    command = shlex.split(os.environ.get("PAIDF_CLI", CONTAINER_COMMAND)) + arguments
    silence_seconds = seconds_of("CONTAINER_SILENCE_TIMEOUT_SECONDS", SILENCE_SECONDS)
    say("running " + shlex.join(command))
    try:
        process = subprocess.Popen(
            command,
            cwd=home if Path(home).is_dir() else None,
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
        what = f"the container was killed: it printed nothing for {silence_seconds:g} seconds"
        raise container_failed(stage, SILENT, what, words)
    if code < 0:
        raise container_failed(stage, 128 - code, f"the container was killed by signal {-code}", words)
    if code:
        raise container_failed(stage, code, f"the container exited with {code}", words)
    return words


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


# Outputs


def require_outputs(arguments: argparse.Namespace, words: Words) -> None:
    output: Path = arguments.output
    required = [*REQUIRED_FILES[arguments.stage], *([SR_CLIP] if arguments.super_resolution else [])]
    missing = [name for name in required if not any(is_filled(path) for path in output.glob(name))]
    if missing:
        what = f"the container exited 0 but left out {', '.join(missing)}"
        raise container_failed(arguments.stage, OUTPUT_INCOMPLETE, what, words)
    if arguments.stage == "augmentation" and not is_filled(output / CHECKS_FILE):
        say(f"WARNING: the container left no {CHECKS_FILE}: nothing tells whether the clip passed its checks")
    elif arguments.stage == "augmentation":
        required.append(CHECKS_FILE)
    problem_of = {".json": json_problem, ".mp4": mp4_problem}
    for path in (output / name for name in required if Path(name).suffix in problem_of):
        if problem := problem_of[path.suffix](path):
            what = f"the container exited 0 but left {path.name} damaged: {problem}"
            raise container_failed(arguments.stage, OUTPUT_INCOMPLETE, what, words)


def is_filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def json_problem(path: Path) -> str:
    """What keeps the file from being a JSON object; empty when nothing does."""
    try:
        return "" if isinstance(json.loads(path.read_bytes()), dict) else "it holds no object"
    except ValueError as error:
        return str(error)


def mp4_problem(path: Path) -> str:
    """What keeps the file from being a whole MP4, by its top-level boxes (ISO 14496-12); empty when nothing does."""
    size, position, kinds = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            header = file.read(16)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            elif length == 0:
                length = size - position
            if position == 0 and kind != b"ftyp":
                return "it is not an MP4 file"
            if length < 8 or position + length > size:
                return f"its {kind.decode('latin-1')} box is cut off at {size} bytes"
            kinds.add(kind)
            position += length
    absent = [kind.decode() for kind in (b"moov", b"mdat") if kind not in kinds]
    return f"it has no {' and no '.join(absent)} box" if absent else ""


def keep_real_media(raw: Path) -> None:
    """`raw/<id>` is a link to the input; it would dangle once uploaded."""
    for path in raw.iterdir():
        if path.is_symlink():
            target = path.resolve()
            path.unlink()
            shutil.copyfile(target, path)


def describe_video(scene: Path) -> None:
    """Writes the contextual/video.json that `vlm_json` would have: without it tao-daft 7.0.0 converts no scene."""
    target = scene / "contextual" / "video.json"
    if target.exists():
        return
    clip = min((scene / "raw").iterdir())
    try:
        seen = json.loads((scene / "sidecars" / "metadata.json").read_bytes())
        start, end = seen["duration_span"]
        duration, fps = float(end - start), min(240, max(1, round(seen["framerate"])))
        width, height = int(seen["width"]), int(seen["height"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError) as error:
        say(f"no contextual/video.json: sidecars/metadata.json does not describe the clip ({error!r})")
        return
    video = {
        "version": "metropolis-v3.0",
        "video_id": clip.stem,
        "format": clip.suffix[1:],
        "fps": fps,
        "duration": duration,
        "height": height,
        "width": width,
        "rectified": False,
        "metadata": {
            "type": "video",
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "description": "Technical facts alone: no model was asked to describe the scene.",
        },
    }
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(video, indent=2), encoding="utf-8")


def describe(path: Path, root: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        size_bytes = file.tell()
    return {"path": str(path.relative_to(root)), "size_bytes": size_bytes, "sha256": digest.hexdigest()}


def seed_used(arguments: argparse.Namespace, config: Path) -> int | None:
    """What the container says it took for the video, else what it was told to take; None for labels."""
    if arguments.stage != "augmentation":
        return None
    checks = arguments.output / CHECKS_FILE
    check = json.loads(checks.read_bytes()).get("hallucination_check") if is_filled(checks) else None
    if isinstance(check, dict) and isinstance(check.get("seed_used"), int):
        return int(check["seed_used"])
    told = re.search(r"^augmentation:\n(?: .*\n)*? +seed: (\d+)$", config.read_text(encoding="utf-8"), re.MULTILINE)
    return int(told[1]) if told else None


def write_outcome(
    arguments: argparse.Namespace,
    *,
    endpoints: Endpoints,
    seconds: dict[str, float],
    seed: int | None,
    files: list[dict[str, Any]],
) -> None:
    outcome = {
        "version": 1,
        "stage": arguments.stage,
        "name": arguments.name,
        "work": arguments.work,
        "attempt": arguments.attempt,
        "image": arguments.image,
        "seed": seed,
        "models": {kind: model for kind, (_, model) in endpoints.items()},
        "seconds": seconds,
        "files": files,
    }
    temporary = arguments.output / f".{OUTCOME_FILE}.part"
    try:
        temporary.write_text(json.dumps(outcome, indent=1), encoding="utf-8")
        temporary.replace(arguments.output / OUTCOME_FILE)
    finally:
        temporary.unlink(missing_ok=True)


# The group


class Barrier:
    """Workers of one group end together: the group is over as soon as its lead (rank 0) ends.

    Every other worker is connected from the start, so that its death is noticed as a closed connection. It says its
    rank, at its end `done` and how much it has to upload, and leaves; rank 0 stays until all have left or died.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.rank, self.peers = arguments.rank, arguments.peers
        self.server = self.connection = None
        if self.peers < 2:
            return
        if not arguments.lead_host:
            raise WorkerError(BAD_SETUP, "--peers needs --lead-host")
        self.address = (arguments.lead_host, BARRIER_PORTS[arguments.stage])
        self.timeout_seconds = seconds_of("BARRIER_TIMEOUT_SECONDS", 86400)
        self.arrival_seconds = seconds_of("BARRIER_ARRIVAL_SECONDS", 120)
        self.started = time.monotonic()
        if self.rank == 0:
            self.server = keep_alive(self._listen())
        else:
            self.connection = self._connect(self.arrival_seconds)

    def _listen(self) -> socket.socket:
        # The lead's own name may not resolve yet, or to an address outside of its pod.
        host, port = self.address
        with contextlib.suppress(OSError):
            return socket.create_server((host, port), backlog=self.peers)
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        try:
            return socket.create_server(("", port), family=family, dualstack_ipv6=dual, backlog=self.peers)
        except OSError as error:
            raise WorkerError(BAD_SETUP, f"rank 0 cannot listen on port {port}: {error}") from None

    def _connect(self, patience_seconds: float) -> socket.socket | None:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                connection = keep_alive(socket.create_connection(self.address, timeout=10))
                connection.sendall(b"%d\n" % self.rank)
            except OSError as error:
                if time.monotonic() >= deadline:
                    say(f"WARNING: rank 0 does not answer at {self.address[0]}: {error}; going on without it")
                    return None
                time.sleep(0.2)
            else:
                return connection

    def meet(self, size_bytes: int) -> None:
        if self.server:
            self._gather(self.server)
        elif self.peers > 1:
            connection = self.connection or self._connect(0)
            try:
                if connection:
                    connection.sendall(b"done %d\n" % size_bytes)
                    connection.close()
            except OSError as error:
                say(f"WARNING: rank 0 is gone: {error}")

    def _gather(self, server: socket.socket) -> None:
        deadline = time.monotonic() + self.timeout_seconds
        missing = set(range(1, self.peers))
        heard: dict[socket.socket, bytes] = {}
        uploaded_at = 0.0
        server.settimeout(1)
        while missing and time.monotonic() < deadline:
            ready = select.select([server, *heard], [], [], 0.5)[0]
            for one in ready:
                if one is server:
                    with contextlib.suppress(OSError):
                        heard[server.accept()[0]] = b""
                    continue
                chunk = b""
                with contextlib.suppress(OSError):
                    chunk = one.recv(64)
                heard[one] += chunk
                if not chunk:
                    rank, size_bytes = said(heard.pop(one))
                    one.close()
                    if rank in missing and size_bytes is None:
                        say(f"WARNING: worker {rank} of the group died; going on without it")
                    elif size_bytes is not None:
                        needed_seconds = UPLOAD_SECONDS + size_bytes / UPLOAD_BYTES_PER_SECOND
                        uploaded_at = max(uploaded_at, time.monotonic() + needed_seconds)
                    missing.discard(rank)
            if not ready and time.monotonic() > self.started + self.arrival_seconds:
                for rank in missing - {said(words)[0] for words in heard.values()}:
                    say(f"WARNING: worker {rank} of the group never came; going on without it")
                    missing.discard(rank)
        for rank in missing:
            say(f"WARNING: worker {rank} did not end within {self.timeout_seconds:g} seconds; going on without it")
        time.sleep(max(0.0, uploaded_at - time.monotonic()))
        say("the workers of the group have ended")


def said(words: bytes) -> tuple[int, int | None]:
    """(rank, size in bytes that it has to upload) of a worker, the size None when it did not say `done`.

    Rank -1 is somebody else, such as a probe of the port.
    """
    match = re.fullmatch(rb"(\d{1,6})\n(?:done (\d{1,18})\n)?", words)
    if not match:
        return -1, None
    return int(match[1]), int(match[2]) if match[2] else None


def keep_alive(connection: socket.socket) -> socket.socket:
    """Notices a host that vanished without a word; what a listening socket accepts takes these over (Linux)."""
    idle_seconds = max(1, round(seconds_of("BARRIER_KEEPALIVE_SECONDS", 60)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle_seconds // 6))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6)
    return connection


def say(message: str) -> None:
    print("vda_worker: " + re.sub(r"\s*[\r\n]+\s*", " ", message), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
