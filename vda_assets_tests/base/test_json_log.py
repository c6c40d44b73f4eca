"""Where it is asked for, all that a process writes to stderr is JSON, one object per line."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from vda_assets_tests.end_to_end.world import VDA

# A process of ours in which everything logs that does so in one.
PROCESS = """
import logging, os, sys, threading, warnings
import dagster as dg
from vda_assets.base.json_log import log_as_asked
from vda_assets.base.log import Line, Log

early = logging.getLogger("early")
early.addHandler(logging.StreamHandler())
log_as_asked(os.environ)
log_as_asked(os.environ)

@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a.mp4"]))
def made(context):
    log = Log(lambda entry: context.log.info(entry, extra=entry.extra(run_id="run-1", dataset="street")))
    log(Line("a.mp4", "submitted workflow vda-1", workflow="vda-1"))
    log("several\\nlines at once")
    log.flush()
    context.log_event(dg.AssetMaterialization("made", partition="a.mp4", metadata={"workflow": "vda-1"}))
    raise dg.Failure("the bucket is full")

dg.materialize([made], partition_key="a.mp4", raise_on_error=False, tags={"dataset": "street"})
with dg.build_sensor_context() as context:
    context.log.warning("of a sensor")
early.error("an early logger")
logging.getLogger("nobody.configured").warning("without any handler")
late = logging.getLogger("late")
late.addHandler(logging.StreamHandler())
try:
    1 / 0
except ZeroDivisionError:
    late.exception("%s failed", "it")
warnings.warn("careful")
print('a line of', 'a "command"', file=sys.stderr)
sys.stderr.write("in ")
sys.stderr.write("pieces\\n\\n")
print('{"is": "an object"}', file=sys.stderr)
threading.Thread(target=lambda: {}["no such key"]).start()
"""


def process(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, env={"PATH": "", **environment}, timeout=120
    )


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in process(VDA_LOG_FORMAT="json").stderr.splitlines()]


def one(lines: list[dict[str, Any]], text: str) -> dict[str, Any]:
    (found,) = [line for line in lines if text in line.get("message", "")]
    return found


def test_every_line_has_a_time_a_level_a_logger_and_a_message(lines: list[dict[str, Any]]) -> None:
    ours = [line for line in lines if line != {"is": "an object"}]
    assert len(ours) == len(lines) - 1
    for line in ours:
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert {"level", "logger", "message"} <= set(line)


def test_a_line_of_a_run_says_what_it_is_about_and_is_an_object_of_its_own(lines: list[dict[str, Any]]) -> None:
    submitted = one(lines, "submitted workflow vda-1")
    about = {"clip": "a.mp4", "workflow": "vda-1", "dataset": "street", "run_id": "run-1", "level": "INFO"}
    assert about.items() <= submitted.items()
    assert len(submitted["run"]) == 36
    other = one(lines, "several")
    assert (other["message"], other["run"]) == ("several\nlines at once", submitted["run"])
    assert "clip" not in other


def test_dagsters_own_events_say_run_dataset_clip_and_workflow(lines: list[dict[str, Any]]) -> None:
    (made,) = [line for line in lines if line.get("event") == "ASSET_MATERIALIZATION" and "workflow" in line]
    assert {"asset": "made", "clip": "a.mp4", "workflow": "vda-1", "dataset": "street"}.items() <= made.items()
    (failed,) = [line for line in lines if line.get("event") == "STEP_FAILURE"]
    assert "the bucket is full" in failed["error"]
    assert failed["level"] == "ERROR"


@pytest.mark.parametrize(
    ("text", "level", "logger"),
    [
        ("of a sensor", "WARNING", "dagster"),
        ("an early logger", "ERROR", "early"),
        ("without any handler", "WARNING", "nobody.configured"),
        ("it failed", "ERROR", "late"),
        ("UserWarning: careful", "INFO", "stderr"),
        ('a line of a "command"', "INFO", "stderr"),
        ("in pieces", "INFO", "stderr"),
        ("KeyError: 'no such key'", "INFO", "stderr"),
    ],
)
def test_whoever_writes_it_it_is_an_object(lines: list[dict[str, Any]], text: str, level: str, logger: str) -> None:
    found = one(lines, text)
    assert (found["level"], found["logger"]) == (level, logger)


def test_an_exception_stands_beside_its_message(lines: list[dict[str, Any]]) -> None:
    assert one(lines, "it failed")["error"].endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize(("value", "is_json"), [("json", True), ("text", False)])
def test_a_command_that_fails_says_why_as_it_is_asked_to(value: str, is_json: bool) -> None:
    done = subprocess.run(
        [*VDA, "datasets"], capture_output=True, text=True, env={"VDA_LOG_FORMAT": value, "VDA_ASSETS_CFG": "/nowhere"}
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    if is_json:
        assert {"level": "ERROR", "logger": "stderr"}.items() <= json.loads(line).items()
        line = json.loads(line)["message"]
    assert line.startswith("Error: there is no folder /nowhere")


def test_a_format_that_there_is_not_is_told() -> None:
    done = subprocess.run([*VDA, "--version"], capture_output=True, text=True, env={"VDA_LOG_FORMAT": "yaml"})
    assert done.returncode == 2
    assert "VDA_LOG_FORMAT=yaml: there is only json, and text" in done.stderr
