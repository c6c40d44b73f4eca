"""A real embedded OSMO on a loopback port, with its state below pytest's folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from vda_assets.embedded.service.server import EmbeddedOsmo
from vda_assets.embedded.service.settings import EmbeddedSettings, PlatformCapacity, StandIn

IMAGE = "ubuntu:22.04"
PATIENCE_SECONDS = 30.0


def settings_below(folder: Path, **changes: Any) -> EmbeddedSettings:
    given = {
        "state_folder": folder / "state",
        "port": 0,
        "platforms": {"gpu": PlatformCapacity(gpus=2, cpus=16, description="pretended")},
        "images": {IMAGE: StandIn(environment={"FROM_IMAGE": "yes"})},
        "workflow_data_url": f"file://{folder}/workflow-data",
        # Nearly all of these tests are about what comes once the row is there.
        "row_seconds": 0.0,
    }
    return EmbeddedSettings(**(given | changes))


def wait_for(look: Callable[[], Any]) -> Any:
    """What `look` returns once it is something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


class Caller:
    """Calls the service as a client does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS)

    def submit(self, spec: dict[str, Any] | str, **params: Any) -> str:
        file = spec if isinstance(spec, str) else yaml.dump({"workflow": spec})
        answer = self.http.post("/api/pool/default/workflow", json={"file": file}, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["name"]

    def query(self, workflow_id: str) -> dict[str, Any]:
        return self.http.get(f"/api/workflow/{workflow_id}").json()

    def tasks(self, workflow_id: str) -> dict[str, dict[str, Any]]:
        return {task["name"]: task for group in self.query(workflow_id)["groups"] for task in group["tasks"]}

    def groups(self, workflow_id: str) -> dict[str, dict[str, Any]]:
        return {group["name"]: group for group in self.query(workflow_id)["groups"]}

    def ended(self, workflow_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.query(workflow_id)
            return found if found["end_time"] else None

        return wait_for(look)

    def logs(self, workflow_id: str, **params: Any) -> str:
        return self.http.get(f"/api/workflow/{workflow_id}/logs", params=params).text

    def wait_for_status(self, workflow_id: str, task: str, status: str) -> dict[str, Any]:
        return wait_for(lambda: ((found := self.tasks(workflow_id)[task])["status"] == status and found) or None)


def task(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "command": ["bash", "-c"], "args": [script], **more}


def workflow(*tasks: dict[str, Any], name: str = "demo", **more: Any) -> dict[str, Any]:
    """One group per task, all with one GPU and one CPU unless `more` says otherwise."""
    groups = [{"name": f"{each['name']}_group", "tasks": [each]} for each in tasks]
    resources = {"default": {"cpu": 1, "gpu": 1, "platform": "gpu"}}
    return {"name": name, "groups": groups, "resources": resources, **more}


@pytest.fixture
def settings(tmp_path: Path) -> EmbeddedSettings:
    return settings_below(tmp_path)


@pytest.fixture
def caller(settings: EmbeddedSettings) -> Iterator[Caller]:
    with EmbeddedOsmo(settings) as osmo:
        yield Caller(osmo.url)
