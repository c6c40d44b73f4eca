"""The embedded OSMO is as unkind as a real one may be: late rows, missing permissions, policies, limits, bounds."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import ValidationError

from vda_assets.embedded.service.errors import EmptyToken
from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.embedded.service.settings import EmbeddedSettings, LabelPolicy
from vda_assets.embedded.service.tokens import token_in
from vda_assets.osmo.auth import DevUserAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoBusy, OsmoForbidden, OsmoSubmissionRefused
from vda_assets_tests.embedded.service.conftest import Caller, settings_below, task, workflow

SUBMIT = "/api/pool/default/workflow"
SPEC = f"workflow: {workflow(task('one', 'true'))}"
ENDLESS = (
    "workflow:\n  name: demo\n  x: {% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}\n"
)
HUGE = "workflow:\n  name: {{ 'x' * 10**9 }}\n"


@pytest.fixture
def client(caller: Caller) -> Iterator[OsmoClient]:
    with OsmoClient(caller.url, DevUserAuth("testuser"), retry_budget_seconds=0.0) as client:
        yield client


def test_a_workflow_is_listed_some_time_after_the_answer_to_its_submission(tmp_path: Path) -> None:
    assert 0.1 < EmbeddedSettings.model_fields["row_seconds"].default < 0.5
    with EmbeddedOsmo(settings_below(tmp_path, row_seconds=2.0)) as osmo:
        caller = Caller(osmo.url)
        workflow_id = caller.submit(workflow(task("one", "true")))
        answered = time.monotonic()
        assert caller.http.get("/api/workflow").json()["workflows"] == []
        assert caller.http.get("/api/task", params={"workflow_id": workflow_id}).json()["tasks"] == []
        assert caller.http.post(f"/api/workflow/{workflow_id}/cancel").json()["error_code"] == "DATABASE"
        while not caller.http.get("/api/workflow").json()["workflows"]:
            time.sleep(0.01)
        assert time.monotonic() - answered > 1.5


def test_users_may_not_read_configurations(client: OsmoClient) -> None:
    with pytest.raises(OsmoForbidden, match="access denied"):
        client.pod_templates()


def test_administrators_may_read_configurations(tmp_path: Path) -> None:
    with EmbeddedOsmo(settings_below(tmp_path, role="osmo-admin")) as osmo, OsmoClient(osmo.url) as client:
        assert "gpu_tolerations" in client.pod_templates()


def test_a_pool_in_maintenance_refuses_for_the_moment(settings: EmbeddedSettings, client: OsmoClient) -> None:
    settings.policy.in_maintenance = True
    with pytest.raises(OsmoBusy, match="Pool default is undergoing maintenance"):
        client.submit(SPEC, pool="default")
    assert client.pools()["default"].status == "MAINTENANCE"
    settings.policy.in_maintenance = False
    assert client.submit(SPEC, pool="default").name == "demo-1"


def test_a_user_has_only_so_many_ongoing_workflows(settings: EmbeddedSettings, client: OsmoClient) -> None:
    settings.policy.max_num_workflows = 1
    waiting = f"workflow: {workflow(task('one', 'sleep 1000'))}"
    first = client.submit(waiting, pool="default").name
    with pytest.raises(OsmoBusy, match="User testuser cannot submit more than 1 ongoing workflows"):
        client.submit(waiting, pool="default")
    client.validate(waiting, pool="default")
    client.cancel(first)
    assert client.submit(waiting, pool="default").name == "demo-2"


def test_a_user_has_only_so_many_ongoing_tasks(settings: EmbeddedSettings, client: OsmoClient) -> None:
    settings.policy.max_num_tasks = 1
    with pytest.raises(OsmoBusy, match="cannot submit more than 1 ongoing tasks"):
        client.submit(f"workflow: {workflow(task('one', 'true'), task('two', 'true'))}", pool="default")


def test_a_pool_without_guaranteed_gpus_takes_the_priority_low_alone(
    settings: EmbeddedSettings, client: OsmoClient
) -> None:
    settings.policy.gpu_guarantee = 0
    with pytest.raises(OsmoSubmissionRefused, match="must be submitted with LOW priority"):
        client.submit(SPEC, pool="default")
    assert client.submit(SPEC, pool="default", priority="LOW").name == "demo-2"


def test_an_enforced_label_is_asked_for_and_another_one_warned_about(
    settings: EmbeddedSettings, client: OsmoClient
) -> None:
    settings.policy.labels = {
        "project": LabelPolicy(enforcement="enforce", allowed_values={"x"}, assert_message="Ask the office."),
        "team": LabelPolicy(enforcement="warn"),
    }
    with pytest.raises(OsmoSubmissionRefused, match=r"missing required label 'project'\. Ask the office\."):
        client.submit(SPEC, pool="default")
    with pytest.raises(OsmoSubmissionRefused, match="label 'project' has a value that is not allowed"):
        client.submit(SPEC, pool="default", labels={"project": "y"})
    taken = client.submit(SPEC, pool="default", labels={"project": "x"})
    assert taken.name == "demo-1"
    assert taken.warnings == (
        "Workflow is missing label 'team'; add it now to avoid rejected submissions once it is required.",
    )


def test_too_many_calls_within_a_second_are_refused(settings: EmbeddedSettings, caller: Caller) -> None:
    settings.policy.calls_per_second = 3
    statuses = [caller.http.get("/api/version").status_code for _ in range(20)]
    assert {200, 429} == set(statuses)


@pytest.mark.parametrize("text", [ENDLESS, HUGE], ids=["endless", "huge"])
def test_a_template_without_end_is_refused_and_the_server_goes_on(caller: Caller, text: str) -> None:
    answer = caller.http.post(SUBMIT, json={"file": text})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "USAGE")
    assert answer.json()["message"].startswith("Jinja substitution failure: <class '")
    assert caller.http.get("/health").status_code == 200
    assert not [each for each in psutil.Process().children(recursive=True) if "rendering" in " ".join(each.cmdline())]


def test_a_regular_expression_without_end_ends_what_asked_for_it_alone(caller: Caller, tmp_path: Path) -> None:
    endless = "(x+x+)+y"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / ("x" * 40)).touch()
    reads = task("reads", f"echo {'x' * 40}", inputs=[{"url": f"file://{tmp_path}/in/", "regex": endless}])
    writes = task("writes", f"echo {'x' * 40}; exit 1")
    workflow_id = caller.submit(workflow(reads, writes))
    caller.ended(workflow_id)
    tasks = caller.tasks(workflow_id)
    assert (tasks["reads"]["exit_code"], tasks["writes"]["exit_code"]) == (2010, 1)
    assert "takes too long to match" in caller.logs(workflow_id, query=endless)
    errors = caller.http.get(
        f"/api/workflow/{workflow_id}/error_logs", params={"task_name": "writes", "query": endless}
    )
    assert errors.status_code == 400


def test_a_body_without_end_is_refused(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(600):
            yield b"x" * 2**20

    with EmbeddedOsmo(settings_below(tmp_path, token="the-access-token")) as osmo:
        for path, limit, headers in [
            ("/api/auth/jwt/access_token", 1, {}),
            (SUBMIT, 70, {"authorization": "Bearer the-access-token"}),
        ]:
            with socket.create_connection(osmo.url.removeprefix("http://").split(":")) as connection:
                lines = [f"POST {path} HTTP/1.1", "host: localhost", "transfer-encoding: chunked", "connection: close"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
                sent = 0
                try:
                    for chunk in chunks():
                        connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                        sent += 1
                except OSError:
                    pass
            assert sent <= limit + 16, "what the buffers of both sides hold"
            with socket.create_connection(osmo.url.removeprefix("http://").split(":")) as connection:
                lines = [line.replace("transfer-encoding: chunked", f"content-length: {600 * 2**20}") for line in lines]
                connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
                assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_an_empty_token_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "access_token").write_text("\n")
    with pytest.raises(EmptyToken, match="is empty: delete it"):
        token_in(tmp_path / "access_token")
    with pytest.raises(ValidationError, match="is empty"):
        settings_below(tmp_path, token=" ")


def test_servers_that_start_at_once_make_one_token(tmp_path: Path) -> None:
    path = tmp_path / "osmo" / "access_token"
    script = (
        "import sys; from pathlib import Path; from vda_assets.embedded.service.tokens import token_in; "
        "print(token_in(Path(sys.argv[1])).get_secret_value())"
    )
    command = [sys.executable, "-c", script, str(path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = {process.communicate()[0].strip() for process in started}
    assert told == {path.read_text()}
    assert len(path.read_text()) == 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_login_without_a_method_is_told_that_there_is_no_identity_provider(tmp_path: Path) -> None:
    with EmbeddedOsmo(settings_below(tmp_path, token="the-access-token")) as osmo:
        answer = httpx.get(f"{osmo.url}/api/auth/login")
    assert answer.status_code == 200
    assert set(answer.json().values()) == {None}
    assert {"device_endpoint", "token_endpoint", "browser_client_id"} <= set(answer.json())
