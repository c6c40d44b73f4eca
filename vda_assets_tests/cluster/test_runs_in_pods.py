"""Runs in pods of their own: what a run is given, and what becomes of it when its pod ends otherwise than it should."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.monitoring.run_monitoring import monitor_starting_run

from vda_assets_tests.cluster.deployed import IMAGE, NAMESPACE, NOT_ENDED, Deployed, deployed, wait_for
from vda_assets_tests.postgres import PostgresServer
from vda_assets_tests.quick_results import held_quick_container

pytestmark = pytest.mark.timeout(600)
STRIKES = {
    "killed": lambda cluster, pod: cluster.kubelet.kill(pod),
    "evicted": lambda cluster, pod: cluster.kubelet.evict(pod),
    "drained": lambda cluster, pod: cluster.kubelet.drain(pod),
}
CLIPS = {
    "made": [0, 1],
    "terminated": [2, 3],
    "killed": [4, 5],
    "evicted": [6, 7],
    "drained": [8, 9],
    "unstarted": [10],
}


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, quick_results: Path
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("cluster") / "world"
    with deployed(folder, postgres, quick_results, clips=11, start_timeout_seconds=300) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def instance(cluster: Deployed) -> Iterator[dg.DagsterInstance]:
    with cluster.instance() as instance:
        cluster.start_code_server()
        cluster.start_daemon(instance)
        yield instance


@pytest.fixture(scope="module")
def struck(cluster: Deployed, instance: dg.DagsterInstance) -> dict[str, dg.DagsterRun]:
    """The first run of each backfill: something happened to most of them while their workflows were running."""
    image = json.dumps({"container_config": {"image": "registry.example.com/none:1"}})
    tags = {"unstarted": {"dagster-k8s/config": image, "dagster/max_retries": "0"}}
    # A run has failed for some milliseconds before it says that it is retried, and Dagster 1.13 ends a backfill that it
    # looks at just then, without the retry.
    tags |= {name: {"dagster/will_retry": "true"} for name in STRIKES}
    with held_quick_container(cluster.world):
        for name in CLIPS:
            cluster.ask_for(instance, clips(cluster, name), name=name, tags=tags.get(name, {}))
        at_work = [key for name in CLIPS if name != "unstarted" for key in clips(cluster, name)]
        cluster.wait_for_workflows(len(at_work))
        runs = {name: cluster.runs_of(instance, name)[0] for name in CLIPS}
        for name, strike in STRIKES.items():
            strike(cluster, cluster.kubelet.pod_of(runs[name].run_id))
        assert instance.run_launcher.terminate(runs["terminated"].run_id)
        ended = [runs[name].run_id for name in ("terminated", *STRIKES)]
        wait_for(lambda: all(instance.get_run_by_id(run_id).is_finished for run_id in ended), "their ends", seconds=120)
    return runs


def clips(cluster: Deployed, name: str) -> list[str]:
    return [cluster.keys()[number] for number in CLIPS[name]]


def runs_ended(cluster: Deployed, instance: dg.DagsterInstance, name: str, *, count: int = 1) -> list[dg.DagsterRun]:
    """The runs of a backfill, the oldest first, once there are so many and all have ended."""
    found: list[dg.DagsterRun] = []

    def ended() -> bool:
        found[:] = reversed(cluster.runs_of(instance, name))
        return len(found) >= count and not any(run.status in NOT_ENDED for run in found)

    wait_for(ended, f"the end of {count} runs of {name}", seconds=180)
    return found


def test_a_run_makes_its_clips_in_a_pod_that_has_the_image_and_settings_of_the_deployment(
    cluster: Deployed, instance: dg.DagsterInstance, struck: dict[str, dg.DagsterRun]
) -> None:
    keys = clips(cluster, "made")
    (run,) = runs_ended(cluster, instance, "made")

    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert cluster.made(instance) >= set(keys)
    job_key = ("jobs", NAMESPACE, f"dagster-run-{run.run_id}")
    job = cluster.api.objects[job_key]
    wait_for(lambda: cluster.api.objects[job_key]["status"].get("succeeded") == 1, "the end of its Job")
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
    told = json.dumps(job)
    assert not [secret for secret in cluster.secrets.values() if secret in told and secret != "dagster"]


def test_a_terminated_run_cancels_its_workflows_and_leaves_no_job(
    cluster: Deployed, instance: dg.DagsterInstance, struck: dict[str, dg.DagsterRun]
) -> None:
    (run,) = runs_ended(cluster, instance, "terminated")
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert [cluster.submitted()[key] for key in clips(cluster, "terminated")] == [["FAILED_CANCELED"]] * 2
    wait_for(lambda: not cluster.kubelet.pods_of(run.run_id), "the end of its pod")
    assert ("jobs", NAMESPACE, f"dagster-run-{run.run_id}") not in cluster.api.objects


@pytest.mark.parametrize("strike", STRIKES)
def test_a_run_whose_pod_goes_away_is_retried_and_adopts_its_workflows(
    cluster: Deployed, instance: dg.DagsterInstance, struck: dict[str, dg.DagsterRun], strike: str
) -> None:
    failed, retried = runs_ended(cluster, instance, strike, count=2)
    assert failed.run_id == struck[strike].run_id == retried.root_run_id
    assert failed.status is dg.DagsterRunStatus.FAILURE
    assert retried.status is dg.DagsterRunStatus.SUCCESS
    assert [cluster.submitted()[key] for key in clips(cluster, strike)] == [["COMPLETED"]] * 2
    assert cluster.made(instance) >= set(clips(cluster, strike))


def test_a_run_whose_pod_cannot_start_fails_and_says_what_to_look_at(
    cluster: Deployed, instance: dg.DagsterInstance, struck: dict[str, dg.DagsterRun]
) -> None:
    with cluster.instance("vda-daemon", start_timeout_seconds=1) as daemons:
        monitor_starting_run(
            daemons, daemons.get_run_record_by_id(struck["unstarted"].run_id), logging.getLogger(__name__)
        )
    (run,) = runs_ended(cluster, instance, "unstarted")
    (entry,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "taking longer than 1 seconds to start" in entry.message
    assert "ImagePullBackOff" in entry.message
    assert 'Failed to pull image "registry.example.com/none:1"' in entry.message
    assert "kubectl describe pod dagster-run-" in entry.message


def test_nobody_was_refused_what_it_asked_of_kubernetes(cluster: Deployed, instance: dg.DagsterInstance) -> None:
    refused = [(who, right) for who, right in cluster.api.asked if not cluster.api.rbac.allows(who, right)]
    assert refused == []
    assert {who for who, _ in cluster.api.asked} == {f"{NAMESPACE}:vda-webserver", f"{NAMESPACE}:vda-daemon"}
