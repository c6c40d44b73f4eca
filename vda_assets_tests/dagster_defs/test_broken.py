"""Configuration that cannot be used is shown in the catalog, and what is good beside it stays as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(REPOSITORY / "assets_cfg", tmp_path / "assets_cfg")


def definitions_of(folder: Path) -> dg.Definitions:
    definitions = build_definitions(load_project({"VDA_ASSETS_CFG": str(folder)}))
    dg.Definitions.validate_loadable(definitions)
    return definitions


def node_of(definitions: dg.Definitions, *path: str):
    return definitions.resolve_asset_graph().get(dg.AssetKey(path))


def test_a_broken_dataset_is_an_asset_that_names_file_key_and_reason(folder: Path) -> None:
    path = folder / "datasets/night.yaml"
    path.write_text("url: file:///a/datasets/night-shift\ndeployment: local\nwhen: {cron: 99 99 * * *}\ncolour: x\n")
    asset = node_of(definitions_of(folder), "night_shift", "broken_configuration")
    assert (asset.group_name, asset.kinds) == ("night_shift", {"broken"})
    lines = asset.description.splitlines()
    assert f"    {path}" in lines
    assert any(line.startswith("    when.cron: ") and "99 99 * * *" in line for line in lines)
    assert any(line.startswith("    colour: ") for line in lines)


def test_nothing_of_what_is_broken_can_be_run_and_all_else_is_as_without_it(folder: Path) -> None:
    before = definitions_of(folder)
    (folder / "datasets/night.yaml").write_text("url: file:///a/datasets/night\ndeployment: nowhere\n")
    (folder / "deployments/cloud.yaml").write_text("osmo: {url: ftp://x}\n")
    after = definitions_of(folder)

    graphs = [one.resolve_asset_graph() for one in (before, after)]
    new = graphs[1].get_all_asset_keys() - graphs[0].get_all_asset_keys()
    assert {key.to_user_string() for key in new} == {"night/broken_configuration", "cloud/broken_configuration"}
    assert not any(graphs[1].get(key).is_executable or graphs[1].get(key).is_partitioned for key in new)
    for kind in ("jobs", "sensors", "resources"):
        names = [
            sorted(one if isinstance(one, str) else one.name for one in getattr(definitions, kind) or ())
            for definitions in (before, after)
        ]
        assert names[0] == names[1]


def test_files_that_share_a_name_are_told_in_one_place_beside_the_good_one(folder: Path) -> None:
    paths = [folder / f"datasets/worse-{number}.yaml" for number in (1, 2)]
    for path in paths:
        path.write_text("url: file:///b/datasets/street\ndeployment: local\n")
    definitions = definitions_of(folder)
    asset = node_of(definitions, "street", "broken_configuration")
    assert asset.group_name == "street"
    assert {f"    {path}" for path in paths} <= set(asset.description.splitlines())
    assert node_of(definitions, "street", "original_labels").is_executable


@pytest.mark.parametrize("name", ["自行车", "a b", "x" * 200, "-", "no ```markup"])
def test_a_file_of_any_name_and_content_has_its_place(folder: Path, name: str) -> None:
    (folder / f"datasets/{name}.yaml").write_bytes(b"\xff\xfe not YAML: [")
    broken = [
        key
        for key in definitions_of(folder).resolve_asset_graph().get_all_asset_keys()
        if key.path[-1] == "broken_configuration"
    ]
    assert len(broken) == 1
