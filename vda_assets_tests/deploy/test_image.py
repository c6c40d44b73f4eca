"""The image, built and run as a pod would run it: no root, no capability, and nothing written but below /tmp."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._grpc.client import DagsterGrpcClient

from vda_assets_tests.deploy.image import ENGINE, Container, Image, built_image, environment, why_not
from vda_assets_tests.end_to_end.world import DATASET, REPOSITORY, World, free_port, make_world, serving, wait_for
from vda_assets_tests.quick_results import add_clips, use_quick_container

pytestmark = [
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
    # The first time it takes minutes: a base is made and all libraries are fetched.
    pytest.mark.timeout(1200),
]
# With the base of the tests, Debian with Python; a third of it are PyAV's FFmpeg and Python itself.
LARGEST_BYTES = 500_000_000
# What would install or compile something.
TOOLS = ("pip", "pip3", "uv", "easy_install", "gcc", "cc", "g++", "make", "ld")


@pytest.fixture(scope="module")
def image() -> Image:
    return built_image()


def configured(world: World) -> list[str]:
    """The world's deployments and datasets beside the image's own cookbooks, as ConfigMaps are mounted."""
    folders = [
        f"{world.folder}/assets_cfg/{name}:/etc/vda/assets_cfg/{name}:ro" for name in ("deployments", "datasets")
    ]
    # URLs of files mean the same inside and outside.
    home = f"{world.folder}/home"
    mounts = [*folders, f"{home}:{home}"]
    return ["--env", f"VDA_HOME={home}", *(word for mount in mounts for word in ("--volume", mount))]


def given_to_the_image(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1000, 1000)


def test_the_image_is_small_and_starts_as_nobody_special(image: Image) -> None:
    facts = image.facts
    assert facts["Size"] < LARGEST_BYTES
    assert facts["Config"]["User"] == "1000:1000"
    assert not facts["Config"].get("Entrypoint")
    assert facts["Config"]["Cmd"][:3] == ["dagster", "api", "grpc"]
    assert not any("TOKEN" in one or "KEY" in one or "://" in one for one in facts["Config"]["Env"])


def test_nothing_in_it_installs_or_compiles_and_nothing_but_tmp_takes_a_file(image: Image) -> None:
    script = f"""
        for tool in {" ".join(TOOLS)}; do command -v $tool; done
        python -c 'import pip' 2>/dev/null && echo pip
        python -c 'import setuptools' 2>/dev/null && echo setuptools
        find / -xdev -type d -writable -exec sh -c 'touch "$0/x" 2>/dev/null && echo "$0"' {{}} ';' 2>/dev/null
        grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
        id -u; touch /tmp/x
    """
    done = image.run("sh", "-c", script)
    assert done.stdout.split() == ["/tmp", "CapEff:", "0000000000000000", "NoNewPrivs:", "1", "1000"], done.stderr


def test_its_bill_of_materials_names_what_is_in_it_at_the_versions_that_are_pinned(image: Image) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {**environment(), "ENGINE": shlex.join(ENGINE), "PATH": path}
    command = ["sh", str(REPOSITORY / "deploy/sbom.sh"), image.name]
    done = subprocess.run(command, capture_output=True, text=True, env=given, timeout=240)
    assert done.returncode == 0, done.stderr
    bill = json.loads(done.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    found = {one["name"]: one["version"] for one in bill["components"]}
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE))
    assert {"dagster", "av", "vda-assets", "psycopg2-binary"} <= set(found)
    assert not {"pytest", "pip", "dagster-dg-cli"} & set(found)
    assert found["av"] == pinned["av"]


def test_the_code_server_answers_with_what_is_mounted_and_ends_when_asked(image: Image, tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    port = free_port()
    (world.folder / "home").mkdir(exist_ok=True)
    server = ["dagster", "api", "grpc", "--host", "127.0.0.1", "--port", str(port)]
    location = ["--module-name", "vda_assets.definitions", "--location-name", "vda_assets"]
    with image.running(*server, *location, options=configured(world)) as container:
        client = DagsterGrpcClient(host="127.0.0.1", port=port)
        wait_for(lambda: answering(client, container), "the code server")
        assert DATASET in loaded_groups(port)
        assert container.stop() == 0, container.logs()


def loaded_groups(port: int) -> set[str]:
    """Of the assets that the UI would show."""
    origin = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=port, location_name="vda_assets")
    with dg.DagsterInstance.ephemeral() as instance, origin.reload_location(instance) as location:
        (repository,) = location.get_repositories().values()
        return {node.group_name for node in repository.asset_graph.asset_nodes}


def answering(client: DagsterGrpcClient, container: Container) -> bool:
    assert container.running(), container.logs()
    with redirect_stdout(StringIO()):  # it prints why it does not answer yet
        return client.health_check_query() == "SERVING"


def test_a_run_in_it_finishes_a_clip(image: Image, tmp_path: Path, quick_results: Path) -> None:
    world = make_world(tmp_path / "world")
    use_quick_container(world, quick_results, seconds=0)
    add_clips(world, quick_results, 1)
    with serving(world):
        given_to_the_image(world.folder / "home")
        done = image.run("vda", "run", "--dataset", DATASET, "--flow", "e2e", options=configured(world))
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = world.runs()
    assert list(run.glob("outputs/augmented/*/*.mp4"))
    # Encoded by the image's own FFmpeg.
    assert list(run.glob("**/*_compare.mp4"))
