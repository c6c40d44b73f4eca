"""People are told of what went wrong: once, to each receiver, with what to do, and never with a receiver's secret."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from vda_assets.config.errors import ConfigError
from vda_assets.dagster_defs.build import build_definitions
from vda_assets.dagster_defs.partitions import add_clips as add_partitions
from vda_assets.dagster_defs.sensors.alerts import evaluate
from vda_assets.flows.selection import selection_of
from vda_assets.flows.stages import OUTPUTS, Stage
from vda_assets.osmo.statuses import TaskStatus
from vda_assets.project import load_project
from vda_assets.runs.canary import Canary
from vda_assets.runs.names import FAILED_ALIKE, FAILURE
from vda_assets.runs.private import ask_for_backfill, keep_text
from vda_assets.telemetry.alerts import AWAY_SECONDS, GATHERED_SECONDS, STALLED_SECONDS, Alert
from vda_assets.telemetry.telling import Kept, keep, read_kept, receivers, tell
from vda_assets_tests.end_to_end.world import DATASET, World, make_world
from vda_assets_tests.osmo.in_memory_rows import Fate, Try
from vda_assets_tests.osmo.service import VERSION, Asked, Reply, Service, serving
from vda_assets_tests.quick_results import change_yaml
from vda_assets_tests.simulated_clock import SimulatedClock
from vda_assets_tests.simulated_runs import simulated_runs, varied

SECRET = "s3cr3t-that-nobody-may-see"
MINUTE = timedelta(minutes=1)


@dataclass
class Inbox:
    """A receiver of JSON; `status` is what it answers with."""

    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply:
        if self.status == 200:
            self.messages.append(asked.json)
        return Reply({}, status=self.status)

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def service(inbox: Inbox) -> Iterator[Service]:
    with serving(inbox) as service:
        yield service


def url_of(service: Service) -> str:
    return service.url.replace("http://", f"json://somebody:{SECRET}@") + f"/{SECRET}"


class Office:
    """The sensor of a world, ticked by hand on a clock of its own."""

    def __init__(self, world: World, instance: dg.DagsterInstance) -> None:
        self.world, self.instance = world, instance
        self.project = load_project(world.environment)
        self.clock = SimulatedClock()

    def tick(self, minutes: float = 0) -> str:
        self.clock.sleep(minutes * 60)
        with dg.build_sensor_context(instance=self.instance) as context:
            return evaluate(context, self.project, clock=self.clock).skip_message or ""


@pytest.fixture
def office(tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with working(make_world(tmp_path), service, monkeypatch) as office:
        yield office


@contextmanager
def working(world: World, service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setenv("VDA_ALERT_URLS", url_of(service))
    monkeypatch.setenv("VDA_UI_URL", "https://vda.example.com")
    with world.instance() as instance:
        office = Office(world, instance)
        office.tick()
        office.clock.sleep(1)
        yield office


def ask(office: Office, *, keys: Sequence[str] = ("a.mp4", "b.mp4", "c.mp4")) -> None:
    add_partitions(office.instance, office.project.dataset(DATASET), keys)
    ask_for_backfill(
        office.instance,
        build_definitions(office.project).get_repository_def(),
        backfill_id="abcdefgh",
        asset_keys=[dg.AssetKey([DATASET, "original_labels"])],
        partitions=[*keys],
        title="asked",
        tags={},
        asked_at=office.clock.now().timestamp(),
    )


def end(instance: dg.DagsterInstance, status: BulkActionStatus) -> None:
    backfill = instance.get_backfill("abcdefgh")
    assert backfill is not None
    instance.update_backfill(backfill.with_status(status))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (BulkActionStatus.FAILED, "failed"),
        (BulkActionStatus.COMPLETED_FAILED, "failed in part"),
        (BulkActionStatus.CANCELED, "was canceled"),
        (BulkActionStatus.COMPLETED_SUCCESS, None),
    ],
)
@pytest.mark.parametrize("is_seen_before", [True, False])
def test_a_backfill_that_ended_badly_is_told_once_however_long_it_went_on(
    office: Office, inbox: Inbox, status: BulkActionStatus, said: str | None, is_seen_before: bool
) -> None:
    ask(office)
    if is_seen_before:
        office.tick(minutes=30)
        end(office.instance, BulkActionStatus.FAILING)
        office.tick(minutes=30)
    end(office.instance, status)
    for _ in range(3):
        office.tick(minutes=1)
    assert inbox.titles == ([f"{DATASET}: backfill abcdefgh {said}"] if said else [])
    for message in inbox.messages:
        assert "3 clips had been asked for" in message["message"]
        assert f"vda backfill --dataset {DATASET}" in message["message"]
        assert message["message"].endswith("https://vda.example.com/runs/b/abcdefgh")


def test_a_backfill_that_failed_in_part_says_how_many_outputs_and_the_first_reason(
    tmp_path: Path, quick_results: Path, service: Service, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fate(one: Try) -> Fate:
        return replace(varied(one), status=TaskStatus.FAILED, exit_code=3, log=("vda_worker: FAILED: no track",))

    with (
        simulated_runs(tmp_path, quick_results, clips=2, script=fate, flow="auto_labeling") as runs,
        working(runs.world, service, monkeypatch) as office,
    ):
        ask(office, keys=runs.keys)
        office.tick()
        runs.ask_by_backfill(runs.keys, backfill="abcdefgh", outputs=[Stage.ORIGINAL_LABELS])
        runs.work_off()
        end(runs.instance, BulkActionStatus.COMPLETED_FAILED)
        office.tick(minutes=1)
    (message,) = inbox.messages
    assert re.search(r"2 outputs failed, the first: clip00[01]\.mp4 original_labels: task ", message["message"])
    assert "no track" in message["message"]


def test_a_backfill_of_which_nothing_goes_on_is_told_after_an_hour_and_once(office: Office, inbox: Inbox) -> None:
    ask(office)
    office.tick(minutes=1)
    office.tick(minutes=STALLED_SECONDS / 60 - 1)
    assert inbox.messages == []
    for _ in range(3):
        office.tick(minutes=2)
    assert inbox.titles == [f"{DATASET}: backfill abcdefgh stands still"]


def test_a_canary_that_stopped_is_told_once_and_again_when_another_one_stops(
    tmp_path: Path, service: Service, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    dataset = world.folder / f"assets_cfg/datasets/{DATASET}.yaml"
    change_yaml(dataset, lambda one: one.update(canary={"clips": 2, "accepted": 1.0}))
    with working(world, service, monkeypatch) as office:
        canary = Canary(
            office.instance, office.project.scope_of(office.project.dataset(DATASET)), selection_of(OUTPUTS)
        )
        record = '{"clips": ["a"], "passed": %s, "said": "the canary: 1 of 2 clips passed, 100%% have to; a: too dark"}'
        for passed in ("false", "false", "true", "false"):
            keep_text(office.instance, canary._name, record % passed)
            office.tick(minutes=1)
    assert inbox.titles == [f"{DATASET}: the canary stopped what follows it"] * 2
    assert "a: too dark" in inbox.messages[0]["message"]
    assert f"vda retry --dataset {DATASET} --canary" in inbox.messages[0]["message"]


def quarantine(office: Office, *clips: str) -> None:
    for clip in clips:
        metadata = {FAILURE: "exit code 3: no track at all", FAILED_ALIKE: 2}
        key = dg.AssetKey([DATASET, "original_labels"])
        office.instance.report_runless_asset_event(dg.AssetObservation(key, partition=clip, metadata=metadata))


def test_a_quarantine_that_grows_is_told_with_how_much_and_not_more_than_once_an_hour(
    office: Office, inbox: Inbox
) -> None:
    quarantine(office, "a.mp4", "b.mp4")
    office.tick(minutes=1)
    quarantine(office, *(f"{number}.mp4" for number in range(7)))
    office.tick(minutes=1)
    assert inbox.titles == [f"{DATASET}: 2 outputs more in quarantine"]
    assert "a.mp4 original_labels, b.mp4 original_labels" in inbox.messages[0]["message"]
    assert "no track at all" in inbox.messages[0]["message"]
    office.tick(minutes=GATHERED_SECONDS / 60)
    office.tick(minutes=GATHERED_SECONDS / 60)
    assert inbox.titles[1:] == [f"{DATASET}: 7 outputs more in quarantine"]


def test_what_failed_once_or_in_another_code_location_is_no_quarantine(office: Office, inbox: Inbox) -> None:
    for slug, tries in ((DATASET, 1), (DATASET, 3), ("another", 2)):
        metadata = {FAILURE: "x", FAILED_ALIKE: tries}
        observed = dg.AssetObservation(dg.AssetKey([slug, "original_labels"]), partition="a", metadata=metadata)
        office.instance.report_runless_asset_event(observed)
    office.tick(minutes=1)
    assert inbox.messages == []


def test_an_osmo_that_is_away_for_long_is_told_once_each_time(
    tmp_path: Path, service: Service, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away = False
    with serving(lambda asked: Reply("away", 503, "text/plain") if is_away else VERSION) as osmo:
        world = make_world(tmp_path)
        deployment = world.folder / "assets_cfg/deployments/local.yaml"
        change_yaml(deployment, lambda one: one["osmo"].update(url=osmo.url, user="somebody"))
        change_yaml(deployment, lambda one: one.pop("osmo_local"))
        with working(world, service, monkeypatch) as office:
            for is_away in (False, True, True, False, True):  # noqa: B007 - the service looks at it
                office.tick(minutes=AWAY_SECONDS / 60 + 1)
            assert inbox.titles == ["local: OSMO does not answer"]
            office.tick(minutes=AWAY_SECONDS / 60 + 1)
    assert inbox.titles == ["local: OSMO does not answer"] * 2


def test_what_was_before_the_first_tick_is_not_told(
    tmp_path: Path, service: Service, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    with world.instance() as instance:
        before = Office(world, instance)
        ask(before)
        end(instance, BulkActionStatus.FAILED)
        quarantine(before, "a.mp4")
    with working(world, service, monkeypatch) as office:
        office.clock.sleep(120)
        office.tick(minutes=1)
    assert inbox.messages == []


# Sending


def waiting(instance: dg.DagsterInstance, *titles: str) -> Kept:
    kept = Kept()
    kept.add([Alert(about=title, title=title, body="what to do") for title in titles])
    keep(instance, kept)
    return kept


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with make_world(tmp_path).instance() as instance:
        yield instance


def test_a_receiver_that_refuses_gets_it_at_the_next_tick_and_holds_up_no_other(
    instance: dg.DagsterInstance, service: Service, inbox: Inbox
) -> None:
    other, said = Inbox(status=500), list[str]()
    with serving(other) as away:
        to = receivers({"VDA_ALERT_URLS": f"{url_of(away)}\n {url_of(service)}"})
        tell(instance, waiting(instance, "first", "second"), to, warn=said.append)
        assert (inbox.titles, other.titles) == (["first", "second"], [])
        other.status = 200
        tell(instance, read_kept(instance), to, warn=said.append)
        tell(instance, read_kept(instance), to, warn=said.append)
    assert inbox.titles == other.titles == ["first", "second"]
    assert read_kept(instance).waiting == []
    assert said == ["receiver 1 of VDA_ALERT_URLS did not take 'first'; it is tried again at the next tick"]


class Killed(BaseException):
    pass


def test_a_tick_that_is_killed_amid_its_messages_sends_none_of_them_again(
    instance: dg.DagsterInstance, service: Service, inbox: Inbox
) -> None:
    def killed(_: str) -> None:
        raise Killed

    urls = f"{url_of(service)} json://127.0.0.1:1/"
    with pytest.raises(Killed):
        tell(instance, waiting(instance, "first", "second"), receivers({"VDA_ALERT_URLS": urls}), warn=killed)
    tell(instance, read_kept(instance), receivers({"VDA_ALERT_URLS": urls}), warn=lambda _: None)
    assert inbox.titles == ["first", "second"]


@pytest.mark.parametrize(
    "url",
    [
        f"json://somebody:{SECRET}@127.0.0.1:1/{SECRET}",
        f"slack://{SECRET}/{SECRET}/{SECRET}",
        f"nothing-that-there-is://{SECRET}",
        f"json://[{SECRET}",
        SECRET,
    ],
)
def test_no_log_and_no_message_of_a_failed_sending_holds_the_receivers_secret(
    instance: dg.DagsterInstance,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # Nothing of the machine answers for a public host.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        to = receivers({"VDA_ALERT_URLS": url})
        assert tell(instance, waiting(instance, "first"), to, warn=said.append) == 0
    told = f"{said} {caplog.text} {capfd.readouterr()} {to} {read_kept(instance).model_dump_json()}"
    assert said
    assert SECRET not in told


def test_a_receiver_that_never_takes_anything_makes_nothing_grow(instance: dg.DagsterInstance) -> None:
    kept = waiting(instance, *(f"{number}" for number in range(2000)))
    assert len(kept.waiting) == 50
    assert kept.waiting[-1].alert.title == "1999"
    assert len(keepable(kept)) < 100_000


def keepable(kept: Kept) -> str:
    return kept.model_dump_json()


def test_what_is_kept_and_cannot_be_read_starts_over(instance: dg.DagsterInstance) -> None:
    keep_text(instance, "vda/alerts", '{"waiting": 7}')
    assert read_kept(instance) == Kept()


def sensors(world: World) -> set[str]:
    return {one.name for one in build_definitions(load_project(world.environment)).get_repository_def().sensor_defs}


def test_the_sensor_is_there_and_runs_only_where_somebody_is_named_to_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    monkeypatch.delenv("VDA_ALERT_URLS", raising=False)
    assert "vda_alerts" not in sensors(world)
    monkeypatch.setenv("VDA_ALERT_URLS", " \n")
    assert "vda_alerts" not in sensors(world)
    monkeypatch.setenv("VDA_ALERT_URLS", "json://127.0.0.1:1/")
    assert "vda_alerts" in sensors(world)
    repository = build_definitions(load_project(world.environment)).get_repository_def()
    assert repository.get_sensor_def("vda_alerts").default_status is dg.DefaultSensorStatus.RUNNING


def test_receivers_without_the_library_are_told_with_what_to_install(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vda_assets.dagster_defs.sensors.alerts.lacking_of", lambda extra: [f"library of {extra}"])
    with pytest.raises(ConfigError, match=r"needs library of alerts: pip install 'vda-assets\[alerts\]'"):
        office.tick()
