"""The pure decisions: what starts next, which status follows, where a path of a container goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vda_assets.embedded.service.localize import loopback_address, move_paths, path_mover, replace_tokens
from vda_assets.embedded.service.outcomes import TaskState, group_status, workflow_status
from vda_assets.embedded.service.scheduling import Need, choose
from vda_assets.embedded.service.settings import PlatformCapacity
from vda_assets.osmo.spec import TaskSpec

PLATFORMS = {"gpu": PlatformCapacity(gpus=4, cpus=10)}


def need(group_id: int, gpus: int, cpus: int = 1, priority: str = "NORMAL") -> Need:
    return Need(group_id, priority, {"gpu": (gpus, cpus)})


def chosen(waiting: list[Need], running: list[Need]) -> list[int]:
    return [each.group_id for each in choose(waiting, running, PLATFORMS)]


def test_first_come_first_served_within_a_priority() -> None:
    waiting = [need(3, 2), need(1, 2), need(2, 2), need(4, 2, priority="HIGH"), need(5, 1, priority="LOW")]
    assert chosen(waiting, []) == [4, 1]


def test_a_large_group_is_not_starved_by_small_ones() -> None:
    assert chosen([need(1, 4), need(2, 1)], [need(9, 1)]) == []


def test_a_group_that_needs_nothing_scarce_may_pass() -> None:
    assert chosen([need(1, 4), need(2, 0)], [need(9, 1)]) == [2]


def test_a_group_that_can_never_fit_blocks_nobody() -> None:
    assert chosen([need(1, 5), need(2, 4)], []) == [2]


@pytest.mark.parametrize(
    ("statuses", "ignore_nonlead", "expected"),
    [
        (["INITIALIZING", "INITIALIZING"], True, "INITIALIZING"),
        (["INITIALIZING", "FAILED"], True, "RUNNING"),
        (["COMPLETED", "FAILED"], True, "COMPLETED"),
        (["COMPLETED", "FAILED"], False, "FAILED"),
        (["FAILED_IMAGE_PULL", "FAILED"], True, "FAILED"),
        (["FAILED_EVICTED", "FAILED"], True, "FAILED_EVICTED"),
        (["COMPLETED", "FAILED_SERVER_ERROR"], True, "FAILED_SERVER_ERROR"),
    ],
)
def test_a_group_follows_its_tasks(statuses: list[str], ignore_nonlead: bool, expected: str) -> None:
    tasks = [TaskState(status, lead=index == 0) for index, status in enumerate(statuses)]
    assert group_status(tasks, ignore_nonlead=ignore_nonlead) == expected


@pytest.mark.parametrize(
    ("groups", "was_running", "expected"),
    [
        (["WAITING", "SCHEDULING"], False, "PENDING"),
        (["COMPLETED", "SCHEDULING"], True, "RUNNING"),
        (["FAILED", "RUNNING"], True, "RUNNING"),
        (["COMPLETED", "COMPLETED"], True, "COMPLETED"),
        (["COMPLETED", "FAILED", "FAILED_UPSTREAM"], True, "FAILED"),
        (["FAILED_EVICTED", "FAILED_UPSTREAM"], True, "FAILED_EVICTED"),
        (["FAILED_EVICTED", "FAILED"], True, "FAILED"),
        (["FAILED", "FAILED_EXEC_TIMEOUT"], True, "FAILED_EXEC_TIMEOUT"),
        (["FAILED_CANCELED", "FAILED_SERVER_ERROR"], True, "FAILED_CANCELED"),
    ],
)
def test_a_workflow_follows_its_groups(groups: list[str], was_running: bool, expected: str) -> None:
    assert workflow_status(groups, was_running=was_running) == expected


def test_every_task_has_an_address_of_its_own() -> None:
    addresses = [loopback_address(number) for number in range(200_000)]
    assert len(set(addresses)) == len(addresses)
    assert not any(address.startswith("127.0.") or address.endswith((".0", ".255")) for address in addresses)


def test_tokens_and_paths_become_local() -> None:
    task = TaskSpec.model_validate(
        {
            "name": "t",
            "image": "i",
            "command": ["python3", "/tmp/w.py"],
            "args": ["--in={{input:up}}", "{{input:1}}", "{{input:7}}", "/tmp/w.py2", "x/tmp/w.py", "/creds/token"],
            "environment": {"PEER": "{{host:peer}} {{host:far}}", "OUT": "{{output}}/x"},
            "files": [{"path": "/tmp/w.py", "contents": "open('{{output}}')"}],
            "inputs": [{"url": "s3://b/x"}, {"task": "old-3:up"}],
            "credentials": {"c": "/creds"},
        }
    )
    named = replace_tokens(task, workflow_id="w-1", hosts={"peer": "127.1.0.9"})
    local = move_paths(named, path_mover(named, Path("/s/t-0")))
    assert local.command == ["python3", "/s/t-0/root/tmp/w.py"]
    assert local.args == [
        "--in=/s/t-0/input/1",
        "/s/t-0/input/1",
        "{{input:7}}",
        "/tmp/w.py2",
        "x/tmp/w.py",
        "/s/t-0/root/creds/token",
    ]
    assert local.environment == {"PEER": "127.1.0.9 {{host:far}}", "OUT": "/s/t-0/output/x"}
    assert (local.files[0].path, local.files[0].contents) == ("/s/t-0/root/tmp/w.py", "open('/s/t-0/output')")
