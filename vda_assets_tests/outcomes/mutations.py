"""Ways in which an output may be odd, and the verdict that each must get: the table of the fuzz.

Every kind draws its variant, the file, the place and the value, from a generator that its number seeds.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vda_assets.labels import limits
from vda_assets.outcomes.verdict import Verdict
from vda_assets_tests.embedded.containers.clips import make_clip
from vda_assets_tests.outcomes.conftest import Output

METADATA, STATUS, OBJECTS = "sidecars/metadata.json", "sidecars/pipeline_status.json", "contextual/objects.json"
INSTANCES, CONFIG, MCQ, BCQ = "contextual/instances.json", "config.yaml", "task/mcq.json", "task/bcq.json"
FRAME = "yardcam07_aug0_frame_000000"
GATES = ("hallucination_check", "attribute_verification")
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    float("nan"),
    "",
    "text",
    [],
    ["text"],
    {},
    {"a": {}},
    "x" * 9999,
)

Mutate = Callable[[Output, random.Random], object]


@dataclass(frozen=True)
class Kind:
    verdict: Verdict
    mutate: Mutate

    @property
    def name(self) -> str:
        return self.mutate.__name__


AUGMENTED: list[Kind] = []
LABELLED: list[Kind] = []


def of_video(verdict: Verdict) -> Callable[[Mutate], Mutate]:
    return lambda mutate: (AUGMENTED.append(Kind(verdict, mutate)), mutate)[1]


def of_labels(verdict: Verdict) -> Callable[[Mutate], Mutate]:
    return lambda mutate: (LABELLED.append(Kind(verdict, mutate)), mutate)[1]


def odd(rng: random.Random, *fine: Callable[[Any], bool]) -> Any:
    """One of the odd values that none of `fine` takes for a right one."""
    return rng.choice([value for value in ODD if not any(is_fine(value) for is_fine in fine)])


def is_a(*types: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in types


def is_none(value: Any) -> bool:
    return value is None


def change(output: Output, name: str, changes: Callable[[Any], object]) -> None:
    content = output.read(name)
    changes(content)
    output.write(name, content)


def put(output: Output, name: str, *path: Any, value: Any) -> None:
    def set_it(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    change(output, name, set_it)


def broken(rng: random.Random, content: bytes) -> bytes:
    """What no reader takes for the file that it was."""
    return rng.choice(
        [
            b"",
            b"\xff\xfe",
            b"<html>503 Service Unavailable</html>",
            content[: rng.randrange(2, len(content) - 2)],
            b"[" * 5000,
            b'{"a":' * 5000,
            b'{"a": ' + b"9" * 5000 + b"}",
            b'{"a": "\\ud800"}',
            b'"text"',
        ]
    )


def mark(output: Output, **changes: Any) -> None:
    """The marker says otherwise; nothing else is changed."""
    (output.folder / "outcome.json").write_text(json.dumps(output.read("outcome.json") | changes))


# Augmented videos


@of_video(Verdict.UNVERIFIED)
def a_gate_is_no_mapping(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", rng.choice(GATES), value=odd(rng, is_a(dict)))


@of_video(Verdict.UNVERIFIED)
def details_are_no_mapping(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", rng.choice(GATES), "details", value=odd(rng, is_a(dict), is_none))


@of_video(Verdict.UNVERIFIED)
def passed_is_no_boolean(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", rng.choice(GATES), "passed", value=odd(rng, is_a(bool)))


@of_video(Verdict.REJECTED)
def the_score_is_below_the_threshold(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", GATES[0], "passed", value=rng.random() < 0.5)
    put(output, "metadata.json", GATES[0], "score", value=rng.choice([0, 0.68, float("nan"), float("-inf")]))


@of_video(Verdict.REJECTED)
def the_threshold_is_no_threshold(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", GATES[0], "threshold", value=rng.choice([float("nan"), float("inf"), 1]))
    put(output, "metadata.json", GATES[0], "score", value=0.9)


@of_video(Verdict.UNVERIFIED)
def a_gate_contradicts_itself(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", rng.choice(GATES), "passed", value=False)


@of_video(Verdict.UNVERIFIED)
def the_score_is_no_share(output: Output, rng: random.Random) -> None:
    key = rng.choice(["score", "threshold"])
    put(output, "metadata.json", GATES[0], key, value=rng.choice([None, True, "0.9", [0.9], {}, -1, 10**30, 1.5]))


@of_video(Verdict.UNVERIFIED)
def an_attempt_is_odd(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", rng.choice(GATES), "attempt", value=odd(rng))


@of_video(Verdict.UNVERIFIED)
def results_are_odd(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", GATES[1], "details", "results", value=odd(rng))


@of_video(Verdict.UNVERIFIED)
def a_check_crashed(output: Output, rng: random.Random) -> None:
    error = rng.choice(["Failed to generate any questions", "cv2.error: (-215)", "", "E" * 900_000])
    block = {"passed": False, "score": 0.0, "details": {"score": 0.0, "error": error}, "attempt": 1}
    put(output, "metadata.json", rng.choice(GATES), value=rng.choice([block, {**block, "details": {}, "error": error}]))


@of_video(Verdict.UNVERIFIED)
def a_question_was_not_answered(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", GATES[1], "passed", value=False)
    spoiled = rng.choice([{"error": "refused", "passed": False}, {"passed": "yes"}, {"passed": None}, {"error": ""}])
    change(output, "metadata.json", lambda it: rng.choice(it[GATES[1]]["details"]["results"]).update(spoiled))


@of_video(Verdict.UNVERIFIED)
def a_variable_was_not_asked_for(output: Output, rng: random.Random) -> None:
    change(output, "metadata.json", lambda it: it[GATES[1]]["details"]["results"].pop())


@of_video(Verdict.REJECTED)
def an_attribute_is_wrong(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", GATES[1], "passed", value=rng.random() < 0.5)
    change(output, "metadata.json", lambda it: rng.choice(it[GATES[1]]["details"]["results"]).update(passed=False))


@of_video(Verdict.ACCEPTED)
def variables_in_the_words_of_the_llm(output: Output, rng: random.Random) -> None:
    def reword(metadata: dict[str, Any]) -> None:
        for result in metadata[GATES[1]]["details"]["results"]:
            words = result["variable"].replace("_", rng.choice([" ", "-", "", "_ "]))
            result["variable"] = rng.choice([words, words.upper(), words.title()])

    change(output, "metadata.json", reword)


@of_video(Verdict.UNVERIFIED)
def it_was_made_for_something_else(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", "selections", value=odd(rng))


@of_video(Verdict.UNVERIFIED)
def the_prompt_is_odd(output: Output, rng: random.Random) -> None:
    put(output, "metadata.json", "prompt", value=odd(rng, lambda value: isinstance(value, str) and bool(value)))


@of_video(Verdict.UNVERIFIED)
def the_metadata_is_broken(output: Output, rng: random.Random) -> None:
    content = (output.folder / "metadata.json").read_bytes()
    output.write("metadata.json", rng.choice([broken(rng, content), b" " * (1 << 20) + content]))


@of_video(Verdict.ACCEPTED)
def unknown_keys(output: Output, rng: random.Random) -> None:
    for path in ((), (GATES[0],), (GATES[1], "details"), (GATES[1], "details", "results", 0)):
        put(output, "metadata.json", *path, "invented_later", value=odd(rng))
    mark(output, invented_later=odd(rng))


@of_video(Verdict.MISSING)
def the_video_is_another_of_the_same_size(output: Output, rng: random.Random) -> None:
    path = output.folder / "augmented_video.mp4"
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content) // 2, len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


@of_video(Verdict.MISSING)
def the_video_is_no_video(output: Output, rng: random.Random) -> None:
    content = (output.folder / "augmented_video.mp4").read_bytes()
    output.write(
        "augmented_video.mp4", rng.choice([b"", b"text", content[:2000], b"ffconcat version 1.0\nfile x.mp4\n"])
    )


@of_video(Verdict.REJECTED)
def the_video_is_another_clip(output: Output, rng: random.Random) -> None:
    other = rng.choice([{"frame_count": 29}, {"width": 128}, {"height": 64}])
    output.write("augmented_video.mp4", make_clip(output.folder.parent / "other.mp4", **other).read_bytes())


@of_video(Verdict.UNVERIFIED)
def the_container_failed_after_writing(output: Output, rng: random.Random) -> None:
    mark(
        output, **rng.choice([{"exit_code": 3}, {"failure": "CUDA error"}, {"exit_code": 1, "failure": "x" * 100_000}])
    )


def spoil_marker(output: Output, rng: random.Random) -> None:
    path = output.folder / "outcome.json"
    marker = output.read("outcome.json")
    file = marker["files"][0]
    match rng.randrange(5):
        case 0:
            path.write_bytes(broken(rng, path.read_bytes()))
        case 1:
            places = ["/etc/passwd", "../other/metadata.json", "a/../../x", "", "a//b", "./a", "a\x00b", "x" * 2000]
            mark(output, files=[*marker["files"], {**file, "path": rng.choice(places)}])
        case 2:
            name = rng.choice(["version", "container", "name", "work", "attempt", "files", "models", "seconds"])
            mark(output, **{name: {"a": []} if name in ("models", "seconds") else [["text"]]})
        case 3:
            key = rng.choice(["path", "size_bytes", "sha256"])
            mark(output, files=[{**file, key: odd(rng, is_a(str)) if key != "size_bytes" else -1}])
        case 4:
            mark(output, failure="x" * (1 << 20))


@of_video(Verdict.MISSING)
def the_marker_of_a_video_is_odd(output: Output, rng: random.Random) -> None:
    spoil_marker(output, rng)


# Labels


@of_labels(Verdict.MISSING)
def the_marker_of_labels_is_odd(output: Output, rng: random.Random) -> None:
    spoil_marker(output, rng)


@of_labels(Verdict.DEGRADED)
def frames_are_not_counted_from_0_once_each(output: Output, rng: random.Random) -> None:
    def spoil(objects: dict[str, Any]) -> None:
        frames = objects["frames"]
        key = rng.choice(list(frames))
        match rng.randrange(5):
            case 0:
                del frames[key]
            case 1:
                frames[key]["frame_number"] = rng.choice([-1, 30, 10**12, (frames[key]["frame_number"] + 1) % 30])
            case 2:
                frames["yardcam07_aug0_frame_000030"] = {**frames[key], "frame_number": 30}
            case 3:
                frames[rng.choice(["again", f"{key}_", f"{key}0", "x" * 9999])] = frames.pop(key)
            case 4:
                objects["frames"] = {}

    change(output, OBJECTS, spoil)


def raw_clip(output: Output) -> Path:
    (clip,) = (output.folder / "raw").iterdir()
    return clip


def shown(objects: dict[str, Any], rng: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """A frame in which something is, and one detection of it."""
    frame = rng.choice([frame for frame in objects["frames"].values() if frame["instances"]])
    return frame, rng.choice(frame["instances"])


@of_labels(Verdict.DEGRADED)
def a_track_is_twice_in_a_frame(output: Output, rng: random.Random) -> None:
    def spoil(objects: dict[str, Any]) -> None:
        frame, detection = shown(objects, rng)
        frame["instances"].append(dict(detection))

    change(output, OBJECTS, spoil)


@of_labels(Verdict.DEGRADED)
def a_box_is_no_box_of_the_picture(output: Output, rng: random.Random) -> None:
    def spoil(objects: dict[str, Any]) -> None:
        _, detection = shown(objects, rng)
        box = detection[rng.choice(["bounding_box_2d_tight", "bounding_box_2d_loose"])]
        corner = rng.randrange(4)
        box[corner] = rng.choice([float("nan"), -5.0 if corner < 2 else 1e9, float("inf")])

    change(output, OBJECTS, spoil)


@of_labels(Verdict.DEGRADED)
def an_object_is_unknown(output: Output, rng: random.Random) -> None:
    change(output, OBJECTS, lambda it: shown(it, rng)[1].update(object_id=rng.choice(["ghost_1", "", "x" * 9999])))


@of_labels(Verdict.DEGRADED)
def a_file_of_the_scene_is_not_there(output: Output, rng: random.Random) -> None:
    raw = f"raw/{raw_clip(output).name}"
    output.remove(rng.choice([METADATA, STATUS, OBJECTS, INSTANCES, CONFIG, raw, MCQ, BCQ]))


@of_labels(Verdict.DEGRADED)
def a_file_is_there_that_the_container_does_not_write(output: Output, rng: random.Random) -> None:
    name = rng.choice(["contextual/a.json", "contextual/deep/b.json", "task/mcq (1).json", "raw/second.mp4"])
    (output.folder / name).parent.mkdir(exist_ok=True)
    output.write(name, b"[" * 100_000)


@of_labels(Verdict.DEGRADED)
def the_llm_made_it_up(output: Output, rng: random.Random) -> None:
    def spoil(task: dict[str, Any]) -> None:
        weather = next(item for item in task["items"] if item["question"] == "What is the weather?")
        match rng.randrange(3):
            case 0:
                weather["options"] = {"A": "Purple", "B": "Green", "C": "Rain"}
            case 1:
                weather["answer"] = rng.choice(["Z", "", "rain", "AB"])
            case 2:
                task["items"].append({**weather, "question": rng.choice(["What is the mood?", "", "x" * 9999])})

    change(output, MCQ, spoil)


@of_labels(Verdict.DEGRADED)
def an_answer_contradicts_its_gate(output: Output, rng: random.Random) -> None:
    def spoil(task: dict[str, Any]) -> None:
        kind = next(item for item in task["items"] if item["question"] == "What kind of collision takes place?")
        kind["answer"] = rng.choice("ABC")

    change(output, MCQ, spoil)


@of_labels(Verdict.DEGRADED)
def the_status_contradicts_itself(output: Output, rng: random.Random) -> None:
    step = {"enabled": True, "status": "failed", "degraded": True, "failure_reason": "x" * 100_000}
    change(
        output,
        STATUS,
        rng.choice(
            [
                lambda it: it.update(degraded=True),
                lambda it: it.update(degraded_stages=["super_resolution"]),
                lambda it: it.update(status="completed_degraded"),
                lambda it: it.update(status=rng.choice(["failed", "", "running"])),
                lambda it: it["stages"].update(vlm_json=step),
                lambda it: it["stages"]["tracking"].update(enabled=False, status="skipped"),
                lambda it: it["stages"]["mcq_generation"].update(status="planned"),
                lambda it: it["stages"].clear(),
            ]
        ),
    )


@of_labels(Verdict.DEGRADED)
def windows_do_not_cover_the_clip(output: Output, rng: random.Random) -> None:
    def spoil(metadata: dict[str, Any]) -> None:
        window = metadata["windows"][0]
        change = rng.choice(
            [
                {"start_frame": 1},
                {"end_frame": 20},
                {"start_frame": -1},
                {"end_frame": 10**12},
                {"start_frame": 25, "end_frame": 5},
                {"_errors": ["vlm_call_failed:" + "x" * 100_000]},
                {"llm_enhanced_caption": rng.choice([{}, [], "sorry", {"mcq": "sorry"}, {"mcq": [[]]}])},
            ]
        )
        window |= change

    change(output, METADATA, rng.choice([spoil, lambda it: it.update(windows=[]), lambda it: it.update(num_frames=7)]))


@of_labels(Verdict.MISSING)
def a_file_of_the_scene_is_broken(output: Output, rng: random.Random) -> None:
    name = rng.choice([METADATA, STATUS, OBJECTS, INSTANCES, MCQ, BCQ])
    output.write(name, broken(rng, (output.folder / name).read_bytes()))


@of_labels(Verdict.MISSING)
def the_config_is_broken(output: Output, rng: random.Random) -> None:
    lines = b"".join(b"k%d: [1, 2]\n" % number for number in range(200_000))
    laughs = b"a: &a {x: 1}\n" + b"".join(b"%c: &%c {<<: [*%c, *%c]}\n" % (n + 1, n + 1, n, n) for n in range(97, 121))
    values = [b"a: [", b"[" * 100_000, lines, laughs, b"a: !!int x", b"a: 2001-99-99", b"? [a]\n: b", b"a: !x y", b""]
    output.write(CONFIG, rng.choice(values))


@of_labels(Verdict.MISSING)
def a_value_has_a_type_that_surprises(output: Output, rng: random.Random) -> None:
    name, *path = rng.choice(
        [
            (STATUS, "degraded"),
            (STATUS, "stages"),
            (STATUS, "stages", "tracking"),
            (STATUS, "stages", "tracking", "enabled"),
            (STATUS, "degraded_stages"),
            (METADATA, "width"),
            (METADATA, "num_frames"),
            (METADATA, "windows"),
            (METADATA, "windows", 0, "start_frame"),
            (METADATA, "windows", 0, "_errors"),
            (OBJECTS, "frames"),
            (OBJECTS, "frames", FRAME, "frame_number"),
            (OBJECTS, "frames", FRAME, "instances"),
            (INSTANCES, "instances"),
            (MCQ, "items", 0, "answer"),
            (MCQ, "items", 0, "options"),
            (BCQ, "items"),
        ]
    )
    put(output, name, *path, value=rng.choice([1.5, ["text", {}], [[]], 10**30 + 0.5, {"a": []}]))


@of_labels(Verdict.DEGRADED)
def the_format_is_not_that_of_daft(output: Output, rng: random.Random) -> None:
    name, *path = rng.choice(
        [
            (OBJECTS, "metadata", "type"),
            (OBJECTS, "version"),
            (INSTANCES, "metadata"),
            (MCQ, "metadata", "type"),
            (MCQ, "items", 0, "camera"),
            (OBJECTS, "frames", FRAME, "format"),
            ("contextual/video.json", "fps"),
        ]
    )
    put(output, name, *path, value=odd(rng))


@of_labels(Verdict.MISSING)
def a_file_is_far_too_large(output: Output, rng: random.Random) -> None:
    name = rng.choice([STATUS, CONFIG, MCQ, INSTANCES])
    output.write(name, b" " * limits.BYTES[name] + (output.folder / name).read_bytes())


@of_labels(Verdict.MISSING)
def the_labelled_clip_is_another_of_the_same_size(output: Output, rng: random.Random) -> None:
    path = raw_clip(output)
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


@of_labels(Verdict.UNVERIFIED)
def the_container_failed_after_labelling(output: Output, rng: random.Random) -> None:
    the_container_failed_after_writing(output, rng)


@of_labels(Verdict.ACCEPTED)
def keys_of_a_later_container(output: Output, rng: random.Random) -> None:
    for name, path in ((STATUS, ()), (STATUS, ("stages", "tracking")), (METADATA, ()), (METADATA, ("windows", 0))):
        put(output, name, *path, "invented_later", value=odd(rng))


def cases(kinds: list[Kind], count: int) -> list[tuple[Kind, int]]:
    """So many mutations, every kind as often as the others."""
    return [(kinds[number % len(kinds)], number) for number in range(count)]


def folder_of_many(output: Output, files: int) -> None:
    folder = Path(output.folder, "many")
    folder.mkdir()
    for number in range(files):
        (folder / str(number)).touch()
