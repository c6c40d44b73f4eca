"""The marker of a whole output: what it says, and what makes it say that something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vda_assets.base import cut
from vda_assets.labels.limits import MIB
from vda_assets.outcomes import limits
from vda_assets.outcomes.marker import OutputMissing, read_marker
from vda_assets_tests.outcomes.conftest import Output


def reason(output: Output) -> str:
    with pytest.raises(OutputMissing) as caught:
        read_marker(output.storage, output.url)
    return str(caught.value)


def test_a_whole_output_says_what_lies_there(augmented: Output) -> None:
    marker = read_marker(augmented.storage, augmented.url)
    files = [path for path in augmented.folder.rglob("*") if path.is_file() and path.name != "outcome.json"]
    assert (marker.container, marker.name, marker.work, marker.attempt) == (
        *("augmentation", "yardcam07_aug0", "0123abcd"),
        2,
    )
    assert marker.size_bytes == sum(path.stat().st_size for path in files)
    assert len(marker.files) == len(files)
    assert marker.seed == augmented.read("metadata.json")["hallucination_check"]["seed_used"]
    assert marker.image is None


def test_without_a_marker_the_worker_did_not_finish(augmented: Output) -> None:
    (augmented.folder / "outcome.json").unlink()
    assert reason(augmented) == f"{augmented.url} has no outcome.json: its worker did not finish"


@pytest.mark.parametrize("content", ["", '{"version": 1', "[]", '{"version": 1}'])
def test_a_marker_that_cannot_be_read_is_none(augmented: Output, content: str) -> None:
    (augmented.folder / "outcome.json").write_text(content)
    assert reason(augmented).startswith(f"{augmented.url}/outcome.json cannot be read: ")


def test_a_marker_that_is_too_large_to_be_one_is_none(augmented: Output) -> None:
    with (augmented.folder / "outcome.json").open("wb") as file:
        file.truncate(10_000_000_000)
    said = reason(augmented)
    assert said.startswith(f"{augmented.url}/outcome.json cannot be read: it has 10,000,000,000 bytes, ")


def test_a_marker_of_a_newer_or_older_worker_is_read(augmented: Output) -> None:
    content = augmented.read("outcome.json")
    del content["image"], content["seed"]
    (augmented.folder / "outcome.json").write_text(json.dumps({**content, "colour": "red"}))
    assert read_marker(augmented.storage, augmented.url).seed is None


def test_a_file_that_did_not_arrive_is_named(augmented: Output) -> None:
    size_bytes = (augmented.folder / "augmented_video.mp4").stat().st_size
    (augmented.folder / "augmented_video.mp4").unlink()
    expected = f"{augmented.url}/augmented_video.mp4 is not there; its worker wrote {size_bytes} bytes"
    assert reason(augmented) == expected


def test_a_file_that_arrived_in_part_is_named(augmented: Output) -> None:
    path = augmented.folder / "augmented_video.mp4"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    assert reason(augmented).endswith(f"has 100 bytes; its worker wrote {len(content)} bytes")


def test_a_file_of_the_same_size_but_another_content_is_not_the_workers(augmented: Output) -> None:
    marker = read_marker(augmented.storage, augmented.url)
    content = (augmented.folder / "metadata.json").read_bytes()
    marker.require_content("metadata.json", content)
    with pytest.raises(OutputMissing, match="is not the file that its worker wrote"):
        marker.require_content("metadata.json", content[:-1] + b" ")
    with pytest.raises(OutputMissing, match="is not among the files"):
        marker.require_content("other.json", content)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a//b", "./a", "", "a\nb", "x" * 1025])
def test_a_path_that_is_not_below_the_folder_is_refused(augmented: Output, path: str) -> None:
    marker = augmented.read("outcome.json")
    marker["files"].append({**marker["files"][0], "path": path})
    (augmented.folder / "outcome.json").write_text(json.dumps(marker))
    said = reason(augmented)
    assert f"cannot be read: key files.{len(marker['files']) - 1}.path: " in said
    assert len(said) < 1000


def test_the_limits_page_says_what_is_read_of_an_output() -> None:
    page = (Path(__file__).parents[2] / "docs/limits.md").read_text()
    assert f"`outcome.json` | {limits.MARKER_BYTES // MIB} MiB, {limits.MARKED_FILES:,} files" in page
    assert f"of paidf-augmentation | {limits.AUGMENTATION_METADATA_BYTES // MIB} MiB" in page
    assert f"a clip | {limits.VIDEO_BYTES // MIB} MiB" in page
    assert f"in an output's folder | {limits.LISTED_OBJECTS:,}" in page
    assert f"at most {cut.CHARACTERS} characters, in one line, and a judgement at most {cut.LINES}" in page
