"""Filters of OSMO 6.4's workflow and task lists as SQL conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.store import Row, Store, utc_time
from vda_assets.osmo.spec import LABEL_KEY_PATTERN

MAX_LIMIT = 1000
_MAX_SELECTOR_BYTES = 4096
_MAX_EXPANSIONS = 32
# SQLite nests them, and takes 1000 levels; its numbers have 64 bits.
_MAX_CONDITIONS = 500
_MAX_OFFSET = 2**63 - 1


@dataclass
class Conditions:
    """All of them must hold."""

    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    @classmethod
    def of_stored(cls, row_seconds: float) -> Conditions:
        """Leaves out workflows whose row has not appeared: OSMO 6.4 may answer a POST some 100 ms before."""
        conditions = cls()
        conditions.add("(w.submit_time <= ? OR w.status = 'FAILED_SUBMISSION')", utc_time(-row_seconds))
        return conditions

    def add(self, sql: str, *values: Any) -> None:
        self.parts.append(sql)
        self.values += values

    def add_any_of(self, column: str, wanted: Sequence[str] | None) -> None:
        if wanted:
            self.add(f"{column} IN ({', '.join('?' * len(wanted))})", *wanted)

    def add_label(self, selector: str) -> None:
        key, patterns = parse_selector(selector)
        any_of = " OR ".join(["value GLOB ?"] * len(patterns))
        self.add(
            f"EXISTS (SELECT 1 FROM label WHERE workflow = w.id AND key = ? AND ({any_of}))",  # noqa: S608 - marks only
            key,
            *patterns,
        )

    def add_no_label(self, key: str) -> None:
        if not LABEL_KEY_PATTERN.fullmatch(key):
            raise _bad_selector(f"must not hold {key!r}")
        self.add("NOT EXISTS (SELECT 1 FROM label WHERE workflow = w.id AND key = ?)", key)

    @property
    def where(self) -> str:
        if len(self.parts) > _MAX_CONDITIONS:
            raise ApiError(f"A list takes at most {_MAX_CONDITIONS} conditions.", error_code="USAGE")
        return " AND ".join(self.parts) or "1"


def parse_selector(selector: str) -> tuple[str, list[str]]:
    """`(key, GLOB patterns)` of `key=value` with `*` and `(a|b)`; raises USAGE for any other form."""
    if len(selector.encode()) > _MAX_SELECTOR_BYTES:
        raise _bad_selector(f"must not be longer than {_MAX_SELECTOR_BYTES} bytes")
    key, separator, value = selector.partition("=")
    if not separator or not key or not value:
        raise _bad_selector("must use key=value format")
    if not LABEL_KEY_PATTERN.fullmatch(key):
        raise _bad_selector(f"must not hold {key!r}")
    patterns = [""]
    for piece in re.findall(r"\([^()]*\)|[^()]+|[()]", value):
        if piece in ("(", ")"):
            raise _bad_selector("must not nest or leave open their parentheses")
        options = piece[1:-1].split("|") if piece.startswith("(") else [piece]
        if not all(re.fullmatch(r"[A-Za-z0-9_.*-]+", option) for option in options):
            raise _bad_selector(f"must not hold {piece!r}")
        patterns = [before + option for before in patterns for option in options]
        if len(patterns) > _MAX_EXPANSIONS:
            raise _bad_selector(f"must not stand for more than {_MAX_EXPANSIONS} values")
    return key, patterns


def check_page(limit: int, offset: int, *, least: int) -> None:
    """OSMO 6.4 takes an empty page of workflows, and none of tasks."""
    if limit > MAX_LIMIT:
        raise ApiError("Limit must be less than 1000.")
    if limit < least:
        raise ApiError(f"Limit must be greater than {least - 1}.")
    if not 0 <= offset <= _MAX_OFFSET:
        raise ApiError(f"Parameter start must be 0 to {_MAX_OFFSET}.", error_code="USAGE")


def check_users(store: Store, users: Sequence[str] | None, *, caller: str) -> None:
    """Raises ApiError for a user whom the service has never seen."""
    known = {row["user"] for row in store.all("SELECT DISTINCT user FROM workflow")} | {caller}
    if unknown := [user for user in users or () if user not in known]:
        raise ApiError(f"Users not found: {', '.join(unknown)}.")


def as_stored(time: datetime) -> str:
    """A query's time as times are stored: naive UTC, here whole seconds as in OSMO 6.4."""
    try:
        utc = time.astimezone(UTC) if time.tzinfo else time
    except OverflowError:
        # At the first or last hours that there are, a zone makes no difference.
        utc = time
    return utc.replace(tzinfo=None, microsecond=0).isoformat(timespec="microseconds")


def list_workflows(
    store: Store, conditions: Conditions, *, limit: int, offset: int, ascending: bool
) -> tuple[list[Row], bool]:
    """A page of the newest workflows, and whether older ones follow; `ascending` only turns the page around."""
    rows = store.all(
        f"SELECT w.* FROM workflow w WHERE {conditions.where} ORDER BY w.seq DESC LIMIT ? OFFSET ?",  # noqa: S608 - marks only
        *conditions.values,
        limit + 1,
        offset,
    )
    return _turned(rows[:limit], ascending), len(rows) > limit


def list_tasks(store: Store, conditions: Conditions, *, limit: int, offset: int, ascending: bool) -> list[Row]:
    """A page of tasks in OSMO 6.4's order: those in the queue, starting, running; then the latest started."""
    rows = store.all(
        "SELECT t.*, NULL AS spec, w.user, w.uuid AS workflow_uuid, w.pool, w.priority "  # noqa: S608 - marks only
        f"FROM task t JOIN workflow w ON w.id = t.workflow WHERE {conditions.where} "
        "ORDER BY CASE t.status WHEN 'SCHEDULING' THEN 1 WHEN 'INITIALIZING' THEN 2 WHEN 'RUNNING' THEN 3 ELSE 4 END, "
        "t.start_time IS NULL DESC, t.start_time DESC, w.seq DESC, t.name DESC LIMIT ? OFFSET ?",
        *conditions.values,
        limit,
        offset,
    )
    return _turned(rows, ascending)


def sum_resources(store: Store, conditions: Conditions, *, by_workflow: bool) -> list[Row]:
    """Totals of what the tasks ask for, by user, pool and priority, or by workflow."""
    workflow = "w.id AS workflow_id, " if by_workflow else ""
    return store.all(
        f"SELECT {workflow}w.user, w.pool, sum(t.storage) AS storage, sum(t.cpu) AS cpu, sum(t.memory) AS memory, "  # noqa: S608 - marks only
        "sum(t.gpu) AS gpu, w.priority FROM task t JOIN workflow w ON w.id = t.workflow "
        f"WHERE {conditions.where} GROUP BY {'w.id, ' if by_workflow else ''}w.user, w.pool, w.priority",
        *conditions.values,
    )


def _turned(rows: Iterable[Row], ascending: bool) -> list[Row]:
    return list(rows)[::-1] if ascending else list(rows)


def _bad_selector(rule: str) -> ApiError:
    return ApiError(f"Workflow label selectors {rule}.", error_code="USAGE")
