"""The stand-in of a model server."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from vda_assets_tests.embedded.containers.conftest import MODEL


def test_models_are_listed_without_a_space_after_the_colon(model_url: str) -> None:
    with urllib.request.urlopen(f"{model_url}/models") as response:
        body = response.read().decode()
    assert f'"id":"{MODEL}"' in body
    assert json.loads(body)["object"] == "list"


def test_it_is_ready_at_once(model_url: str) -> None:
    with urllib.request.urlopen(f"{model_url}/health/ready") as response:
        assert response.status == 200


def test_prompts_are_refused_with_a_reason(model_url: str) -> None:
    request = urllib.request.Request(f"{model_url}/chat/completions", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request)
    with refusal.value as answer:
        assert answer.code == 501
        assert "stand-in" in json.load(answer)["error"]["message"]


def test_the_process_says_what_it_is_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "vda_assets.embedded.nim", "--model", MODEL, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert "stand-in" in line
    assert MODEL in line


def test_it_needs_nothing_but_the_standard_library() -> None:
    code = "import sys, vda_assets.embedded.nim; print([n for n in ('numpy', 'pydantic', 'av') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
