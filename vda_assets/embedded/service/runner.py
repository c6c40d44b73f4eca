"""One task as a local process: its inputs, barrier, command, log and outputs.

What OSMO does in a pod happens here in a folder of its own, in the same order. The folder goes when the task has ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import IO

import psutil

from vda_assets.embedded.service.leftovers import kill_leftovers
from vda_assets.embedded.service.logs import TaskLog
from vda_assets.embedded.service.outcomes import Ending, ending_of, image_pull_ending
from vda_assets.embedded.service.store import utc_now
from vda_assets.embedded.service.transfer import download, files_below, upload
from vda_assets.embedded.service.workplace import (
    TaskPlan,
    config_folder,
    environment_of,
    furnish,
    make_folders,
    secrets_of,
)
from vda_assets.osmo.spec import TaskInput
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import AccessRefused

_INPUT_FAILED = 2010
_OUTPUT_FAILED = 2012
_NOT_ALLOWED = 2014
_BARRIER_BROKEN = 2024
_NO_SUCH_COMMAND = 127
_CHUNK_CHARACTERS = 32 * 1024
_DRAIN_SECONDS = 0.5


class _Stopped(Exception):
    """The task was killed from outside; who did it has already written how it ended."""


class _Failed(Exception):
    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class TaskRun:
    """`execute` in a thread of its own; `kill` from any other thread."""

    def __init__(self, plan: TaskPlan, *, barrier: threading.Barrier | None, report: Callable[..., None]) -> None:
        self._plan = plan
        self._barrier = barrier
        self._report = report
        self._lock = threading.Lock()
        self._stopped = False
        self._group_was_ready = False
        self._process: subprocess.Popen[str] | None = None

    def kill(self) -> None:
        """SIGKILL to the process group, now or as soon as there would be one. Returns at once."""
        with self._lock:
            self._stopped = True
            self._signal_group()
        self._leave_barrier()

    def execute(self) -> Ending | None:
        """How the task ended; None when it was killed."""
        plan, name = self._plan, self._plan.spec.name
        if plan.stand_in is None:
            self._leave_barrier()
            return image_pull_ending(name, plan.spec.image)
        with TaskLog(plan.log_file, task_name=name, secrets=secrets_of(plan)) as log:
            try:
                user_code, control_code = self._phases(log, Storage(plan.data_credentials))
            except _Stopped:
                kill_leftovers({config_folder(plan.folder)}, {})
                return None
            except _Failed as failure:
                user_code, control_code = 0, failure.exit_code
            finally:
                self._leave_barrier()
                shutil.rmtree(plan.folder, ignore_errors=True)
            return ending_of(
                task_name=name, user_code=user_code, control_code=control_code, exit_actions=plan.spec.exitActions
            )

    def _phases(self, log: TaskLog, storage: Storage) -> tuple[int, int]:
        make_folders(self._plan.folder)
        self._report(start_time=utc_now(), input_download_start_time=utc_now())
        self._gather_inputs(log, storage)
        self._report(input_download_end_time=utc_now())
        local = furnish(self._plan)
        if local.files:
            log.control(f"Files of the spec lie below {self._plan.folder}/root instead of /")
        environment = environment_of(self._plan, local)
        if self._barrier is not None:
            log.control("Waiting for group ready ...")
            try:
                self._barrier.wait()
            except threading.BrokenBarrierError:
                self._check_stopped()
                log.control("Another task of the group ended before the group was ready")
                raise _Failed(_BARRIER_BROKEN) from None
            self._group_was_ready = True
            log.control("Group ready")
        user_code = self._run_command([*local.command, *local.args], environment, log)
        self._check_stopped()
        if user_code:
            log.control(f"Command failed with error: exit status {user_code}")
        self._report(output_upload_start_time=utc_now())
        try:
            self._upload_outputs(log, storage)
        except _Failed as failure:
            return user_code, failure.exit_code
        return user_code, 0

    def _gather_inputs(self, log: TaskLog, storage: Storage) -> None:
        log.control("Downloading Start")
        for index, source in enumerate(self._plan.spec.inputs):
            self._check_stopped()
            target = self._plan.folder / "input" / str(index)
            target.mkdir()
            url = source.url if not isinstance(source, TaskInput) else self._task_output_url(source.task)
            with _Transfer(log, f"download {url}", _INPUT_FAILED):
                download(storage, url, regex=source.regex, target=target)
            log.control(f"Downloaded {url} to {{{{input:{index}}}}}")
        log.control("All Inputs Gathered")

    def _task_output_url(self, task: str) -> str:
        workflow_id, _, name = task.rpartition(":")
        return f"{self._plan.internal_url}/{workflow_id or self._plan.workflow_id}/{name}/"

    def _upload_outputs(self, log: TaskLog, storage: Storage) -> None:
        plan, output = self._plan, self._plan.folder / "output"
        log.control("Upload Start")
        if not files_below(output):
            log.control("No Files in Output Folder")
            return
        targets = [(each.url, each.regex) for each in plan.spec.outputs]
        if plan.upload_internal:
            targets.insert(0, (f"{plan.internal_url}/{plan.workflow_id}/{plan.spec.name}", ""))
        for url, regex in targets:
            self._check_stopped()
            with _Transfer(log, f"upload to {url}", _OUTPUT_FAILED):
                upload(storage, output, url_text=url, regex=regex)
            log.control(f"Uploaded {url}")

    def _run_command(self, command: list[str], environment: dict[str, str], log: TaskLog) -> int:
        with self._lock:
            if self._stopped:
                raise _Stopped
            try:
                process = self._process = subprocess.Popen(
                    command,
                    cwd=self._plan.folder / "work",
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
            # ValueError: a NUL character in a word, a "=" in the name of a variable.
            except (OSError, ValueError) as error:
                log.control(f"Command could not be started: {error}")
                return _NO_SUCH_COMMAND
        self._report(pid=process.pid, pid_created=_created(process.pid))
        assert process.stdout is not None
        reader = threading.Thread(target=_forward, args=(process.stdout, log), daemon=True)
        reader.start()
        # The zombie keeps its process group's number from being given away until the group is killed.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._signal_group()
            code = process.wait()
        reader.join(_DRAIN_SECONDS)
        if reader.is_alive():
            # Somebody left the process group and kept the output open.
            kill_leftovers({config_folder(self._plan.folder)}, {})
            reader.join(_DRAIN_SECONDS)
        return 128 - code if code < 0 else code

    def _signal_group(self) -> None:
        if self._process is not None and self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    def _check_stopped(self) -> None:
        if self._stopped:
            raise _Stopped

    def _leave_barrier(self) -> None:
        # Once all have come, an abort would still hit those that have not yet woken up.
        if self._barrier is not None and not self._group_was_ready:
            self._barrier.abort()


class _Transfer:
    """Turns whatever a storage library raises into the exit code that OSMO gives, with the reason in the log."""

    def __init__(self, log: TaskLog, what: str, exit_code: int) -> None:
        self._log, self._what, self._exit_code = log, what, exit_code

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self._log.control(f"Could not {self._what}: {type(error).__name__}: {error}")
            refused = isinstance(error, (PermissionError, AccessRefused))
            raise _Failed(_NOT_ALLOWED if refused else self._exit_code) from error


def _forward(pipe: IO[str], log: TaskLog) -> None:
    with pipe:
        while line := pipe.readline(_CHUNK_CHARACTERS):
            log.user(line.rstrip("\r\n"))


def _created(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
