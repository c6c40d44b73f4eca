"""Backfills whose runs are pods: some are killed, evicted, drained, terminated or never start, and the code location is
upgraded meanwhile."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._daemon.monitoring.run_monitoring import monitor_starting_run

from vda_assets.runs.own_runs import planned_partitions
from vda_assets_tests.cluster.deployed import (
    IMAGE,
    KEYS,
    NAMESPACE,
    NOT_ENDED,
    Deployed,
    deployed,
    image_variables,
    wait_for,
)
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.postgres import PostgresServer
from vda_assets_tests.quick_results import held_quick_container

UPGRADED = "registry.example.com/vda:2"
# The backfill's three runs: partitions side by side are one run.
RANGES = (range(7), range(8, 15), range(16, 22))
# Other backfills, of a clip each.
STRIKES = {"evicted": 22, "drained": 24}
UNSTARTED = 26

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True)
class Ended:
    """What each run of the backfill was asked for, by what befell it."""

    cluster: Deployed
    instance: dg.DagsterInstance
    runs: tuple[dg.DagsterRun, ...]
    killed: frozenset[str]
    left_alone: frozenset[str]
    terminated: frozenset[str]
    # Of Dagster's books, while these runs went on.
    copy: bytes


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, quick_results: Path) -> Iterator[Ended]:
    folder = tmp_path_factory.mktemp("cluster") / "world"
    with (
        deployed(folder, postgres, quick_results, clips=27, start_timeout_seconds=300) as cluster,
        cluster.instance() as instance,
    ):
        cluster.start_code_server()
        cluster.start_daemon(instance)
        cluster.start_webserver()
        with held_quick_container(cluster.world):
            runs = cluster.ask_for_runs_at_once(instance, RANGES, name="all")
            ask_for_others(cluster, instance)
            cluster.wait_for_workflows(sum(map(len, RANGES)) + len(STRIKES))
            copy = postgres.dump(cluster.database)
            killed, _, terminated = runs
            struck = [cluster.runs_of(instance, name)[0] for name in STRIKES]
            cluster.kubelet.kill(cluster.kubelet.pod_of(killed.run_id))
            cluster.kubelet.evict(cluster.kubelet.pod_of(struck[0].run_id))
            cluster.kubelet.drain(cluster.kubelet.pod_of(struck[1].run_id))
            upgrade(cluster, instance)
            cluster.terminate(terminated)
            is_over = [run.run_id for run in (killed, terminated, *struck)]
            wait_for(lambda: all(instance.get_run_by_id(one).is_finished for one in is_over), "their ends", seconds=120)
        runs_ended(cluster, instance, "all", count=len(RANGES) + 1)
        asked = [frozenset(planned_partitions(instance, run.run_id, KEYS["original_labels"])) for run in runs]
        yield Ended(cluster, instance, tuple(runs), *asked, copy)


def ask_for_others(cluster: Deployed, instance: dg.DagsterInstance) -> None:
    # A run has failed for some milliseconds before it says that it is retried, and Dagster 1.13 ends a backfill that it
    # looks at just then, without the retry.
    for name, clip in STRIKES.items():
        cluster.ask_for(instance, [cluster.keys()[clip]], name=name, tags={"dagster/will_retry": "true"})
    image = json.dumps({"container_config": {"image": "registry.example.com/none:1"}})
    tags = {"dagster-k8s/config": image, "dagster/max_retries": "0"}
    cluster.ask_for(instance, [cluster.keys()[UNSTARTED]], name="unstarted", tags=tags)


def runs_ended(cluster: Deployed, instance: dg.DagsterInstance, name: str, *, count: int = 1) -> list[dg.DagsterRun]:
    """The runs of a backfill, the oldest first, once there are so many and all have ended."""
    found: list[dg.DagsterRun] = []

    def ended() -> bool:
        found[:] = reversed(cluster.runs_of(instance, name))
        return len(found) >= count and not any(run.status in NOT_ENDED for run in found)

    wait_for(ended, f"the end of {count} runs of {name}", seconds=240)
    return found


def upgrade(cluster: Deployed, instance: dg.DagsterInstance) -> None:
    """The deployments end, and begin anew with an image that holds changed code."""
    cluster.stop("webserver", "daemon", "code")
    code = cluster.kubelet.folder / "upgraded"
    shutil.copytree(REPOSITORY / "vda_assets", code / "vda_assets")
    with (code / "vda_assets/definitions.py").open("a") as module:
        module.write("\n# Another version.\n")
    cluster.image = UPGRADED
    cluster.kubelet.images[UPGRADED] = image_variables() | {"PYTHONPATH": str(code)}
    cluster.kubelet.cold.add(UPGRADED)
    cluster.start_code_server()
    cluster.start_daemon(instance)
    cluster.start_webserver()


def test_every_clip_is_made_but_those_of_the_terminated_run(ended: Ended) -> None:
    others = {ended.cluster.keys()[clip] for clip in (*STRIKES.values(), UNSTARTED)}
    assert ended.cluster.made(ended.instance) - others == ended.killed | ended.left_alone


def test_every_clip_was_sent_once_whatever_became_of_its_run(ended: Ended) -> None:
    for name in STRIKES:
        runs_ended(ended.cluster, ended.instance, name, count=2)
    sent = ended.cluster.submitted()
    struck = {ended.cluster.keys()[clip] for clip in STRIKES.values()}
    expected = {key: ["COMPLETED"] for key in ended.killed | ended.left_alone | struck}
    expected |= {key: ["FAILED_CANCELED"] for key in ended.terminated}
    assert {key: statuses for key, statuses in sent.items() if statuses} == expected


def test_a_run_that_begins_after_the_upgrade_has_the_new_image(ended: Ended) -> None:
    jobs = ended.cluster.api.of("jobs")
    runs = ended.cluster.runs_of(ended.instance, "all")
    assert any(run.parent_run_id for run in runs)
    for run in runs:
        if job := jobs.get(f"dagster-run-{run.run_id}"):
            (container,) = job["spec"]["template"]["spec"]["containers"]
            assert container["image"] == (UPGRADED if run.parent_run_id else IMAGE)


def test_a_run_makes_its_clips_in_a_pod_that_has_the_image_and_settings_of_the_deployment(ended: Ended) -> None:
    run = ended.instance.get_run_by_id(ended.runs[1].run_id)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    job_key = ("jobs", NAMESPACE, f"dagster-run-{run.run_id}")
    job = ended.cluster.api.objects[job_key]
    wait_for(lambda: ended.cluster.api.objects[job_key]["status"].get("succeeded") == 1, "the end of its Job")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert pod["serviceAccountName"] == "vda-run"
    assert pod["terminationGracePeriodSeconds"] == 60
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source} == {
        "vda-postgres",
        "vda-secrets",
    }
    # moto's secret key is a part of that name.
    told = json.dumps(job).replace("vda-secrets", "")
    assert not [secret for secret in ended.cluster.secrets.values() if secret in told and secret != "dagster"]


def test_a_terminated_run_leaves_no_job(ended: Ended) -> None:
    run = ended.instance.get_run_by_id(ended.runs[2].run_id)
    assert run.status is dg.DagsterRunStatus.CANCELED
    wait_for(lambda: not ended.cluster.kubelet.pods_of(run.run_id), "the end of its pod")
    assert ("jobs", NAMESPACE, f"dagster-run-{run.run_id}") not in ended.cluster.api.objects


@pytest.mark.parametrize("strike", STRIKES)
def test_a_run_whose_pod_goes_away_is_retried(ended: Ended, strike: str) -> None:
    failed, retried = runs_ended(ended.cluster, ended.instance, strike, count=2)
    assert failed.run_id == retried.root_run_id
    assert failed.status is dg.DagsterRunStatus.FAILURE
    assert retried.status is dg.DagsterRunStatus.SUCCESS
    assert ended.cluster.keys()[STRIKES[strike]] in ended.cluster.made(ended.instance)


def test_a_run_whose_pod_cannot_start_fails_and_says_what_to_look_at(ended: Ended) -> None:
    (run,) = ended.cluster.runs_of(ended.instance, "unstarted")
    with ended.cluster.instance("vda-daemon", start_timeout_seconds=1) as daemons:
        monitor_starting_run(daemons, daemons.get_run_record_by_id(run.run_id), logging.getLogger(__name__))
    (run,) = runs_ended(ended.cluster, ended.instance, "unstarted")
    (entry,) = ended.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "taking longer than 1 seconds to start" in entry.message
    assert "ImagePullBackOff" in entry.message
    assert 'Failed to pull image "registry.example.com/none:1"' in entry.message
    assert "kubectl describe pod dagster-run-" in entry.message


def test_nobody_was_refused_what_it_asked_of_kubernetes(ended: Ended) -> None:
    api = ended.cluster.api
    assert [(who, right) for who, right in api.asked if not api.rbac.allows(who, right)] == []
    assert {who for who, _ in api.asked} == {f"{NAMESPACE}:vda-webserver", f"{NAMESPACE}:vda-daemon"}


def test_nothing_is_left_running(ended: Ended) -> None:
    cluster = ended.cluster
    wait_for(lambda: not cluster.kubelet.running, "the end of all pods")
    # The pod of a run that never started waits on for its image, until somebody deletes its Job.
    (unstarted,) = cluster.runs_of(ended.instance, "unstarted")
    active = {name for name, job in cluster.api.of("jobs").items() if job["status"].get("active")}
    assert active == {f"dagster-run-{unstarted.run_id}"}
    assert [status for status in cluster.world.workflows().values() if status in ("PENDING", "RUNNING")] == []
    expected = {cluster.processes[name].pid for name in ("code", "daemon", "webserver")}
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


def test_books_that_are_put_back_to_a_copy_of_before_catch_up_with_what_is_made(
    ended: Ended, postgres: PostgresServer
) -> None:
    cluster, instance = ended.cluster, ended.instance
    unaffected = ended.killed | ended.left_alone
    sent = {key: statuses for key, statuses in cluster.submitted().items() if key in unaffected}
    cluster.stop("webserver", "daemon", "code")
    for name in cluster.api.of("jobs"):
        del cluster.api.objects[("jobs", NAMESPACE, name)]
    postgres.restore(cluster.database, ended.copy)
    assert not cluster.made(instance)
    went_on = cluster.runs_of(instance, "all")
    assert [run.status for run in went_on] == [dg.DagsterRunStatus.STARTED] * len(RANGES)

    cluster.start_code_server()
    cluster.start_daemon(instance)
    retried = runs_ended(cluster, instance, "all", count=2 * len(RANGES))
    assert {run.root_run_id for run in retried} >= {run.run_id for run in went_on}
    assert cluster.made(instance) >= unaffected | ended.terminated
    assert {key: statuses for key, statuses in cluster.submitted().items() if key in unaffected} == sent
