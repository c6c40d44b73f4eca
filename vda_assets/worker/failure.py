"""Why a worker ends, and the lines that say it."""

from __future__ import annotations

import re

BAD_SETUP, NO_CLIP, ENDPOINT_NOT_READY, OUTPUT_INCOMPLETE, DISK_FULL, IO_FAILED, SILENT = 64, 65, 69, 70, 73, 74, 75


class WorkerError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def full_disk(container: str, what: str) -> str:
    return f"the disk is full: {what}; give resources.{container} of the deployment more storage"


def say(message: str) -> None:
    print("vda_worker: " + re.sub(r"\s*[\r\n]+\s*", " ", message), flush=True)
