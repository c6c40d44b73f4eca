"""A container that does at once what it is told by the environment, good or bad: `BEHAVIOUR` names it.

It takes the containers' command line, writes next to nothing, and needs the standard library alone.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

OVERRIDES = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
BEHAVIOURS: dict[str, Callable[[], int | None]] = {}


def behaviour(function: Callable[[], int | None]) -> Callable[[], int | None]:
    BEHAVIOURS[function.__name__] = function
    return function


def clip() -> Path:
    return Path(OVERRIDES.get("data.0.inputs.rgb") or OVERRIDES["data.0.inputs.video_path"])


def video() -> Path:
    return Path(OVERRIDES["data.0.output.video"])


def write_metadata(content: object) -> None:
    Path(OVERRIDES["data.0.output.metadata"]).write_text(json.dumps(content))


def scene_file(name: str) -> Path:
    path = Path(OVERRIDES["data.0.output.out_dir"]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@behaviour
def good() -> None:
    if "data.0.output.video" in OVERRIDES:
        shutil.copyfile(clip(), video())
        write_metadata({"prompt": "rain", "hallucination_check": {"passed": True, "seed_used": 7}})
        return
    scene_file("config.yaml").write_text("mcq_generation: {enabled: false}\n")
    scene_file("sidecars/pipeline_status.json").write_text('{"status": "completed", "degraded": false}')
    scene_file(f"raw/{clip().name}").symlink_to(clip())


@behaviour
def good_when_told() -> None:
    while not Path(os.environ["GO"]).exists():
        time.sleep(0.02)
    good()


@behaviour
def nothing() -> None:
    print("generation failed; skipped")


@behaviour
def no_room_left() -> None:
    print("OSError: [Errno 28] No space left on device: 'augmented_video.mp4'")
    print("1 sample skipped")


@behaviour
def no_room_left_and_a_crash() -> int:
    no_room_left()
    return 1


@behaviour
def no_room_left_for_a_moment() -> None:
    no_room_left()
    good()


@behaviour
def crash_in_a_progress_bar() -> int:
    sys.stdout.write("step 1\rstep 2\rCUDA out of memory\r")
    return 3


@behaviour
def no_checks() -> None:
    good()
    write_metadata({"prompt": "rain", "selections": {}})


@behaviour
def no_metadata() -> None:
    good()
    Path(OVERRIDES["data.0.output.metadata"]).unlink()


@behaviour
def no_video() -> None:
    write_metadata({"prompt": "rain", "selections": {}})


@behaviour
def cut_off_video() -> None:
    good()
    os.truncate(video(), video().stat().st_size // 2)


@behaviour
def no_mp4() -> None:
    good()
    video().write_bytes(b"<html>502 Bad Gateway</html>")


@behaviour
def video_without_index() -> None:
    good()
    video().write_bytes(clip().read_bytes()[:32] + (16).to_bytes(4, "big") + b"mdat" + bytes(8))


@behaviour
def cut_off_metadata() -> None:
    good()
    Path(OVERRIDES["data.0.output.metadata"]).write_text('{"prompt": "ra')


@behaviour
def killed_after_generating() -> None:
    folder = Path(os.environ["TMPDIR"]) / "inference"
    folder.mkdir()
    shutil.copyfile(clip(), folder / "cosmos_transfer_inference.mp4")
    (folder / "older").mkdir()
    (folder / "older/cosmos_transfer_inference.mp4").write_bytes(b"begun")
    killed()


@behaviour
def killed_while_writing() -> None:
    cut_off_video()
    killed()


@behaviour
def crash_after_labelling() -> int:
    good()
    return 3


@behaviour
def silent_after_writing() -> None:
    good()
    time.sleep(600)


@behaviour
def refuses_its_config() -> int:
    print("2026-01-15 10:00:00 INFO cli: reading")
    print("Traceback (most recent call last):")
    print('  File "/workspace/modules/cli.py", line 12, in main')
    print("    raise SettingsError(message)  # ERROR of the user")
    print("pydantic_core._pydantic_core.ValidationError: 1 validation error for Config")
    print("super_resolution.model")
    print("  Input should be 'seedvr2' [type=literal_error, input_value='x', input_type=str]")
    print("    For further information visit https://errors.pydantic.dev/2.12/v/literal_error")
    return 2


@behaviour
def cannot_super_resolve() -> int:
    stages = {"super_resolution": {"status": "failed", "failure_reason": "missing_output"}, "tracking": {}, "odd": [1]}
    scene_file("sidecars/pipeline_status.json").write_text(json.dumps({"stages": stages}))
    print("[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB")
    print("torch.distributed.elastic.multiprocessing.errors.ChildFailedError:")
    print("  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html")
    print("=" * 60)
    return 1


@behaviour
def leaves_a_status() -> int:
    shutil.copyfile(os.environ["STATUS"], scene_file("sidecars/pipeline_status.json"))
    return 3


@behaviour
def finds_no_llm() -> int:
    print("2026-01-15 10:00:00 ERROR mcq: scene prompt: Connection refused by http://llm:8000/v1")
    print("2026-01-15 10:00:01 ERROR mcq: giving up")
    print("sample 0: rc=1 out_dir=/osmo/output")
    return 1


@behaviour
def dangling_raw_link() -> None:
    good()
    link = scene_file(f"raw/{clip().name}")
    link.unlink()
    link.symlink_to("nowhere.mp4")


@behaviour
def crash_after_writing() -> int:
    good()
    return 3


@behaviour
def killed() -> None:
    os.kill(os.getpid(), 9)


@behaviour
def silent_with_a_child() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.environ["PIDS"]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)


@behaviour
def slow_but_talking() -> None:
    for number in range(8):
        print(f"step {number}", flush=True)
        time.sleep(0.2)
    good()


@behaviour
def child_stays_behind() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.environ["PIDS"]).write_text(f"{child.pid}")
    good()


@behaviour
def no_newline_at_the_end() -> None:
    good()
    sys.stdout.write("100%")


@behaviour
def many_files() -> None:
    good()
    for number in range(400):
        scene_file(f"logs/{number}.log").write_text(str(number))


@behaviour
def shows_what_it_was_given() -> None:
    names = ("VLM_BASE_URL", "VLM_MODEL", "LLM_MODEL", "VLM_ENDPOINT_MODEL", "LLM_CAPTION_ENDPOINT_URL")
    names += (
        "MODEL_CACHE_PATH",
        "HF_HUB_CACHE",
        "VLM_API_KEY",
        "LLM_API_KEY",
        "NVIDIA_API_KEY",
        "OPENAI_API_KEY",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
    )
    names += ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY")
    given = {name: os.environ.get(name) for name in names}
    cache = Path(given["MODEL_CACHE_PATH"] or given["HF_HUB_CACHE"] or "")
    found = {}
    for folder, _, files in os.walk(cache):
        Path(folder, "weights.lock").write_text("")
        found |= {str(Path(folder, name).relative_to(cache)): Path(folder, name).read_text() for name in files}
    document = {"overrides": OVERRIDES, "environment": given, "cache": found, "clip": clip().resolve().name}
    Path(os.environ["GIVEN"]).write_text(json.dumps(document))
    good()


if __name__ == "__main__":
    sys.exit(BEHAVIOURS[os.environ["BEHAVIOUR"]]() or 0)
