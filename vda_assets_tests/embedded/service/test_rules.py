"""How OSMO 6.4 renders a posted file, starts a group, and what its streams and lists tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets_tests.embedded.service.conftest import Caller, settings_below, task, workflow


@pytest.fixture(scope="module")
def osmo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with EmbeddedOsmo(settings_below(tmp_path_factory.mktemp("rules"))) as running:
        yield Caller(running.url)


_TEMPLATE = """\
# What stands above the first key is dropped, {{ whatever }} it says.
version: 2
default-values:
  name: overridden
  words: [alpha, beta]
  count: 2
workflow:
  name: {{name}}
  labels: {run: "{{run}}"}
  resources: {default: {cpu: 1}}
  groups:
  {% for word in words %}
  - name: {{word}}_group
    tasks:
    - name: {{word}}
      image: ubuntu:22.04
      command: [bash, /tmp/run.sh]
      args: ["{{word}}", "{{count * 21}}", "{{ '{' ~ '{host:' ~ word ~ '}' ~ '}' }}"]
      files:
      - path: /tmp/run.sh
        localpath: run.sh
      {% if not loop.first %}
      inputs:
      - task: {{words[loop.index0 - 1]}}
      {% endif %}
  {% endfor %}
"""
_SCRIPT = """\
echo "$1 $2 {{workflow_id}} of {{input:0}} at $3"
cat {{input:0}}/words 2>/dev/null
echo "from $1" > {{output}}/words
"""


def test_a_file_written_for_the_osmo_command_runs_unchanged(osmo: Caller) -> None:
    """The command's own steps: rendered by a dry run, local files inlined, submitted to be rendered once more."""
    variables = {"set_variables": ["run=7"], "set_string_variables": ["name=templated"]}
    url = "/api/pool/default/workflow"
    dry = osmo.http.post(url, json={"file": _TEMPLATE, **variables}, params={"dry_run": "True"}).json()
    assert dry["name"] == "templated"
    document = yaml.safe_load(dry["spec"])
    for each in document["workflow"]["groups"]:
        for file in each["tasks"][0]["files"]:
            assert file.pop("localpath") == "run.sh"
            file["contents"] = _SCRIPT
    body = {"file": yaml.dump(document), "uploaded_templated_spec": _TEMPLATE, **variables}
    workflow_id = osmo.http.post(url, json=body, params={"dry_run": "False"}).json()["name"]

    ended = osmo.ended(workflow_id)
    logs = osmo.logs(workflow_id)
    assert (ended["status"], ended["labels"]) == ("COMPLETED", {"run": "7"}), logs
    addresses = {name: found["pod_ip"] for name, found in osmo.tasks(workflow_id).items()}
    assert f"[alpha] alpha 42 {workflow_id} of {{{{input:0}}}} at {addresses['alpha']}\n" in logs
    assert f"[beta] beta 42 {workflow_id} of /" in logs
    assert "[beta] from alpha\n" in logs
    spec_url = f"/api/workflow/{workflow_id}/spec"
    assert osmo.http.get(spec_url, params={"use_template": True}).text == _TEMPLATE
    saved = yaml.safe_load(osmo.http.get(spec_url).text)
    assert saved["version"] == 2
    assert saved["workflow"]["groups"][0]["tasks"][0]["args"] == ["alpha", "42", "{{host:alpha}}"]
    assert saved["workflow"]["groups"][0]["tasks"][0]["files"] == [{"path": "/tmp/run.sh", "contents": _SCRIPT}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{{ missing }}", "'missing' is undefined"),
        ("{% include 'x' %}", "no loader"),
        ("{{ x.__class__.__mro__ }}", "unsafe"),
        ("{{ [].append }", "unexpected '}'"),
        ("${#array[@]}", "Missing end of comment tag"),
    ],
)
def test_templates_are_strict_and_sandboxed(osmo: Caller, value: str, message: str) -> None:
    text = f"default-values: {{x: 1}}\nworkflow:\n  a: |\n    {value}\n"
    answer = osmo.http.post("/api/pool/default/workflow", json={"file": text}, params={"dry_run": True})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "USAGE")
    assert message in answer.json()["message"]


def test_a_range_that_is_too_large_is_the_services_own_fault(osmo: Caller) -> None:
    text = "workflow: {a: '{% for x in range(100001) %}x{% endfor %}'}"
    answer = osmo.http.post("/api/pool/default/workflow", json={"file": text}, params={"dry_run": True})
    assert answer.status_code == 500
    wording = "Internal server error: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000)."
    assert answer.json() == {"message": wording}


def test_without_a_template_the_spec_itself_is_told(osmo: Caller) -> None:
    url = f"/api/workflow/{osmo.submit(workflow(task('one', 'true')))}/spec"
    assert osmo.http.get(url, params={"use_template": True}).text == osmo.http.get(url).text != ""


def _pair(partner: dict[str, Any], *, barrier: bool, script: str = "echo works") -> dict[str, Any]:
    tasks = [task("lead", script, lead=True), partner]
    return {
        "name": "pair",
        "groups": [{"name": "g", "tasks": tasks, "barrier": barrier}],
        "resources": {"default": {"cpu": 1}},
    }


def test_no_command_of_a_group_starts_before_all_are_ready(osmo: Caller) -> None:
    workflow_id = osmo.submit(_pair(task("partner", "echo works"), barrier=True))
    osmo.ended(workflow_id)
    lines = osmo.logs(workflow_id).splitlines()
    waits = [number for number, line in enumerate(lines) if line.endswith("[osmo] Waiting for group ready ...")]
    works = [number for number, line in enumerate(lines) if line.endswith("works")]
    assert len(waits) == 2
    assert works
    assert max(waits) < min(works)


@pytest.mark.parametrize("barrier", [True, False])
def test_a_partner_that_never_gets_ready_keeps_the_others_from_starting(
    osmo: Caller, tmp_path: Path, barrier: bool
) -> None:
    spec = _pair(task("partner", "true") | {"image": "nobody/knows:1"}, barrier=barrier, script=f"touch {tmp_path}/ran")
    workflow_id = osmo.submit(spec)
    osmo.ended(workflow_id)
    found = osmo.tasks(workflow_id)
    # Plain FAILED when the lead, kept at the barrier, was over before the partner's own end was noted.
    assert (found["partner"]["status"], found["partner"]["exit_code"]) in {("FAILED_IMAGE_PULL", 301), ("FAILED", None)}
    assert (tmp_path / "ran").exists() is not barrier
    assert (found["lead"]["status"], found["lead"]["exit_code"]) == (("FAILED", 2024) if barrier else ("COMPLETED", 0))


def test_events_are_followed_to_the_end_of_their_workflow(caller: Caller, tmp_path: Path) -> None:
    first = task("first", f"until [ -e {tmp_path}/gate ]; do sleep 0.01; done")
    workflow_id = caller.submit(workflow(first, task("second", "true", inputs=[{"task": "first"}])))
    lines: list[str] = []
    started = threading.Event()
    with caller.http.stream("GET", f"/api/workflow/{workflow_id}/events") as answer:
        for line in answer.iter_lines():
            lines.append(line.partition(" [")[2])
            if line.endswith("Started container first") and not started.is_set():
                started.set()
                assert caller.query(workflow_id)["status"] == "RUNNING"
                (tmp_path / "gate").touch()
    assert started.is_set()
    assert "second] Started: Started container second" in lines
    assert len(lines) == len(set(lines))
    own = caller.http.get(f"/api/workflow/{workflow_id}/events", params={"task_name": "second"}).text
    assert "[second]" in own
    assert "[first]" not in own


def test_tasks_come_as_they_need_attention_and_sum_up_by_workflow(caller: Caller, tmp_path: Path) -> None:
    both_gpus = {"default": {"cpu": 2, "gpu": 2, "memory": "1Gi"}}
    done = caller.submit(workflow(task("done", "true"), name="done"))
    caller.ended(done)
    gate = f"until [ -e {tmp_path}/gate ]; do sleep 0.01; done"
    running = caller.submit(workflow(task("runs", gate), task("after", "true", inputs=[{"task": "runs"}]), name="now"))
    caller.wait_for_status(running, "runs", "RUNNING")
    queued = caller.submit(workflow(task("waits", "true"), name="later", resources=both_gpus))
    listed = caller.http.get("/api/task", params={"order": "DESC"}).json()["tasks"]
    assert [each["task_name"] for each in listed] == ["waits", "runs", "after", "done"]
    turned = caller.http.get("/api/task", params={"limit": 2}).json()["tasks"]
    assert [each["task_name"] for each in turned] == ["runs", "waits"]
    sums = caller.http.get("/api/task", params={"aggregate_by_workflow": True}).json()["summaries"]
    assert {each["workflow_id"]: (each["cpu"], each["gpu"], each["memory"]) for each in sums} == {
        done: (1, 1, 0.0),
        running: (2, 2, 0.0),
        queued: (2, 2, 1.0),
    }
    (tmp_path / "gate").touch()
    assert caller.ended(queued)["status"] == "COMPLETED"


def test_filters_for_what_no_workflow_has_find_none(osmo: Caller) -> None:
    osmo.submit(workflow(task("one", "true")))
    for params in ({"tags": "x"}, {"app": "x"}, {"pools": "other"}, {"no_label": ["a", "b"], "label": "a=b"}):
        assert osmo.http.get("/api/workflow", params=params).json() == {"workflows": [], "more_entries": False}
