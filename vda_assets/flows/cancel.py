"""Ends workflows, several at once and in bounded time: whoever is interrupted has not much of it left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoAlreadyFinished, OsmoError

_BUDGET_SECONDS = 20.0
_PARALLEL_CANCELS = 16


def cancel_workflows(
    client: OsmoClient, workflow_ids: Iterable[str], *, message: str, log: Callable[[str], None]
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
