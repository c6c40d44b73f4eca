"""What the cluster's image takes: its size with and without the base, how soon its code server answers, what that holds
in memory and how soon it ends. The image is built first, unless it is there; see `vda_assets_tests/deploy/image.py`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
from dagster._grpc.client import DagsterGrpcClient
from told import tell

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from vda_assets_tests.deploy.image import Image, base_of_tests, built_image, podman, why_not  # noqa: E402
from vda_assets_tests.end_to_end.world import free_port, make_world, wait_for  # noqa: E402


def sizes(image: Image) -> Iterator[dict[str, Any]]:
    whole = image.facts["Size"]
    base = base_of_tests().facts["Size"]
    yield {"name": "image.size", "value": round(whole / 1e6), "unit": "MB"}
    yield {"name": "image.beside_its_base", "value": round((whole - base) / 1e6), "unit": "MB"}


def code_server(image: Image, home: Path, *, rounds: int) -> Iterator[dict[str, Any]]:
    world = make_world(home / "world")
    mounts = [f"{world.folder}/assets_cfg/{name}:/etc/vda/assets_cfg/{name}:ro" for name in ("deployments", "datasets")]
    options = [word for mount in mounts for word in ("--volume", mount)]
    started, stopped, memory = [], [], []
    for _ in range(rounds):
        port = free_port()
        command = ["dagster", "api", "grpc", "--host", "127.0.0.1", "--port", str(port)]
        begun = time.monotonic()
        with image.running(*command, "--module-name", "vda_assets.definitions", options=options) as container:
            client = DagsterGrpcClient(host="127.0.0.1", port=port)
            wait_for(lambda client=client: _serves(client), "the code server")
            started.append(time.monotonic() - begun)
            process = psutil.Process(int(podman("inspect", "--format", "{{.State.Pid}}", container.name)))
            memory.append(process.memory_info().rss)
            begun = time.monotonic()
            assert container.stop() == 0, container.logs()
            stopped.append(time.monotonic() - begun)
    yield {"name": "code_server.until_it_answers", "value": round(statistics.median(started), 1), "unit": "s"}
    yield {"name": "code_server.memory", "value": round(max(memory) / 1e6), "unit": "MB"}
    yield {"name": "code_server.until_it_ended", "value": round(statistics.median(stopped), 1), "unit": "s"}


def _serves(client: DagsterGrpcClient) -> bool:
    with redirect_stdout(StringIO()):  # it prints why it does not answer yet
        return client.health_check_query() == "SERVING"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one start instead of five")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    image = built_image()
    with tempfile.TemporaryDirectory(prefix="vda-bench-") as home:
        started = code_server(image, Path(home), rounds=1 if arguments.quick else 5)
        tell(chain(sizes(image), started), as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
