"""A scrape tells what every source says, in bounded time; one that does not answer is told by `vda_up` alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from vda_assets.dispatch.failures import WORKER_REASON
from vda_assets.osmo.statuses import TaskStatus
from vda_assets.project import load_project
from vda_assets.telemetry.exporter import Exporter, sources_of
from vda_assets.telemetry.kinds import KINDS, failure_kind
from vda_assets.telemetry.metrics import Metrics
from vda_assets.telemetry.pool import Pool
from vda_assets_tests.end_to_end.world import DATASET, REPOSITORY, World, make_world
from vda_assets_tests.osmo.service import Asked, Reply, Service, jwt, serving
from vda_assets_tests.quick_results import change_yaml
from vda_assets_tests.telemetry.page import names, values

ASKED_AT = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
RUN = "1829e9b7"


def workflow(number: int, status: str, *, seconds: int, dataset: str = DATASET) -> dict[str, Any]:
    submitted = f"2026-11-22T06:{seconds // 60:02d}:{seconds % 60:02d}"
    name = f"vda-{RUN}-{number:012d}-{'a' * 16}-1"
    return {"name": name, "status": status, "submit_time": submitted, "labels": {"vda-dataset": dataset}}


def task(number: int, name: str, status: str, gpu: int = 1) -> dict[str, Any]:
    return {"workflow_id": f"vda-{RUN}-{number:012d}-{'a' * 16}-1", "task_name": name, "status": status, "gpu": gpu}


class Cluster:
    """An OSMO whose lists a test changes; `fails` has it answer 503."""

    def __init__(self) -> None:
        self.workflows: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        self.fails = False

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/api/auth/jwt/access_token":
            return Reply({"token": jwt(lives_seconds=300)})
        if self.fails:
            return Reply("away", status=503)
        wanted = {value for key, value in asked.query if key == "statuses"}
        if asked.path == "/api/workflow":
            listed = [one for one in self.workflows if one["status"] in wanted]
            return Reply({"workflows": listed, "more_entries": False})
        return Reply({"tasks": [one for one in self.tasks if one["status"] in wanted]})


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def service(cluster: Cluster) -> Iterator[Service]:
    with serving(cluster.answer) as service:
        yield service


@pytest.fixture
def world(tmp_path: Path, service: Service) -> World:
    world = make_world(tmp_path)
    deployment = world.folder / "assets_cfg/deployments/local.yaml"
    change_yaml(deployment, lambda one: one["osmo"].update(url=service.url, token_env="OSMO_TOKEN"))
    return world


class Told:
    """An exporter of the world, and what it says."""

    def __init__(self, world: World, instance: Any) -> None:
        metrics = Metrics()
        self.said: list[str] = []
        self.sources = sources_of(load_project(world.environment), instance, metrics, {"OSMO_TOKEN": "very-secret"})
        self._exporter = Exporter(self.sources, metrics, say=self.said.append, seconds=5)

    def scrape(self) -> dict[str, dict[tuple[str, ...], float]]:
        return values(self._exporter.page())

    def page(self) -> bytes:
        return self._exporter.page()

    @property
    def pool(self) -> Pool:
        (pool,) = [one for one in self.sources if isinstance(one, Pool)]
        return pool


@pytest.fixture
def told(world: World) -> Iterator[Told]:
    with world.instance() as instance:
        yield Told(world, instance)


def test_workflows_tasks_and_gpus_are_those_that_osmo_lists_now(cluster: Cluster, told: Told) -> None:
    cluster.workflows = [
        workflow(1, "RUNNING", seconds=0),
        workflow(2, "RUNNING", seconds=0),
        workflow(3, "PENDING", seconds=0),
        workflow(4, "COMPLETED", seconds=0),
        workflow(5, "RUNNING", seconds=0, dataset="of-another-team"),
        {**workflow(6, "RUNNING", seconds=0), "name": "vda-by-hand-1"},
    ]
    cluster.tasks = [
        task(1, "cosmos_worker_0", "RUNNING", gpu=2),
        task(2, "cosmos_worker_0", "SCHEDULING"),
        task(2, "something-else", "RUNNING"),
        task(1, "cosmos_worker_0", "RESCHEDULED"),
    ]
    seen = told.scrape()
    assert seen["vda_workflows"] == {
        (DATASET, "local", "RUNNING"): 2,
        (DATASET, "local", "PENDING"): 1,
        ("", "local", "RUNNING"): 1,
    }
    assert seen["vda_tasks"] == {
        ("local", "augmented_videos", "RUNNING"): 1,
        ("local", "augmented_videos", "SCHEDULING"): 1,
    }
    assert seen["vda_gpus"] == {("local", "augmented_videos"): 2}
    cluster.workflows, cluster.tasks = [], []
    seen = told.scrape()
    assert not {"vda_workflows", "vda_tasks", "vda_gpus"} & set(seen)


def test_a_workflow_is_as_late_as_it_was_submitted_after_its_run_was_asked_for_and_counted_once(
    cluster: Cluster, told: Told
) -> None:
    cluster.workflows = [workflow(1, "RUNNING", seconds=10)]
    told.pool.read()()
    asked = told.pool._asked
    assert isinstance(asked, dict)
    asked[f"run-{RUN}"] = ASKED_AT.timestamp()
    cluster.workflows = [*cluster.workflows, workflow(2, "PENDING", seconds=20), workflow(3, "RUNNING", seconds=400)]
    for _ in range(2):
        told.pool.read()()
    seen = values(told.pool._metrics.page())
    assert seen["vda_dispatch_seconds_count"] == {(DATASET, "local"): 2}
    assert seen["vda_dispatch_seconds_sum"] == {(DATASET, "local"): 420}


def test_a_source_that_is_away_fails_alone_and_what_it_said_is_not_told_on(cluster: Cluster, told: Told) -> None:
    cluster.workflows = [workflow(1, "RUNNING", seconds=0)]
    up = ("local", "osmo")
    assert told.scrape()["vda_up"] == {("books", "dagster"): 1, up: 1, ("file://", "storage"): 1}
    cluster.fails = True
    seen = told.scrape()
    assert seen["vda_up"] == {("books", "dagster"): 1, up: 0, ("file://", "storage"): 1}
    assert "vda_workflows" not in seen
    told.scrape()
    cluster.fails = False
    assert told.scrape()["vda_up"][up] == 1
    away, back = told.said
    assert away.startswith("osmo local: OsmoUnavailable: ")
    assert back == "osmo local: it answers again"
    assert "very-secret" not in away


class Stuck:
    """A source that answers when it is let."""

    source, name = "storage", "stuck"

    def __init__(self) -> None:
        self.may_answer, self.asked = Event(), 0

    def read(self) -> Callable[[], None]:
        self.asked += 1
        assert self.may_answer.wait(60)
        return self.forget

    def forget(self) -> None:
        pass


def test_a_source_that_hangs_holds_up_no_scrape_and_is_not_asked_again_meanwhile() -> None:
    stuck, metrics = Stuck(), Metrics()
    exporter = Exporter([stuck], metrics, say=lambda _: None, seconds=0.05)
    for _ in range(3):
        assert values(exporter.page())["vda_up"] == {("stuck", "storage"): 0}
    assert stuck.asked == 1
    stuck.may_answer.set()
    while values(exporter.page())["vda_up"] == {("stuck", "storage"): 0}:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("task augmentation-0 ended FAILED: exit code 3, the command's own exit code; no track", "container"),
        ("task augmentation-0 ended FAILED: exit code 69, the command's own exit code", "endpoint"),
        ("task x ended FAILED: exit code 2012, an output could not be uploaded", "storage"),
        ("task x ended FAILED_IMAGE_PULL: exit code 301, the image could not be pulled", "image_pull"),
        ("task x ended FAILED_EXEC_TIMEOUT: no exit code (canceled, timed out or not ended)", "exec_timeout"),
        ("task x ended FAILED_BY_A_NEW_THING: exit code 4000, unknown", "other"),
        ("workflow vda-1-2-3-1 completed, but is rejected: hallucination_check", "rejected"),
        ("not begun: augmented_videos failed", "not_begun"),
        ("not submitted, since the clips before failed alike: x", "not_submitted"),
        ("the workflow was not accepted: no pool", "refused"),
        ("OSMO does not know workflow vda-1-2-3-1 any more", "lost"),
        ("", "other"),
        (f"{WORKER_REASON}/a/path/{'x' * 999}", "other"),
    ],
)
def test_a_failure_is_of_one_of_few_kinds(reason: str, kind: str) -> None:
    assert failure_kind(reason) == kind
    assert kind in KINDS


def test_every_way_for_a_task_to_fail_has_a_kind() -> None:
    for status in TaskStatus:
        if status.startswith("FAILED_"):
            assert failure_kind(f"task x ended {status}: exit code 3000, unknown") != "other", status


def test_the_page_on_monitoring_names_every_metric_and_no_other(told: Told) -> None:
    page = (REPOSITORY / "docs/monitor.md").read_text()
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `vda_")}
    served = names(told.page())
    families = {name.removesuffix("_bucket") for name in served if not name.endswith(("_sum", "_count"))}
    assert rows == families
