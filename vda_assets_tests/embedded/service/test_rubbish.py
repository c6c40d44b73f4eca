"""Rubbish made by hand: whatever comes in is answered, nothing of it ends the service."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets_tests.embedded.service.conftest import Caller, settings_below, task, workflow

_SUBMIT = "/api/pool/default/workflow"
_PATHS = (
    "/api/workflow/{}",
    "/api/workflow/{}/logs",
    "/api/workflow/{}/events",
    "/api/workflow/{}/error_logs",
    "/api/workflow/{}/spec",
    "/api/workflow/{}/task/{}",
    "/api/workflow/demo-1/task/{}",
    "/api/credentials/{}",
    "/api/pool/{}/workflow",
    "/{}",
)
_TEXT_PARAMS = {
    "/api/workflow": ("users", "name", "pools", "tags", "app", "label", "no_label", "statuses", "priority"),
    "/api/task": ("workflow_id", "users", "pools", "nodes", "statuses", "priority"),
    "/api/workflow/demo-1/logs": ("task_name", "query"),
    "/api/workflow/demo-1/error_logs": ("task_name", "query"),
    "/api/workflow/demo-1/events": ("task_name",),
    "/api/pool": ("pools",),
    "/api/pool_quota": ("pools",),
    "/api/resources": ("pools", "platforms"),
}


@pytest.fixture(scope="module")
def osmo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with EmbeddedOsmo(settings_below(tmp_path_factory.mktemp("rubbish"))) as running:
        caller = Caller(running.url)
        caller.ended(caller.submit(workflow(task("one", "true"))))
        yield caller
        assert caller.http.get("/health").json() == {"status": "OK"}


def submitted(osmo: Caller, file: str, **params: Any) -> tuple[int, Any]:
    answer = osmo.http.post(_SUBMIT, json={"file": file}, params=params)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("word", ["%00", "a%00b", "%ff%fe", "..%2f..%2fetc", "%20", "a" * 5000, "%F0%9F%8E%A5", "%0A"])
def test_any_word_may_stand_in_a_path(osmo: Caller, word: str) -> None:
    for path in _PATHS:
        for method in ("GET", "POST", "DELETE"):
            answer = osmo.http.request(method, path.replace("{}", word))
            assert 300 <= answer.status_code < 500, (method, path, answer.text)


@pytest.mark.parametrize("word", ["%00", "%ff%fe", "%0D%0A", "a" * 5000, "'%20OR%201=1--", "%F0%9F%8E%A5"])
def test_any_word_may_stand_in_a_parameter(osmo: Caller, word: str) -> None:
    for path, names in _TEXT_PARAMS.items():
        for name in names:
            answer = osmo.http.get(f"{path}?{name}={word}")
            assert answer.status_code in (200, 400, 422), (path, name, answer.text)


@pytest.mark.parametrize(
    "text", ["-1", "2147483648", "9223372036854775807", "9223372036854775808", "9" * 5000, "1e9", "٣"]
)
def test_any_number_may_stand_in_a_parameter(osmo: Caller, text: str) -> None:
    for path in ("/api/workflow", "/api/task"):
        for name in ("limit", "offset"):
            answer = osmo.http.get(path, params={name: text})
            assert answer.status_code in (200, 400, 422), (path, name, answer.text)
    for path in ("logs", "error_logs", "events"):
        for name in ("last_n_lines", "retry_id"):
            answer = osmo.http.get(f"/api/workflow/demo-1/{path}", params={name: text})
            assert answer.status_code in (200, 400, 422), (path, name, answer.text)


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "99999-01-01T00:00:00",
        "2026-02-30T00:00:00",
        "9" * 30,
        "1e308",
        "inf",
        "now",
        "\0",
    ],
)
def test_any_time_may_stand_in_a_parameter(osmo: Caller, time: str) -> None:
    for path, names in {
        "/api/workflow": ("submitted_after", "submitted_before"),
        "/api/task": ("started_after", "started_before"),
    }.items():
        for name in names:
            assert osmo.http.get(path, params={name: time}).status_code in (200, 422)


def test_times_of_the_first_year_still_order(osmo: Caller) -> None:
    found = osmo.http.get("/api/workflow", params={"submitted_after": "0001-01-01T00:00:00+23:59"}).json()
    assert [each["name"] for each in found["workflows"]] == ["demo-1"]


@pytest.mark.parametrize(
    "selector",
    [
        "run=((a|b)|c)",
        "run=" + "(" * 2000,
        "run=" + "(a|b)" * 6,
        "run=" + "*" * 4000,
        "run=" + "*a" * 2000 + "b",
        "x" * 5000 + "=a",
        "=",
        "run=(a|b",
        "run=a)b(",
        "run=[a-z]",
        "run=\0",
        "run='; DROP TABLE workflow; --",
    ],
)
def test_any_label_selector_is_answered(osmo: Caller, selector: str) -> None:
    answer = osmo.http.get("/api/workflow", params={"label": selector})
    assert (answer.status_code, answer.json().get("error_code", "USAGE")) in {(200, "USAGE"), (400, "USAGE")}


def test_more_selectors_than_the_database_takes_are_refused(osmo: Caller) -> None:
    for name, value in {"label": "a=b", "no_label": "a"}.items():
        answer = osmo.http.get("/api/workflow", params={name: [value] * 3000})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "USAGE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"file": "\xff\xfe"}',
        b"\xff\xfe",
        b'{"file": NaN}',
        b'{"file": 1e999}',
        b'{"file": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"file": ' + b"[" * 900 + b"]" * 900 + b"}",
        b"[" * 100_000,
        b'{"file": ' + b"9" * 5000 + b"}",
        b'{"file": {"a": -Infinity}}',
        b'{"file": "\\u0000"}',
        b"\0" * 1000,
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data", "", "\xe9/;=;"])
def test_any_body_is_answered(osmo: Caller, body: bytes, content_type: str) -> None:
    for path in (_SUBMIT, "/api/credentials/x", "/api/profile/settings", "/api/auth/jwt/access_token"):
        answer = osmo.http.post(path, content=body, headers={"content-type": content_type.encode("latin-1")})
        # No field of a profile is required.
        assert answer.status_code in (400, 413, 422) or "profile" in path, (path, answer.text)
        assert answer.status_code < 500, (path, answer.text)
        json.loads(answer.text)


def test_a_huge_body_is_answered(osmo: Caller) -> None:
    status, answer = submitted(osmo, "workflow: {name: huge, x: '" + "x" * 34_000_000 + "'}", dry_run=True)
    assert (status, answer["error_code"]) == (400, "USAGE")
    assert "larger than" in answer["message"]
    assert submitted(osmo, "x" * 1_000_000)[1]["message"] == "Workflow spec not found."


def test_a_spec_of_a_megabyte_runs(osmo: Caller) -> None:
    files = [{"path": f"/tmp/{number}", "contents": "line\n" * 50_000} for number in range(4)]
    workflow_id = osmo.submit(workflow(task("large", "cat /tmp/0 /tmp/3 | wc -l", files=files), name="large"))
    osmo.ended(workflow_id)
    assert "[large] 100000\n" in osmo.logs(workflow_id)


_BOMB = "x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"  x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workflow: {a: *nowhere}", "undefined alias"),
        (f"workflow:\n  {_BOMB}  name: *x11\n", "larger than"),
        (f"default-values:\n  {_BOMB}workflow: {{name: a}}\n", "larger than"),
        (f"workflow:\n  a: &a {'x' * 100_000}\n  b: [{', '.join(['*a'] * 1000)}]\n", "larger than"),
        ("workflow: &a\n  name: [*a]\n", "stands inside of what it names"),
        ("workflow: " + "[" * 200_000, "nested deeper than"),
        ("workflow:\n  " + "- " * 200_000, "nested deeper than"),
        ("workflow: " + "{a: " * 5000 + "}" * 5000, "nested deeper than"),
        ("workflow: {a: 2001-99-99}", "month must be in 1..12"),
        ("workflow: {a: 0x" + "f" * 5000 + "}", "more than 64 bits"),
        ("workflow: {a: " + "9" * 5000 + "}", "not properly formatted"),
        ("workflow: {a: !!int ''}", "not properly formatted"),
        ("workflow: {a: !!bool x}", "not properly formatted"),
        ("workflow: {a: !!timestamp x}", "not properly formatted"),
        ("workflow: {a: !!python/object/apply:os.getpid []}", "could not determine a constructor"),
        ("workflow: {a: '\0'}", "control characters"),
        ("workflow: {a: '{{ \"\\ud800\" }}'}", "surrogates not allowed"),
        ("workflow:x", "workflow must be a mapping"),
        ("default-values: [1]\nworkflow: {}", "default-values must be a mapping"),
        ("default-values:x\nworkflow: {}", "default-values must be a mapping"),
        ("workflow: {a: '" + "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}'}", "RecursionError"),
        ("workflow: {a: '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}'}", "RecursionError"),
        ("workflow:\n" + "{% for a in [1] %}" * 30 + "{% endfor %}" * 30, "too many statically nested blocks"),
    ],
)
def test_texts_that_stand_for_too_much_are_refused(osmo: Caller, text: str, message: str) -> None:
    for params in ({"dry_run": True}, {}):
        status, answer = submitted(osmo, text, **params)
        assert (status, answer["error_code"]) == (400, "USAGE"), answer["message"][:300]
        assert message in answer["message"]


def test_anchors_of_ordinary_size_are_taken(osmo: Caller) -> None:
    text = yaml.dump({"workflow": workflow(task("one", "true"), name="anchored")})
    anchored = text.replace("environment: {}", "").replace("name: anchored", "name: &n anchored\n  labels: {of: *n}")
    assert osmo.query(osmo.submit(anchored))["labels"] == {"of": "anchored"}


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"command": ["echo", "a\0b"]}, "Command could not be started"),
        ({"environment": {"A": "a\0b"}}, "Command could not be started"),
        ({"environment": {"A=B": "c"}}, "Command could not be started"),
        ({"args": ["x" * 3_000_000]}, "Command could not be started"),
    ],
)
def test_what_no_process_can_be_given_fails_its_task_alone(osmo: Caller, part: dict[str, Any], message: str) -> None:
    workflow_id = osmo.submit(workflow(task("odd", "true") | part, name="odd"))
    assert osmo.ended(workflow_id)["status"] == "FAILED"
    assert message in osmo.logs(workflow_id)


@pytest.mark.parametrize("host", ["[::1", "[", "a:b:c", "", "127.0.0.1:99999", "\xff"])
def test_any_host_header_is_answered(osmo: Caller, host: str) -> None:
    url = urlsplit(osmo.url)
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(
            b"GET /health HTTP/1.1\r\nConnection: close\r\nHost: " + host.encode("latin-1") + b"\r\n\r\n"
        )
        status = int(connection.makefile("rb").readline().split()[1])
    assert status in ((200,) if host.startswith("127.0.0.1") else (400, 403))


def test_a_refused_submission_can_neither_be_restarted_nor_run_again(osmo: Caller) -> None:
    assert submitted(osmo, "workflow: {name: refused}")[0] == 400
    restart = osmo.http.post(f"{_SUBMIT}/refused-1/restart")
    assert (restart.status_code, restart.json()["error_code"]) == (400, "SUBMISSION")
    assert osmo.http.post(_SUBMIT, params={"workflow_id": "refused-1"}).status_code == 400
