"""Datasets as components of somebody's own Dagster project, loaded by Dagster as `dg` and its daemon do."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.components import VdaDataset
from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project
from vda_assets_tests.shop import STREET, YARD, Shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("VDA_ASSETS_CFG", raising=False)
    return Shop(tmp_path)


def load(shop: Shop) -> dg.Definitions:
    import_module(shop.module)
    definitions = dg.load_from_defs_folder(path_within_project=shop.defs.parent)
    dg.Definitions.validate_loadable(definitions)
    return definitions


def names(definitions: dg.Definitions) -> dict[str, list[str]]:
    """Of everything that the definitions hold, sorted."""
    repository = definitions.get_repository_def()
    return {
        "assets": sorted(key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()),
        "checks": sorted(key.to_user_string() for key in repository.asset_graph.asset_check_keys),
        "jobs": sorted(repository.job_names),
        "sensors": sorted(one.name for one in repository.sensor_defs),
        "schedules": sorted(one.name for one in repository.schedule_defs),
        "resources": sorted(repository.get_top_level_resources()),
    }


def test_datasets_as_components_have_what_they_have_as_files_and_your_own_assets_stand_beside(shop: Shop) -> None:
    shop.dataset("street", STREET)
    shop.dataset("yard", YARD)
    loaded = names(load(shop))

    (shop.assets_cfg / "datasets").mkdir()
    for name, keys in (("street", STREET), ("yard", YARD)):
        (shop.assets_cfg / f"datasets/{name}.yaml").write_text(keys)
    alone = names(build_definitions(load_project({"VDA_ASSETS_CFG": str(shop.assets_cfg)})))
    assert loaded == {**alone, "assets": sorted([*alone["assets"], "training_sample"])}


def test_datasets_of_several_deployments_and_in_one_file_share_what_is_of_their_deployment(shop: Shop) -> None:
    shutil.copyfile(shop.assets_cfg / "deployments/local.yaml", shop.assets_cfg / "deployments/other.yaml")
    shop.dataset("street", STREET)
    document = shop.dataset("others", YARD.replace("local", "other")).read_text()
    shop.add("others", f"{document}---\n{document.replace('yard', 'quay')}")
    loaded = names(load(shop))
    assert loaded["jobs"] == ["__ASSET_JOB", "local__clips", "other__clips"]
    assert {"quay__arrivals", "yard__arrivals", "local__sweep", "other__sweep"} <= set(loaded["sensors"])
    assert {"other/preflight", "quay/report", "yard/report"} <= set(loaded["assets"])


def test_a_projects_own_executor_and_io_manager_stay_what_they_are(shop: Shop) -> None:
    shop.dataset("street", STREET)
    own = """
        import dagster as dg

        defs = dg.Definitions(executor=dg.multiprocess_executor, resources={"io_manager": dg.mem_io_manager})
    """
    shop.add("own", own, file="resources.py")
    loaded = load(shop)
    assert loaded.executor is dg.multiprocess_executor
    assert loaded.get_repository_def().get_top_level_resources()["io_manager"] is dg.mem_io_manager


def test_variables_and_templates_are_filled_in(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BUCKET", "clips")
    shop.dataset("street", STREET)
    shop.dataset("yard", YARD.replace("/clips/", "/{{ env.SHOP_BUCKET }}/${SHOP_BUCKET}/"))
    node = load(shop).resolve_asset_graph().get(dg.AssetKey(["yard", "source_videos"]))
    assert node.metadata["dagster/uri"] == "file:///clips/clips/datasets/yard"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (f"{YARD}colour: red\n", "colour: unknown key"),
        (f"{YARD}licenze: MIT\n", "licenze: unknown key; did you mean licence?"),
        (YARD.replace("local", "nowhere"), "deployment: unknown deployment 'nowhere'"),
        (YARD.replace("arrival: true", "cron: 99 99 * * *"), "when.cron: "),
        (YARD.replace("url", "# url"), "url: is missing"),
        (YARD.replace("yard", "street"), "url: dataset 'street' has the name of"),
        (YARD.replace("yard", "${NOT_SET_ANYWHERE}"), "${NOT_SET_ANYWHERE} is not set"),
        ("{}\n", "url: is missing"),
    ],
)
def test_what_is_wrong_with_a_component_is_told_with_file_key_and_reason(shop: Shop, keys: str, told: str) -> None:
    shop.dataset("street", STREET)
    path = shop.dataset("yard", keys)
    with pytest.raises(Exception, match="Error while building definitions for yard") as caught:
        load(shop)
    assert f"{path}: {told}" in str(caught.value.__cause__)


def test_the_keys_that_dg_checks_are_those_of_the_dataset_model() -> None:
    keys = VdaDataset.get_model_cls().model_json_schema()
    of_model = Dataset.model_json_schema()
    assert keys["properties"] == of_model["properties"]
    assert keys["additionalProperties"] is False
    assert keys["$defs"].keys() == of_model["$defs"].keys()
