"""The barrier between four hosts, each a network namespace of its own: one is killed, one vanishes without a word."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from vda_assets_tests.worker.bench import Bench
from vda_assets_tests.worker.test_barrier import PEERS, Group

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="network namespaces need root and the command ip"
)
LEAD = "10.77.0.1"
# Only the barrier is looked at: the hosts of the test reach each other and nobody else.
NO_ENDPOINTS = {"WAIT_FOR_VLM": "0", "WAIT_FOR_LLM": "0"}


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Names of the namespaces; their links end at a bridge in one more, whose name is the last."""
    names = [f"vda{os.getpid()}h{number}" for number in range(PEERS + 1)]
    *hosts, switch = names
    with ExitStack() as stack:
        for name in names:
            try:
                ip("netns", "add", name)
            except AssertionError as error:
                pytest.skip(f"no network namespaces here: {error}")
            stack.callback(ip, "netns", "delete", name)
        ip("-n", switch, "link", "add", "switch", "type", "bridge")
        ip("-n", switch, "link", "set", "switch", "up")
        for number, host in enumerate(hosts):
            ip("-n", switch, "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("-n", switch, "link", "set", f"port{number}", "master", "switch", "up")
            ip("-n", host, "address", "add", f"10.77.0.{number + 1}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", host, "link", "set", device, "up")
        yield names


def start(group: Group, hosts: list[str], rank: int, container: str) -> None:
    prefix = ("ip", "netns", "exec", hosts[rank])
    group.start(rank, container, prefix=prefix, BARRIER_KEEPALIVE_SECONDS="1", **NO_ENDPOINTS)


def test_hosts_that_die_or_vanish_do_not_hold_the_lead_up(bench: Bench, hosts: list[str]) -> None:
    # The lead's own name does not resolve where it runs: it listens everywhere.
    group = Group(bench, lead_host="lead.invalid")
    try:
        start(group, hosts, 0, "good")
        group.lead_host = LEAD
        for rank, container in enumerate(["good", "silent_with_a_child", "silent_with_a_child"], start=1):
            start(group, hosts, rank, container)
        for rank in (2, 3):
            group.wait_for_log(rank, "vda_worker: running")
        assert group.code(1) == 0
        assert group.workers[0].poll() is None
        ip("-n", hosts[-1], "link", "set", "port3", "down")
        group.kill(2)
        group.wait_for_log(0, "WARNING: worker 2 of the group died")
        assert group.code(0) == 0
        assert "WARNING: worker 3 of the group died" in group.log(0)
    finally:
        group.end()
