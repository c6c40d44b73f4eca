"""A backfill in which a run's pod is killed, the code location is upgraded, and a run is terminated."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest

from vda_assets.runs.own_runs import planned_partitions
from vda_assets_tests.cluster.deployed import KEYS, NAMESPACE, NOT_ENDED, Deployed, deployed, image_variables, wait_for
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.postgres import PostgresServer
from vda_assets_tests.quick_results import held_quick_container

UPGRADED = "registry.example.com/vda:2"
# Of 22 clips: partitions side by side are one run.
RANGES = (range(7), range(8, 15), range(16, 22))

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Ended:
    """What each run was asked for, by what befell it."""

    cluster: Deployed
    instance: dg.DagsterInstance
    killed: frozenset[str]
    left_alone: frozenset[str]
    terminated: frozenset[str]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, quick_results: Path) -> Iterator[Ended]:
    folder = tmp_path_factory.mktemp("cluster") / "world"
    with (
        deployed(folder, postgres, quick_results, clips=22, start_timeout_seconds=300) as cluster,
        cluster.instance() as instance,
    ):
        cluster.start_code_server()
        cluster.start_daemon(instance)
        with held_quick_container(cluster.world):
            runs = cluster.ask_for_runs_at_once(instance, RANGES, name="all")
            cluster.wait_for_workflows(sum(map(len, RANGES)))
            killed, _, terminated = runs
            cluster.kubelet.kill(cluster.kubelet.pod_of(killed.run_id))
            upgrade(cluster, instance)
            assert instance.run_launcher.terminate(terminated.run_id)
            is_over = (killed.run_id, terminated.run_id)
            wait_for(lambda: all(instance.get_run_by_id(one).is_finished for one in is_over), "their ends", seconds=120)
        wait_for(lambda: has_ended(cluster, instance), "the end of the backfill", seconds=240)
        asked = [frozenset(planned_partitions(instance, run.run_id, KEYS["original_labels"])) for run in runs]
        yield Ended(cluster, instance, *asked)


def upgrade(cluster: Deployed, instance: dg.DagsterInstance) -> None:
    """Code server and daemon end, and begin anew with an image that holds changed code."""
    cluster.stop("daemon", "code")
    code = cluster.kubelet.folder / "upgraded"
    shutil.copytree(REPOSITORY / "vda_assets", code / "vda_assets")
    with (code / "vda_assets/definitions.py").open("a") as module:
        module.write("\n# Another version.\n")
    cluster.image = UPGRADED
    cluster.kubelet.images[UPGRADED] = image_variables() | {"PYTHONPATH": str(code)}
    cluster.kubelet.cold.add(UPGRADED)
    cluster.start_code_server()
    cluster.start_daemon(instance)


def has_ended(cluster: Deployed, instance: dg.DagsterInstance) -> bool:
    runs = cluster.runs_of(instance, "all")
    return len(runs) > len(RANGES) and not any(run.status in NOT_ENDED for run in runs)


def test_every_clip_is_made_but_those_of_the_terminated_run(ended: Ended) -> None:
    assert ended.cluster.made(ended.instance) == ended.killed | ended.left_alone


def test_every_clip_was_sent_once_whatever_became_of_its_run(ended: Ended) -> None:
    sent = ended.cluster.submitted()
    expected = {key: ["COMPLETED"] for key in ended.killed | ended.left_alone}
    expected |= {key: ["FAILED_CANCELED"] for key in ended.terminated}
    assert {key: statuses for key, statuses in sent.items() if statuses} == expected


def test_a_run_that_begins_after_the_upgrade_has_the_new_image(ended: Ended) -> None:
    jobs = ended.cluster.api.of("jobs")
    images = {name: job["spec"]["template"]["spec"]["containers"][0]["image"] for name, job in jobs.items()}
    retries = {run.run_id for run in ended.cluster.runs_of(ended.instance, "all") if run.parent_run_id}
    assert retries
    for name, image in images.items():
        assert (image == UPGRADED) == (name.removeprefix("dagster-run-") in retries)


def test_nothing_is_left_running(ended: Ended) -> None:
    cluster = ended.cluster
    wait_for(lambda: not cluster.kubelet.running, "the end of all pods")
    jobs = [job for (kind, where, _), job in cluster.api.objects.items() if (kind, where) == ("jobs", NAMESPACE)]
    assert [job["status"] for job in jobs if job["status"].get("active")] == []
    assert [status for status in cluster.world.workflows().values() if status in ("PENDING", "RUNNING")] == []
    expected = {cluster.processes[name].pid for name in ("code", "daemon")}
    assert processes_of(cluster) <= expected


def processes_of(cluster: Deployed) -> set[int]:
    """Those that began with this cluster's DAGSTER_HOME, or in a folder of its node."""
    found = set()
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.cwd() == str(cluster.kubelet.folder):
                found.add(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
