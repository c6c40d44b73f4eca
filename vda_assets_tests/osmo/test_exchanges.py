"""What a running service of OSMO 6.4.0 answered, fed through the client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.credentials import GenericCredential, RegistryCredential
from vda_assets.osmo.errors import (
    OsmoAlreadyFinished,
    OsmoError,
    OsmoNotFound,
    OsmoRefused,
    OsmoServerError,
    OsmoSubmissionRefused,
)
from vda_assets.osmo.models import Workflow
from vda_assets_tests.osmo.service import Asked, Reply, Service, serving

EXCHANGES = Path(__file__).parent / "exchanges"


def recorded(name: str) -> list[dict[str, Any]]:
    return json.loads((EXCHANGES / f"{name}.json").read_text())["exchanges"]


@contextmanager
def replaying(name: str) -> Iterator[tuple[OsmoClient, Service]]:
    exchanges = iter(recorded(name))

    def answer(asked: Asked) -> Reply:
        exchange = next(exchanges)
        assert (asked.method, asked.path) == (exchange["method"], exchange["path"])
        return Reply(exchange["response_body"], exchange["status"], exchange["content_type"])

    with serving(answer) as service, OsmoClient(service.url) as client:
        yield client, service


def spec_text(name: str) -> str:
    return recorded(name)[0]["request_body"].get("file", "")


def submit(client: OsmoClient, name: str) -> Any:
    pool = recorded(name)[0]["path"].split("/")[3]
    return client.submit(spec_text(name), pool=pool)


CALLS: dict[str, Callable[[OsmoClient], Any]] = {
    "cancel": lambda client: client.cancel("traffic-5", message="stop"),
    "credentials_list": lambda client: client.credentials(),
    "list_label": lambda client: list(client.workflows(labels={"vda-run": "run-0a1b2c3d", "vda-video": "clip-001"})),
    "list_page": lambda client: next(client.workflows()),
    "list_status_name": lambda client: list(client.workflows(statuses=["COMPLETED", "FAILED"], name="traffic")),
    "logs_task": lambda client: client.log_tail("traffic-1", task="augment_0", lines=20),
    "pod_template": lambda client: client.pod_templates(),
    "pool": lambda client: client.pools(),
    "pool_quota": lambda client: client.pool_quota(),
    "profile": lambda client: client.profile(),
    "query_running": lambda client: client.workflow("traffic-5"),
    "resources": lambda client: client.nodes(),
    "submit": lambda client: client.submit(spec_text("submit"), pool="default", labels={"vda-attempt": "1"}),
    "submit_dry_run": lambda client: submit(client, "submit_dry_run"),
    "submit_validate": lambda client: client.validate(spec_text("submit_validate"), pool="default"),
    "tasks_by_status": lambda client: list(client.tasks(workflow_id="traffic", statuses=["FAILED", "COMPLETED"])),
    "tasks_by_workflow": lambda client: list(client.tasks(workflow_id="traffic")),
    "version": lambda client: client.version(),
}

REFUSALS: dict[str, tuple[type[OsmoError], str, Callable[[OsmoClient], Any]]] = {
    "cancel_finished": (OsmoAlreadyFinished, "already finished", lambda client: client.cancel("traffic-5")),
    "credential_bad_body": (
        OsmoRefused,
        "Exactly one",
        lambda client: client.set_credential("x1", RegistryCredential(registry="r", auth="verysecret")),
    ),
    "credential_delete_missing": (OsmoNotFound, "never_was", lambda client: client.delete_credential("never_was")),
    "list_bad_label": (OsmoRefused, "key=value", lambda client: list(client.workflows())),
    "list_limit_refused": (OsmoRefused, "less than 1000", lambda client: list(client.workflows())),
    "query_unknown": (OsmoNotFound, "nope-99 is not found", lambda client: client.workflow("nope-99")),
    "tasks_limit_refused": (OsmoRefused, "greater than 0", lambda client: list(client.tasks(workflow_id="traffic"))),
    **{
        name: (kind, said, lambda client, name=name: submit(client, name))
        for name, kind, said in [
            ("submit_bad_credential_key", OsmoSubmissionRefused, "nokey is not a valid credential key"),
            ("submit_bad_label", OsmoSubmissionRefused, 'label value "a b"'),
            ("submit_bad_name", OsmoSubmissionRefused, "workflow.name"),
            ("submit_bad_scheme", OsmoServerError, "Unknown URI scheme"),
            ("submit_duplicate_task", OsmoSubmissionRefused, "same name"),
            ("submit_forward_dependency", OsmoServerError, "exists before itself"),
            ("submit_jinja_in_contents", OsmoSubmissionRefused, "'not_defined' is undefined"),
            ("submit_malformed_body", OsmoSubmissionRefused, "body.file: Field required"),
            ("submit_missing_credential", OsmoSubmissionRefused, "no_such_cred"),
            ("submit_not_yaml", OsmoSubmissionRefused, "Unknown top-level key"),
            ("submit_two_leads", OsmoSubmissionRefused, "must have exactly one"),
            ("submit_unknown_field", OsmoSubmissionRefused, "colour"),
            ("submit_unknown_platform", OsmoSubmissionRefused, "h200"),
            ("submit_unknown_pool", OsmoSubmissionRefused, "Pool nopool not found"),
        ]
    },
}

# Walked through state by state, or step by step, in tests of their own.
IN_STEPS = {
    "credential_generic",
    "query_stages_canceled",
    "query_stages_completed",
    "query_stages_failed",
    "query_stages_image_pull",
}
NOT_SPOKEN = {
    "error_logs",
    "events",
    "logs",
    "restart_completed_refused",
    "restart_failed",
    "spec",
    "tasks_summary",
}


def test_every_recorded_exchange_has_its_test() -> None:
    assert {path.stem for path in EXCHANGES.glob("*.json")} == {*CALLS, *REFUSALS, *IN_STEPS, *NOT_SPOKEN}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_asks_for_what_was_recorded(name: str) -> None:
    with replaying(name) as (client, service):
        CALLS[name](client)
    exchange = recorded(name)[0]
    asked = service.asked[0]
    defaults = {"limit", "offset", "order", "dry_run", "verbose", "force"}
    assert {(key, value) for key, value in exchange["query"] if key not in defaults} <= set(asked.query)
    assert asked.json == exchange["request_body"]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_error_that_says_who_has_to_act(name: str) -> None:
    kind, said, call = REFUSALS[name]
    exchange = recorded(name)[0]
    with replaying(name) as (client, _), pytest.raises(kind) as caught:
        call(client)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert f"{exchange['method']} {exchange['path']}" in str(caught.value)
    if isinstance(caught.value, OsmoRefused):
        assert caught.value.status == exchange["status"]
        assert caught.value.error_code == exchange["response_body"].get("error_code", "")
        assert said in caught.value.service_message


def answer_to(name: str) -> Any:
    with replaying(name) as (client, _):
        return CALLS[name](client)


def test_the_version_reads_as_one_number() -> None:
    assert str(answer_to("version")) == "6.4.0"


def test_a_submission_answers_with_the_id_of_the_workflow() -> None:
    assert answer_to("submit").name == "traffic-1"


def test_a_validation_answers_with_the_bare_name() -> None:
    result = answer_to("submit_validate")
    assert (result.name, result.logs) == ("traffic", "Workflow validation succeeded.")


def test_listed_workflows_carry_their_labels_and_times_in_utc() -> None:
    entry = answer_to("list_label")[0]
    assert entry.name == "traffic-5"
    assert entry.labels["vda-video"] == "clip-001"
    assert entry.submit_time == datetime(2026, 11, 22, 6, 43, 45, 978267, tzinfo=UTC)
    assert entry.end_time - entry.start_time == timedelta(seconds=entry.duration_seconds)
    assert entry.meaning.ended
    assert not entry.meaning.succeeded


def test_one_call_lists_the_tasks_of_many_workflows() -> None:
    tasks = answer_to("tasks_by_workflow")
    assert {task.workflow_id for task in tasks} > {"traffic-4", "traffic-5"}
    assert len(tasks) == len(recorded("tasks_by_workflow")[0]["response_body"]["tasks"])


def test_logs_come_line_by_line() -> None:
    assert all("[augment_0]" in line for line in answer_to("logs_task"))


def test_pools_say_whether_they_are_online_and_how_many_gpus_are_free() -> None:
    pools = answer_to("pool")
    assert pools["default"].online
    assert "gpu" in pools["default"].platforms
    quota = answer_to("pool_quota")
    assert quota.pools["default"].resource_usage.quota_free == 16
    assert quota.resource_sum.total_capacity == 16


def test_nodes_say_what_one_task_could_have_of_them() -> None:
    node, other = answer_to("resources")
    most = node.of(pool="default", platform="gpu")
    assert (node.hostname, most.gpu, most.cpu) == ("gpu-node-00", 8, 127)
    assert (most.memory_bytes, most.storage_bytes) == (1055714460 * 1024, 3070926258176)
    assert other.of(pool="default", platform="moon") is None


def test_pod_templates_keep_the_shape_that_kubernetes_gives_them() -> None:
    assert answer_to("pod_template")["gpu_tolerations"]["spec"]["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_credentials_have_a_kind_and_a_place_but_no_value() -> None:
    assert [(credential.name, credential.type, credential.profile) for credential in answer_to("credentials_list")] == [
        ("s3cred", "DATA", "s3://vda-data"),
        ("nvcr_io", "REGISTRY", "nvcr.io"),
        ("hf_token", "GENERIC", None),
    ]


def test_the_profile_says_who_we_are_and_our_default_pool() -> None:
    profile = answer_to("profile")
    assert (profile.username, profile.pool) == ("testuser", "default")


def test_a_generic_credential_is_refused_a_second_time_and_taken_after_a_delete() -> None:
    with replaying("credential_generic") as (client, service):
        client.set_credential("demo_secret", GenericCredential(credential={"token": "abc123"}))
        with pytest.raises(OsmoRefused, match="duplicate key"):
            client.set_credential("demo_secret", GenericCredential(credential={"token": "abc456"}))
        client.delete_credential("demo_secret")
        client.set_credential("demo_secret", GenericCredential(credential={"token": "abc789"}))
        client.delete_credential("demo_secret")
    assert [asked.json for asked in service.asked] == [
        exchange["request_body"] for exchange in recorded("credential_generic")
    ]


def states(name: str) -> list[Workflow]:
    exchanges = recorded(name)
    with replaying(name) as (client, _):
        return [client.workflow(exchange["path"].rpartition("/")[2]) for exchange in exchanges]


def test_a_workflow_that_completes_is_alive_until_its_last_state() -> None:
    *alive, last = states("query_stages_completed")
    assert not any(state.meaning.ended for state in alive)
    assert last.meaning.succeeded
    assert last.failed_tasks() == ()
    assert all(task.exit_code == 0 for task in last.tasks)


def test_a_failed_workflow_names_the_task_that_failed_and_those_that_waited_for_it() -> None:
    last = states("query_stages_failed")[-1]
    failed = {task.name: task for task in last.failed_tasks()}
    assert set(failed) == {"augment_0", "label_augmented_0"}
    assert failed["augment_0"].exit_code == 7
    assert (failed["label_augmented_0"].status, failed["label_augmented_0"].exit_code) == ("FAILED_UPSTREAM", 3000)
    assert last.group_of("augment_0").name == "augmentation_group"
    with pytest.raises(KeyError, match="traffic-2 has no task 'nothing'"):
        last.group_of("nothing")


def test_an_image_that_cannot_be_pulled_shows_only_at_the_task() -> None:
    last = states("query_stages_image_pull")[-1]
    assert last.status == "FAILED"
    assert "FAILED_IMAGE_PULL" in {task.status for task in last.failed_tasks()}


def test_a_canceled_workflow_says_who_canceled_it() -> None:
    last = states("query_stages_canceled")[-1]
    assert (last.status, last.cancelled_by) == ("FAILED_CANCELED", "testuser")
    assert not last.meaning.retry_can_help


def test_fields_and_statuses_of_a_newer_service_do_not_break_the_reading() -> None:
    body = recorded("query_running")[0]["response_body"]
    body["status"] = body["groups"][0]["status"] = "FAILED_BY_COSMIC_RAYS"
    body["groups"][0]["tasks"][0]["colour"] = "red"
    with serving(lambda asked: Reply(body)) as service, OsmoClient(service.url) as client:
        workflow = client.workflow("traffic-5")
    assert workflow.meaning.ended
    assert not workflow.meaning.succeeded
