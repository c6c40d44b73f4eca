"""`outcome.json`: what the output holds and how it came about, written last."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from vda_assets.worker.arguments import Arguments
from vda_assets.worker.endpoints import Endpoints
from vda_assets.worker.outputs import CHECKS_FILE
from vda_assets.worker.whole_files import file_problem

OUTCOME_FILE = "outcome.json"


def describe(path: Path, root: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        size_bytes = file.tell()
    return {"path": str(path.relative_to(root)), "size_bytes": size_bytes, "sha256": digest.hexdigest()}


def seed_used(arguments: Arguments, config: Path) -> int | None:
    """What the container says it took for the video, else what it was told to take; None for labels."""
    if arguments.container != "augmentation":
        return None
    checks = arguments.output / CHECKS_FILE
    check = None if file_problem(checks) else json.loads(checks.read_bytes()).get("hallucination_check")
    if isinstance(check, dict) and isinstance(check.get("seed_used"), int):
        return int(check["seed_used"])
    told = re.search(r"^augmentation:\n(?: .*\n)*? +seed: (\d+)$", config.read_text(encoding="utf-8"), re.MULTILINE)
    return int(told[1]) if told else None


def write_outcome(
    arguments: Arguments,
    *,
    endpoints: Endpoints,
    seconds: dict[str, float],
    seed: int | None,
    exit_code: int,
    failure: str | None,
    files: list[dict[str, Any]],
) -> None:
    """`failure` says why the output is not to be relied on, though it is whole."""
    outcome = {
        "version": 2,
        "container": arguments.container,
        "name": arguments.name,
        "work": arguments.work,
        "attempt": arguments.attempt,
        "image": arguments.image,
        "seed": seed,
        "exit_code": exit_code,
        "failure": failure,
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
