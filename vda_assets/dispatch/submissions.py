"""What was ever submitted for a clip's stages, in this run or another: found by labels, or by name without them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork
from vda_assets.flows.workflow import (
    HASH_IN_LABEL,
    LABEL_ATTEMPT,
    LABEL_CLIP,
    LABEL_RUN,
    LABEL_WORK,
    WORK_HASH_IN_NAME,
    clip_hash,
    stage_label,
)
from vda_assets.osmo.models import WorkflowEntry
from vda_assets.osmo.service import OsmoService
from vda_assets.osmo.statuses import Meaning, meaning_of

_NAME = re.compile(
    rf"^vda-(?P<run>[0-9a-f]+)-(?P<clip>[0-9a-f]+)-(?P<work>[0-9a-f]{{{WORK_HASH_IN_NAME}}})-(?P<number>\d+)$"
)
# The first version whose workflows have labels.
_LABELS_SINCE = (6, 4)


@dataclass(frozen=True)
class Submitted:
    """One workflow that does some of a work's stages, made from exactly what the work asks for.

    `work_hash` is that of the workflow's own work (its beginning, on a service without labels).
    """

    workflow_id: str
    run_id: str
    work_hash: str
    attempt: int
    status: str
    submit_time: datetime
    stages: frozenset[Stage]

    @property
    def meaning(self) -> Meaning:
        return meaning_of(self.status)

    def does_exactly(self, work: ClipWork) -> bool:
        return work.work_hash.startswith(self.work_hash)

    def does_all_of(self, work: ClipWork) -> bool:
        return self.stages >= set(work.stages)


class Submissions:
    """Asks one service. `labelled` tells whether it keeps labels; a service older than that refuses them, and there
    only workflows of exactly the same work are found, by their names.
    """

    def __init__(self, client: OsmoService) -> None:
        self._client = client

    @cached_property
    def labelled(self) -> bool:
        version = self._client.version()
        return (int(version.major), int(version.minor)) >= _LABELS_SINCE

    def of(self, works: Sequence[ClipWork]) -> dict[str, list[Submitted]]:
        """Clip key -> workflows that do some of its work's stages, oldest first.

        One call per 32 clips with labels, one per clip without.
        """
        found: dict[str, list[Submitted]] = {work.clip.key: [] for work in works}
        by_clip = {clip_hash(work.clip.key): work for work in works}
        for clip, entry in self._entries(list(by_clip)):
            work = by_clip[clip]
            submitted = _labelled(entry, work) if self.labelled else _named(entry, work)
            if submitted is not None:
                found[work.clip.key].append(submitted)
        return {key: sorted(several, key=_age) for key, several in found.items()}

    def _entries(self, clips: Sequence[str]) -> Iterator[tuple[str, WorkflowEntry]]:
        if self.labelled:
            for entry in self._client.workflows(labels={LABEL_CLIP: clips}):
                yield entry.labels[LABEL_CLIP], entry
            return
        for clip in clips:
            for entry in self._client.workflows(name=f"-{clip}-"):
                yield clip, entry


def next_attempt(work: ClipWork, former: Iterable[Submitted]) -> int:
    """Counts the submissions of exactly this work, from 1."""
    return 1 + max((one.attempt for one in former if one.does_exactly(work)), default=0)


def work_hash_in(workflow_id: str) -> str | None:
    """The beginning of the work's hash that a workflow of ours carries in its name."""
    match = _NAME.match(workflow_id)
    return match["work"] if match else None


def _labelled(entry: WorkflowEntry, work: ClipWork) -> Submitted | None:
    hashes = {stage: work.output_hashes[stage][:HASH_IN_LABEL] for stage in work.stages}
    stages = frozenset(stage for stage in work.stages if entry.labels.get(stage_label(stage)) == hashes[stage])
    attempt = entry.labels.get(LABEL_ATTEMPT, "")
    if not stages or not attempt.isdigit():
        return None
    return Submitted(
        workflow_id=entry.name,
        run_id=entry.labels[LABEL_RUN],
        work_hash=entry.labels[LABEL_WORK],
        attempt=int(attempt),
        status=entry.status,
        submit_time=entry.submit_time,
        stages=stages,
    )


def _named(entry: WorkflowEntry, work: ClipWork) -> Submitted | None:
    """Without labels the number that OSMO gives is the attempt."""
    match = _NAME.match(entry.name)
    if match is None or not work.work_hash.startswith(match["work"]):
        return None
    return Submitted(
        workflow_id=entry.name,
        run_id=f"run-{match['run']}",
        work_hash=match["work"],
        attempt=int(match["number"]),
        status=entry.status,
        submit_time=entry.submit_time,
        stages=frozenset(work.stages),
    )


def _age(submitted: Submitted) -> tuple[datetime, str]:
    return submitted.submit_time, submitted.workflow_id
