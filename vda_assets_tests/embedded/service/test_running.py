"""What happens to the tasks of a submitted workflow: real processes, files on disk."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import psutil
import pytest

from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.embedded.service.settings import EmbeddedSettings
from vda_assets_tests.embedded.service.conftest import Caller, settings_below, task, wait_for, workflow


def test_an_image_has_this_machines_commands_but_no_python_on_its_path(caller: Caller) -> None:
    seek = task("seek", "command -v bash cp sed && ! command -v python3 python python3.11 pip pip3")
    workflow_id = caller.submit(workflow(seek))
    assert caller.ended(workflow_id)["status"] == "COMPLETED", caller.logs(workflow_id)

    started = {**task("started", ""), "command": ["python3"], "args": ["--version"]}
    assert caller.ended(caller.submit(workflow(started)))["status"] == "FAILED"


def test_three_groups_hand_their_outputs_on(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/clip.txt").write_text("clip")
    first = task("first", "cat {{input:0}}/clip.txt > {{output}}/a", inputs=[{"url": f"file://{tmp_path}/in/clip.txt"}])
    second = task("second", "cp {{input:first}}/a {{output}}/.b; echo 2 >> {{output}}/.b", inputs=[{"task": "first"}])
    out = f"file://{tmp_path}/out"
    third = task("third", "cp {{input:0}}/.b {{output}}/c", inputs=[{"task": "second"}], outputs=[{"url": out}])
    workflow_id = caller.submit(workflow(first, second, third))
    ended = caller.ended(workflow_id)
    assert ended["status"] == "COMPLETED", caller.logs(workflow_id)
    assert (tmp_path / "out/c").read_text() == "clip2\n"
    assert ended["start_time"] <= ended["groups"][0]["end_time"] <= ended["groups"][1]["start_time"]
    assert not list((tmp_path / "state/workflows" / workflow_id).glob("*-0"))


def test_a_failing_task_fails_its_downstream_and_spares_the_others(caller: Caller) -> None:
    tasks = [
        task("bad", "echo oops; echo made > {{output}}/x; exit 7"),
        task("after_bad", "true", inputs=[{"task": "bad"}]),
        task("after_that", "true", inputs=[{"task": "after_bad"}]),
        task("other", "true"),
    ]
    workflow_id = caller.submit(workflow(*tasks))
    assert caller.ended(workflow_id)["status"] == "FAILED"
    found = caller.tasks(workflow_id)
    assert (found["bad"]["status"], found["bad"]["exit_code"]) == ("FAILED", 7)
    assert found["bad"]["failure_message"] == "Failure reason:\n- Exit code 7 due to Task bad failure. "
    for name in ("after_bad", "after_that"):
        assert (found[name]["status"], found[name]["exit_code"]) == ("FAILED_UPSTREAM", 3000)
    assert found["other"]["status"] == "COMPLETED"
    assert caller.groups(workflow_id)["bad_group"]["failure_message"] == found["bad"]["failure_message"]
    logs = caller.logs(workflow_id)
    assert "[bad][osmo] Command failed with error: exit status 7" in logs
    assert "[bad][osmo] Uploaded " in logs
    assert "Workflow terminated abnormally" in logs
    assert "oops" in caller.http.get(f"/api/workflow/{workflow_id}/error_logs", params={"task_name": "bad"}).text


def test_an_image_without_stand_in_cannot_be_pulled(caller: Caller) -> None:
    workflow_id = caller.submit(workflow(task("My_task", "true") | {"image": "nobody/knows:1"}))
    assert caller.ended(workflow_id)["status"] == "FAILED"
    found = caller.tasks(workflow_id)["My_task"]
    assert (found["status"], found["exit_code"], found["start_time"]) == ("FAILED_IMAGE_PULL", 301, None)
    assert found["failure_message"].startswith(
        "Failure reason: Exit code 301 due to Task my-task failed with ImagePullBackOff: "
        'Back-off pulling image "nobody/knows:1"'
    )
    assert caller.groups(workflow_id)["My_task_group"]["status"] == "FAILED"


def test_what_does_not_fit_waits_in_scheduling(caller: Caller, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    running = [caller.submit(workflow(task("holds", f"until [ -e {gate} ]; do sleep 0.01; done"))) for _ in range(2)]
    for workflow_id in running:
        caller.wait_for_status(workflow_id, "holds", "RUNNING")
    waiting = caller.submit(workflow(task("waits", "true")))
    without_gpu = caller.submit(workflow(task("small", "true"), resources={"default": {"cpu": 1}}))
    assert caller.ended(without_gpu)["status"] == "COMPLETED"
    assert caller.tasks(waiting)["waits"]["status"] == "SCHEDULING"
    assert caller.query(waiting)["status"] == "PENDING"
    usage = caller.http.get("/api/pool_quota").json()["resource_sum"]
    assert (usage["total_usage"], usage["total_free"], usage["total_capacity"]) == ("2", "0", "2")
    gate.touch()
    assert caller.ended(waiting)["status"] == "COMPLETED"


def test_cancel_kills_the_whole_process_group(caller: Caller, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 1000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"
    workflow_id = caller.submit(workflow(task("long", script), task("next", "true", inputs=[{"task": "long"}])))
    running = [int(pid) for pid in wait_for(lambda: pids.exists() and pids.read_text()).split()]
    answer = caller.http.post(f"/api/workflow/{workflow_id}/cancel", params={"message": "enough"})
    assert answer.json() == {"name": workflow_id}
    ended = caller.ended(workflow_id)
    assert (ended["status"], ended["cancelled_by"]) == ("FAILED_CANCELED", "testuser")
    for found in caller.tasks(workflow_id).values():
        assert (found["status"], found["exit_code"]) == ("FAILED_CANCELED", None)
        assert found["failure_message"] == "Task was canceled by user: testuser. enough"
    assert wait_for(lambda: not any(map(psutil.pid_exists, running)))
    assert wait_for(lambda: caller.http.get("/api/pool_quota").json()["resource_sum"]["total_usage"] == "0")


def test_a_process_left_in_the_background_ends_with_its_task(caller: Caller, tmp_path: Path) -> None:
    workflow_id = caller.submit(workflow(task("forks", f"sleep 1000 & echo $! > {tmp_path}/pid")))
    assert caller.ended(workflow_id)["status"] == "COMPLETED"
    pid = int((tmp_path / "pid").read_text())
    assert wait_for(lambda: not psutil.pid_exists(pid))


@pytest.mark.parametrize(
    ("limit", "status", "message"),
    [
        ("exec_timeout", "FAILED_EXEC_TIMEOUT", "Task ran longer than the set limit of 0:00:00.200000."),
        ("queue_timeout", "FAILED_QUEUE_TIMEOUT", "Task stayed in queue longer than the set limit of 0:00:00.200000."),
    ],
)
def test_groups_that_take_too_long_are_ended(caller: Caller, limit: str, status: str, message: str) -> None:
    both_gpus = {"default": {"cpu": 1, "gpu": 2}}
    if limit == "queue_timeout":
        blocker = caller.submit(workflow(task("blocks", "sleep 1000"), resources=both_gpus))
        caller.wait_for_status(blocker, "blocks", "RUNNING")
    late = workflow(
        task("late", "sleep 1000"), task("after", "true", inputs=[{"task": "late"}]), timeout={limit: "200ms"}
    )
    workflow_id = caller.submit(late)
    ended = caller.ended(workflow_id)
    assert (ended["status"], ended["cancelled_by"]) == (status, "osmo")
    found = caller.tasks(workflow_id)
    assert (found["late"]["status"], found["late"]["exit_code"]) == (status, None)
    assert found["late"]["failure_message"] == message
    assert found["after"]["status"] == "FAILED_UPSTREAM"


def test_workflows_use_the_same_port_at_once_by_their_own_addresses(caller: Caller, tmp_path: Path) -> None:
    python = sys.executable
    serve = task("serve", f"exec {python} -m http.server 18080 --bind {{{{host:serve}}}} --directory {{{{output}}}}")
    script = (
        f"until {python} -c \"import urllib.request as u; u.urlopen('http://{{{{host:serve}}}}:18080/')\" "
        "2>/dev/null; "
        f"do sleep 0.05; done; touch {tmp_path}/{{{{workflow_id}}}}; until [ -e {tmp_path}/gate ]; do sleep 0.01; done"
    )
    group = {"name": "pair", "tasks": [serve, task("ask", script, lead=True)]}
    spec = {"name": "demo", "groups": [group], "resources": {"default": {"cpu": 1}}}
    both = [caller.submit(spec), caller.submit(spec)]
    assert wait_for(lambda: all((tmp_path / workflow_id).exists() for workflow_id in both))
    (tmp_path / "gate").touch()
    for workflow_id in both:
        assert caller.ended(workflow_id)["status"] == "COMPLETED"
        found = caller.tasks(workflow_id)["serve"]
        assert (found["status"], found["failure_message"]) == ("COMPLETED", "Lead task finished")


def test_a_prefix_comes_without_its_own_name_and_a_missing_one_is_empty(caller: Caller, tmp_path: Path) -> None:
    for name in ("data/a/x.txt", "data/a/y.bin", "data/b.txt", "data2/z.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    inputs = [{"url": f"file://{tmp_path}/{part}"} for part in ("data", "data/", "nothing")]
    inputs.append({"url": f"file://{tmp_path}/data", "regex": r"a/.*\.txt"})
    script = "for n in 0 1 2 3; do cd /osmo/data/input/$n; echo $n: $(find . -type f | sort); done"
    workflow_id = caller.submit(workflow(task("lists", script, inputs=inputs)))
    caller.ended(workflow_id)
    for line in ("0: ./a/x.txt ./a/y.bin ./b.txt", "1: ./a/x.txt ./a/y.bin ./b.txt", "2:", "3: ./a/x.txt"):
        assert f"[lists] {line}\n" in caller.logs(workflow_id)


def test_files_are_where_the_command_looks_for_them(caller: Caller) -> None:
    files = [
        {"path": "/tmp/run.sh", "contents": "echo run; cat /tmp/data.bin; cat /tmp/data.bin.2"},
        {"path": "/tmp/data.bin", "contents": base64.b64encode(b"{{output}}\n").decode(), "base64": True},
        {"path": "/tmp/data.bin.2", "contents": "{{workflow_id}}\n"},
    ]
    script = "bash /tmp/run.sh; bash $SCRIPT; stat -c %a /tmp/run.sh"
    workflow_id = caller.submit(workflow(task("reads", script, files=files, environment={"SCRIPT": "/tmp/run.sh"})))
    caller.ended(workflow_id)
    user = [line.partition("[reads] ")[2] for line in caller.logs(workflow_id).splitlines() if "[reads] " in line]
    assert user == ["run", "{{output}}", workflow_id] * 2 + ["644"]


def test_credentials_reach_the_task_and_never_the_log(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "not-for-tasks")
    body = {"generic_credential": {"credential": {"token": "very-secret-1", "pin": "1234"}}}
    caller.http.post("/api/credentials/mine", json=body)
    script = 'echo "is $TOKEN $(printf %s $TOKEN | wc -c) $FROM_IMAGE"; env'
    first = task("env_form", script, credentials={"mine": {"TOKEN": "token"}})
    second = task("dir_form", "cat /creds/pin; wc -c < /creds/token", credentials={"mine": "/creds"})
    workflow_id = caller.submit(workflow(first, second))
    assert caller.ended(workflow_id)["status"] == "COMPLETED"
    logs = caller.logs(workflow_id)
    assert "[env_form] is [MASKED] 13 yes\n" in logs
    assert "very-secret-1" not in logs
    assert "not-for-tasks" not in logs
    assert "[dir_form] 123413\n" in logs
    assert "very-secret-1" not in caller.http.get("/api/credentials").text


def test_exit_actions_override_the_outcome(caller: Caller) -> None:
    tasks = [
        task("forgiven", "exit 42", exitActions={"complete": "40-45"}),
        task("again", "exit 3", exitActions={"RESCHEDULE": "3"}),
    ]
    workflow_id = caller.submit(workflow(*tasks))
    assert caller.ended(workflow_id)["status"] == "FAILED"
    found = caller.tasks(workflow_id)
    assert (found["forgiven"]["status"], found["forgiven"]["exit_code"]) == ("COMPLETED", 42)
    assert found["forgiven"]["failure_message"].endswith("Exit Action: COMPLETE the task for exit code 42.")
    assert found["again"]["status"] == "FAILED"
    assert found["again"]["failure_message"].endswith("No exit action applied due to retry limit 0.")


@pytest.mark.parametrize(("ignore", "lead_status"), [(True, "COMPLETED"), (False, "FAILED")])
def test_a_failing_nonlead_counts_only_when_it_is_not_ignored(caller: Caller, ignore: bool, lead_status: str) -> None:
    tasks = [task("lead", "sleep 0.5", lead=True), task("helper", "exit 5")]
    group = {"name": "pair", "ignoreNonleadStatus": ignore, "tasks": tasks}
    workflow_id = caller.submit({"name": "demo", "groups": [group], "resources": {"default": {"cpu": 1}}})
    caller.ended(workflow_id)
    found = caller.tasks(workflow_id)
    assert (found["lead"]["status"], found["helper"]["status"]) == (lead_status, "FAILED")
    assert caller.groups(workflow_id)["pair"]["status"] == lead_status


@pytest.mark.parametrize(
    ("part", "code"),
    [({"inputs": [{"url": "file:///proc/self/mem"}]}, 2010), ({"outputs": [{"url": "file:///proc/1/no"}]}, 2012)],
)
def test_a_failing_transfer_has_its_own_exit_code(caller: Caller, part: dict[str, object], code: int) -> None:
    workflow_id = caller.submit(workflow(task("moves", "touch {{output}}/x", **part)))
    caller.ended(workflow_id)
    assert caller.tasks(workflow_id)["moves"]["exit_code"] == code, caller.logs(workflow_id)
    assert f"Exit code {code} due to OSMO Control failure" in caller.tasks(workflow_id)["moves"]["failure_message"]


def test_a_command_that_does_not_exist_fails_as_in_a_shell(caller: Caller) -> None:
    workflow_id = caller.submit(workflow(task("typo", "") | {"command": ["no-such-command"], "args": []}))
    caller.ended(workflow_id)
    assert caller.tasks(workflow_id)["typo"]["exit_code"] == 127
    assert "Command could not be started" in caller.logs(workflow_id)


def test_folders_of_the_stand_in_come_first_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin/only-here"
    tool.write_text("#!/bin/sh\necho found the tool\n")
    tool.chmod(0o755)
    settings: EmbeddedSettings = settings_below(tmp_path, images={"ubuntu:22.04": {"path": [str(tmp_path / "bin")]}})
    with EmbeddedOsmo(settings) as osmo:
        caller = Caller(osmo.url)
        workflow_id = caller.submit(workflow(task("uses", "only-here")))
        assert "[uses] found the tool" in caller.logs(workflow_id)
