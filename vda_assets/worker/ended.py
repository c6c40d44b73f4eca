"""How a container ended, and why, as far as it has told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vda_assets.worker.arguments import Arguments
from vda_assets.worker.failure import DISK_FULL, OUTPUT_INCOMPLETE, WorkerError, full_disk
from vda_assets.worker.words import Words

STATUS_FILE = "sidecars/pipeline_status.json"
LARGEST_STATUS_BYTES = 1 << 20


@dataclass(frozen=True)
class Ended:
    """`exit_code` is the container's own, 128 + n when signal n killed it, SILENT when the worker did."""

    exit_code: int
    what: str
    words: Words

    def failure(self, arguments: Arguments, *, problem: str = "") -> WorkerError:
        """`problem` is what is wrong with the output; it counts where the exit code says nothing."""
        if self.exit_code:
            code, what = self.exit_code, self.what
        else:
            code, what = OUTPUT_INCOMPLETE, f"{self.what} but {problem}"
        return WorkerError(DISK_FULL if self.words.of_full_disk else code, self.explain(what, arguments))

    def explain(self, what: str, arguments: Arguments) -> str:
        """With the words that tell the cause: the last ones alone are often those of somebody who stumbled over it."""
        words = self.words
        if words.of_full_disk:
            return full_disk(arguments.container, f"{what}, and had said: {words.of_full_disk}")
        told = [f"its first error: {words.first_error}"] if words.first_error else []
        told += failed_steps(arguments.output / STATUS_FILE)
        told += [f"the last it said: {words.last}"] if words.last and words.last != words.first_error else []
        return "; ".join([what, *told])


def failed_steps(status_file: Path) -> list[str]:
    """Each step of the labelling that says why it failed; empty when nothing readable does."""
    try:
        with status_file.open("rb") as file:
            steps = json.loads(file.read(LARGEST_STATUS_BYTES))["stages"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    reasons = {name: step.get("failure_reason") for name, step in steps if isinstance(step, dict)}
    return [f"{name} failed: {reason}" for name, reason in reasons.items() if isinstance(reason, str) and reason]
