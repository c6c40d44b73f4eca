"""Ends workflows, several at once and in bounded time: whoever is interrupted has not much of it left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

from vda_assets.flows.workflow import run_prefix
from vda_assets.osmo.errors import OsmoAlreadyFinished, OsmoError
from vda_assets.osmo.service import OsmoService

_BUDGET_SECONDS = 20.0
_LOOK_SECONDS = 5.0
_PARALLEL_CANCELS = 16


def alive_workflows(client: OsmoService, run_id: str) -> set[str]:
    """The ids of what a run has on the pool. Raises OsmoError when the service cannot be asked."""
    return {task.workflow_id for task in client.tasks(workflow_id=run_prefix(run_id)) if not task.meaning.ended}


def cancel_run(
    client: OsmoService, run_id: str, *, known: Collection[str], message: str, log: Callable[[str], None]
) -> None:
    """Ends the known workflows and whatever else the run has: a submission that was interrupted left one without
    telling its id."""
    pool = ThreadPoolExecutor(1)
    asked = pool.submit(alive_workflows, client, run_id)
    cancel_workflows(client, known, message=message, log=log)
    try:
        cancel_workflows(client, asked.result(_LOOK_SECONDS) - set(known), message=message, log=log)
    except (OsmoError, TimeoutError) as error:
        log(f"could not ask what else {run_id} has on the pool: {error or 'no answer in time'}")
    finally:
        pool.shutdown(wait=False)


def cancel_workflows(
    client: OsmoService, workflow_ids: Iterable[str], *, message: str, log: Callable[[str], None]
) -> None:
    """Asks for the end of all of them in bounded time, and says which it could not reach."""

    def cancel(workflow_id: str) -> str:
        try:
            client.cancel(workflow_id, message=message)
        except OsmoAlreadyFinished:
            return f"workflow {workflow_id} had ended already"
        except OsmoError as error:
            return f"could not cancel workflow {workflow_id}: {error}"
        return f"canceled workflow {workflow_id}: {message}"

    pool = ThreadPoolExecutor(_PARALLEL_CANCELS)
    asked = {pool.submit(cancel, workflow_id): workflow_id for workflow_id in workflow_ids}
    done, late = wait(asked, timeout=_BUDGET_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    for future in done:
        log(future.result())
    if late:
        log(f"no answer in time to the cancel of {', '.join(sorted(asked[future] for future in late))}")
