"""Bad inputs each give one clear message, and the other clips of the same run go on and finish."""

from __future__ import annotations

import shutil
import socket
from urllib.parse import urlsplit

import yaml

from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import DATASET, World
from vda_assets_tests.media.conftest import INPUTS


def test_unusable_clips_fail_alone(world: World) -> None:
    cut(world.clips / "good.mp4", frames=20)
    cut(world.clips / "portrait.mp4", frames=20, portrait=True)
    cut(world.clips / "自行车 in the rain.mp4", start=100, frames=20)
    cut(world.clips / "one frame.mp4", frames=1)
    (world.clips / "text.mp4").write_text("this is no video\n" * 20)
    shutil.copy(INPUTS / "nokey.mp4", world.clips / "nokey.mp4")
    shutil.copy(INPUTS / "evil_ffconcat.mp4", world.clips / "list.mp4")
    (world.clips / "film.webm").write_bytes(b"\x1a\x45\xdf\xa3")
    (world.clips / "empty.mp4").touch()

    done = world.vda("run", "--dataset", DATASET, "--flow", "e2e")

    assert done.returncode == 1
    accepted = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("comparisons ")]
    assert sorted(accepted) == sorted(["good.mp4", "portrait.mp4", "=E8=87=AA=E8=A1=8C=E8=BD=A6=20in=20the=20rain.mp4"])
    said = done.stdout + done.stderr
    facts = {
        "empty.mp4": ("left out", "zero bytes"),
        "text.mp4": ("FAILED", "plain text"),
        "nokey.mp4": ("FAILED", "key frame", "15", "90"),
        "list.mp4": ("FAILED", "playlist"),
        "one frame.mp4": ("FAILED", "1 frame", "2"),
    }
    for clip, told in facts.items():
        assert any(clip in line and all(fact in line for fact in told) for line in said.splitlines()), (clip, said)
    assert len(world.workflows()) == 3
    assert "Traceback" not in said


def test_unknown_names_are_answered_with_those_that_exist(world: World) -> None:
    dataset = world.vda("run", "--dataset", "nope")
    assert dataset.returncode == 2
    assert dataset.stderr.count("\n") == 1
    assert "'nope'" in dataset.stderr
    assert "street" in dataset.stderr

    flow = world.vda("run", "--dataset", DATASET, "--flow", "e3e")
    assert flow.returncode == 2
    assert all(name in flow.stderr for name in ("'e3e'", "augmentation_and_al", "augmentation_and_pl", "e2e"))

    clip = world.vda("run", "--dataset", DATASET, "--video", "nope.mp4")
    assert clip.returncode == 2
    assert "'nope.mp4'" in clip.stderr


def test_a_cookbook_whose_weights_do_not_sum_to_one_is_named_with_its_sum(world: World) -> None:
    path = world.folder / "assets_cfg/cookbooks/city_traffic/workflow_config.yaml"
    good = path.read_text()
    config = yaml.safe_load(good)
    config["augmentation"]["variables"]["weather"]["rain"] = 0.5
    path.write_text(yaml.safe_dump(config))
    try:
        done = world.vda("run", "--dataset", DATASET)
    finally:
        path.write_text(good)
    assert done.returncode == 2
    assert f"{path}: augmentation.variables.weather: " in done.stderr
    assert "1.2" in done.stderr


def test_a_taken_port_is_named(world: World) -> None:
    port = urlsplit(world.osmo_url).port
    done = world.vda("osmo-local", "serve")
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "taken" in done.stderr
    with socket.create_connection(("127.0.0.1", port)):
        pass
