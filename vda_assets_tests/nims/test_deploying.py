"""NIMs are brought up in a cluster that has none, or half of one, or one that somebody else takes care of."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets.nims import manifests
from vda_assets.nims.catalogue import NIMS, QWEN3_VL, QWEN25_14B
from vda_assets.nims.deploying import Keys
from vda_assets.nims.looking import look
from vda_assets_tests.nims.conftest import HF_TOKEN, KEYS, NGC_KEY, World

# Of a repair of one NIM: service, kinds, nodes, namespace, three secrets, volume, and then the Job.
JOB_SEEN = 9
READY = {"qwen3-vl": "Ready", "qwen25-14b": "Ready"}
NOTHING = Keys(None, None)


def of_the_reference(**spec: Any) -> dict[str, Any]:
    """A NIM that NVIDIA's installer made, with its own annotation and none of ours."""
    manifest = copy.deepcopy(manifests.service(QWEN3_VL))
    manifest["metadata"]["annotations"] = {"orion.nvidia.com/spec-hash": "e2e5e6050287ae63"}
    manifest["spec"] |= spec
    return manifest


def running(world: World, manifest: dict[str, Any]) -> None:
    """It is there, with its weights, and whatever takes time has taken it."""
    world.api.weights.add("qwen3-vl")
    world.api.put("secrets", {**manifests.ngc_secrets(KEYS.ngc)[0]})  # type: ignore[arg-type]
    world.api.put("nimservices", manifest)
    world.api.settle()
    world.api.requests.clear()


def test_a_cold_cluster_ends_with_both_nims_ready(world: World) -> None:
    assert world.bring_up() == {}
    assert world.states() == READY
    assert sorted(world.api.of("persistentvolumeclaims")) == ["qwen25-14b-pvc", "qwen3-vl-pvc"]
    assert sorted(world.api.of("secrets")) == ["hf-token-secret", "ngc-api-secret", "nvcr-pull-secret"]
    assert world.api.of("namespaces").keys() == {"osmo-nims"}
    # Both at once: the time of one.
    assert world.clock.monotonic() < 1.2 * (world.api.download_seconds + world.api.startup_seconds)


def test_the_secrets_are_those_that_the_nims_and_the_downloads_read(world: World) -> None:
    world.bring_up()
    secrets = world.api.of("secrets")
    data = {name: {k: base64.b64decode(v).decode() for k, v in one["data"].items()} for name, one in secrets.items()}
    assert data["ngc-api-secret"] == {"NGC_API_KEY": NGC_KEY}
    assert data["hf-token-secret"] == {"HF_TOKEN": HF_TOKEN}
    login = json.loads(data["nvcr-pull-secret"][".dockerconfigjson"])["auths"]["nvcr.io"]
    assert (login["username"], login["password"]) == ("$oauthtoken", NGC_KEY)
    assert base64.b64decode(login["auth"]).decode() == f"$oauthtoken:{NGC_KEY}"
    assert secrets["nvcr-pull-secret"]["type"] == "kubernetes.io/dockerconfigjson"


def test_no_secret_is_told_and_none_stands_in_another_object(world: World) -> None:
    world.bring_up()
    others = [one for (kind, _, _), one in world.api.objects.items() if kind != "secrets"]
    for secret in (NGC_KEY, HF_TOKEN):
        encoded = base64.b64encode(secret.encode()).decode()
        for text in (*world.log, json.dumps(others), repr(KEYS)):
            assert secret not in text
            assert encoded not in text
    annotations = [one["metadata"].get("annotations") for one in world.api.of("secrets").values()]
    assert annotations == [None, None, None]


def test_what_takes_long_is_told_at_least_every_two_minutes(world: World) -> None:
    world.api.download_seconds, world.api.startup_seconds = 600, 700
    world.bring_up()
    times = [0.0, *world.told_at, world.clock.monotonic()]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 130
    assert "NIM qwen3-vl: downloading Qwen/Qwen3-VL-30B-A3B-Instruct" in world.log
    assert world.log[-1] == "NIM qwen25-14b: serves"
    # Transitions, not every look.
    assert len(world.log) < 40


def test_a_nim_of_the_reference_that_is_ready_is_left_alone(world: World) -> None:
    running(world, of_the_reference())
    assert look(world.cluster(), QWEN3_VL).is_as_specified
    assert world.bring_up(QWEN3_VL) == {}
    assert world.api.writes == []


def test_a_nim_that_is_ready_with_another_spec_is_left_alone(world: World) -> None:
    running(world, of_the_reference(resources={"limits": {"nvidia.com/gpu": 2}}))
    seen = look(world.cluster(), QWEN3_VL)
    assert (seen.is_ready, seen.is_as_specified) == (True, False)
    assert world.bring_up(QWEN3_VL) == {}
    assert world.api.writes == []


def test_a_nim_of_somebody_else_that_is_just_starting_is_waited_for(world: World) -> None:
    world.api.weights.add("qwen3-vl")
    world.api.put("secrets", manifests.ngc_secrets(KEYS.ngc)[0])  # type: ignore[arg-type]
    world.api.put("nimservices", of_the_reference(resources={"limits": {"nvidia.com/gpu": 2}}))
    assert world.bring_up(QWEN3_VL) == {}
    assert world.api.writes == []
    assert world.states() == {"qwen3-vl": "Ready"}


def test_the_annotation_of_the_reference_stays_beside_ours_when_a_nim_is_repaired(world: World) -> None:
    running(world, of_the_reference(replicas=0))
    assert world.bring_up(QWEN3_VL) == {}
    assert world.api.of("nimservices")["qwen3-vl"]["metadata"]["annotations"] == {
        "orion.nvidia.com/spec-hash": "e2e5e6050287ae63",
        **manifests.service(QWEN3_VL)["metadata"]["annotations"],
    }


def test_a_nim_that_was_scaled_to_0_serves_again_though_the_operator_calls_it_ready(world: World) -> None:
    running(world, of_the_reference(replicas=0))
    assert world.states() == {"qwen3-vl": "Ready"}
    assert look(world.cluster(), QWEN3_VL).state == "scaled to 0"
    began = world.clock.monotonic()
    assert world.bring_up(QWEN3_VL) == {}
    assert world.api.of("nimservices")["qwen3-vl"]["spec"]["replicas"] == 1
    # Until its pod is ready; the state of the spec before is not believed.
    assert world.clock.monotonic() - began > world.api.download_seconds + world.api.startup_seconds


@pytest.mark.parametrize(
    "edit",
    [
        {"env": [{"name": "NIM_MODEL_PATH", "value": "hf://other/model"}]},
        {"image": {"repository": "nvcr.io/nim/nvidia/model-free-nim", "tag": "1.0.0"}},
        {"resources": {"limits": {"nvidia.com/gpu": 8}}},
    ],
)
def test_a_nim_that_drifted_and_does_not_serve_gets_its_spec_back(world: World, edit: dict[str, Any]) -> None:
    world.bring_up(QWEN3_VL)
    edited = copy.deepcopy(manifests.service(QWEN3_VL))
    edited["spec"] |= edit
    world.api.weights.clear()
    world.api.put("nimservices", edited, manager="kubectl-edit")
    world.api.settle(60)
    assert world.states() == {"qwen3-vl": "NotReady"}
    assert world.bring_up(QWEN3_VL) == {}
    assert look(world.cluster(), QWEN3_VL).is_as_specified
    assert world.states() == {"qwen3-vl": "Ready"}


def test_nothing_but_a_failed_download_is_ever_deleted(world: World) -> None:
    world.api.fails["qwen3-vl-hf-download"] = 1
    world.bring_up()
    world.bring_up()
    running(world, of_the_reference(replicas=0))
    world.bring_up()
    deleted = {one for one in world.api.requests if one.startswith("DELETE ")}
    assert deleted <= {"DELETE /apis/batch/v1/namespaces/osmo-nims/jobs/qwen3-vl-hf-download"}


def test_a_download_that_failed_before_is_run_anew_with_its_pods(world: World) -> None:
    world.api.fails["qwen3-vl-hf-download"] = 1
    failed = world.bring_up(QWEN3_VL)
    assert failed.keys() == {"qwen3-vl"}
    assert world.bring_up(QWEN3_VL) == {}
    assert world.states() == {"qwen3-vl": "Ready"}
    assert not [name for name in world.api.of("pods") if "download" in name]


def test_a_download_that_fails_is_noticed_at_once(world: World) -> None:
    world.api.fails = {"qwen3-vl-hf-download": 2}
    failed = world.bring_up(QWEN3_VL)
    assert str(failed["qwen3-vl"]) == (
        "look at the log of the Job qwen3-vl-hf-download in osmo-nims, then run again: the download of "
        "Qwen/Qwen3-VL-30B-A3B-Instruct failed (Job has reached the specified backoff limit)"
    )
    assert world.clock.monotonic() < world.api.download_seconds + 60


def test_a_download_that_never_ends_is_given_up(world: World) -> None:
    world.api.download_seconds = 1e9
    assert "has not fetched" in str(world.bring_up(QWEN3_VL)["qwen3-vl"])


def test_one_nim_that_fails_does_not_keep_the_other_from_serving(world: World) -> None:
    world.api.fails = {"qwen3-vl-hf-download": 2}
    assert world.bring_up().keys() == {"qwen3-vl"}
    assert world.states() == {"qwen25-14b": "Ready"}


def lacking(change: Callable[[World], object], keys: Keys, said: str) -> Any:
    return pytest.param(change, keys, said, id=said[:30])


@pytest.mark.parametrize(
    ("change", "keys", "said"),
    [
        lacking(lambda w: setattr(w.api, "has_operator", False), KEYS, "install NVIDIA's NIM operator"),
        lacking(lambda w: w.api.of("nodes")["node-2"]["status"]["allocatable"].clear(), KEYS, "add a node with GPUs"),
        lacking(lambda w: None, Keys(KEYS.ngc, None), "set HF_TOKEN"),
        lacking(lambda w: None, Keys(None, KEYS.hf), "set NGC_API_KEY"),
    ],
)
def test_what_only_a_person_can_provide_is_one_stop_before_anything_is_made(
    world: World, change: Callable[[World], object], keys: Keys, said: str
) -> None:
    change(world)
    failed = world.bring_up(keys=keys)
    assert failed.keys() == {"qwen3-vl", "qwen25-14b"}
    assert all(str(error).startswith(said) for error in failed.values())
    assert world.api.writes == []
    assert world.clock.monotonic() < 60


def test_keys_that_the_cluster_has_already_need_not_be_given(world: World) -> None:
    for secret in (*manifests.ngc_secrets(KEYS.ngc), manifests.hf_secret(KEYS.hf)):  # type: ignore[arg-type]
        world.api.put("secrets", secret)
    world.api.requests.clear()
    assert world.bring_up(keys=NOTHING) == {}
    assert [one for one in world.api.writes if "secrets" in one] == []


def test_gpus_that_others_use_end_the_wait_with_what_to_provide(world: World) -> None:
    world.api.used_gpus = 1
    failed = world.bring_up()
    assert len(failed) == 1
    (error,) = failed.values()
    assert str(error) == (
        "free a GPU of the cluster, or add one: no node has room for the pod "
        "(0/3 nodes are available: 3 Insufficient nvidia.com/gpu.)"
    )
    assert sorted(world.states().values()) == ["NotReady", "Ready"]
    # It stays there, and starts as soon as there is a GPU: the next look finds it so.
    world.api.used_gpus = 0
    world.api.settle()
    world.api.requests.clear()
    assert world.bring_up() == {}
    assert world.api.writes == []


def test_a_gpu_that_becomes_free_in_a_moment_is_waited_for(world: World) -> None:
    world.api.used_gpus = 1
    world.clock.after(world.api.download_seconds + 120, lambda: setattr(world.api, "used_gpus", 0))
    assert world.bring_up() == {}


def test_an_operator_that_does_nothing_is_given_up_after_its_own_budget(world: World) -> None:
    world.api.operator_works = False
    failed = world.bring_up(QWEN25_14B)
    assert str(failed["qwen25-14b"]).endswith("after 61 minutes (not looked at by the operator)")


def test_an_endpoint_that_answers_ends_the_wait_whatever_kubernetes_says(world: World) -> None:
    world.api.operator_works = False
    assert world.bring_up(QWEN3_VL, serves=lambda: world.clock.monotonic() > 1000) == {}


def test_a_deleted_nim_is_not_waited_for(world: World) -> None:
    key = ("nimservices", "osmo-nims", "qwen3-vl")
    world.clock.after(world.api.download_seconds + 60, lambda: world.api.objects.pop(key))
    assert "somebody deleted the NIMService qwen3-vl" in str(world.bring_up(QWEN3_VL)["qwen3-vl"])


def rights_of_the_page() -> set[str]:
    page = (Path(__file__).parents[2] / "docs/inference-endpoints.md").read_text()
    (roles,) = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "kind: Role" in block]
    rules = [rule for role in yaml.safe_load_all(roles) for rule in role["rules"]]
    return {f"{verb} {resource}" for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}


RIGHTS = rights_of_the_page() - {"list nodes"}


def test_the_rights_that_the_page_names_suffice(world: World) -> None:
    """`list nodes` is for a better message alone."""
    world.api.allowed = set(RIGHTS)
    world.api.fails["qwen3-vl-hf-download"] = 1
    world.bring_up()
    assert world.bring_up() == {}


@pytest.mark.parametrize("right", sorted(RIGHTS - {"delete jobs"}))
def test_a_right_that_is_missing_is_named_with_verb_and_resource(world: World, right: str) -> None:
    world.api.allowed = RIGHTS - {right}
    failed = world.bring_up(QWEN3_VL, keys=NOTHING if right == "get secrets" else KEYS)
    verb, resource = right.split()
    said = str(failed["qwen3-vl"])
    assert said.startswith("allow this identity in the Kubernetes cluster what it may not: ")
    assert f'cannot {verb} resource "{resource}"' in said
    assert NGC_KEY not in said


class Interrupted(World):
    """`do` is called after the answer to the request of that number, before anybody hears of it."""

    def __init__(self, world: World, number: int, do: Callable[[], object]) -> None:
        super().__init__(world.api, world.folder)
        self._left, self._do = number, do

    def cluster(self) -> Any:
        cluster = super().cluster()
        send = cluster._send

        def send_and_do(*asked: Any) -> Any:
            answer = send(*asked)
            self._left -= 1
            if self._left == 0:
                self._do()
            return answer

        cluster._send = send_and_do  # type: ignore[method-assign]
        return cluster


@pytest.mark.parametrize("number", range(1, 34, 2))
def test_two_processes_at_once_make_one_of_each_object(world: World, number: int) -> None:
    """The second does all of its work between a look of the first and what that makes of it."""
    second = World(world.api, world.folder)
    first = Interrupted(world, number, lambda: second.bring_up())
    assert first.bring_up() == {}
    assert world.states() == READY
    # A Job that has completed goes by itself, and may run once more over what it has fetched.
    made = [name for name in world.api.made if "hf-download" not in name]
    assert sorted(made) == sorted(set(made))
    assert [one for one in world.api.writes if one.startswith("DELETE ")] == []


def test_two_threads_at_once_end_well(world: World) -> None:
    worlds = [World(world.api, world.folder) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(one.bring_up) for one in worlds]
        assert [one.result() for one in both] == [{}, {}]
    assert world.states() == READY


def test_a_failed_download_that_two_find_is_run_anew_once(world: World) -> None:
    world.api.fails["qwen3-vl-hf-download"] = 1
    world.bring_up(QWEN3_VL)
    world.api.requests.clear()
    second = World(world.api, world.folder)
    # The first has just seen it failed: by the time it deletes, the second has had it done.
    first = Interrupted(world, JOB_SEEN, lambda: second.bring_up(QWEN3_VL))
    assert first.bring_up(QWEN3_VL) == {}
    assert world.states() == {"qwen3-vl": "Ready"}


def test_a_download_that_was_made_anew_meanwhile_is_not_deleted(world: World) -> None:
    job = ("jobs", "osmo-nims", "qwen3-vl-hf-download")
    cluster = world.cluster()
    world.api.put("jobs", manifests.download(QWEN3_VL))
    seen = cluster.get("Job", job[2])
    assert seen
    del world.api.objects[job]
    world.api.put("jobs", manifests.download(QWEN3_VL))
    cluster.delete_job(seen)
    assert job in world.api.objects
    cluster.delete_job(world.api.objects[job])
    assert job not in world.api.objects


def test_what_a_secret_holds_is_not_even_fetched(world: World) -> None:
    world.api.put("secrets", manifests.hf_secret(KEYS.hf))  # type: ignore[arg-type]
    assert (world.cluster().get("Secret", "hf-token-secret") or {}).keys() == {"kind", "metadata"}


class Killed(BaseException):
    pass


def kill() -> None:
    raise Killed


@pytest.mark.parametrize("number", range(1, 34))
def test_a_process_that_is_killed_anywhere_is_taken_over_by_the_next(world: World, number: int) -> None:
    with pytest.raises(Killed):
        Interrupted(world, number, kill).bring_up()
    assert world.bring_up() == {}
    assert world.states() == READY
    assert [one for one in world.api.writes if one.startswith("DELETE ")] == []


@pytest.mark.parametrize("trouble", [0, 409, 410, 429, 500, 503])
def test_an_api_that_does_not_answer_for_a_moment_is_asked_again(world: World, trouble: int) -> None:
    cluster = world.cluster()
    world.api.interruptions += [lambda: trouble] * 3
    # A conflict is none for who only reads.
    if trouble == 409:
        world.api.put("namespaces", manifests.namespace())
        cluster.apply(manifests.service(QWEN3_VL), force=True)
        assert world.api.of("nimservices").keys() == {"qwen3-vl"}
    else:
        assert cluster.has_allocatable("nvidia.com/gpu")
        assert len([line for line in world.log if line.startswith("waiting for Kubernetes: ")]) == 1


def test_somebody_elses_object_that_was_made_in_between_is_taken_as_it_is(world: World) -> None:
    claim = copy.deepcopy(manifests.claim(QWEN3_VL))
    claim["spec"]["resources"]["requests"]["storage"] = "500Gi"
    world.api.put("persistentvolumeclaims", claim)
    # Seen as missing by the look, and there when it is made.
    hidden = world.api.objects.pop(("persistentvolumeclaims", "osmo-nims", "qwen3-vl-pvc"))
    assert world.cluster().get("PersistentVolumeClaim", "qwen3-vl-pvc") is None
    world.api.objects[("persistentvolumeclaims", "osmo-nims", "qwen3-vl-pvc")] = hidden
    assert world.bring_up() == {}
    spec = world.api.of("persistentvolumeclaims")["qwen3-vl-pvc"]["spec"]
    assert spec["resources"]["requests"]["storage"] == "500Gi"


@pytest.mark.parametrize("nim", NIMS)
def test_the_manifests_that_could_be_logged_hold_no_secret(nim: Any) -> None:
    for manifest in (manifests.claim(nim), manifests.download(nim), manifests.service(nim)):
        assert manifest["metadata"]["namespace"] == "osmo-nims"
        assert "Secret" not in manifest["kind"]
