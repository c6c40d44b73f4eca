"""From a cold cluster to the first submission, unattended: weights fetched, NIMs deployed, each once for all runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.cloud import DEPLOYMENT, Cloud, serving_cloud
from vda_assets_tests.end_to_end.world import DATASET, running, wait_for
from vda_assets_tests.kubernetes_api import KubernetesApi, serving_kubernetes, write_kubeconfig
from vda_assets_tests.quick_results import change_yaml
from vda_assets_tests.simulated_clock import SimulatedClock

WAITING = "waiting for setup_model_cache-"


@contextmanager
def passing(api: KubernetesApi) -> Iterator[None]:
    """The cluster's time passes, four times as fast as ours: a Job that ended is there long enough to be seen."""
    is_over = threading.Event()

    def pass_time() -> None:
        while not is_over.wait(0.05):
            api.settle(0.2)

    thread = threading.Thread(target=pass_time)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """With two clips; its endpoints are the NIMs of a cluster that has none yet."""
    with serving_cloud(tmp_path) as cloud:
        change_yaml(
            tmp_path / f"assets_cfg/deployments/{DEPLOYMENT}.yaml", lambda deployment: deployment.pop("endpoints")
        )
        for name in ("a.mp4", "b.mp4"):
            cut(cloud.clips / name, frames=12)
        yield cloud


def test_two_runs_on_a_cold_cluster_fetch_the_weights_once_and_deploy_each_nim_once(cloud: Cloud) -> None:
    with (
        serving_kubernetes(KubernetesApi(SimulatedClock(), download_seconds=10, startup_seconds=10)) as api,
        passing(api),
    ):
        write_kubeconfig(cloud.folder / "kubeconfig", cluster=api.url)
        overview = cloud.vda("overview", "--dataset", DATASET)
        assert "cold: caches or endpoints must be made first" in overview.stdout, overview.stderr
        assert api.writes == []
        cloud.weights.held = threading.Event()
        command = ("run", "--dataset", DATASET, "--select", "original_labels", "--video")
        with (
            running(cloud, *command, "a.mp4", log="a.log") as one,
            running(cloud, *command, "b.mp4", log="b.log") as other,
        ):
            logs = [cloud.folder / name for name in ("a.log", "b.log")]
            wait_for(lambda: any(WAITING in log.read_text() for log in logs), "one to wait for the other")
            cloud.weights.held.set()
            wait_for(lambda: len([name for name in cloud.workflows() if name.startswith("vda-")]) == 2, "both", 150)
            said = [log.read_text() for log in logs]
            for run in (one, other):
                run.send_signal(signal.SIGINT)
                run.wait(60)
        assert set(api.of("nimservices")) == {"qwen3-vl", "qwen25-14b"}
        assert sorted(api.made) == sorted(set(api.made))
        fetched = [status for name, status in cloud.workflows().items() if name.startswith("setup_model_cache")]
        assert fetched.count("COMPLETED") == 1
        assert all(log.index("Time overview") < log.index("model cache") for log in said)
