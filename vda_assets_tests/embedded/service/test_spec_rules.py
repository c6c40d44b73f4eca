"""OSMO 6.4's rules for a spec, one by one: what is taken, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets_tests.embedded.service.conftest import Caller, settings_below, task, workflow

_LONGEST = "n" * 64


@pytest.fixture(scope="module")
def osmo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with EmbeddedOsmo(settings_below(tmp_path_factory.mktemp("rules"), max_num_tasks=4)) as running:
        caller = Caller(running.url)
        body = {"generic_credential": {"credential": {"token": "abc"}}}
        caller.http.post("/api/credentials/mine", json=body)
        yield caller


def validated(osmo: Caller, spec: dict[str, Any], **params: Any) -> httpx.Response:
    return osmo.http.post(
        "/api/pool/default/workflow",
        json={"file": yaml.dump({"workflow": spec})},
        params={"validation_only": True, **params},
    )


def refusal(osmo: Caller, spec: dict[str, Any], **params: Any) -> tuple[int, str | None, str]:
    answer = validated(osmo, spec, **params)
    return answer.status_code, answer.json().get("error_code"), answer.json().get("message", answer.text)


def one(**part: Any) -> dict[str, Any]:
    return workflow(task("one", "true", **part))


def group(name: str, *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "tasks": list(tasks), **more}


@pytest.mark.parametrize("name", ["a", "A-b_c9", "a--_b", _LONGEST])
def test_names_of_any_allowed_form(osmo: Caller, name: str) -> None:
    assert validated(osmo, {"name": name, "groups": [group(f"{name[:62]}-g", task("t", "true"))]}).status_code == 200
    assert validated(osmo, {"name": "w", "groups": [group("g", task(name, "true"))]}).status_code == 200


@pytest.mark.parametrize("name", ["", "9a", "_a", "a-", "a b", "a.b", "ä", "a\n", f"{_LONGEST}n"])
def test_names_of_any_other_form_are_refused(osmo: Caller, name: str) -> None:
    for spec in (
        {"name": name, "groups": [group("g", task("t", "true"))]},
        {"name": "w", "groups": [group(name, task("t", "true"))]},
        {"name": "w", "groups": [group("g", task(name, "true"))]},
    ):
        assert refusal(osmo, spec)[:2] == (400, "USAGE")


@pytest.mark.parametrize(
    "spec",
    [
        {"groups": [group("g", task("a_b", "true")), group("h", task("A-b", "true"))]},
        {"groups": [group("same", task("a", "true")), group("SAME", task("b", "true"))]},
        {"groups": [group("a", task("A", "true"))]},
        {"groups": [group("g", task("osmo_ctrl", "true"))]},
        {"tasks": [task("a", "true"), task("a_group", "true")]},
    ],
)
def test_names_are_unique_whatever_their_case_and_dashes(osmo: Caller, spec: dict[str, Any]) -> None:
    status, code, message = refusal(osmo, {"name": "w", **spec})
    assert (status, code) == (400, "USAGE")
    assert "same name" in message


def test_a_task_whose_own_group_would_have_too_long_a_name_is_refused(osmo: Caller) -> None:
    assert refusal(osmo, {"name": "w", "tasks": [task("n" * 60, "true")]})[:2] == (400, "USAGE")


@pytest.mark.parametrize(
    "spec",
    [
        one() | {"extra": 1},
        {"name": "w", "groups": [group("g", task("t", "true"), extra=1)]},
        one(extra=1),
        one(files=[{"path": "/a", "contents": "", "localpath": "a"}]),
        one(inputs=[{"task": "x", "url": "s3://b"}]),
        one(outputs=[{"dataset": {"name": "d"}}]),
        one(downloadType="mount"),
        one() | {"resources": {"default": {"cpus": 1}}},
        one() | {"timeout": {"start_timeout": "1h"}},
        one() | {"tasks": [task("two", "true")]},
        {"name": "w"},
        {"name": "w", "groups": [{"name": "g", "tasks": []}]},
        one(command=[]),
    ],
)
def test_unknown_and_missing_fields_are_refused(osmo: Caller, spec: dict[str, Any]) -> None:
    status, code, message = refusal(osmo, spec)
    assert (status, code) == (400, "USAGE"), message
    assert "validation error" in message


@pytest.mark.parametrize(("leads", "count"), [((False, False), 0), ((True, True), 2)])
def test_a_group_of_several_has_one_lead(osmo: Caller, leads: tuple[bool, ...], count: int) -> None:
    tasks = [task(f"t{number}", "true", lead=lead) for number, lead in enumerate(leads)]
    status, code, message = refusal(osmo, {"name": "w", "groups": [group("g", *tasks)]})
    assert (status, code) == (400, "USAGE")
    assert f'Group "g" has {count} leader(s) but must have exactly one.' in message


@pytest.mark.parametrize(
    "groups",
    [
        [group("g", task("a", "true", inputs=[{"task": "b"}])), group("h", task("b", "true"))],
        [group("g", task("a", "true", inputs=[{"task": "b"}], lead=True), task("b", "true"))],
        [group("g", task("a", "true", inputs=[{"task": "a"}]))],
    ],
)
def test_a_group_reads_only_from_groups_before_it(osmo: Caller, groups: list[dict[str, Any]]) -> None:
    status, code, message = refusal(osmo, {"name": "w", "groups": groups})
    needed = groups[-1]["name"]
    wording = f'Internal server error: Group "g" requires input group "{needed}" exists before itself.'
    assert (status, code, message) == (500, None, wording)


@pytest.mark.parametrize(
    ("part", "code", "message"),
    [
        ({"credentials": {"ghost": {"A": "token"}}}, "CREDENTIAL", "Could not find the credential: ghost."),
        (
            {"credentials": {"mine": {"A": "key"}}},
            "CREDENTIAL",
            "key is not a valid credential key please choose from dict_keys(['token'])",
        ),
        ({"credentials": {"mine": "../creds"}}, "USAGE", "must be a folder"),
        ({"exitActions": {"FAIL": "1, 2"}}, "USAGE", "invalid exitActions"),
        ({"exitActions": {"FAIL": "9" * 5000}}, "USAGE", "invalid exitActions"),
        ({"inputs": [{"url": "s3://b", "regex": "("}]}, "USAGE", "is no regular expression"),
        ({"outputs": [{"url": "s3://b", "regex": "(a{99999999999})"}]}, "USAGE", "is no regular expression"),
    ],
)
def test_tasks_that_ask_for_what_is_not_there_are_refused(
    osmo: Caller, part: dict[str, Any], code: str, message: str
) -> None:
    found = refusal(osmo, one(**part))
    assert found[:2] == (400, code)
    assert message in found[2]


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ({"platform": "moon"}, "Platform moon does not exist in pool default!"),
        ({"memory": "1GB"}, "is no size"),
        ({"memory": "1 Gi"}, "is no size"),
        ({"memory": ""}, "is no size"),
        ({"storage": "1 Pi"}, "is no size"),
        ({"memory": "9" * 400 + "Gi"}, "larger than any machine"),
        ({"cpu": -1}, "cpu and gpu must be"),
        ({"gpu": -1}, "cpu and gpu must be"),
        ({"gpu": 3}, "asks for 3 GPUs"),
        ({"cpu": 17}, "17 CPUs"),
    ],
)
def test_resources_that_no_platform_has_are_refused(osmo: Caller, resource: dict[str, Any], message: str) -> None:
    status, code, found = refusal(osmo, one() | {"resources": {"default": resource}})
    assert (status, code) == (400, "RESOURCE")
    assert message in found


def test_a_resource_without_platform_is_of_the_default_one(osmo: Caller) -> None:
    workflow_id = osmo.submit(one() | {"resources": {"default": {"memory": "512Mi", "storage": "2GiB"}}})
    osmo.ended(workflow_id)
    found = osmo.http.get(f"/api/workflow/{workflow_id}/task/one").json()
    assert (found["node"], found["memory"], found["storage"]) == ("embedded-gpu", 0.5, 2.0)


@pytest.mark.parametrize(
    ("labels", "call", "message"),
    [
        ({f"k{number}": "v" for number in range(17)}, [], "at most 16"),
        ({f"k{number}": "v" for number in range(16)}, ["one=more"], "at most 16"),
        ({"-k": "v"}, [], "not a valid Kubernetes label key"),
        ({"p" * 254 + "/k": "v"}, [], "not a valid Kubernetes label key"),
        ({}, ["k=a\n"], "not a valid non-empty Kubernetes label value"),
        ({}, ["k="], "not a valid non-empty Kubernetes label value"),
        ({"k": "v" * 64}, [], "not a valid non-empty Kubernetes label value"),
        ({}, ["k"], "key=value"),
        ({"k": 1}, [], "must be strings"),
        ({"k": {"team": "x"}}, [], "must be strings"),
    ],
)
def test_labels_outside_of_the_alphabet_are_refused(
    osmo: Caller, labels: dict[str, str], call: list[str], message: str
) -> None:
    status, code, found = refusal(osmo, one() | {"labels": labels}, label=call)
    assert (status, code) == (400, "USAGE")
    assert message in found


def test_labels_of_the_call_win(osmo: Caller) -> None:
    labels = {"example.org/k": "v" * 63, "n": "1", "run": "spec"}
    found = osmo.query(osmo.submit(one() | {"labels": labels}, label=["run=call"]))["labels"]
    assert found == {"example.org/k": "v" * 63, "n": "1", "run": "call"}


@pytest.mark.parametrize(
    "files",
    [
        [{"path": "../x", "contents": ""}],
        [{"path": "x", "contents": ""}, {"path": "/x", "contents": ""}],
        [{"path": "/osmo/x", "contents": ""}],
        [{"path": "/osmo/data/input/x", "contents": ""}],
        [{"path": "/tmp/../etc/x", "contents": ""}],
        [{"path": "/tmp/", "contents": ""}],
        [{"path": "/tmp/\0", "contents": ""}],
        [{"path": "/x", "contents": ""}, {"path": "/x", "contents": "2"}],
    ],
)
def test_files_are_refused_where_they_cannot_be(osmo: Caller, files: list[dict[str, Any]]) -> None:
    assert refusal(osmo, one(files=files))[:2] == (400, "USAGE")


@pytest.mark.parametrize("image", ["", "a b", "UPPER/Case", "ubuntu:", "/ubuntu", "ubuntu@sha256:1"])
def test_what_no_registry_could_be_asked_for_is_no_image(osmo: Caller, image: str) -> None:
    status, code, message = refusal(osmo, one(image=image))
    assert (status, code) == (400, "USAGE")
    assert "is no name of an image" in message


@pytest.mark.parametrize(
    "image",
    ["ubuntu", "library/ubuntu:22.04", "Registry.example.com:5000/a_b/c--d:1.0-X", "nvcr.io/x@sha256:" + "0" * 64],
)
def test_images_of_every_form_are_taken(osmo: Caller, image: str) -> None:
    assert validated(osmo, one(image=image)).status_code == 200


def test_an_empty_component_in_the_path_of_a_url_is_refused(osmo: Caller) -> None:
    status, code, _ = refusal(osmo, one(inputs=[{"url": "s3://clips//a"}]))
    assert (status, code) == (400, "USAGE")


@pytest.mark.parametrize(
    "part",
    [
        {"files": [{"path": "a", "contents": 5}]},
        {"files": [{"path": "/x", "contents": "no base64!", "base64": True}]},
        {"resources": {}, "backend": "x"},
        {"credentials": {"mine": "creds"}},
    ],
)
def test_odd_tasks_that_the_service_takes_are_taken(osmo: Caller, part: dict[str, Any]) -> None:
    assert validated(osmo, one(**part)).status_code == 200


@pytest.mark.parametrize("timeout", ["-1s", "1 h"])
def test_odd_timeouts_that_the_service_takes_are_taken(osmo: Caller, timeout: str) -> None:
    assert validated(osmo, one() | {"timeout": {"exec_timeout": timeout}}).status_code == 200


def test_a_file_at_a_relative_path_lies_at_the_root(osmo: Caller) -> None:
    files = [{"path": "note", "contents": 5}]
    spec = one(files=files, credentials={"mine": "creds"}, args=["cat /note /creds/token > {{output}}/told"])
    assert osmo.ended(osmo.submit(spec))["status"] == "COMPLETED"


def test_a_group_that_wants_more_than_a_node_has_waits_until_its_queue_timeout(osmo: Caller) -> None:
    tasks = [task(f"t{number}", "true", lead=number == 0) for number in range(3)]
    spec = {"name": "large", "groups": [{"name": "g", "tasks": tasks}], "timeout": {"queue_timeout": "1s"}}
    resources = {"resources": {"default": {"cpu": 1, "gpu": 1}}}
    assert osmo.ended(osmo.submit(spec | resources))["status"] == "FAILED_QUEUE_TIMEOUT"


def test_a_file_may_lie_in_the_output(osmo: Caller) -> None:
    file = {"path": "/osmo/data/output/note", "contents": "kept"}
    assert validated(osmo, one(files=[file])).status_code == 200


@pytest.mark.parametrize(
    "url", ["s3://b", "s3://b/../a/", "gs://b/a", "swift://h/n/c/a", "tos://h/b/a", "azure://a/c", "file:///a"]
)
def test_urls_of_every_scheme_are_taken(osmo: Caller, url: str) -> None:
    assert validated(osmo, one(inputs=[{"url": url}], outputs=[{"url": url}])).status_code == 200


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://h/a", "Unknown URI scheme: http"),
        ("az://a/c", "Unknown URI scheme: az"),
        ("s3://", "Incorrectly formatted"),
        ("s3:///a", "Incorrectly formatted"),
        ("swift://h/n", "Incorrectly formatted"),
        ("azure://a", "Incorrectly formatted"),
        ("s3://b/a,b", "Incorrectly formatted"),
        ("s3://b/a*", "Incorrectly formatted"),
        ("s3://b/a;b", "Incorrectly formatted"),
        ("file://a", "needs an absolute path"),
    ],
)
def test_urls_outside_of_the_grammar_are_the_services_own_fault(osmo: Caller, url: str, message: str) -> None:
    for part in ("inputs", "outputs"):
        status, code, found = refusal(osmo, one(**{part: [{"url": url}]}))
        assert (status, code) == (500, None)
        assert message in found


def test_as_many_tasks_as_allowed_and_no_more(osmo: Caller) -> None:
    tasks = [task(f"t{number}", "true") for number in range(5)]
    assert validated(osmo, {"name": "w", "tasks": tasks[:4]}).status_code == 200
    found = refusal(osmo, {"name": "w", "tasks": tasks})
    assert found == (400, "USER", "Workflow cannot have more than 4 tasks.")
