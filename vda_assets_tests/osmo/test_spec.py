"""The workflow spec: what it takes, what it refuses, and that its YAML says the same."""

from __future__ import annotations

import base64
import string
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vda_assets.osmo.spec import (
    FileSpec,
    GroupSpec,
    ResourceSpec,
    TaskInput,
    TaskSpec,
    TimeoutSpec,
    UrlInput,
    UrlOutput,
    VersionedWorkflowSpec,
    WorkflowSpec,
    check_finished,
    to_yaml,
)

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
texts = st.text(max_size=8)
some_names = st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True)
label_values = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", fullmatch=True)
files = st.builds(FileSpec.of, st.just("/tmp/file"), st.binary(max_size=40))
tasks = st.builds(
    TaskSpec,
    name=st.just("replaced"),
    image=texts,
    command=st.lists(texts, min_size=1, max_size=3),
    args=st.lists(texts, max_size=3),
    environment=st.dictionaries(texts, st.one_of(texts, st.booleans(), st.integers()), max_size=3),
    files=st.lists(files, max_size=2),
    inputs=st.lists(st.one_of(st.builds(TaskInput, task=texts), st.builds(UrlInput, url=texts)), max_size=3),
    outputs=st.lists(st.builds(UrlOutput, url=texts), max_size=2),
    credentials=st.dictionaries(texts, st.one_of(texts, st.dictionaries(texts, texts, max_size=2)), max_size=2),
)
resources = st.builds(ResourceSpec, cpu=st.none() | st.integers(0, 64), memory=st.none() | st.just("16Gi"))


@st.composite
def workflow_specs(draw: st.DrawFn) -> WorkflowSpec:
    names = draw(st.lists(some_names, min_size=2, max_size=4, unique=True))
    groups = [
        GroupSpec(name=f"{name}_group", tasks=[draw(tasks).model_copy(update={"name": name})]) for name in names[1:]
    ]
    return WorkflowSpec(
        name=names[0],
        labels=draw(st.dictionaries(label_values, label_values, max_size=3)),
        groups=groups,
        resources=draw(st.dictionaries(texts, resources, max_size=2)),
        timeout=TimeoutSpec(exec_timeout=draw(st.none() | st.integers(1, 1000))),
    )


@settings(max_examples=60, deadline=None)
@example(WorkflowSpec(name="a", tasks=[TaskSpec(name="b", image="a\x85b\u2028é 😀", command=["- yes: #1\n\n "])]))
@given(workflow_specs())
def test_the_yaml_of_a_spec_reads_back_as_the_same_spec(spec: WorkflowSpec) -> None:
    assert VersionedWorkflowSpec.model_validate(yaml.safe_load(to_yaml(spec))).workflow == spec


def a_task(**fields: Any) -> dict[str, Any]:
    return {"name": "setup", "image": "ubuntu:22.04", "command": ["true"], **fields}


def a_workflow(**fields: Any) -> WorkflowSpec:
    return WorkflowSpec.model_validate({"name": "traffic", "tasks": [a_task()], **fields})


def test_the_yaml_holds_only_what_was_said() -> None:
    assert yaml.safe_load(to_yaml(a_workflow())) == {"workflow": {"name": "traffic", "tasks": [a_task()]}}


def test_the_yaml_has_no_anchors_for_values_that_are_shared() -> None:
    shared = {"KEY": "value"}
    text = to_yaml(a_workflow(tasks=[a_task(environment=shared), a_task(name="other", environment=shared)]))
    assert "&" not in text
    assert "*" not in text


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": "red"},
        {"tasks": [a_task(colour="red")]},
        {"tasks": [a_task(inputs=[{"dataset": {"name": "traffic"}}])]},
        {"tasks": [a_task(files=[{"path": "/tmp/a", "localpath": "a"}])]},
        {"timeout": {"exec_timeout": "2h", "colour": "red"}},
    ],
)
def test_a_field_that_osmo_does_not_know_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        a_workflow(**fields)


@settings(deadline=None)
@given(st.from_regex(r"[a-zA-Z]([a-zA-Z0-9_-]{0,62}[a-zA-Z0-9])?", fullmatch=True))
def test_a_name_of_up_to_64_letters_digits_and_hyphens_is_taken(name: str) -> None:
    assert a_workflow(name=name).name == name


@pytest.mark.parametrize("name", ["", "2bad-name-", "-a", "a-", "a b", "a.b", "a/b", "é", "name\n", "n" * 65])
def test_a_name_that_osmo_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        a_workflow(name=name)
    with pytest.raises(ValidationError, match="name"):
        a_workflow(tasks=[a_task(name=name)])


@pytest.mark.parametrize(("name", "other"), [("setup", "setup"), ("setup", "SETUP"), ("set_up", "Set-Up")])
def test_names_that_kubernetes_cannot_tell_apart_are_refused(name: str, other: str) -> None:
    with pytest.raises(ValidationError, match="same name"):
        a_workflow(tasks=[a_task(name=name), a_task(name=other)])


@settings(deadline=None)
@given(st.dictionaries(label_values, label_values, max_size=16))
def test_labels_in_the_alphabet_of_kubernetes_are_taken(labels: dict[str, str]) -> None:
    assert a_workflow(labels=labels).labels == labels


@pytest.mark.parametrize("key", ["vda-run", "example.com/run", f"{'a.' * 126}b/run", "k" * 63])
def test_label_keys_may_have_the_prefix_of_a_domain(key: str) -> None:
    assert a_workflow(labels={key: "1"}).labels == {key: "1"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "1"),
        ("-run", "1"),
        ("run\n", "1"),
        ("a/b/c", "1"),
        ("Example.com/run", "1"),
        (f"{'a' * 64}/run", "1"),
        (f"{'a.' * 127}b/run", "1"),
        ("k" * 64, "1"),
        ("run", ""),
        ("run", "a b"),
        ("run", "1\n"),
        ("run", "v" * 64),
    ],
)
def test_labels_that_osmo_refuses_are_refused(key: str, value: str) -> None:
    with pytest.raises(ValidationError, match="label"):
        a_workflow(labels={key: value})


def test_a_seventeenth_label_is_refused() -> None:
    with pytest.raises(ValidationError, match="17 labels; at most 16"):
        a_workflow(labels={f"key-{number}": "1" for number in range(17)})


def test_a_group_of_one_task_needs_no_lead_and_a_group_of_two_needs_one() -> None:
    alone = GroupSpec.model_validate({"name": "g", "tasks": [a_task()]})
    assert alone.tasks[0].lead
    for leads in ([False, False], [True, True]):
        tasks = [a_task(name=f"task{number}", lead=lead) for number, lead in enumerate(leads)]
        with pytest.raises(ValidationError, match="must have exactly one"):
            GroupSpec.model_validate({"name": "g", "tasks": tasks})


def test_groups_and_tasks_exclude_each_other() -> None:
    for fields in ({"tasks": []}, {"groups": [{"name": "g", "tasks": [a_task(name="other")]}]}):
        with pytest.raises(ValidationError, match="exactly one of groups and tasks"):
            a_workflow(**fields)


def test_numbers_become_text_and_booleans_take_the_spelling_of_python() -> None:
    task = a_workflow(tasks=[a_task(args=[1, 2.5], environment={"A": 1, "B": True})]).tasks[0]
    assert task.args == ["1", "2.5"]
    assert task.environment == {"A": "1", "B": "True"}
    with pytest.raises(ValidationError, match="valid string"):
        a_workflow(tasks=[a_task(args=[True])])


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_a_file_travels_as_base64(content: bytes) -> None:
    file = FileSpec.of("/tmp/file", content)
    assert file.base64
    assert base64.b64decode(file.contents) == content


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "{{output}}/a",
        "{{input:0}} {{input:setup}} {{host:other}} {{workflow_id}}",
        "${name} ${array[@]} { {",
        "}}",
    ],
)
def test_a_text_with_nothing_but_tokens_is_finished(text: str) -> None:
    assert check_finished(text) == text


@pytest.mark.parametrize("text", ["{{ output }}", "{{video}}", "{% if a %}", "${#array[@]}", "{{{output}}}"])
def test_a_text_that_the_service_would_render_is_not_finished(text: str) -> None:
    with pytest.raises(ValueError, match="the spec is not finished"):
        check_finished(f"before\n{text}\nafter")
