"""Ends workflows, several at once and in bounded time: a process that was interrupted may be killed soon after."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from vda_assets.base.clock import Clock
from vda_assets.base.parallel import within
from vda_assets.dispatch.submissions import clip_hash_in
from vda_assets.flows.workflow import dataset_labels, run_prefix
from vda_assets.osmo.errors import OsmoAlreadyFinished, OsmoError, OsmoNotFound
from vda_assets.osmo.service import OsmoService
from vda_assets.storage.layout import RunLayout

_BUDGET_SECONDS = 20.0
_CANCELS_AT_ONCE = 16
_LAST_ROWS_SECONDS = 10.0


def alive_workflows(client: OsmoService, layout: RunLayout, *, except_clips: Collection[str] = ()) -> set[str]:
    """The ids of what a run and its retries have on the pool, except for clips whose `clip_hash` is given.

    Raises OsmoError when the service cannot be asked.
    """
    ours = dataset_labels(layout).items()
    return {
        entry.name
        for entry in client.workflows(name=run_prefix(layout.run_id))
        # Run tokens are short: another dataset's may be the same. A service without labels tells no more than that.
        if not entry.meaning.ended
        and (not entry.labels or ours <= entry.labels.items())
        and clip_hash_in(entry.name) not in except_clips
    }


def cancel_run(
    client: OsmoService,
    layout: RunLayout,
    *,
    known: Collection[str],
    except_clips: Collection[str],
    unanswered: int,
    message: str,
    log: Callable[[str], None],
    clock: Clock,
) -> None:
    """Ends the known workflows of a run, then whatever else it has on the pool, for as long as there is hope.

    Rows of new workflows and of `unanswered` POSTs may still be to come (OSMO 6.4: up to some hundred milliseconds
    after an answer, and nobody knows when without one): they are looked for until as many were canceled, or the time
    is spent.
    """
    canceled = cancel_workflows(client, sorted(known), message=message, log=log)
    give_up = clock.monotonic() + _LAST_ROWS_SECONDS
    while True:
        try:
            others = alive_workflows(client, layout, except_clips=except_clips) - canceled
        except OsmoError as error:
            log(f"could not ask what else {layout.run_id} has on the pool: {error}")
            return
        canceled |= cancel_workflows(client, sorted(others), message=message, log=log)
        if canceled >= set(known) and len(canceled) >= len(known) + unanswered:
            return
        if clock.monotonic() >= give_up:
            break
        clock.sleep(0.5)
    for workflow_id in sorted(set(known) - canceled):
        log(f"could not cancel workflow {workflow_id}: look whether it goes on")


def cancel_workflows(
    client: OsmoService, workflow_ids: Iterable[str], *, message: str, log: Callable[[str], None]
) -> set[str]:
    """Asks for the end of all of them in bounded time; returns those that end or had ended, and says why others do not.

    Nothing is said of one that the service does not know: right after its submission its row may be still to come.
    """

    def cancel(workflow_id: str) -> tuple[str, bool, str]:
        try:
            client.cancel(workflow_id, message=message)
        except OsmoAlreadyFinished:
            return workflow_id, True, f"workflow {workflow_id} had ended already"
        except OsmoNotFound:
            return workflow_id, False, ""
        except OsmoError as error:
            return workflow_id, False, f"could not cancel workflow {workflow_id}: {error}"
        return workflow_id, True, f"canceled workflow {workflow_id}: {message}"

    answers, late = within(_BUDGET_SECONDS, cancel, workflow_ids, threads=_CANCELS_AT_ONCE)
    for _, _, line in answers:
        if line:
            log(line)
    if late:
        log(f"no answer in time to the cancel of {', '.join(sorted(late))}")
    return {workflow_id for workflow_id, ends, _ in answers if ends}
