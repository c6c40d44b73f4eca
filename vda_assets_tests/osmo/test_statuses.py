"""What a status and an exit code mean to whoever waits."""

from __future__ import annotations

import pytest

from vda_assets.osmo.statuses import TaskStatus, WorkflowStatus, meaning_of, meaning_of_exit_code

EVERY_STATUS = sorted({*WorkflowStatus, *TaskStatus})


@pytest.mark.parametrize("status", EVERY_STATUS)
def test_only_completed_is_success_and_only_failed_is_failure(status: str) -> None:
    meaning = meaning_of(status)
    assert meaning.succeeded == (status == "COMPLETED")
    assert meaning.ended == (status == "COMPLETED" or status.startswith("FAILED"))
    assert not (meaning.retry_can_help and (meaning.succeeded or not meaning.ended))


@pytest.mark.parametrize(
    ("status", "helps"),
    [
        ("FAILED_PREEMPTED", True),
        ("FAILED_BACKEND_ERROR", True),
        ("FAILED", False),
        ("FAILED_CANCELED", False),
        ("FAILED_IMAGE_PULL", False),
    ],
)
def test_a_retry_helps_where_the_work_itself_was_not_at_fault(status: str, helps: bool) -> None:
    assert meaning_of(status).retry_can_help is helps


def test_a_status_that_nobody_knows_yet_is_read_by_its_first_word() -> None:
    assert meaning_of("FAILED_BY_COSMIC_RAYS").ended
    assert not meaning_of("HIBERNATING").ended


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, "no exit code"),
        (0, "success"),
        (7, "own exit code"),
        (137, "signal 9"),
        (256, "osmo-init failed with 1"),
        (301, "image"),
        (1002, "preflight test failed with 2"),
        (2012, "output could not be uploaded"),
        (2031, "osmo-ctrl failed"),
        (3000, "upstream"),
        (3004, "out of memory"),
        (5000, "unknown"),
    ],
)
def test_an_exit_code_is_explained(code: int | None, said: str) -> None:
    assert said in meaning_of_exit_code(code)
