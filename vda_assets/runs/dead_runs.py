"""Ends in Dagster's books runs whose process is gone, which Dagster itself would show as running for ever.

These are runs of `vda run`, and those whose code server died with them. Others would wait for their clips, and two of
them would hold all places of their pool.

The tags begin with Dagster's prefix for what its UI does not show.
"""

from __future__ import annotations

import socket

import dagster as dg
import psutil

from vda_assets.runs.private import end_as_failed

# Which process on which machine a run belongs to. A copy of the run that is executed elsewhere has its own.
HOST_TAG, PROCESS_TAG, RUN_TAG = ".dagster/vda_host", ".dagster/vda_process", ".dagster/vda_run"


def process_tags(run_id: str) -> dict[str, str]:
    """The tags of a run that this process executes."""
    me = psutil.Process()
    return {HOST_TAG: socket.gethostname(), PROCESS_TAG: f"{me.pid} {me.create_time()}", RUN_TAG: run_id}


def fail_dead_runs(instance: dg.DagsterInstance) -> None:
    """Ends in Dagster's books what killed processes of this machine left there as running."""
    alive = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(dg.RunsFilter(tags={HOST_TAG: socket.gethostname()}, statuses=alive)):
        # A re-execution from the UI inherits tags: the process in them is that of the run it was copied from.
        if run.tags.get(RUN_TAG) == run.run_id and not _is_alive(run.tags.get(PROCESS_TAG, "0 0")):
            end_as_failed(instance, run, "its process was killed")


def _is_alive(process: str) -> bool:
    pid, _, created = process.partition(" ")
    try:
        return psutil.Process(int(pid)).create_time() == float(created)
    except psutil.NoSuchProcess:
        return False
