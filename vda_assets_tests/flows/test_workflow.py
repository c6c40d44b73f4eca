from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from vda_assets.config.deployment import Images
from vda_assets.cookbooks.draw import draws_for
from vda_assets.datasets.clips import Clip
from vda_assets.flows.place import Place
from vda_assets.flows.planning import item_of
from vda_assets.flows.selection import FLOWS, output_named, selection_of
from vda_assets.flows.setup import setup_files, write_setup
from vda_assets.flows.stages import Rendered, Stage, stage_of_task
from vda_assets.flows.work import ClipWork, attempt_of, output_hashes, remaining
from vda_assets.flows.workflow import build_workflow, workflow_name
from vda_assets.osmo.spec import VersionedWorkflowSpec, check_finished, to_yaml
from vda_assets.project import Project, load_project
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl

REPOSITORY = Path(__file__).parents[2]
ROOT = StorageUrl.parse("s3://bucket")
LAYOUT = RunLayout(ROOT, "street", "run-0a1b2c3d")
FORMER = RunLayout(ROOT, "street", "run-ffffffff")


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project({"VDA_ASSETS_CFG": str(REPOSITORY / "assets_cfg"), "VDA_HOME": "/home/vda"})


def work_of(project: Project, outputs, *, n: int = 1, existing=None, key: str = "a.mp4") -> ClipWork:
    selection = FLOWS[outputs] if isinstance(outputs, str) else selection_of(map(output_named, outputs))
    clip = Clip(key, ROOT / f"datasets/street/{key}", 10, "v1", 0.0)
    cookbook = project.cookbooks["city_traffic"]
    cookbook = replace(cookbook, distribution=cookbook.distribution.model_copy(update={"n_augmentations": n}))
    images = project.deployments["local"].images
    draws, hashes = output_hashes(clip, cookbook=cookbook, images=images, super_resolution=selection.super_resolution)
    return ClipWork(clip, selection, draws, hashes, existing or {})


def workflow_of(project: Project, outputs, **options) -> dict:
    work = work_of(project, outputs, **options)
    spec = build_workflow(
        work,
        layout=LAYOUT,
        deployment=project.deployments["local"],
        place=Place("default", "h100"),
        attempt=2,
    )
    return yaml.safe_load(check_finished(to_yaml(spec)))["workflow"]


def groups_of(workflow: dict) -> dict[str, list[str]]:
    return {group["name"]: [task["name"] for task in group["tasks"]] for group in workflow["groups"]}


@pytest.mark.parametrize(
    ("flow", "groups"),
    [
        ("auto_labeling", {"auto_labeling_group": ["pl_original_worker_0"]}),
        (
            "augmentation_and_al",
            {"augmentation_group": ["cosmos_worker_0"], "auto_labeling_augmented_group": ["pl_augmented_worker_0"]},
        ),
        (
            "e2e",
            {
                "auto_labeling_original_group": ["pl_original_worker_0"],
                "augmentation_group": ["cosmos_worker_0"],
                "auto_labeling_augmented_group": ["pl_augmented_worker_0"],
            },
        ),
    ],
)
def test_a_flow_has_osmos_groups_and_tasks(project: Project, flow: str, groups: dict) -> None:
    assert groups_of(workflow_of(project, flow)) == groups


def test_a_workflow_says_whose_work_it_is_and_takes_nothing_but_its_own_clip(project: Project) -> None:
    workflow = workflow_of(project, "e2e")
    work = work_of(project, "e2e")
    assert workflow["name"] == workflow_name(LAYOUT, work)
    assert workflow["name"].startswith("vda-0a1b2c3d-")
    assert workflow["labels"]["vda-work"] == work.work_hash
    assert workflow["labels"]["vda-attempt"] == "2"
    label, augment, relabel = (group["tasks"][0] for group in workflow["groups"])
    assert [one.get("url") for one in label["inputs"]] == [
        "s3://bucket/datasets/street-outputs/run-0a1b2c3d/setup_b0",
        "s3://bucket/datasets/street/a.mp4",
        "s3://bucket/data/models/auto_labeling",
    ]
    assert augment["inputs"][2]["url"] == "s3://bucket/data/models/cosmos_transfer"
    assert relabel["inputs"][1] == {"task": "cosmos_worker_0"}
    assert relabel["outputs"] == [
        {"url": "s3://bucket/datasets/street-outputs/run-0a1b2c3d/outputs/pseudo_labeled_augmented/a_aug0"}
    ]
    assert workflow["resources"]["augmentation"] == {
        "cpu": 11,
        "gpu": 1,
        "memory": "100Gi",
        "storage": "100Gi",
        "platform": "h100",
    }
    assert workflow["timeout"] == {"exec_timeout": "24h", "queue_timeout": "2h"}


def test_an_image_that_runs_no_model_is_given_no_weights(project: Project) -> None:
    local = project.deployments["local"]
    newer = local.model_copy(update={"images": local.images.model_copy(update={"augmentation_version": "1.1.0"})})
    spec = build_workflow(
        work_of(project, "e2e"), layout=LAYOUT, deployment=newer, place=Place("default", "h100"), attempt=1
    )
    label, augment, _ = (group.tasks[0] for group in spec.groups)
    assert "--model-cache" in label.args
    assert "--model-cache" not in augment.args
    assert not any("data/models" in str(given) for given in augment.inputs)


def test_several_augmentations_have_a_worker_each_and_meet_at_their_lead(project: Project) -> None:
    workflow = workflow_of(project, "augmentation_and_al", n=3)
    augment, relabel = workflow["groups"]
    assert [task["name"] for task in augment["tasks"]] == [f"cosmos_worker_{index}" for index in range(3)]
    assert [task.get("lead", False) for task in augment["tasks"]] == [True, False, False]
    assert augment["tasks"][2]["args"][-6:] == [
        "--rank",
        "2",
        "--peers",
        "3",
        "--lead-host",
        "{{host:cosmos_worker_0}}",
    ]
    assert relabel["tasks"][2]["inputs"][1] == {"task": "cosmos_worker_2"}


def test_separate_groups_let_each_index_go_its_own_way(project: Project) -> None:
    work = work_of(project, "e2e", n=2)
    deployment = project.deployments["local"].model_copy(update={"augmentation_grouping": "separate"})
    spec = build_workflow(work, layout=LAYOUT, deployment=deployment, place=Place("default", "h100"), attempt=1)
    workflow = yaml.safe_load(check_finished(to_yaml(spec)))["workflow"]
    assert groups_of(workflow) == {
        "auto_labeling_original_group": ["pl_original_worker_0"],
        "augmentation_group_0": ["cosmos_worker_0"],
        "augmentation_group_1": ["cosmos_worker_1"],
        "auto_labeling_augmented_group_0": ["pl_augmented_worker_0"],
        "auto_labeling_augmented_group_1": ["pl_augmented_worker_1"],
    }
    for group in workflow["groups"]:
        (task,) = group["tasks"]
        assert task["lead"]
        assert "--peers" not in task["args"]
        upstream = [one["task"] for one in task["inputs"] if "task" in one]
        index = group["name"][-1]
        assert upstream == ([f"cosmos_worker_{index}"] if "augmented" in group["name"] else [])
    assert len({task["name"] for group in workflow["groups"] for task in group["tasks"]}) == 5
    assert VersionedWorkflowSpec.model_validate(yaml.safe_load(to_yaml(spec))).workflow == spec


def test_any_number_of_augmentations_gives_as_many_workers(project: Project) -> None:
    augment, relabel = workflow_of(project, "augmentation_and_al", n=33)["groups"]
    assert len(augment["tasks"]) == len(relabel["tasks"]) == 33
    assert len({task["outputs"][0]["url"] for task in augment["tasks"]}) == 33


def test_super_resolution_lets_the_augmentation_of_the_original_wait_for_the_enhanced_labels(project: Project) -> None:
    label, augment, _ = workflow_of(project, "e2e_super_resolution")["groups"]
    assert "--super-resolution" in label["tasks"][0]["args"]
    _, clip, _, gate = augment["tasks"][0]["inputs"]
    assert clip == label["tasks"][0]["inputs"][1]
    assert gate == {"task": "pl_original_worker_0", "regex": "outcome.json"}


def test_a_clip_of_another_format_is_taken_from_where_it_lies_as_an_mp4(project: Project) -> None:
    work = work_of(project, "e2e", key="a.mkv")
    remuxed = LAYOUT.remuxed_clip("a", "0123456789ab")
    deployment = project.deployments["local"]
    spec = build_workflow(
        replace(work, remuxed=remuxed),
        layout=LAYOUT,
        deployment=deployment,
        place=Place("default", "h100"),
        attempt=1,
    )
    workflow = yaml.safe_load(to_yaml(spec))["workflow"]
    label, augment, _ = (group["tasks"][0] for group in workflow["groups"])
    assert label["inputs"][1] == augment["inputs"][1] == {"url": f"{LAYOUT.root}/remuxed/a/0123456789ab.mp4"}


def test_only_work_that_begins_with_the_clip_takes_it(project: Project) -> None:
    assert work_of(project, "auto_labeling").takes_clip
    assert work_of(project, ["augmented_videos"]).takes_clip
    assert not work_of(project, ["augmented_labels"]).takes_clip


def test_labels_of_augmented_clips_that_exist_take_them_from_where_they_lie(project: Project) -> None:
    workflow = workflow_of(project, ["augmented_labels"], existing={Stage.AUGMENTED_VIDEOS: FORMER})
    (group,) = workflow["groups"]
    assert group["tasks"][0]["inputs"][1] == {
        "url": "s3://bucket/datasets/street-outputs/run-ffffffff/outputs/augmented/a_aug0"
    }
    assert "augmented_video.mp4" in group["tasks"][0]["args"]


def test_what_is_left_of_a_work_takes_its_inputs_from_what_completed(project: Project) -> None:
    work = work_of(project, "e2e")
    left = remaining(work, {Stage.ORIGINAL_LABELS: LAYOUT, Stage.AUGMENTED_VIDEOS: LAYOUT})
    assert left.stages == (Stage.AUGMENTED_LABELS,)
    assert left.existing == {Stage.AUGMENTED_VIDEOS: LAYOUT}
    assert left.work_hash != work.work_hash
    assert work.selection.taken_from_elsewhere() == frozenset()


def test_the_hash_of_a_work_changes_with_the_clip_the_configuration_and_the_selection(project: Project) -> None:
    work = work_of(project, "e2e")
    assert work.work_hash == work_of(project, "e2e").work_hash
    other_clip = replace(work.clip, version="v2")
    cookbook = project.cookbooks["city_traffic"]
    images = project.deployments["local"].images
    _, changed = output_hashes(other_clip, cookbook=cookbook, images=images, super_resolution=False)
    assert not set(changed.values()) & set(work.output_hashes.values())
    newer = images.model_copy(update={"augmentation": "nvcr.io/nvidia/paidf-augmentation:1.1.0"})
    _, changed = output_hashes(work.clip, cookbook=cookbook, images=newer, super_resolution=False)
    assert changed[Stage.ORIGINAL_LABELS] == work.output_hashes[Stage.ORIGINAL_LABELS]
    assert changed[Stage.AUGMENTED_LABELS] != work.output_hashes[Stage.AUGMENTED_LABELS]
    assert work_of(project, "auto_labeling").work_hash != work.work_hash


def test_a_task_belongs_to_its_stage() -> None:
    assert stage_of_task("cosmos_worker_12") is Stage.AUGMENTED_VIDEOS
    assert stage_of_task("pl_original_worker_0") is Stage.ORIGINAL_LABELS
    assert stage_of_task("something") is None


def test_the_written_workflow_is_what_osmo_would_read(project: Project) -> None:
    work = work_of(project, "e2e", key="cam=201=2Fa.mp4")
    spec = build_workflow(
        work, layout=LAYOUT, deployment=project.deployments["local"], place=Place("default", "h"), attempt=1
    )
    assert VersionedWorkflowSpec.model_validate(yaml.safe_load(to_yaml(spec))).workflow == spec


def test_setup_has_the_references_layout_and_only_the_runs_own_clips(project: Project, tmp_path: Path) -> None:
    work = work_of(project, "e2e", n=2)
    files = setup_files(
        {"a.mp4": work.draws},
        cookbook=project.cookbooks["city_traffic"],
        endpoints=project.deployments["local"].endpoints,
        super_resolution=True,
    )
    layout = RunLayout(StorageUrl.parse(f"file://{tmp_path}"), "street", "run-0a1b2c3d")
    write_setup(Storage(), layout, files)

    setup = tmp_path / "datasets/street-outputs/run-0a1b2c3d/setup_b0"
    manifest = yaml.safe_load((setup / "configs/manifest.yaml").read_text())
    assert manifest["total"] == 2
    assert manifest["configs"][1] == {
        "video": "a.mp4",
        "video_name": "a",
        "aug_idx": 1,
        "config": "a_aug1.yaml",
        "sampled_vars": dict(work.draws[1].sampled_vars),
    }
    environment = dict(line.split("=", 1) for line in (setup / ".env").read_text().splitlines())
    assert environment["ACCEPT_EULA"] == "Y"
    assert environment["SUPER_RESOLUTION_ENABLED"] == "true"
    assert (setup / "runtime.env").read_bytes() == (setup / ".env").read_bytes()
    assert (setup / "configs/auto_labeling/question_bank.json").exists()
    assert (setup / "vda_assets/worker/__main__.py").exists()
    assert not list(setup.rglob("*.part"))
    config = yaml.safe_load((setup / "configs/a_aug1.yaml").read_text())
    draw = work.draws[1]
    assert config["captioning"]["llm"]["variables"] == {name: [value] for name, value in draw.sampled_vars.items()}
    assert set(config["captioning"]["llm"]["verification_options"]["weather"]) == {"clear", "overcast", "rain"}
    assert config["augmentation"]["parameters"]["seed"] == draw.generation_seed
    assert json.dumps(config).count("template_generation") == 0


def test_a_further_try_changes_what_follows_from_it_and_says_its_number_in_every_hash_of_that(project: Project) -> None:
    clip, cookbook, images = work_of(project, "e2e").clip, project.cookbooks["city_traffic"], Images()
    first, second, third = (
        item_of(clip, cookbook=cookbook, images=images, super_resolution=False, attempt=attempt).output_hashes
        for attempt in (1, 2, 3)
    )
    assert first[Stage.ORIGINAL_LABELS] == second[Stage.ORIGINAL_LABELS] == third[Stage.ORIGINAL_LABELS]
    for output in (Stage.AUGMENTED_VIDEOS, Stage.AUGMENTED_LABELS, Rendered.COMPARISONS):
        hashes = [one[output] for one in (first, second, third)]
        assert [attempt_of(one) for one in hashes] == [1, 2, 3]
        assert len({one[:16] for one in hashes}) == 3, "what is kept of a hash elsewhere tells them apart too"


def test_a_worker_downloads_of_the_setup_what_it_needs_however_many_clips_the_run_has(project: Project) -> None:
    work = work_of(project, "e2e", n=2)
    others = {f"{name}.mp4": work_of(project, "e2e", key=f"{name}.mp4").draws for name in ("a_aug1", "xa", "a_aug0.1")}
    distribution = project.cookbooks["city_traffic"].distribution
    others |= {f"try {name}": draws_for(distribution, name, attempt=2) for name in ("a", "b", "a_aug0_try2")}
    files = setup_files(
        {"a.mp4": work.draws, **others},
        cookbook=project.cookbooks["city_traffic"],
        endpoints=project.deployments["local"].endpoints,
        super_resolution=False,
    )
    spec = build_workflow(
        work, layout=LAYOUT, deployment=project.deployments["local"], place=Place("default", "h"), attempt=1
    )
    taken = {
        task.name: {path for path in files if re.match(task.inputs[0].regex, path)}
        for group in spec.groups
        for task in group.tasks
    }
    of_clips = {f"configs/{draw.name}.yaml" for draws in (work.draws, *others.values()) for draw in draws}
    everybodys = set(files) - of_clips - {"configs/manifest.yaml"}
    assert len(of_clips) == 8
    assert taken == {
        "pl_original_worker_0": everybodys,
        "cosmos_worker_0": everybodys | {"configs/a_aug0.yaml"},
        "cosmos_worker_1": everybodys | {"configs/a_aug1.yaml"},
        "pl_augmented_worker_0": everybodys,
        "pl_augmented_worker_1": everybodys,
    }
