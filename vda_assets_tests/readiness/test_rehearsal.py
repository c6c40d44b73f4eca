"""OSMO is shown the workflow of a real clip before anything is submitted; nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.datasets.clips import list_clips
from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.embedded.service.settings import EmbeddedSettings, LabelPolicy
from vda_assets.flows.place import Place
from vda_assets.flows.selection import FLOWS, Selection, selection_of
from vda_assets.flows.stages import Rendered, Stage
from vda_assets.osmo.auth import DevUserAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.credentials import GenericCredential
from vda_assets.project import load_project
from vda_assets.readiness.finding import Finding, Level, blocking, note
from vda_assets.readiness.gate import Gate
from vda_assets.readiness.rehearsal import check_workflow
from vda_assets.storage.access import Storage
from vda_assets_tests.clips import cut
from vda_assets_tests.embedded.service.conftest import settings_below
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.osmo.service import VERSION, Reply, Service, serving

PLACE = Place("default", "gpu")
READY = Gate((), PLACE)


class Bench:
    """A dataset below pytest's folder whose workflow is shown to a service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dataset = Dataset(url=f"file://{folder}/datasets/yard", deployment="cloud")
        self.cookbook = load_project(
            {"VDA_ASSETS_CFG": str(REPOSITORY / "assets_cfg"), "VDA_HOME": str(folder)}
        ).cookbooks["city_traffic"]

    def put(self, name: str) -> None:
        cut(self.folder / "datasets/yard" / name, frames=20)

    def put_broken(self, name: str) -> None:
        path = self.folder / "datasets/yard" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no video")

    def check(
        self,
        client: OsmoClient,
        *,
        selection: Selection = FLOWS["e2e"],
        gate: Gate = READY,
        osmo: dict[str, Any] | None = None,
        **deployment: Any,
    ) -> list[Finding]:
        given = Deployment.model_validate({"osmo": {"url": client.url, **(osmo or {})}, **deployment})
        storage = Storage()
        return check_workflow(
            client,
            storage,
            list_clips(storage, self.dataset.dataset_url).clips,
            dataset=self.dataset,
            deployment=given,
            cookbook=self.cookbook,
            selection=selection,
            gate=gate,
        )

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in (self.folder / "datasets").rglob("*") if path.is_file()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> EmbeddedSettings:
    """Of the service; a running one follows changes of its policy."""
    return settings_below(tmp_path / "osmo")


@pytest.fixture
def client(settings: EmbeddedSettings) -> Iterator[OsmoClient]:
    """Of an embedded OSMO that holds the credential `hf_token`."""
    with EmbeddedOsmo(settings) as osmo, OsmoClient(osmo.url, DevUserAuth("somebody")) as client:
        client.set_credential("hf_token", GenericCredential(credential={"token": SecretStr("hf_0123456789")}))
        yield client


EACH_STATUS = ("FAILED_SUBMISSION", "PENDING", "RUNNING", "WAITING", "COMPLETED")


@pytest.mark.parametrize(
    ("name", "selection"),
    [("a.mkv", FLOWS["e2e_super_resolution"]), ("a.mp4", selection_of([Stage.AUGMENTED_LABELS]))],
)
def test_a_workflow_that_osmo_would_take_is_ready_and_nothing_of_it_stays(
    bench: Bench, client: OsmoClient, name: str, selection: Selection
) -> None:
    bench.put(name)
    (finding,) = bench.check(client, selection=selection)
    assert (finding.level, finding.message) == (Level.READY, f"OSMO would take that of {name}")
    assert list(client.workflows(statuses=EACH_STATUS)) == []
    assert bench.files == {f"datasets/yard/{name}"}


@pytest.mark.parametrize(
    ("policy", "given", "words"),
    [
        ({"labels": {"project": LabelPolicy(enforcement="enforce")}}, {}, "is missing required label 'project'"),
        ({"gpu_guarantee": 0}, {}, "GPU"),
        ({}, {"images": {"augmentation": "UPPER/Case:1.0.0"}}, "'UPPER/Case:1.0.0' is no name of an image"),
        ({}, {"resources": {"augmentation": {"gpu": 1, "memory": "1 Gi"}}}, "'1 Gi' is no size"),
    ],
)
def test_what_osmo_refuses_blocks_in_its_own_words(
    bench: Bench, settings: EmbeddedSettings, client: OsmoClient, policy: dict, given: dict, words: str
) -> None:
    bench.put("a.mp4")
    for key, value in policy.items():
        setattr(settings.policy, key, value)
    (finding,) = bench.check(client, **given)
    assert finding.level is Level.BLOCKING
    assert finding.message.startswith("OSMO refuses the workflow of a.mp4: ")
    assert words in finding.message
    assert list(client.workflows()) == []


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ({"hf_token": {"HF_TOKEN": "key"}}, "key is not a valid credential key"),
        ({"ngc": {"NGC_API_KEY": "key"}}, "Could not find the credential: ngc."),
    ],
)
def test_it_is_shown_with_the_credentials_that_workers_would_get(
    bench: Bench, client: OsmoClient, credentials: dict, words: str
) -> None:
    bench.put("a.mp4")
    (finding,) = bench.check(client, gate=Gate((), Place("default", "gpu", credentials)))
    assert finding.level is Level.BLOCKING
    assert words in finding.message


def test_it_is_shown_with_the_priority_and_the_labels_that_it_would_be_submitted_with(
    bench: Bench, settings: EmbeddedSettings, client: OsmoClient
) -> None:
    bench.put("a.mp4")
    settings.policy.gpu_guarantee = 0
    settings.policy.labels = {"project": LabelPolicy(enforcement="enforce")}
    gate = Gate((), replace(PLACE, priority="LOW"))
    assert [one.level for one in bench.check(client, osmo={"labels": {"project": "roads"}}, gate=gate)] == [Level.READY]


def test_what_osmo_warns_of_is_noted(bench: Bench, settings: EmbeddedSettings, client: OsmoClient) -> None:
    bench.put("a.mp4")
    settings.policy.labels = {"project": LabelPolicy(enforcement="warn")}
    warning, last = bench.check(client)
    assert warning.level is Level.NOTE
    assert "'project'" in warning.message
    assert last.level is Level.READY


def test_a_clip_that_no_container_takes_is_passed_over(bench: Bench, client: OsmoClient) -> None:
    bench.put_broken("a.mp4")
    bench.put("b.mp4")
    (finding,) = bench.check(client)
    assert finding.message == "OSMO would take that of b.mp4"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ((), "/datasets/yard has no clip"),
        (("a.mp4", "b.mkv"), "none of the first 2 clips can be used; the last: b.mkv"),
    ],
)
def test_without_a_clip_there_is_nothing_to_show(
    bench: Bench, client: OsmoClient, broken: tuple[str, ...], reason: str
) -> None:
    for name in broken:
        bench.put_broken(name)
    (finding,) = bench.check(client)
    assert finding.level is Level.NOTE
    assert reason in finding.message


def test_where_nothing_runs_on_osmo_nothing_is_said(bench: Bench, client: OsmoClient) -> None:
    bench.put("a.mp4")
    assert bench.check(client, selection=selection_of([Rendered.COMPARISONS])) == []


@pytest.mark.parametrize(
    ("gate", "is_shown"),
    [
        (Gate((blocking("pool", "default is OFFLINE"),), PLACE), False),
        (Gate((blocking("task credentials", "give OSMO the credential ngc"),), PLACE), False),
        (Gate((), None), False),
        (Gate((blocking("model cache auto_labeling", "fill it"), note("nodes", "not checked")), PLACE), True),
    ],
)
def test_what_osmo_would_refuse_anyway_is_not_shown_to_it(bench: Bench, gate: Gate, is_shown: bool) -> None:
    bench.put("a.mp4")
    with at(Reply({}, 404)) as (client, service):
        (finding,) = bench.check(client, gate=gate)
    assert finding.level is Level.NOTE
    assert any(asked.method == "POST" for asked in service.asked) is is_shown


@contextmanager
def at(*posts: Reply, version: Reply = VERSION) -> Iterator[tuple[OsmoClient, Service]]:
    """A service of an old or broken kind, that answers POSTs so, one after the other."""
    waiting = list(posts)
    answers = lambda asked: waiting.pop(0) if asked.method == "POST" else version  # noqa: E731
    with serving(answers) as service, OsmoClient(service.url, retry_budget_seconds=0) as client:
        yield client, service


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Reply({"detail": "Not Found"}, 404), "not validated, which this service cannot: "),
        (Reply({"message": "busy"}, 503), "not validated: "),
        (Reply({"message": "Pool default is undergoing maintenance."}, 400), "not validated: "),
    ],
)
def test_a_service_that_cannot_say_is_noted(bench: Bench, answer: Reply, said: str) -> None:
    bench.put("a.mp4")
    with at(answer) as (client, _):
        (finding,) = bench.check(client)
    assert finding.level is Level.NOTE
    assert finding.message.startswith(said)


def test_a_service_that_breaks_down_over_the_workflow_would_do_so_in_a_run_too(bench: Bench) -> None:
    bench.put("a.mp4")
    with at(Reply({"message": "Unknown URI scheme: file"}, 500)) as (client, _):
        (finding,) = bench.check(client)
    assert finding.level is Level.BLOCKING
    assert "Unknown URI scheme: file" in finding.message


def test_an_older_service_is_shown_no_labels(bench: Bench) -> None:
    bench.put("a.mp4")
    older = Reply({"major": "6", "minor": "0", "revision": "0"})
    with at(Reply({"detail": "x"}, 404), version=older) as (client, service):
        bench.check(client, osmo={"labels": {"project": "roads"}})
    (post,) = (asked for asked in service.asked if asked.method == "POST")
    assert "labels:" not in post.json["file"]


def test_what_a_service_starts_instead_is_canceled_as_soon_as_it_is_known(bench: Bench) -> None:
    bench.put("a.mp4")
    unknown = Reply({"message": "Workflow vda-1 is not found."}, 400)
    with at(Reply({"name": "vda-1"}), unknown, Reply({"name": "vda-1"})) as (client, service):
        (finding,) = bench.check(client)
    assert (finding.level, finding.message) == (
        Level.NOTE,
        "this service cannot validate: it started vda-1, which was canceled",
    )
    assert [asked.path for asked in service.asked if asked.method == "POST"][1:] == ["/api/workflow/vda-1/cancel"] * 2
