"""Judges the label scene in a folder and says what that took, in a process whose peak is this scene's alone."""

import json
import sys
import time
from pathlib import Path

from vda_assets.labels.errors import LabelError
from vda_assets.labels.scene import read_scene
from vda_assets.labels.summarise import summarise
from vda_assets.labels.validate import scene_problems


def peak_mib() -> float:
    """Of this program alone: what `getrusage` says begins with the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def judge(folder: Path) -> list[str]:
    try:
        scene = read_scene(folder)
    except LabelError as error:
        return [str(error)]
    problems = list(scene_problems(scene, clip=None, frame_count=6))
    summarise(scene).as_markdown()
    return [str(problem) for problem in problems]


if __name__ == "__main__":
    before, started = peak_mib(), time.process_time()
    findings = judge(Path(sys.argv[1]))
    seconds = time.process_time() - started
    print(json.dumps({"seconds": seconds, "mib": peak_mib() - before, "findings": findings}))
