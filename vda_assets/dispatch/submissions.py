"""What was ever submitted for a clip's stages, in this run or another: found by labels, or by name without them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

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
    dataset_labels,
    stage_label,
)
from vda_assets.osmo.models import WorkflowEntry
from vda_assets.osmo.service import OsmoService
from vda_assets.osmo.statuses import Meaning, meaning_of
from vda_assets.storage.layout import RunLayout

# What the names of all our workflows begin with.
OURS = "vda-"
_NAME = re.compile(
    rf"^{OURS}(?P<run>[0-9a-f]+)-(?P<clip>[0-9a-f]+)-(?P<work>[0-9a-f]{{{WORK_HASH_IN_NAME}}})-(?P<number>\d+)$"
)


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


@dataclass(frozen=True)
class Superseded:
    """A workflow of the clip that goes on though nothing that it makes would be made so today: the clip, the cookbook
    or a container has changed since it was submitted."""

    workflow_id: str
    run_id: str


class Submissions:
    """Asks one service about one dataset. `labelled` tells whether it keeps labels; a service older than that refuses
    them, and there only workflows of exactly the same work are found, by their names.
    """

    def __init__(self, client: OsmoService, layout: RunLayout) -> None:
        self._client, self._labels = client, dataset_labels(layout)

    @property
    def labelled(self) -> bool:
        return self._client.keeps_labels

    def of(self, works: Sequence[ClipWork]) -> dict[str, list[Submitted]]:
        """Clip key -> workflows that do some of its work's stages, oldest first.

        One call per 32 clips with labels, one per clip without.
        """
        found: dict[str, list[Submitted]] = {work.clip.key: [] for work in works}
        for work, entry in self._entries(works):
            submitted = _labelled(entry, work) if self.labelled else _named(entry, work)
            if submitted is not None:
                found[work.clip.key].append(submitted)
        return {key: sorted(several, key=_age) for key, several in found.items()}

    def superseded(self, works: Sequence[ClipWork]) -> dict[str, list[Superseded]]:
        """Clip key -> workflows that are superseded. None on a service without labels, where they cannot be told."""
        found: dict[str, list[Superseded]] = {work.clip.key: [] for work in works}
        for work, entry in self._entries(works) if self.labelled else ():
            made = {stage: entry.labels.get(stage_label(stage)) for stage in Stage}
            wanted = {stage: work.output_hashes[stage][:HASH_IN_LABEL] for stage in Stage}
            if not entry.meaning.ended and not any(made[stage] == wanted[stage] for stage in Stage):
                found[work.clip.key].append(Superseded(entry.name, entry.labels.get(LABEL_RUN, "")))
        return found

    def _entries(self, works: Sequence[ClipWork]) -> Iterator[tuple[ClipWork, WorkflowEntry]]:
        by_clip = {clip_hash(work.clip): work for work in works}
        if self.labelled:
            for entry in self._client.workflows(labels={**self._labels, LABEL_CLIP: list(by_clip)}):
                yield by_clip[entry.labels[LABEL_CLIP]], entry
            return
        for clip, work in by_clip.items():
            for entry in self._client.workflows(name=f"-{clip}-"):
                yield work, entry


def next_attempt(work: ClipWork, former: Iterable[Submitted]) -> int:
    """Counts the submissions of exactly this work, from 1."""
    return 1 + max((one.attempt for one in former if one.does_exactly(work)), default=0)


def history_of(workflow_id: str, several: Sequence[Submitted]) -> Sequence[Submitted]:
    """Of several submissions, oldest first, those of the workflow's run up to itself; none when it is not there."""
    for index, one in enumerate(several):
        if one.workflow_id == workflow_id:
            return [former for former in several[: index + 1] if former.run_id == one.run_id]
    return []


def work_hash_in(workflow_id: str) -> str | None:
    """The beginning of the work's hash that a workflow of ours carries in its name; None for one of somebody else."""
    match = _NAME.match(workflow_id)
    return match["work"] if match else None


def run_id_in(workflow_id: str) -> str | None:
    """The run that a workflow of ours carries in its name; None for one of somebody else."""
    match = _NAME.match(workflow_id)
    return f"run-{match['run']}" if match else None


def clip_hash_in(workflow_id: str) -> str | None:
    """The hash of the clip that a workflow of ours carries in its name; None for one of somebody else."""
    match = _NAME.match(workflow_id)
    return match["clip"] if match else None


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
