"""Which texts are taken, how they are rendered and numbered, and what runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.quantities import MAX_TIMEOUT_SECONDS, parse_duration, parse_gib
from vda_assets.embedded.service.redact import redact
from vda_assets.embedded.service.templating import render_workflow
from vda_assets_tests.embedded.service.conftest import Caller, task, workflow


def rendered(text: str, *, set_variables: tuple[str, ...] = (), strings: tuple[str, ...] = ()) -> dict[str, Any]:
    return render_workflow(text, set_variables=list(set_variables), set_string_variables=list(strings))["workflow"]


def test_later_sources_of_variables_win_and_numbers_are_cast() -> None:
    text = "default-values:\n  a: 1\n  b: 2\n  c: 3\nworkflow: {a: '{{a}}', b: '{{b + 1}}', c: '{{c}}'}\n"
    found = rendered(text, set_variables=("b=1_000", "c=x"), strings=("c=007",))
    assert found == {"a": "1", "b": "1001", "c": "007"}


def test_tokens_of_osmo_survive_the_template_engine() -> None:
    text = "workflow:\n  a: '{{output}} {{input:0}} {{host:x}} {{workflow_id}} {{uuid}}'\n"
    assert rendered(text) == {"a": "{{output}} {{input:0}} {{host:x}} {{workflow_id}} {{uuid}}"}


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("workflow: {a: '{{ output }}'}", "USAGE", "'output' is undefined"),
        ("workflow: {a: '{{ x.__class__ }}'}", "USAGE", "Jinja substitution failure"),
        ("workflow: {a: [}", "USAGE", "Workflow spec is not properly formatted"),
        ("workflow: {}\nworkflow: {}", "USER", "Duplicate top-level key"),
        ("version: 2", "USER", "Workflow spec not found."),
        ("workflow: 3", "USAGE", "must be a mapping"),
    ],
)
def test_refused_texts(text: str, code: str, message: str) -> None:
    with pytest.raises(ApiError, match=message) as refusal:
        rendered(text)
    assert refusal.value.error_code == code


def test_what_stands_above_the_first_key_is_dropped() -> None:
    assert rendered("# {{ nothing }}\nversion: 2\nworkflow: {a: 1}\n") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("2h", 7200),
        ("250ms", 0.25),
        ("P1DT2H", 93600),
        (None, MAX_TIMEOUT_SECONDS),
        ("99d", MAX_TIMEOUT_SECONDS),
    ],
)
def test_durations(text: str | None, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "gib"), [("16Gi", 16), ("512Mi", 0.5), ("1T", 1024), ("1073741824", 1), (None, 0)])
def test_sizes(text: str | None, gib: float) -> None:
    assert parse_gib(text) == gib


@pytest.mark.parametrize("text", ["1h30m", "P", "soon"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid timeout"):
        parse_duration(text)


def test_secrets_in_a_spec_are_masked() -> None:
    text = "run API_KEY=abcdefghij12 --x; password: hunter2hunter2; KEY: abcdefghij12; TOKEN=short"
    masked = "run API_KEY=[MASKED] --x; password: [MASKED]; KEY: abcdefghij12; TOKEN=short"
    assert redact(text) == masked


def test_refused_specs_take_a_number_and_hide(caller: Caller) -> None:
    refused = workflow(task("one", "true", credentials={"nothing": {"A": "b"}}))
    params = {"validation_only": True}
    answer = caller.http.post(
        "/api/pool/default/workflow", json={"file": yaml.dump({"workflow": refused})}, params=params
    )
    assert answer.json()["error_code"] == "CREDENTIAL"
    assert caller.submit(workflow(task("one", "true"))) == "demo-2"
    assert [each["name"] for each in caller.http.get("/api/workflow").json()["workflows"]] == ["demo-2"]
    hidden = caller.http.get("/api/workflow", params={"statuses": "FAILED_SUBMISSION"}).json()["workflows"]
    assert [each["name"] for each in hidden] == ["demo-1"]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"resources": {"default": {"cpu": 1, "gpu": 3}}}, "RESOURCE", "asks for 3 GPUs and 1 CPUs; platform gpu"),
        ({"resources": {"default": {"memory": "1 parsec"}}}, "RESOURCE", "is no size"),
        ({"timeout": {"exec_timeout": "1h30m"}}, "USAGE", "Invalid timeout"),
        ({"groups": [{"name": "g", "tasks": [task("a", "", inputs=[{"task": "ghost"}])]}]}, "SUBMISSION", "ghost"),
        ({"groups": [{"name": "g", "tasks": [task("a", "", inputs=[{"task": "old-1:b"}])]}]}, "DATABASE", "old-1"),
        (
            {"groups": [{"name": "g", "tasks": [task("a", "", files=[{"path": "../x", "contents": ""}])]}]},
            "USAGE",
            "file path ../x",
        ),
        ({"groups": [{"name": "g", "tasks": [task("a", "", exitActions={"RESTART": "1"})]}]}, "USAGE", "RESTART"),
        ({"groups": [{"name": "g", "tasks": [task("a", "", resource="big")]}]}, "RESOURCE", "resource big"),
        (
            {"groups": [{"name": "g", "tasks": [task(f"t{n}", "", lead=n == 0) for n in range(101)]}]},
            "USER",
            "more than 100 tasks",
        ),
    ],
)
def test_specs_that_cannot_run_are_refused(caller: Caller, change: dict[str, Any], code: str, message: str) -> None:
    text = yaml.dump({"workflow": workflow(task("one", "true")) | change})
    answer = caller.http.post("/api/pool/default/workflow", json={"file": text})
    assert (answer.status_code, answer.json()["error_code"]) == (400, code), answer.text
    assert message in answer.json()["message"]


def test_environment_of_the_call_reaches_every_task(caller: Caller) -> None:
    one = task("one", 'echo "$A"', environment={"A": "spec"})
    workflow_id = caller.submit(workflow(one), env_vars="A=call=cut")
    caller.ended(workflow_id)
    assert "[one] call\n" in caller.logs(workflow_id)


def test_a_workflow_runs_again_by_its_id(caller: Caller) -> None:
    first = caller.submit(workflow(task("one", "echo {{workflow_id}}")), label="run=a")
    answer = caller.http.post("/api/pool/default/workflow", params={"workflow_id": first, "label": "try=2"})
    second = answer.json()["name"]
    found = caller.ended(second)
    assert (second, found["parent_name"], found["parent_job_id"]) == ("demo-2", "demo-1", 1)
    assert found["labels"] == {"run": "a", "try": "2"}
    assert "[one] demo-2\n" in caller.logs(second)


def test_a_restart_runs_the_failed_groups_with_what_the_others_made(caller: Caller, tmp_path: Path) -> None:
    made = task("makes", "echo made > {{output}}/x")
    needs = task("needs", f"cat {{{{input:makes}}}}/x; [ -e {tmp_path}/repaired ]", inputs=[{"task": "makes"}])
    first = caller.submit(workflow(made, needs, task("after", "true", inputs=[{"task": "needs"}])), label="run=a")
    assert caller.ended(first)["status"] == "FAILED"
    (tmp_path / "repaired").touch()
    second = caller.http.post(f"/api/pool/default/workflow/{first}/restart").json()["name"]
    assert caller.ended(second)["status"] == "COMPLETED"
    assert set(caller.tasks(second)) == {"needs", "after"}
    assert "[needs] made" in caller.logs(second)
    assert caller.query(second)["labels"] == {"run": "a"}


def test_tasks_without_groups_get_one_group_each(caller: Caller) -> None:
    spec = {"name": "demo", "tasks": [task("one", "true"), task("two", "true", inputs=[{"task": "one"}])]}
    workflow_id = caller.submit(spec)
    assert caller.ended(workflow_id)["status"] == "COMPLETED"
    assert set(caller.groups(workflow_id)) == {"one-group", "two-group"}


def test_credentials_belong_to_their_user(caller: Caller) -> None:
    body = {"generic_credential": {"credential": {"token": "abc"}}}
    caller.http.post("/api/credentials/mine", json=body, headers={"x-osmo-user": "alice"})
    assert caller.http.get("/api/credentials").json() == {"credentials": []}
    path = {"data_credential": {"endpoint": "s3://bucket/prefix"}}
    assert caller.http.post("/api/credentials/store", json=path).status_code == 500


def test_the_profile_keeps_what_it_is_told(caller: Caller) -> None:
    assert caller.http.post("/api/profile/settings", json={"email_notification": True}).json() is None
    assert caller.http.get("/api/profile/settings").json()["profile"]["email_notification"] is True
    assert caller.http.post("/api/profile/settings", json={"pool": "other"}).status_code == 400
