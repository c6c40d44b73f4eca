"""The project as deploy/base deploys it, on a Kubernetes API whose pods are processes of this machine.

PostgreSQL, Dagster's webserver and daemon, the code server and the run launcher are the real ones; OSMO is the embedded
one, and clips and results lie in moto's bucket.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import httpx
import yaml

from vda_assets.config.dataset import Dataset
from vda_assets.flows.stages import Stage
from vda_assets.flows.workflow import clip_hash_at
from vda_assets.project import load_project
from vda_assets.runs.names import pool_name, videos_partitions
from vda_assets_tests.end_to_end.test_backends import StoredWorld, give_osmo_the_credential
from vda_assets_tests.end_to_end.world import (
    DATASET,
    REPOSITORY,
    free_port,
    make_world,
    serving,
    stop,
)
from vda_assets_tests.kubelet import Kubelet, running_pods
from vda_assets_tests.kubernetes_api import KubernetesApi, serving_kubernetes, write_kubeconfig
from vda_assets_tests.kubernetes_rbac import Rbac
from vda_assets_tests.postgres import Database, PostgresServer
from vda_assets_tests.quick_results import change_yaml, use_quick_container
from vda_assets_tests.simulated_clock import SimulatedClock
from vda_assets_tests.storage.emulators import Place, configure, moto, secrets_of
from vda_assets_tests.warm import WarmProcess

BASE = REPOSITORY / "deploy/base"
# Comparisons are left out: each run would render them in processes of its own.
KEYS = {str(stage): dg.AssetKey([DATASET, str(stage)]) for stage in Stage}
NAMESPACE, IMAGE = "vda", "registry.example.com/vda:1"
RUNS_AT_ONCE = 10
LAUNCH = """mutation ($asked: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $asked) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
TERMINATE = """mutation ($run: String!) {
  terminateRun(runId: $run) {
    __typename ... on TerminateRunFailure { message } ... on PythonError { message }
  }
}"""
ACCOUNTS = ("vda-webserver", "vda-daemon", "vda-code", "vda-run")
NOT_ENDED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def rbac() -> Rbac:
    """What the manifests grant."""
    files = (BASE / "rbac.yaml", BASE.parent / "nims/rbac.yaml")
    return Rbac([one for file in files for one in yaml.safe_load_all(file.read_text())], namespace=NAMESPACE)


@dataclass
class Deployed:
    world: StoredWorld
    clips: int
    api: KubernetesApi
    kubelet: Kubelet
    database: Database
    processes: dict[str, WarmProcess] = field(default_factory=dict)
    image: str = IMAGE
    # What a backfill is called here -> its id.
    backfills: dict[str, str] = field(default_factory=dict)
    ui_url: str = ""

    @property
    def home(self) -> Path:
        """DAGSTER_HOME in every pod."""
        return self.kubelet.folder / "dagster_home"

    def environment(self, account: str) -> dict[str, str]:
        """That of the pod of a deployment."""
        login = write_kubeconfig(self.kubelet.folder / f"{account}.kubeconfig", token=account, cluster=self.api.url)
        return self.kubelet.images[self.image] | self.settings | self.secrets | {"KUBECONFIG": str(login)}

    @property
    def settings(self) -> dict[str, str]:
        return dict(self.api.of("configmaps")["vda-environment"]["data"])

    @property
    def secrets(self) -> dict[str, str]:
        secrets = self.api.of("secrets")
        return secrets["vda-postgres"]["stringData"] | secrets["vda-secrets"]["stringData"]

    @contextmanager
    def instance(self, account: str = "vda-webserver", **monitoring: Any) -> Iterator[dg.DagsterInstance]:
        """As a pod of the account has it. This process takes its variables over meanwhile: the instance names some."""
        home = self.kubelet.folder / f"{account}-home"
        home.mkdir(exist_ok=True)
        environment = self.environment(account)
        # The library of Kubernetes looked for KUBECONFIG long ago, when this process imported it.
        (home / "dagster.yaml").write_text((self.home / "dagster.yaml").read_text())

        def change(one: dict[str, Any]) -> None:
            one["run_launcher"]["config"]["kubeconfig_file"] = environment["KUBECONFIG"]
            one["run_monitoring"] |= monitoring

        change_yaml(home / "dagster.yaml", change)
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            with dg.DagsterInstance.from_config(str(home)) as instance:
                yield instance
        finally:
            os.environ.clear()
            os.environ.update(before)

    # Deployments

    def start(self, name: str, account: str, *command: str, **variables: str) -> None:
        with (self.kubelet.folder / f"{name}.log").open("ab") as log:
            is_cold = self.image in self.kubelet.cold
            self.processes[name] = WarmProcess(
                command if is_cold else command[1:],
                program="env" if is_cold else command[0],
                env=self.environment(account) | variables,
                cwd=self.kubelet.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_code_server(self) -> None:
        port = free_port()
        server = {"host": "127.0.0.1", "port": port, "location_name": "vda_assets"}
        (self.kubelet.folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        command = ("dagster", "api", "grpc", "--host", "127.0.0.1", "--port", str(port))
        self.start(
            "code", "vda-code", *command, "--module-name", "vda_assets.definitions", DAGSTER_CURRENT_IMAGE=self.image
        )
        wait_for(lambda: is_listening(port), "the code server")

    def start_daemon(self, instance: dg.DagsterInstance) -> None:
        began = time.time()
        self.start("daemon", "vda-daemon", "dagster-daemon", "run", "-w", str(self.kubelet.folder / "workspace.yaml"))

        def beats() -> bool:
            assert self.processes["daemon"].poll() is None, (self.kubelet.folder / "daemon.log").read_text()
            beat = instance.get_daemon_heartbeats().get("BACKFILL")
            return beat is not None and beat.timestamp >= began

        wait_for(beats, "the daemon")

    def start_webserver(self) -> None:
        port = free_port()
        workspace = str(self.kubelet.folder / "workspace.yaml")
        self.start(
            "webserver", "vda-webserver", "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", workspace
        )
        wait_for(lambda: is_listening(port), "the webserver")
        self.ui_url = f"http://127.0.0.1:{port}"

    def stop(self, *names: str) -> None:
        for name in names:
            stop(self.processes.pop(name))

    # What is asked for

    @cached_property
    def dataset(self) -> Dataset:
        return load_project(self.world.environment).dataset(DATASET)

    def keys(self) -> list[str]:
        return [f"clip{number:03d}.mp4" for number in range(self.clips)]

    def ask_ui(self, question: str, **variables: Any) -> dict[str, Any]:
        """What the one field of the answer holds."""
        body = {"query": question, "variables": variables}
        answer = httpx.post(f"{self.ui_url}/graphql", json=body, timeout=60).raise_for_status().json()
        assert "errors" not in answer, answer
        (held,) = answer["data"].values()
        return held

    def ask_for(
        self,
        instance: dg.DagsterInstance,
        keys: Sequence[str],
        *,
        name: str,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """By the button "Launch backfill" in the UI."""
        instance.add_dynamic_partitions(str(videos_partitions(self.dataset).name), self.keys())
        asked = {
            "assetSelection": [{"path": key.path} for key in KEYS.values()],
            "partitionNames": list(keys),
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        launched = self.ask_ui(LAUNCH, asked=asked)
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        self.backfills[name] = launched["backfillId"]

    def terminate(self, run: dg.DagsterRun) -> None:
        """By the button "Terminate" in the UI."""
        ended = self.ask_ui(TERMINATE, run=run.run_id)
        assert ended["__typename"] == "TerminateRunSuccess", ended

    def ask_for_runs_at_once(
        self, instance: dg.DagsterInstance, clips: Sequence[Sequence[int]], *, name: str
    ) -> list[dg.DagsterRun]:
        """A backfill whose runs begin together: one that began alone would make the clips of those that still wait.
        `clips` has the numbers of those of each run, which no other may lie beside."""
        pool = pool_name("cluster", load_project(self.world.environment).deployment("cluster"))
        instance.event_log_storage.set_concurrency_slots(pool, 0)
        self.ask_for(instance, [self.keys()[number] for some in clips for number in some], name=name)
        wait_for(lambda: len(self.runs_of(instance, name)) == len(clips), "the runs", seconds=120)
        instance.event_log_storage.set_concurrency_slots(pool, RUNS_AT_ONCE)
        return self.runs_of(instance, name)

    def runs_of(self, instance: dg.DagsterInstance, backfill: str) -> list[dg.DagsterRun]:
        return list(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": self.backfills[backfill]})))

    def wait_for_workflows(self, count: int) -> None:
        wait_for(lambda: len(self.world.workflows()) >= count, f"{count} workflows", seconds=120)

    def submitted(self) -> dict[str, list[str]]:
        """Clip -> the status of each workflow that was ever sent for it."""
        sent: dict[str, list[str]] = {key: [] for key in self.keys()}
        hashes = {clip_hash_at(self.dataset.dataset_url, key): key for key in sent}
        for name, status in self.world.workflows().items():
            sent[hashes[name.split("-")[2]]].append(status)
        return sent

    def made(self, instance: dg.DagsterInstance) -> set[str]:
        """The clips that have every output."""
        each = [instance.get_materialized_partitions(key) for key in KEYS.values()]
        return set.intersection(*each)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Asks seldom: each question to the instance is several connections to PostgreSQL."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(1)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def image_variables() -> dict[str, str]:
    """What stands in the image: where the project is, and what it needs to run."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(REPOSITORY)}


@contextmanager
def deployed(
    folder: Path, postgres: PostgresServer, results: Path, *, clips: int, seconds: float = 0.2, **monitoring: Any
) -> Iterator[Deployed]:
    """Code server, daemon and webserver are not started. `monitoring` changes the instance's run monitoring."""
    api = KubernetesApi(SimulatedClock(), rbac=rbac())
    api.accounts = {account: f"{NAMESPACE}:{account}" for account in ACCOUNTS}
    with moto(folder.parent) as place:
        world = _world(folder, place, results, clips=clips, seconds=seconds)
        with (
            serving(world),
            serving_kubernetes(api),
            running_pods(api, folder / "node", {IMAGE: image_variables()}) as kubelet,
        ):
            give_osmo_the_credential(world)
            cluster = Deployed(world, clips, api, kubelet, postgres.new_database())
            _configure(cluster, monitoring)
            try:
                yield cluster
            finally:
                cluster.stop(*cluster.processes)


def _world(folder: Path, place: Place, results: Path, *, clips: int, seconds: float) -> StoredWorld:
    made = make_world(folder)
    configure(folder / "assets_cfg", place)
    use_quick_container(made, results, seconds=seconds)
    world = StoredWorld(folder, made.osmo_url, place)
    clip = folder / "quick_results/clip.mp4"
    of_dataset = place.root / "datasets" / DATASET
    place.storage.upload_all((clip, of_dataset / f"clip{number:03d}.mp4") for number in range(clips))
    deployments = folder / "assets_cfg/deployments"
    shutil.copyfile(deployments / "local.yaml", deployments / "cluster.yaml")
    change_yaml(deployments / "cluster.yaml", lambda one: one["osmo"].update(token_env="OSMO_TOKEN", max_in_flight=32))
    change_yaml(folder / f"assets_cfg/datasets/{DATASET}.yaml", lambda one: one.update(deployment="cluster", when={}))
    return world


def _configure(cluster: Deployed, monitoring: dict[str, Any]) -> None:
    """What `kubectl apply` brings, beside the deployments."""
    api, world = cluster.api, cluster.world
    cluster.home.mkdir()
    instance = yaml.safe_load((BASE / "dagster.yaml").read_text())
    # No token is mounted into these pods: each has a kubeconfig with its own, named in KUBECONFIG.
    instance["run_launcher"]["config"] |= {"load_incluster_config": False}
    instance["run_monitoring"] |= {"poll_interval_seconds": 3, **monitoring}
    instance["concurrency"]["pools"]["default_limit"] = RUNS_AT_ONCE
    text = yaml.safe_dump(instance)
    (cluster.home / "dagster.yaml").write_text(text)
    settings = {
        "DAGSTER_HOME": str(cluster.home),
        "VDA_ASSETS_CFG": str(world.folder / "assets_cfg"),
        "VDA_HOME": str(world.folder / "home"),
        "VDA_NAMESPACE": NAMESPACE,
    }
    login = {"DAGSTER_PG_USERNAME", "DAGSTER_PG_PASSWORD"}
    variables = cluster.database.variables
    settings |= {name: value for name, value in variables.items() if name not in login}
    token = (world.folder / "home/osmo/access_token").read_text()

    def put(kind: str, resource: str, name: str, **content: Any) -> None:
        metadata = {"name": name, "namespace": NAMESPACE}
        api.put(resource, {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content})

    for account in ACCOUNTS:
        put("ServiceAccount", "serviceaccounts", account)
    put("ConfigMap", "configmaps", "vda-dagster", data={"dagster.yaml": text})
    put("ConfigMap", "configmaps", "vda-environment", data=settings)
    put("Secret", "secrets", "vda-postgres", stringData={name: variables[name] for name in sorted(login)})
    put("Secret", "secrets", "vda-secrets", stringData={"OSMO_TOKEN": token, **secrets_of(world.place)})
