"""Outputs that the worker and the reference containers really made from a tiny clip; tests spoil copies of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from moto.server import ThreadedMotoServer

from vda_assets.cookbooks.cookbook import read_cookbook
from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.storage.access import Storage
from vda_assets.storage.credentials import StorageCredential
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.embedded.containers.clips import make_clip
from vda_assets_tests.worker.bench import COOKBOOK, Bench, serving


@dataclass(frozen=True)
class Made:
    """What one clip gave: its facts, and the folders of both outputs."""

    draw: Draw
    source: ClipInfo
    augmented: Path
    labelled: Path


@dataclass(frozen=True)
class Output:
    """A copy of an output folder. What is written through it is what its worker wrote."""

    folder: Path

    @property
    def url(self) -> StorageUrl:
        return StorageUrl.parse(f"file://{self.folder}")

    @property
    def storage(self) -> Storage:
        return Storage()

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def write(self, name: str, content: bytes | object) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(raw)
        described = {"path": name, "size_bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        self._list([*self._without(name), described])

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()
        self._list(self._without(name))

    def _without(self, name: str) -> list[dict[str, Any]]:
        return [file for file in self.read("outcome.json")["files"] if file["path"] != name]

    def _list(self, files: list[dict[str, Any]]) -> None:
        outcome = self.read("outcome.json") | {"files": files}
        (self.folder / "outcome.json").write_text(json.dumps(outcome))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("made")
    cookbook = read_cookbook(COOKBOOK, name="city_traffic")
    with serving() as endpoints:
        bench = Bench(folder, cookbook, endpoints, name="yardcam07_aug0")
        clip = make_clip(folder / "clip/yardcam07.mp4")
        for container in ("augmentation", "auto_labeling"):
            ended = bench.run(container, "--output", str(folder / container))
            assert ended.code == 0, ended.log
        draw = draws_for(cookbook.distribution, "yardcam07")[0]
        source = probe(clip, name="yardcam07.mp4")
        yield Made(draw, source, augmented=folder / "augmentation", labelled=folder / "auto_labeling")


CopyOf = Callable[[Path], Output]


@pytest.fixture
def copy_of(tmp_path: Path) -> CopyOf:
    return lambda folder: Output(Path(shutil.copytree(folder, tmp_path / folder.name)))


@pytest.fixture
def augmented(made: Made, copy_of: CopyOf) -> Output:
    return copy_of(made.augmented)


@pytest.fixture
def labelled(made: Made, copy_of: CopyOf) -> Output:
    return copy_of(made.labelled)


@pytest.fixture(scope="session")
def bucket() -> Iterator[Storage]:
    """s3://scenes at an object store on loopback."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address, port = server.get_host_and_port()
    credential = StorageCredential(
        "s3://scenes",
        access_key_id="key",
        access_key="secret",
        region="us-east-1",
        override_url=f"http://{address}:{port}",
        addressing_style="path",
    )
    httpx.put(f"{credential.override_url}/scenes").raise_for_status()
    yield Storage([credential])
    server.stop()
