"""Calls made up from the service's own schema (OSMO 6.4) and specs with rubbish in them.

No answer is a 500 that the service would not give as well, and every answer with 2xx matches the schema.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import response_schema_conformance

from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets_tests.embedded.service.conftest import PATIENCE_SECONDS, Caller, settings_below, task, workflow

_SCHEMA_FILE = Path(__file__).parents[2] / "osmo" / "openapi.json"
_NAIVE_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"
_SPEC = workflow(
    task("one", "echo {{workflow_id}}", environment={"A": "b"}, credentials={"mine": {"TOKEN": "token"}}),
    task(
        "two",
        "cat /tmp/x {{input:0}}/x",
        inputs=[{"task": "one"}, {"url": "s3://bucket/in", "regex": ".*"}],
        outputs=[{"url": "s3://bucket/out"}],
        files=[{"path": "/tmp/x", "contents": "eA==", "base64": True}],
        exitActions={"COMPLETE": "1-3,5"},
        kpis=[{"index": "a", "path": "b"}],
        volumeMounts=["/a:/b"],
        checkpoint=[{"path": "/a", "url": "s3://bucket/c", "frequency": "10s"}],
    ),
    labels={"run": "r1"},
    timeout={"exec_timeout": "1h", "queue_timeout": 60},
    resources={"default": {"cpu": 1, "gpu": 1, "memory": "1Gi", "storage": "1Gi", "platform": "gpu"}},
)
_RUNS = yaml.dump({"workflow": workflow(task("one", "true"))})
_MADE_UP = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))

# The service, too, answers these with 500: errors that it does not expect, or that it counts as its own.
_FAULTS_OF_THE_SERVICE = re.compile(
    "Internal server error: ("
    r'Group ".+" requires input group ".+" exists before itself\.'
    r"|Unknown URI scheme: .*"
    # A data URL, or the endpoint of a DATA credential, outside of the grammar.
    r"|.+ is no storage URL; use one of: .+"
    r"|.+ names no bucket; expected .+"
    r"|.+ is no profile.*"
    r"|.+: component .+, which OSMO refuses"
    r"|.+ has an empty, '\.' or '\.\.' component"
    r"|.+: a file URL needs an absolute path: .+"
    # What a template does wrong and Jinja does not.
    r"|Range too big\. The sandbox blocks ranges larger than MAX_RANGE \(100000\)\."
    r"|division by zero"
    ")",
    re.DOTALL,
)


def _schema() -> Any:
    """The service's schema; times are naive as the service really sends them, some values mean something here."""
    document = json.loads(_SCHEMA_FILE.read_text())
    known = {
        "name": ["demo-1", "refused-1"],
        "workflow_id": ["demo-1", "refused-1"],
        "task_name": ["one"],
        "pool_name": ["default"],
        "cred_name": ["mine"],
    }
    parameters = [
        parameter
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    ]
    for parameter in parameters:
        if parameter["name"] in known:
            parameter["schema"] = {"anyOf": [{"enum": known[parameter["name"]]}, parameter["schema"]]}
    schemas = document["components"]["schemas"]
    schemas["TemplateSpec"]["properties"]["file"] = {"anyOf": [{"enum": [_RUNS]}, {"type": "string"}]}
    text = json.dumps(schemas).replace('"format": "date-time"', f'"pattern": {json.dumps(_NAIVE_TIME)}')
    document["components"]["schemas"] = json.loads(text)
    return schemathesis.openapi.from_dict(document)


def is_fault_of_the_service(status: int, body: str) -> bool:
    return status == 500 and _FAULTS_OF_THE_SERVICE.fullmatch(json.loads(body)["message"]) is not None


schema = _schema()


@pytest.fixture(scope="module")
def osmo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with EmbeddedOsmo(settings_below(tmp_path_factory.mktemp("openapi"))) as running:
        caller = Caller(running.url)
        body = {"generic_credential": {"credential": {"token": "abc"}}}
        assert caller.http.post("/api/credentials/mine", json=body).status_code == 200
        assert caller.ended(caller.submit(_RUNS))["name"] == "demo-1"
        refused = {"file": "workflow: {name: refused}"}
        assert caller.http.post("/api/pool/default/workflow", json=refused).status_code == 400
        yield caller


@schema.parametrize()
@settings(_MADE_UP, max_examples=10)
def test_calls_made_up_from_the_schema_are_answered(case: Any, osmo: Caller) -> None:
    answer = case.call(base_url=osmo.url, timeout=PATIENCE_SECONDS)
    assert answer.status_code < 500 or is_fault_of_the_service(answer.status_code, answer.text), answer.text
    if answer.status_code < 300:
        case.validate_response(answer, checks=[response_schema_conformance])


_TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "\0", "a\0b", "a\n", "../x", "/", "/osmo/x", "x" * 70, "{{output}}", "{{host:one}}", "two", "ONE", "1e999"]
    ),
    st.sampled_from(
        ["9" * 400 + "Gi", "9" * 5000, "P9D", "s3://", "file://x", "http://x", "(", "(a{9999999999})", "=="]
    ),
)
_RUBBISH = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([-1, 2**63, -(2**70), 10**400]),
        st.floats(),
        st.dates(),
        st.binary(max_size=4),
        _TEXTS,
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _places(inner, (*path, key))


@given(st.sampled_from(list(_places(_SPEC))), _RUBBISH, st.sampled_from(["put", "add", "rename", "drop"]))
@settings(_MADE_UP, max_examples=200)
@example(("groups", 1, "tasks", 0, "kpis", 0, "path"), b"\xff", "put")
@example(("resources", "default", "memory"), "9" * 400 + "Gi", "put")
@example(("timeout", "exec_timeout"), "9" * 400 + "d", "put")
@example(("resources", "default", "cpu"), 16**5000, "put")
@example(("labels",), ["a"], "put")
def test_specs_with_rubbish_in_one_place_are_answered(
    osmo: Caller, place: tuple[Any, ...], rubbish: Any, what: str
) -> None:
    spec = copy.deepcopy(_SPEC)
    owner: Any = spec
    for key in place[:-1]:
        owner = owner[key]
    if what == "put":
        owner[place[-1]] = rubbish
    elif what == "drop":
        del owner[place[-1]]
    elif isinstance(owner, dict):
        key = rubbish if isinstance(rubbish, (str, int)) else str(rubbish)
        owner[key] = owner.pop(place[-1]) if what == "rename" else rubbish
    else:
        owner.append(rubbish)
    for params in ({"validation_only": True}, {"dry_run": True}):
        _assert_answered(osmo, _text(spec), params=params)


def _text(spec: dict[str, Any]) -> str:
    # Hexadecimal, as Python does not write out numbers of some thousand digits.
    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(int, lambda dumper, n: dumper.represent_scalar("tag:yaml.org,2002:int", hex(n)))
    return yaml.dump({"workflow": spec}, Dumper=Dumper)


def _assert_answered(osmo: Caller, file: str, *, params: dict[str, Any]) -> httpx.Response:
    answer = osmo.http.post("/api/pool/default/workflow", json={"file": file}, params=params)
    assert answer.status_code in (200, 400, 422) or is_fault_of_the_service(answer.status_code, answer.text), (
        answer.text
    )
    return answer


@given(
    st.lists(st.sampled_from([*"{}%#'\"\n:-&*[]? ", "workflow:", "default-values:", "{{", "}}", "{% for x in ", "x"]))
)
@settings(_MADE_UP, max_examples=100)
def test_texts_that_are_hardly_yaml_or_templates_are_answered(osmo: Caller, pieces: list[str]) -> None:
    for head in ("", "workflow: ", "default-values:\n  x: 1\nworkflow:\n  a: "):
        _assert_answered(osmo, head + "".join(pieces), params={"dry_run": True})
