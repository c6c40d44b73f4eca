"""The user's secrets go to OSMO's own store and from there to the workers; nothing else ever holds one."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import psutil
import pytest

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.osmo.client import OsmoClient
from vda_assets.project import load_project
from vda_assets.readiness.credentials import NGC_USER, Replace, ensure_credentials
from vda_assets.readiness.secrets import find_secrets
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.cloud import HF_TOKEN, IMAGES, NGC_KEY, Cloud, serving_cloud
from vda_assets_tests.end_to_end.world import DATASET, World
from vda_assets_tests.registry_serving import DIGEST, Registry

# What workers are meant to find them under.
MEANT = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "NGC_CLI_API_KEY"}


def known(world: Cloud) -> dict[str, list[bytes]]:
    """Each secret's name -> the forms that it may show in."""
    values = {"HF token": HF_TOKEN, "NGC key": NGC_KEY, "OSMO token": world.environment["OSMO_TOKEN"].strip()}
    login = f"{NGC_USER}:{NGC_KEY}".encode()
    forms = {name: [value.encode(), base64.b64encode(value.encode())] for name, value in values.items()}
    return forms | {"NGC login": [base64.b64encode(login)]}


def names_in(world: Cloud, content: bytes) -> set[str]:
    return {name for name, forms in known(world).items() if any(form in content for form in forms)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """All is cold; one clip."""
    with serving_cloud(tmp_path_factory.mktemp("secrets"), command=seeing, shows=True) as cloud:
        cut(cloud.clips / "a.mp4", frames=12)
        yield cloud


@pytest.fixture
def registry(world: Cloud) -> Registry:
    return world.registry


def give_token(client: OsmoClient) -> None:
    ensure_credentials(client, find_secrets({"HF_TOKEN": HF_TOKEN}), replace=Replace.NONE)


def seeing(folder: Path, container: str) -> str:
    """A container that notes a hash of the token that it sees: what is searched must not hold the token itself."""
    script = folder / f"{container}.sh"
    script.write_text(
        "#!/bin/sh\n"
        f'printf %s "$HUGGING_FACE_HUB_TOKEN" | sha256sum | cut -d" " -f1 >> {folder}/seen\n'
        f'exec {sys.executable} -m vda_assets.embedded.containers.{container} "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


@dataclass
class Watched:
    """What was seen of processes that came and went: their arguments, and the environments of OSMO's own."""

    arguments: set[bytes] = field(default_factory=set)
    environments: set[tuple[str, str]] = field(default_factory=set)
    of_children: set[tuple[str, str]] = field(default_factory=set)


@contextmanager
def watching(world: World) -> Iterator[Watched]:
    seen, is_over = Watched(), threading.Event()
    osmo = next(one for one in psutil.process_iter() if "osmo-local" in arguments_of(one) and is_of(one, world))

    def look() -> None:
        own = set()
        while not is_over.wait(0.02):
            with suppress(psutil.Error):
                own = {osmo, *osmo.children(recursive=True)}
                seen.arguments.update(b" ".join(map(str.encode, arguments_of(one))) for one in own)
                for command in psutil.Process().children():
                    seen.arguments.add(b" ".join(map(str.encode, arguments_of(command))))
                    children = [] if command == osmo else command.children(recursive=True)
                    seen.arguments.update(b" ".join(map(str.encode, arguments_of(one))) for one in children)
                    # Dagster's own helpers, which copy a step's output, are given what their run was.
                    ours = [one for one in children if any("multiprocessing" in word for word in arguments_of(one))]
                    seen.of_children.update(pair for one in ours for pair in one.environ().items())
            for one in own:
                with suppress(psutil.Error):
                    seen.environments.update(one.environ().items())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def arguments_of(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def is_of(process: psutil.Process, world: World) -> bool:
    with suppress(psutil.Error):
        return process.cwd() == str(world.folder)
    return False


def texts_of(database: Path) -> bytes:
    """Every row of a database but those of OSMO's own store of credentials."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = [row for row in connection.iterdump() if not row.startswith('INSERT INTO "credential"')]
    return "\n".join(rows).encode()


def test_no_log_event_spec_file_or_argument_of_a_whole_run_holds_a_secret(world: Cloud, registry: Registry) -> None:
    with world.osmo as client:
        for one in client.credentials():
            client.delete_credential(one.name)
    with watching(world) as seen:
        said = [
            world.vda("preflight", "--dataset", DATASET, "--flow", "e2e"),
            world.vda("preflight", "--dataset", DATASET, "--flow", "e2e", "--refresh", "--no-probe"),
            world.vda("run", "--dataset", DATASET, "--flow", "e2e"),
            world.vda("render", "--dataset", DATASET, "--flow", "e2e"),
        ]
    first, refreshed, run, rendered = said
    assert all(one.returncode == 0 for one in said), [one.stdout + one.stderr for one in said if one.returncode]

    # From cold to labelled by one command: the weights were fetched on OSMO before a GPU was asked for.
    assert "cold model cache cosmos_transfer: " in first.stdout
    assert "weights nvidia/Cosmos-Guardrail1: HF_TOKEN opens it" in first.stdout
    assert run.stdout.index("fetching ") < run.stdout.index("setup for 1 clip")
    assert sorted(name.partition("-")[0] for name in world.workflows()) == ["setup_model_cache", "vda"]
    # Something to find: it was made, replaced, checked and used.
    assert "hf_token of OSMO was made from HF_TOKEN" in first.stdout
    assert f"is there, {DIGEST}" in first.stdout
    assert "nvcr_io of OSMO was replaced from NGC_API_KEY" in refreshed.stdout
    assert registry.asked
    with world.osmo as client:
        assert {one.name for one in client.credentials()} == {"hf_token", "nvcr_io"}
    hashes = (world.folder / "seen").read_text().split()
    assert set(hashes) == {hashlib.sha256(HF_TOKEN.encode()).hexdigest()}
    assert "HUGGING_FACE_HUB_TOKEN: token" in rendered.stdout
    assert "VLM_API_KEY" not in rendered.stdout, "its endpoint is neither NVIDIA's nor the cluster's"

    found = {
        **{f"output of {one.args[3:]}": (one.stdout + one.stderr).encode() for one in said},
        **{str(path): path.read_bytes() for path in world.folder.rglob("*") if path.is_file()},
        "processes' arguments": b"\n".join(seen.arguments),
        "what the registry was asked": repr(registry.asked).encode(),
    }
    stores = {path for path in found if path.endswith(("access_token", ".db", ".sqlite", ".db-wal", ".sqlite-wal"))}
    databases = [path for path in stores if path.endswith((".db", ".sqlite"))]
    assert len(databases) > 2
    found |= {path: texts_of(Path(path)) for path in databases}
    for path in stores - set(databases):
        del found[path]
    assert {place: names for place, content in found.items() if (names := names_in(world, content))} == {}

    # Of the processes that a command starts for probing and rendering, none is handed what it does not need.
    assert seen.of_children
    assert {name for name, value in seen.of_children if names_in(world, value.encode())} == set()
    holders = {name for name, value in seen.environments if names_in(world, value.encode())}
    assert {"HUGGING_FACE_HUB_TOKEN", "NGC_CLI_API_KEY"} <= holders <= MEANT


def test_a_run_makes_what_is_missing(world: Cloud) -> None:
    with world.osmo as client:
        give_token(client)
        client.delete_credential("hf_token")
        done = world.vda("run", "--dataset", DATASET, "--flow", "e2e")
        assert done.returncode == 0, done.stdout + done.stderr
        assert {one.name for one in client.credentials()} == {"hf_token", "nvcr_io"}


def test_a_missing_tag_stops_a_run_before_anything_is_submitted(world: Cloud, registry: Registry) -> None:
    before = set(world.workflows())
    registry.images.remove(IMAGES["augmentation"])
    try:
        done = world.vda("run", "--dataset", DATASET, "--select", "augmented_videos")
    finally:
        registry.images.add(IMAGES["augmentation"])
    assert done.returncode == 1
    assert "FAILED: USER_INPUT_REQUIRED: correct images.augmentation: " in done.stderr
    assert set(world.workflows()) == before


@pytest.mark.parametrize(
    ("config", "said"), [({}, "OSMO has hf_token"), ({"refresh": True}, "hf_token of OSMO was replaced")]
)
def test_the_asset_preflight_does_as_the_command_is_told(
    world: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: dict[str, bool], said: str
) -> None:
    with world.osmo as client:
        give_token(client)
    (tmp_path / "cached").write_text(HF_TOKEN)
    exported = {"OSMO_TOKEN": world.environment["OSMO_TOKEN"], "HF_TOKEN_PATH": str(tmp_path / "cached")}
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    job = build_definitions(load_project(world.environment)).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(["cloud", "preflight"])],
            run_config={"ops": {"cloud__preflight": {"config": {"probe": False, **config}}}},
        )
    (made,) = done.get_asset_materialization_events()
    found = [one.data["found"] for one in made.materialization.metadata["findings"].records]
    assert any(said in one for one in found)
    assert any("not asked for at their registries" in one for one in found)


def test_the_asset_of_a_model_cache_fetches_what_is_missing_and_its_page_says_what_it_found(
    world: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OSMO_TOKEN", "HF_ENDPOINT", "VDA_WEIGHTS_MIRROR", "HF_HUB_DISABLE_XET"):
        monkeypatch.setenv(name, world.environment[name])
    weights = world.folder / "home/storage/data/models/auto_labeling/rfdetr/rf-detr-base.pth"
    weights.unlink(missing_ok=True)
    job = build_definitions(load_project(world.environment)).resolve_implicit_global_asset_job_def()
    key = dg.AssetKey(["cloud", "model_cache", "auto_labeling"])
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(instance=instance, asset_selection=[key])
    assert weights.exists()
    (check,) = done.get_asset_check_evaluations()
    assert (check.asset_key, check.check_name, check.passed) == (key, "is_ready", True)
    (made,) = done.get_asset_materialization_events()
    found = [one.data["found"] for one in made.materialization.metadata["findings"].records]
    assert any("lacks " in one for one in found)
    assert found[-1].endswith("GB")
