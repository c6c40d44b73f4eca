"""A task's spec -> the same task on this machine: OSMO's tokens replaced, its container paths moved into its folder.

A local process cannot have /tmp/worker.py or /osmo/data mounted. So `files` and mounted credentials are written below
`<task folder>/root`, /osmo/data is the task folder, and every occurrence of exactly those paths in the task's command,
args, environment and plain file contents is rewritten. Contents in base64 stay as they are, as OSMO leaves them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from vda_assets.osmo.spec import TOKEN_PATTERN, TaskInput, TaskSpec

DATA_FOLDER = "/osmo/data"


def loopback_address(number: int) -> str:
    """An address of 127.0.0.0/8 for each number below 16 million; Linux answers on all of them."""
    number, low = divmod(number, 254)
    high, middle = divmod(number, 256)
    return f"127.{1 + high % 254}.{middle}.{1 + low}"


def replace_tokens(task: TaskSpec, *, workflow_id: str, hosts: Mapping[str, str]) -> TaskSpec:
    """The whole task with OSMO's tokens replaced (6.4); tokens that mean nothing stay as they are.

    `hosts` are the addresses of the tasks of the same group.
    """
    values = {"workflow_id": workflow_id, "output": f"{DATA_FOLDER}/output"}
    values |= {f"host:{name}": address for name, address in hosts.items()}
    for index, source in enumerate(task.inputs):
        values[f"input:{index}"] = f"{DATA_FOLDER}/input/{index}"
        if isinstance(source, TaskInput):
            values[f"input:{source.task.rpartition(':')[2]}"] = f"{DATA_FOLDER}/input/{index}"
    text = TOKEN_PATTERN.sub(lambda match: values.get(match[1], match[0]), json.dumps(task.model_dump()))
    return TaskSpec.model_validate_json(text)


def path_mover(task: TaskSpec, folder: Path) -> Callable[[str], str]:
    """A function that moves the container paths in a text into the task's folder; the longest path wins."""
    mounted = [file.path for file in task.files if not file.path.startswith(f"{DATA_FOLDER}/")]
    mounted += [target for target in task.credentials.values() if isinstance(target, str)]
    places = {path: f"{folder}/root{path}" for path in mounted} | {DATA_FOLDER: str(folder)}
    alternatives = "|".join(re.escape(path) for path in sorted(places, key=len, reverse=True))
    # One pass, so that what was rewritten is never rewritten again; whole paths, so that /tmp/x spares /tmp/x2.
    pattern = re.compile(rf"(?<![\w./-])({alternatives})(?![\w.-])")
    return lambda text: pattern.sub(lambda match: places[match[1]], text)


def move_paths(task: TaskSpec, move: Callable[[str], str]) -> TaskSpec:
    return task.model_copy(
        update={
            "command": [move(word) for word in task.command],
            "args": [move(word) for word in task.args],
            "environment": {name: move(value) for name, value in task.environment.items()},
            "files": [
                file.model_copy(
                    update={"path": move(file.path), "contents": file.contents if file.base64 else move(file.contents)}
                )
                for file in task.files
            ],
        }
    )
