"""Whether a worker could ever run: what it asks for, beside what the nodes of its platform have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vda_assets.config.deployment import Deployment, OsmoConnection, Resources
from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.flows.place import Place
from vda_assets.flows.selection import FLOWS
from vda_assets.osmo.auth import DevUserAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.spec import ResourceSpec
from vda_assets.readiness.finding import Finding, Level
from vda_assets.readiness.nodes import check_nodes
from vda_assets_tests.embedded.service.conftest import settings_below
from vda_assets_tests.osmo.service import Reply, serving


def node(hostname: str, *, pool: str = "default", platform: str = "gpu", **most: Any) -> dict[str, Any]:
    """A node in the words of OSMO 6.4."""
    usual = {"gpu": 8, "cpu": 127, "memory": "1055714460Ki", "storage": 3070926258176}
    return {"hostname": hostname, "platform_allocatable_fields": {pool: {platform: usual | most}}}


def asking(**changes: Any) -> Deployment:
    """A deployment whose augmentation asks for more than usual."""
    usual = Resources().augmentation
    resources = Resources(augmentation=ResourceSpec.model_validate(usual.model_dump() | changes))
    return Deployment(osmo=OsmoConnection(url="http://osmo.example.com"), resources=resources)


def findings_at(answer: Reply, given: Deployment, *, flow: str = "e2e") -> list[Finding]:
    with serving(lambda asked: answer) as service, OsmoClient(service.url) as client:
        return check_nodes(client, given, selection=FLOWS[flow], place=Place("default", "gpu"))


def nodes(*several: dict[str, Any]) -> Reply:
    return Reply({"resources": several})


def test_a_worker_that_a_node_has_room_for_is_ready() -> None:
    (finding,) = findings_at(nodes(node("small", gpu=0), node("large")), asking(gpu=8, cpu=127))
    assert (finding.level, finding.message) == (
        Level.READY,
        "pool default, platform gpu has 2, and a worker fits on one",
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"gpu": 9}, "asks for 9 GPUs, and the largest of pool default, platform gpu, large, has 8 GPUs; lower "),
        ({"cpu": 128}, "asks for 128 CPUs, and the largest of pool default, platform gpu, large, has 127 CPUs"),
        ({"memory": "2Ti"}, "asks for 2048Gi of memory, and the largest of pool default, platform gpu, large, has "),
        # As much as there is of it is too much.
        ({"storage": "3070926258176"}, "asks for 2860.02Gi of storage, and the largest of "),
        ({"gpu": 16, "cpu": 200}, "asks for 16 GPUs and 200 CPUs, and the largest of "),
    ],
)
def test_a_worker_that_no_node_could_ever_hold_blocks_and_names_the_largest_and_the_key(
    asked: dict[str, Any], said: str
) -> None:
    found = nodes(node("small", gpu=1, cpu=16, memory="64Gi", storage=10**12), node("large"))
    (finding,) = findings_at(found, asking(**asked))
    assert finding.level is Level.BLOCKING
    assert said in finding.message
    keys = " and ".join(f"resources.augmentation.{key}" for key in asked)
    assert f"lower {keys}, or choose another osmo.gpu_platform" in finding.message


def test_amounts_that_only_two_nodes_together_have_are_on_none() -> None:
    found = nodes(node("gpus", cpu=4), node("cpus", gpu=1))
    (finding,) = findings_at(found, asking(gpu=4, cpu=64))
    assert "asks for 64 CPUs, and the largest of pool default, platform gpu, gpus, has 4 CPUs" in finding.message


def test_each_container_that_is_used_is_looked_at_and_no_other() -> None:
    assert findings_at(nodes(node("a")), asking(gpu=9), flow="auto_labeling")[0].level is Level.READY
    found = findings_at(nodes(node("a", gpu=0)), asking())
    assert [one.level for one in found] == [Level.BLOCKING, Level.BLOCKING]


@pytest.mark.parametrize(
    "answer",
    [
        Reply("access denied", 403, "text/plain"),
        Reply({"detail": "Not Found"}, 404),
        Reply({"message": "broken"}, 500),
        Reply({"resources": "many"}),
        nodes(),
        nodes(node("elsewhere", pool="other"), node("also", platform="cpu")),
        nodes(node("odd", memory="lots")),
    ],
)
def test_nodes_that_the_service_does_not_tell_are_noted(answer: Reply) -> None:
    (finding,) = findings_at(answer, asking(gpu=99))
    assert finding.level is Level.NOTE
    assert "whether a worker fits on one was not checked" in finding.message


def test_what_a_service_does_not_say_of_a_node_is_taken_to_be_enough() -> None:
    bare = {"hostname": "bare", "platform_allocatable_fields": {"default": {"gpu": {"gpu": 1}}}}
    assert findings_at(nodes(bare), asking(gpu=1))[0].level is Level.READY
    assert findings_at(nodes(bare), asking(gpu=2))[0].level is Level.BLOCKING


def test_a_size_that_osmo_could_not_read_blocks_with_its_key() -> None:
    (finding,) = findings_at(nodes(node("a")), asking(memory="1 Gi"))
    assert (finding.level, finding.message) == (
        Level.BLOCKING,
        "correct resources.augmentation: '1 Gi' is no size; use a number and one of B, Ki, Mi, Gi, Ti",
    )


def test_the_embedded_osmo_tells_what_it_pretends_to_own(tmp_path: Path) -> None:
    with EmbeddedOsmo(settings_below(tmp_path)) as osmo, OsmoClient(osmo.url, DevUserAuth("somebody")) as client:
        found = {
            gpus: check_nodes(client, asking(gpu=gpus), selection=FLOWS["e2e"], place=Place("default", "gpu"))
            for gpus in (2, 3)
        }
    assert [one.level for one in found[2]] == [Level.READY]
    assert "asks for 3 GPUs, and the largest of pool default, platform gpu, embedded-gpu, has 2" in found[3][0].message
