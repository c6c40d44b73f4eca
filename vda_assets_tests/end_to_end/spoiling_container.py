"""The reference containers with a bad habit that the clip's name asks for, until the file that HEALED names exists.

Called as `python3 spoiling_container.py CONTAINER --config PATH key=value ...`, CONTAINER a package of the stand-ins.
"""

import json
import os
import resource
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONTAINER = sys.argv[1]
OVERRIDES = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
CLIP = Path(OVERRIDES.get("data.0.inputs.rgb") or OVERRIDES["data.0.inputs.video_path"]).stem
NOBODY = "http://127.0.0.1:9/v1"
HABITS: dict[str, Callable[[], int]] = {}


def habit(function: Callable[[], int]) -> Callable[[], int]:
    HABITS[function.__name__] = function
    return function


def reference(*overrides: str) -> int:
    """Runs the container as it is; its exit code."""
    sys.argv = [CONTAINER, *sys.argv[2:], *overrides]
    try:
        runpy.run_module(f"vda_assets.embedded.containers.{CONTAINER}", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def change(path: Path, changes: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    changes(content)
    path.write_text(json.dumps(content))


def metadata() -> Path:
    return Path(OVERRIDES["data.0.output.metadata"])


def scene() -> Path:
    return Path(OVERRIDES["data.0.output.out_dir"])


@habit
def leaves_nothing() -> int:
    print("guardrail: the prompt is blocked; skipped")
    return 0


@habit
def labels_nothing() -> int:
    return leaves_nothing()


@habit
def leaves_no_metadata() -> int:
    code = reference()
    metadata().unlink()
    return code


@habit
def checks_two_attempts() -> int:
    """A second attempt whose first check failed keeps the other check of the first."""
    code = reference()
    change(metadata(), lambda content: content["hallucination_check"].update(attempt=2))
    return code


@habit
def has_no_checks() -> int:
    def forget(content: dict[str, Any]) -> None:
        del content["hallucination_check"], content["attribute_verification"]

    code = reference()
    change(metadata(), forget)
    return code


@habit
def invents_motion() -> int:
    code = reference()
    change(metadata(), lambda content: content["hallucination_check"].update(passed=False, score=0.4))
    return code


@habit
def crashes_after_writing() -> int:
    reference()
    return crashes_before_writing()


@habit
def crashes_before_writing() -> int:
    print("CUDA error: an illegal memory access was encountered", file=sys.stderr)
    return 3


@habit
def keeps_silent() -> int:
    print("loading the checkpoint", flush=True)
    time.sleep(600)
    return 0


@habit
def fills_the_disk() -> int:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    return reference()


@habit
def finds_no_vlm() -> int:
    os.environ["VLM_BASE_URL"] = NOBODY
    return reference()


@habit
def drops_tracking() -> int:
    return reference("detection_and_tracking.classes=[car,rickshaw]")


@habit
def drops_an_answer() -> int:
    def forget(content: dict[str, Any]) -> None:
        content["items"] = [item for item in content["items"] if item["question"] != "What is the weather?"]

    code = reference()
    change(scene() / "task/mcq.json", forget)
    return code


@habit
def degrades_a_step() -> int:
    code = reference()
    degraded = {"degraded": True, "status": "completed_degraded", "degraded_stages": ["vlm_json"]}
    step = {"enabled": True, "status": "failed", "degraded": True, "failure_reason": "reported_failure"}
    status = scene() / "sidecars/pipeline_status.json"
    change(status, lambda content: (content.update(degraded), content["stages"].update(vlm_json=step)))
    return code


@habit
def crashes_on_index_1() -> int:
    return crashes_before_writing() if CLIP.endswith("_aug1") else reference()


@habit
def invents_motion_on_index_1() -> int:
    return invents_motion() if CLIP.endswith("_aug1") else reference()


if __name__ == "__main__":
    is_healed = Path(os.environ["HEALED"]).exists()
    name = CLIP.rpartition("_aug")[0] if CONTAINER == "augmentation" else CLIP
    sys.exit(reference() if is_healed or name not in HABITS else HABITS[name]())
