#!/usr/bin/env python3
"""Runs one stage of one clip inside an NVIDIA container: `vda_worker.py augmentation|auto_labeling …`.

One file, standard library only, Python 3.10 and newer: it is written to a run's setup folder and started there by OSMO.
The container's exit code proves nothing (paidf-augmentation 1.0.0 exits 0 on failure), so what must exist is looked
for, and `outcome.json` is written last: where it lies, the output is whole.

Exit codes: 0 done · 64 bad setup · 65 no clip · 69 an endpoint is not ready · 70 the container exited 0 but
left something out · any other: the container's own.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

CLIP_EXTENSIONS = {".mp4", ".avi", ".mkv"}
# Working directories of the two images (paidf-augmentation and paidf-auto-labeling 1.0.0).
CONTAINER_HOMES = {"augmentation": "/app", "auto_labeling": "/workspace"}
CONTAINER_COMMAND = "uv run --no-sync python modules/cli.py"
BARRIER_PORTS = {"augmentation": 12346, "auto_labeling": 12344}
REQUIRED_FILES = {
    "augmentation": ["augmented_video.mp4", "metadata.json"],
    "auto_labeling": ["config.yaml", "sidecars/pipeline_status.json"],
}
BAD_SETUP, NO_CLIP, ENDPOINT_NOT_READY, OUTPUT_MISSING = 64, 65, 69, 70


class WorkerError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def main(argv: list[str]) -> int:
    arguments = parse_arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    barrier = Barrier(arguments)
    try:
        code = run_stage(arguments)
    except WorkerError as error:
        say(f"FAILED: {error}")
        code = error.code
    barrier.meet()
    return code


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vda_worker.py")
    parser.add_argument("stage", choices=sorted(CONTAINER_HOMES))
    parser.add_argument("--setup", type=Path, required=True, help="folder of the run's setup")
    parser.add_argument("--clip", type=Path, required=True, help="folder that holds the clip")
    parser.add_argument("--clip-file", help="which file below it; the only clip when not given")
    parser.add_argument("--model-cache", type=Path, required=True)
    parser.add_argument("--name", required=True, help="name of the result: <video> or <video>_aug<i>")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--work", required=True, help="hash of the work, carried into outcome.json")
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--super-resolution", action="store_true")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--peers", type=int, default=1, help="workers of this group that must finish together")
    parser.add_argument("--lead-host", help="where rank 0 listens")
    return parser.parse_args(argv)


def run_stage(arguments: argparse.Namespace) -> int:
    load_environment(arguments.setup / ".env")
    started = time.monotonic()
    endpoints = {kind: wait_for_endpoint(kind) for kind in ("vlm", "llm")}
    ready = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vda-") as folder:
        scratch = Path(folder)
        clip = stage_clip(arguments, scratch)
        cache = writable_face(arguments.model_cache, scratch / "model_cache")
        prepare = prepare_augmentation if arguments.stage == "augmentation" else prepare_auto_labeling
        config, overrides = prepare(arguments, clip, cache, scratch)
        for kind, (url, model) in endpoints.items():
            overrides += [override(f"endpoints.{kind}.url", url), override(f"endpoints.{kind}.model", model)]
        code = run_container(arguments.stage, ["--config", str(config), *overrides], endpoints, cache)
        if code != 0:
            raise WorkerError(code if 0 < code < 256 else 1, f"the container exited with {code}")
        require_outputs(arguments)
        if arguments.stage == "auto_labeling":
            keep_real_media(arguments.output / "raw")
    finished = time.monotonic()
    seconds = {"endpoints": round(ready - started, 3), "container": round(finished - ready, 3)}
    write_outcome(arguments, endpoints, seconds)
    return 0


def load_environment(path: Path) -> None:
    """Values already in the environment win over the setup's."""
    if not path.is_file():
        raise WorkerError(BAD_SETUP, f"the setup has no {path.name}: {path.parent} is not a run's setup folder")
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value)


def wait_for_endpoint(kind: str) -> "tuple[str, str]":
    """(base URL, model id that the endpoint serves); waits at most ENDPOINT_WAIT_TIMEOUT_SECONDS."""
    name = kind.upper()
    url = normalise_endpoint(os.environ.get(f"{name}_ENDPOINT", ""))
    wanted = os.environ.get(f"{name}_ENDPOINT_MODEL", "")
    if not url:
        raise WorkerError(BAD_SETUP, f"{name}_ENDPOINT is not set in the run's .env")
    if os.environ.get(f"WAIT_FOR_{name}", "1") != "1":
        return url, wanted
    deadline = time.monotonic() + float(os.environ.get("ENDPOINT_WAIT_TIMEOUT_SECONDS", "180"))
    while True:
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=10) as response:
                served = [entry["id"] for entry in json.load(response)["data"]]
            if served:
                return url, wanted if wanted in served else served[0]
            reason = "it lists no model"
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error)
        if time.monotonic() >= deadline:
            raise WorkerError(ENDPOINT_NOT_READY, f"the {name} at {url} is not ready: {reason}")
        say(f"waiting for the {name} at {url}: {reason}")
        time.sleep(min(10.0, max(0.1, deadline - time.monotonic())))


def normalise_endpoint(url: str) -> str:
    """The base of an OpenAI-compatible URL: an invoke URL becomes the base that it belongs to."""
    url = url.strip().rstrip("/")
    for ending in ("/chat/completions", "/completions", "/models"):
        url = url[: -len(ending)].rstrip("/") if url.endswith(ending) else url
    return url


def stage_clip(arguments: argparse.Namespace, scratch: Path) -> Path:
    """The clip under the result's own name: the containers name their files after it, and it is safe and unique."""
    if arguments.clip_file:
        found = [path for path in [arguments.clip / arguments.clip_file] if path.is_file()]
    else:
        found = sorted(path for path in arguments.clip.rglob("*") if path.suffix.lower() in CLIP_EXTENSIONS)
    if len(found) != 1:
        what = arguments.clip_file or "a clip"
        raise WorkerError(NO_CLIP, f"expected {what} in {arguments.clip}, found {len(found)} files")
    staged = scratch / "clip" / f"{arguments.name}{found[0].suffix.lower()}"
    staged.parent.mkdir()
    staged.symlink_to(found[0].resolve())
    return staged


def writable_face(cache: Path, face: Path) -> Path:
    """A folder of links to the read-only cache: the containers create lock files beside the weights."""
    face.mkdir(parents=True)
    for path in sorted(cache.rglob("*")):
        mirrored = face / path.relative_to(cache)
        if path.is_dir():
            mirrored.mkdir(exist_ok=True)
        else:
            mirrored.symlink_to(path.resolve())
    return face


def prepare_augmentation(
    arguments: argparse.Namespace, clip: Path, _cache: Path, scratch: Path
) -> "tuple[Path, list[str]]":
    config = arguments.setup / "configs" / f"{arguments.name}.yaml"
    if not config.is_file():
        raise WorkerError(BAD_SETUP, f"the setup has no configs/{config.name}")
    output = arguments.output
    return config, [
        override("data.0.inputs.rgb", clip),
        override("data.0.output.video", output / "augmented_video.mp4"),
        override("data.0.output.metadata", output / "metadata.json"),
        override("data.0.output.caption", scratch / "caption.txt"),
    ]


def prepare_auto_labeling(
    arguments: argparse.Namespace, clip: Path, cache: Path, scratch: Path
) -> "tuple[Path, list[str]]":
    cookbook = arguments.setup / "configs" / "auto_labeling"
    config = cookbook / "auto_labeling_config.yaml"
    if not config.is_file():
        raise WorkerError(BAD_SETUP, "the setup has no configs/auto_labeling/auto_labeling_config.yaml")
    bank = json.loads((cookbook / "question_bank.json").read_text(encoding="utf-8"))
    reduced = scratch / "question_bank.json"
    reduced.write_text(json.dumps({key: bank[key] for key in ("name", "questions")}), encoding="utf-8")
    prompt = cookbook / "prompts" / "event_analysis.md"
    enhance = "true" if arguments.super_resolution else "false"
    return config, [
        override("data.0.inputs.video_path", clip),
        override("data.0.output.out_dir", arguments.output),
        override("pipeline.model_cache_path", cache),
        "pipeline.gpu_ids=0",
        f"super_resolution.enabled={enhance}",
        override("mcq_generation.window_metadata_extraction.question_bank_file", reduced),
        override("vlm_json.scene_prompt_file", prompt),
        override("vlm_json.events_prompt_file", prompt),
    ]


def override(key: str, value: object) -> str:
    """Both containers read override values as YAML, and auto-labeling looks at paths before that: no quotes help."""
    text = str(value)
    if not re.fullmatch(r"[\w/.][\w/.:@=+~ -]*", text) or ": " in text or text != text.strip():
        raise WorkerError(BAD_SETUP, f"{key}: {text!r} cannot be passed to the container; use plain names")
    return f"{key}={text}"


def run_container(stage: str, arguments: "list[str]", endpoints: "dict[str, tuple[str, str]]", cache: Path) -> int:
    home = os.environ.get("PAIDF_HOME", CONTAINER_HOMES[stage])
    command = shlex.split(os.environ.get("PAIDF_CLI", CONTAINER_COMMAND)) + arguments
    environment = dict(os.environ)
    # In auto-labeling 1.0.0 these beat its config, whatever they were set to before.
    for kind, (url, model) in endpoints.items():
        environment[f"{kind.upper()}_BASE_URL"] = environment[f"{kind.upper()}_ENDPOINT_URL"] = url
        environment[f"{kind.upper()}_MODEL"] = environment[f"{kind.upper()}_ENDPOINT_MODEL"] = model
    environment["MODEL_CACHE_PATH"] = str(cache)
    hub = cache / "hub"
    environment["HF_HUB_CACHE"] = str(hub if hub.is_dir() else cache)
    say("running " + shlex.join(command))
    try:
        return subprocess.call(command, cwd=home if Path(home).is_dir() else None, env=environment)
    except OSError as error:
        raise WorkerError(BAD_SETUP, f"the container's command cannot be started: {error}") from None


def require_outputs(arguments: argparse.Namespace) -> None:
    missing = [name for name in REQUIRED_FILES[arguments.stage] if not is_whole(arguments.output / name)]
    if missing:
        raise WorkerError(OUTPUT_MISSING, f"the container exited 0 but left out {', '.join(missing)}")


def is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def keep_real_media(raw: Path) -> None:
    """`raw/<id>` is a link to the input; it would dangle once uploaded."""
    for path in raw.glob("*"):
        if path.is_symlink():
            target = path.resolve()
            path.unlink()
            shutil.copyfile(target, path)


def write_outcome(
    arguments: argparse.Namespace, endpoints: "dict[str, tuple[str, str]]", seconds: "dict[str, float]"
) -> None:
    files = [path for path in sorted(arguments.output.rglob("*")) if path.is_file()]
    outcome = {
        "version": 1,
        "stage": arguments.stage,
        "name": arguments.name,
        "work": arguments.work,
        "attempt": arguments.attempt,
        "models": {kind: model for kind, (_, model) in endpoints.items()},
        "seconds": seconds,
        "files": [describe(path, arguments.output) for path in files],
    }
    temporary = arguments.output / ".outcome.json.part"
    temporary.write_text(json.dumps(outcome, indent=1, ensure_ascii=False), encoding="utf-8")
    temporary.replace(arguments.output / "outcome.json")
    say(f"done: {len(files)} files")


def describe(path: Path, root: Path) -> "dict[str, object]":
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return {"path": str(path.relative_to(root)), "size_bytes": path.stat().st_size, "sha256": digest.hexdigest()}


class Barrier:
    """Workers of one group end together: the group is over as soon as its lead (rank 0) ends.

    Everyone is connected from the start, so that a peer that dies is noticed as a closed connection, not waited for.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.rank, self.peers = arguments.rank, arguments.peers
        self.seconds = float(os.environ.get("BARRIER_TIMEOUT_SECONDS", "86400"))
        if self.peers < 2:
            return
        address = (arguments.lead_host, BARRIER_PORTS[arguments.stage])
        if self.rank == 0:
            self.server = socket.create_server(address, backlog=self.peers)
        else:
            self.connection = self._connect(address)

    def _connect(self, address: "tuple[str, int]") -> "socket.socket | None":
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                connection = socket.create_connection(address, timeout=10)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                return connection
            time.sleep(0.2)
        say(f"WARNING: rank 0 does not listen at {address}; going on without it")
        return None

    def meet(self) -> None:
        if self.peers < 2:
            return
        if self.rank == 0:
            self._gather()
        elif self.connection:
            with contextlib.suppress(OSError):
                self.connection.settimeout(self.seconds)
                self.connection.sendall(b"done\n")
                self.connection.recv(1)
        say("the workers of the group have met")

    def _gather(self) -> None:
        deadline = time.monotonic() + self.seconds
        connections = []
        for _ in range(self.peers - 1):
            self.server.settimeout(min(300.0, self.seconds))
            try:
                connection, _ = self.server.accept()
            except TimeoutError:
                say("WARNING: a worker of the group never came; going on without it")
                break
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connections.append(connection)
        for connection in connections:
            connection.settimeout(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(OSError):
                if not connection.recv(16):
                    say("WARNING: a worker of the group died; going on without it")
        for connection in connections:
            connection.close()


def say(message: str) -> None:
    print(f"vda_worker: {message}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
