"""The kind of a failure, from the reason that stands in Dagster's books: one of a few, whatever the reason says."""

from __future__ import annotations

import re

from vda_assets.osmo.statuses import TaskStatus
from vda_assets.outcomes.verdict import Verdict

OTHER = "other"
_TASK = re.compile(r"task \S+ ended (?P<status>[A-Z_]+): (?:exit code (?P<code>\d+))?")
_JUDGED = re.compile(r"completed, but is (?P<verdict>\w+)")
_ENDPOINT_EXIT_CODE = 69
# Downloads, uploads, mounts and credentials of OSMO 6.4.
_STORAGE_EXIT_CODES = range(2010, 2015)
_PHRASES = {
    "not begun": "not_begun",
    "not submitted": "not_submitted",
    "the workflow was not accepted": "refused",
    "OSMO does not know workflow": "lost",
}
KINDS = frozenset(
    {
        *_PHRASES.values(),
        *(status.removeprefix("FAILED_").lower() for status in TaskStatus if status.startswith("FAILED_")),
        *Verdict,
        "container",
        "endpoint",
        "storage",
        OTHER,
    }
)


def failure_kind(reason: str) -> str:
    """One of KINDS."""
    if task := _TASK.search(reason):
        return _kind_of_task(task["status"], int(task["code"] or 0))
    if (judged := _JUDGED.search(reason)) and judged["verdict"] in KINDS:
        return judged["verdict"]
    return next((kind for phrase, kind in _PHRASES.items() if reason.startswith(phrase)), OTHER)


def _kind_of_task(status: str, exit_code: int) -> str:
    if exit_code in _STORAGE_EXIT_CODES:
        return "storage"
    if status == TaskStatus.FAILED:
        return "endpoint" if exit_code == _ENDPOINT_EXIT_CODE else "container"
    kind = status.removeprefix("FAILED_").lower()
    return kind if kind in KINDS else OTHER
