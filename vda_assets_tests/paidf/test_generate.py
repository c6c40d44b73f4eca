"""The configs that are written for the two containers: every key is known, whatever the scene and the clip's name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from omegaconf import OmegaConf
from pydantic import BaseModel

from vda_assets.config.deployment import Container, Endpoints, GeneratorEndpoint, Images
from vda_assets.config.errors import BadConfigFile
from vda_assets.cookbooks.cookbook import Cookbook, read_cookbook
from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.datasets.clips import key_of, video_of
from vda_assets.embedded.containers.augmentation.schema import Config as ReferenceAugmentation
from vda_assets.embedded.containers.auto_labeling.schema import Config as ReferenceAutoLabeling
from vda_assets.embedded.containers.auto_labeling.settings import load_config
from vda_assets.flows.setup import setup_files
from vda_assets.paidf.augmentation_1_0 import AugmentationConfig10
from vda_assets.paidf.auto_labeling_1_0 import AutoLabelingConfig
from vda_assets.paidf.dead_keys import dead_keys_1_0
from vda_assets.paidf.generate import known_version, sift_augmentation
from vda_assets_tests.unknown_keys import unknown_keys

SCENES = sorted((Path(__file__).parents[2] / "assets_cfg/cookbooks").iterdir())
KEYS = Path(__file__).parent / "config_keys"
ENDPOINTS = Endpoints(video_transfer=GeneratorEndpoint(url="http://cosmos:8000/v1", model="nvidia/cosmos-transfer2.5"))
KEYS_OF = {"1.0.0": "1.0.0", "1.0.1": "1.0.0", "1.1.0": "1.1.0"}
VERSIONS = tuple(KEYS_OF)
ODD_NAMES = [
    "bikes",
    "null",
    "1e3",
    "2024-01-01",
    "-dash",
    "yard cam=07",
    "Straße: #5",
    "${HOME}",
    "{{output}}",
    "[x, y]",
    "nested/folder/clip",
    "x" * 180,
]


def cookbook_of(folder: Path) -> Cookbook:
    return read_cookbook(folder, name=folder.name)


def images(version: str) -> Images:
    return Images(augmentation=f"nvcr.io/nvidia/paidf-augmentation:{version}")


def configs(cookbook: Cookbook, name: str = "bikes", *, version: str = "1.0.0") -> tuple[Draw, Any, Any]:
    """The draw of a clip with its two configs, read back from the setup's files."""
    video = video_of(key_of(f"{name}.mp4"))
    draw = draws_for(cookbook.distribution, video)[0]
    files = setup_files(
        {f"{name}.mp4": [draw]},
        cookbook=cookbook,
        endpoints=ENDPOINTS,
        super_resolution=False,
        images=images(version),
    )
    augmentation = yaml.safe_load(files[f"configs/{draw.name}.yaml"])
    return draw, augmentation, yaml.safe_load(files["configs/auto_labeling/auto_labeling_config.yaml"])


def paths(node: Any, path: str = "") -> set[str]:
    """Every key of a document; `*` for a position in a list and for the name of a variable."""
    if isinstance(node, list) and any(isinstance(item, dict) for item in node):
        return {found for item in node for found in paths(item, f"{path}.*")}
    if not isinstance(node, dict) or not node:
        return {path.removeprefix(".")}
    if path.endswith((".variables", ".verification_options")):
        return {f"{path}.*".removeprefix(".")}
    return {found for key, item in node.items() for found in paths(item, f"{path}.{key}")}


def fields(annotation: Any, path: str = "") -> set[str]:
    """Every key that a schema knows."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {
            found
            for name, field in annotation.model_fields.items()
            for found in fields(field.annotation, f"{path}.{name}") | {f"{path}.{name}".removeprefix(".")}
        }
    return {found for argument in get_args(annotation) for found in fields(argument, path)}


def test_the_models_know_every_key_of_the_containers_but_the_dead_ones() -> None:
    known, written = fields(ReferenceAugmentation), fields(AugmentationConfig10)
    assert written - known == set()
    left_out = {
        key for key in known - written if not key.startswith((*dead_keys_1_0("1.0.0"), "evaluators.vlm_verification"))
    }
    assert left_out == {
        "captioning.llm.system_prompt_file",
        "endpoints.cosmos_predict",
        "endpoints.cosmos_predict.model",
        "endpoints.cosmos_predict.url",
        "endpoints.cosmos_transfer",
        "endpoints.cosmos_transfer.model",
        "endpoints.cosmos_transfer.url",
        "endpoints.image_edit",
        "endpoints.image_edit.model",
        "endpoints.image_edit.url",
        "evaluators.attribute_verification.question_generation.executor_type",
        "evaluators.attribute_verification.question_generation.url",
    }
    assert fields(AutoLabelingConfig) == fields(ReferenceAutoLabeling)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_generated_config_has_exactly_the_keys_of_its_container(scene: Path, version: str) -> None:
    _, augmentation, auto_labeling = configs(cookbook_of(scene), version=version)
    assert sorted(paths(augmentation)) == (KEYS / f"augmentation-{KEYS_OF[version]}.txt").read_text().splitlines()
    assert sorted(paths(auto_labeling)) == (KEYS / "auto_labeling-1.0.0.txt").read_text().splitlines()


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_reference_schemas_know_every_key_for_clips_of_any_name(scene: Path, name: str, tmp_path: Path) -> None:
    draw, augmentation, auto_labeling = configs(cookbook_of(scene), name)
    merged = OmegaConf.to_container(OmegaConf.create(yaml.safe_dump(augmentation)), resolve=True)
    assert merged == augmentation
    parsed = ReferenceAugmentation.model_validate(merged)
    assert unknown_keys(augmentation, parsed.model_dump()) == []
    assert parsed.data[0].inputs.rgb == f"{draw.video}.mp4"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(auto_labeling))
    overrides = [f"data.0.inputs.video_path={tmp_path}/a.mp4", f"data.0.output.out_dir={tmp_path}"]
    config = load_config(tmp_path / "config.yaml", overrides, {})
    assert config.data[0].output.config_path == f"{tmp_path}/config.yaml"


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_draw_and_its_seed_stand_where_the_container_reads_them(scene: Path, version: str) -> None:
    cookbook = cookbook_of(scene)
    draw, config, _ = configs(cookbook, version=version)
    llm = config["captioning"]["llm"]
    assert llm["variables"] == {name: [value] for name, value in draw.sampled_vars.items()}
    for name, weights in cookbook.distribution.variables.items():
        assert set(weights) <= set(llm["verification_options"][name])
        assert len(llm["verification_options"][name]) >= 2
    assert config["augmentation"]["parameters"]["seed"] == draw.generation_seed
    assert config["data"][0]["inputs"]["controls"] == {"edge": None}


def test_a_later_version_finds_its_endpoints_by_role_and_leaves_the_verdict_to_the_pipeline() -> None:
    _, config, _ = configs(cookbook_of(SCENES[0]), version="1.1.0")
    assert [(one["id"], one["role"], one["url"]) for one in config["endpoints"]] == [
        ("vlm", "vlm", ENDPOINTS.vlm.url),
        ("llm", "llm", ENDPOINTS.llm.url),
        ("cosmos-transfer2.5", "video_transfer", "http://cosmos:8000/v1"),
    ]
    assert config["pipeline"]["evaluation"] == {"strict": False, "retain_failures": True}
    assert "executor_type" not in config["augmentation"]["model"]
    assert "local_parameters" not in config["augmentation"]


def test_the_worker_is_told_which_version_the_config_is_for() -> None:
    files = setup_files(
        {}, cookbook=cookbook_of(SCENES[0]), endpoints=ENDPOINTS, super_resolution=False, images=images("1.1.0-rc.2")
    )
    assert b"PAIDF_AUGMENTATION_VERSION=1.1.0\n" in files[".env"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    shutil.copytree(SCENES[0].parent / "warehouse", tmp_path / "own")
    return tmp_path / "own"


def rewrite(folder: Path, change: Any, file: str = "augmentation/augmentation.yaml") -> Cookbook:
    content = yaml.safe_load((folder / file).read_text())
    change(content)
    (folder / file).write_text(yaml.safe_dump(content))
    return cookbook_of(folder)


def test_what_the_reference_carries_along_is_not_written(own: Path) -> None:
    def change(base: Any) -> None:
        base["template_generation"] = {"variables": {"weather_condition": ["snow"]}, "system_prompt_file": "x.md"}
        base["prompt_generation"] = {"seed": 3}
        base["cosmos"] = {"parameters": {"seed": 4, "inference_name": "x"}}
        base["video_captioning"] = {"parser": "instruct"}
        base["pipeline"]["evaluation"] = {"strict": True}
        base["pipeline"]["logging"] = {"level": "DEBUG"}
        base["evaluators"].append({"vlm_verification": {"system_prompt": "?"}})
        base["captioning"]["llm"]["variables"] = {"lighting_condition": ["bright", "dark"]}
        del base["captioning"]["llm"]["verification_options"]

    _, config, _ = configs(rewrite(own, change))
    assert sorted(paths(config)) == (KEYS / "augmentation-1.0.0.txt").read_text().splitlines()
    assert config["captioning"]["llm"]["verification_options"] == {
        "lighting": ["bright", "moderate", "dim"],
        "surface_condition": ["dry", "wet"],
    }


def test_unknown_keys_and_bad_values_are_told_at_once_with_what_is_allowed(own: Path) -> None:
    def change(base: Any) -> None:
        base["pipeline"]["retries"] = 2
        base["captioning"]["vlm"]["parameters"]["fsp"] = 2
        base["evaluators"][1]["attribute_verification"]["vlm_verification"]["frames"] = 3
        base["augmentation"]["parameters"]["guidance"] = 3.5
        base["augmentation"]["modalities"] = {"seg_control_prompt": "road"}

    with pytest.raises(BadConfigFile) as error:
        configs(rewrite(own, change))
    said = str(error.value).splitlines()
    path = own / "augmentation/augmentation.yaml"
    assert any(f"{path}: pipeline.retries: unknown key; did you mean retry? (line " in line for line in said)
    assert any("captioning.vlm.parameters.fsp: unknown key; did you mean fps?" in line for line in said)
    assert any("evaluators.1.attribute_verification.vlm_verification.frames: unknown key" in line for line in said)
    assert any("augmentation.parameters.guidance: " in line for line in said)
    assert any("augmentation.modalities: give a weight to one of edge, depth, seg, vis" in line for line in said)


def test_a_class_that_the_detector_does_not_know_is_refused_before_it_costs_the_tracking(own: Path) -> None:
    def change(base: Any) -> None:
        base["detection_and_tracking"]["classes"] = ["person", "forklift"]
        base["detection_and_tracking"]["max_agee"] = 4
        base["super_resolution"]["varaint"] = "seedvr2_3b"

    with pytest.raises(BadConfigFile) as error:
        configs(rewrite(own, change, "auto_labeling/auto_labeling_config.yaml"))
    said = str(error.value)
    assert "detection_and_tracking.classes.1: is no class of the detector" in said
    assert "(got 'forklift')" in said
    assert "detection_and_tracking.max_agee: unknown key; did you mean max_age?" in said
    assert "super_resolution.varaint: unknown key" in said


def test_a_prompt_file_of_the_cookbook_is_written_out_since_the_container_could_not_find_it(own: Path) -> None:
    (own / "augmentation/prompts").mkdir()
    (own / "augmentation/prompts/look.md").write_text("Change lighting and surface_condition.")

    def change(base: Any, name: str) -> None:
        base["captioning"]["llm"]["system_prompt_file"] = name

    _, config, _ = configs(rewrite(own, lambda base: change(base, "prompts/look.md")))
    assert config["captioning"]["llm"]["system_prompt"] == "Change lighting and surface_condition."
    with pytest.raises(BadConfigFile, match=r"'/osmo/look\.md' is no file of the cookbook"):
        configs(rewrite(own, lambda base: change(base, "/osmo/look.md")))


def test_ready_made_controls_are_kept_and_every_weighted_one_is_named(own: Path) -> None:
    def change(base: Any) -> None:
        base["data"][0]["inputs"]["controls"] = {"depth": "/osmo/depth.mp4"}
        base["augmentation"]["modalities"] |= {"depth": 0.5, "vis": 0.2}

    _, config, _ = configs(rewrite(own, change))
    assert config["data"][0]["inputs"]["controls"] == {"edge": None, "depth": "/osmo/depth.mp4", "vis": None}


def test_parameters_of_a_generator_elsewhere_go_out_as_they_are(own: Path) -> None:
    given = {"guidance": 3.5, "resolution": 720, "shift": [1, 2], "edge": {"control_weight": 0.5}, "sigma": None}

    def change(base: Any) -> None:
        base["augmentation"]["parameters"] = dict(given)
        del base["augmentation"]["modalities"]

    draw, config, _ = configs(rewrite(own, change), version="1.1.0")
    del given["sigma"]
    assert config["augmentation"]["parameters"] == {**given, "seed": draw.generation_seed}


def test_each_endpoint_of_a_list_says_its_timeout_and_where_its_key_is(own: Path) -> None:
    endpoints = Endpoints.model_validate(
        {
            "vlm": {"url": "http://vlm/v1", "model": "v", "api_key_env": "MY_KEY", "timeout_seconds": 50},
            "video_transfer": {"url": "http://cosmos", "model": "c"},
        }
    )
    files = setup_files(
        {"a.mp4": draws_for(cookbook_of(own).distribution, "a")},
        cookbook=cookbook_of(own),
        endpoints=endpoints,
        super_resolution=False,
        images=images("1.1.0"),
    )
    vlm, llm, generator = yaml.safe_load(files["configs/a_aug0.yaml"])["endpoints"]
    assert (vlm["timeout"], vlm["api_key_env"]) == (50, "MY_KEY")
    assert llm["timeout"] > 120
    assert "api_key_env" not in llm
    assert generator["timeout"] > 300
    assert b"VLM_API_KEY_ENV=MY_KEY\n" in files[".env"]
    assert b"PAIDF_AUGMENTATION_HOME=/workspace\n" in files[".env"]


def test_keys_that_are_dead_in_this_very_config_are_not_written(own: Path) -> None:
    def change(base: Any) -> None:
        base["captioning"]["llm"]["seed"] = 5
        base["captioning"]["vlm"]["system_prompt"] = "You see clips."
        base["augmentation"]["modalities"]["seg_control_prompt"] = "workers"

    cookbook = rewrite(own, change)
    _, config, _ = configs(cookbook)
    assert "seed" not in config["captioning"]["llm"]
    assert "system_prompt" not in config["captioning"]["vlm"]
    assert config["augmentation"]["modalities"] == {"edge": 1.0}
    told = sift_augmentation(cookbook, known_version(images("1.0.0"), Container.AUGMENTATION)).dead
    assert set(told) == {
        "captioning.llm.seed",
        "captioning.vlm.system_prompt",
        "augmentation.modalities.seg_control_prompt",
    }


def test_the_same_keys_are_written_where_the_rest_of_the_config_has_them_read(own: Path) -> None:
    def change(base: Any) -> None:
        base["captioning"]["vlm"] |= {"system_prompt": "You see clips.", "parser": "reasoning"}
        base["augmentation"]["modalities"] |= {"seg": 0.5, "seg_control_prompt": "workers"}

    _, config, _ = configs(rewrite(own, change))
    assert config["captioning"]["vlm"]["system_prompt"] == "You see clips."
    assert config["augmentation"]["modalities"]["seg_control_prompt"] == "workers"

    def fix(base: Any) -> None:
        del base["captioning"]["vlm"]
        base["captioning"]["llm"]["file_path"] = "/prompts.txt"

    draw, config, _ = configs(rewrite(own, fix))
    assert config["captioning"]["llm"]["seed"] == draw.prompt_seed


def test_unknown_keys_of_what_is_replaced_are_told_too(own: Path) -> None:
    def change(base: Any) -> None:
        base["data"][0]["inputs"]["contrls"] = {"edge": None}

    with pytest.raises(BadConfigFile, match=r"data\.0\.inputs\.contrls: unknown key; did you mean controls\?"):
        configs(rewrite(own, change))


@pytest.mark.parametrize(
    ("block", "key", "value", "said"),
    [
        ("super_resolution", "model", "seedvr3", "Input should be 'seedvr2'"),
        ("super_resolution", "variant", "seedvr2_7b_sharp", "Input should be 'seedvr2_3b' or 'seedvr2_7b'"),
        ("super_resolution", "window_timeout", 0.5, "valid integer"),
        ("super_resolution", "overlap_frames", 128, "overlap_frames 128 must be below window_frames 128"),
        ("super_resolution", "window_frames", 64, "overlap_frames 64 must be below window_frames 64"),
        ("detection_and_tracking", "model", "yolo", "Input should be 'rfdetr'"),
        ("detection_and_tracking", "asso_func", "cosine", "Input should be 'iou'"),
        ("detection_and_tracking", "dedup_priority", "largest", "Input should be 'conf'"),
        ("vlm_json", "model", "llava", "Input should be 'vlm'"),
        ("vlm_json", "timeout", 600.5, "valid integer"),
        ("mcq_generation.window_metadata_extraction", "timeout", 1.5, "valid integer"),
    ],
)
def test_what_ends_the_real_command_is_refused_when_the_cookbook_is_read(
    own: Path, block: str, key: str, value: Any, said: str
) -> None:
    def change(base: Any) -> None:
        for part in block.split("."):
            base = base[part]
        base[key] = value

    with pytest.raises(BadConfigFile) as error:
        configs(rewrite(own, change, "auto_labeling/auto_labeling_config.yaml"))
    assert f"{block}" in str(error.value)
    assert said in str(error.value)


def test_names_of_classes_are_compared_as_the_container_folds_them(own: Path) -> None:
    def change(base: Any) -> None:
        base["detection_and_tracking"]["classes"] = ["Person", " traffic_light ", "Sports Ball"]

    configs(rewrite(own, change, "auto_labeling/auto_labeling_config.yaml"))
    with pytest.raises(BadConfigFile, match="is no class of the detector"):
        configs(
            rewrite(
                own,
                lambda base: base["detection_and_tracking"].update(classes=["traffic-light"]),
                "auto_labeling/auto_labeling_config.yaml",
            )
        )


def test_an_anchor_for_both_endpoints_does_not_give_one_the_others_url(own: Path) -> None:
    path = own / "auto_labeling/auto_labeling_config.yaml"
    text = path.read_text().splitlines()
    text = [line.replace("vlm: {", "vlm: &same {") if line.startswith("  vlm: {") else line for line in text]
    text = ["  llm: *same" if line.startswith("  llm: {") else line for line in text]
    path.write_text("\n".join(text))
    _, _, config = configs(cookbook_of(own))
    assert config["endpoints"]["vlm"]["url"] == ENDPOINTS.vlm.url
    assert config["endpoints"]["llm"]["url"] == ENDPOINTS.llm.url


def test_a_newer_container_takes_the_keys_that_came_with_it(own: Path) -> None:
    def change(base: Any) -> None:
        base["pipeline"]["request_timeout"] = 900
        base["pipeline"]["evaluation"] = {"strict": True}
        verification = base["evaluators"][1]["attribute_verification"]
        verification["vlm_verification"]["frames"] = 4
        verification["question_generation"]["generate_options"] = True

    _, config, _ = configs(rewrite(own, change), version="1.1.0")
    assert config["pipeline"]["request_timeout"] == 900
    assert config["pipeline"]["evaluation"] == {"strict": True, "retain_failures": True}
    assert config["evaluators"][1]["attribute_verification"]["vlm_verification"]["frames"] == 4
