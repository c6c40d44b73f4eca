"""Processes that a killed server left behind; their environment or recorded start tells them from all others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import psutil

_WAIT_SECONDS = 5.0


def kill_leftovers(config_folders: Collection[str], leaders: Mapping[int, float]) -> None:
    """Kills the processes of tasks and waits for their end, some seconds at most.

    A process belongs to a task when its OSMO_CONFIG_FILE_DIR is that task's own folder, or when it is one of the
    `leaders`: pid -> creation time as recorded at its start.
    """
    found = [process for process in psutil.process_iter() if _belongs(process, config_folders, leaders)]
    for process in found:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(found, timeout=_WAIT_SECONDS)


def _belongs(process: psutil.Process, config_folders: Collection[str], leaders: Mapping[int, float]) -> bool:
    try:
        if process.pid in leaders and process.create_time() == leaders[process.pid]:
            return True
        return process.environ().get("OSMO_CONFIG_FILE_DIR") in config_folders
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return False
