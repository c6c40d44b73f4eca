"""Outputs with something odd in them: never an exception, in bounded time and memory, and the verdict of the table."""

from __future__ import annotations

import random
import time

import pytest

from vda_assets.base import cut
from vda_assets.cookbooks.cookbook import read_cookbook
from vda_assets.outcomes import limits
from vda_assets.outcomes.augmented_video import judge_augmented_video
from vda_assets.outcomes.labels import judge_labels
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets_tests.labels.reading_cost import peak_mib
from vda_assets_tests.outcomes.conftest import Made, Output
from vda_assets_tests.outcomes.mutations import AUGMENTED, LABELLED, Kind, cases, folder_of_many
from vda_assets_tests.worker.bench import COOKBOOK

BANK = read_cookbook(COOKBOOK, name="any").question_bank
# Of one core; most take a tenth of it.
SECONDS, MIB = 10.0, 400.0


def judge(output: Output, made: Made) -> Judgement:
    if output.folder.name == made.augmented.name:
        return judge_augmented_video(output.storage, output.url, draw=made.draw, source=made.source)
    return judge_labels(output.storage, output.url, frame_count=made.source.frame_count, bank=BANK)


def check(kind: Kind, number: int, output: Output, made: Made) -> None:
    before = peak_mib()
    kind.mutate(output, random.Random(number))
    started = time.process_time()
    judgement = judge(output, made)
    assert judgement.verdict is kind.verdict, judgement.reasons
    assert bool(judgement.reasons) == (kind.verdict is not Verdict.ACCEPTED)
    assert len(judgement.reasons) <= cut.LINES
    assert all(len(reason) <= cut.CHARACTERS and reason.isprintable() for reason in judgement.reasons)
    assert len(str(judgement.facts)) < 50_000
    assert time.process_time() - started < SECONDS
    assert peak_mib() - before < MIB


def name(case: object) -> str:
    return case.name if isinstance(case, Kind) else str(case)


@pytest.mark.parametrize(("kind", "number"), cases(AUGMENTED, 110), ids=name)
def test_an_odd_augmented_video_gets_its_verdict(kind: Kind, number: int, augmented: Output, made: Made) -> None:
    check(kind, number, augmented, made)


@pytest.mark.parametrize(("kind", "number"), cases(LABELLED, 110), ids=name)
def test_odd_labels_get_their_verdict(kind: Kind, number: int, labelled: Output, made: Made) -> None:
    check(kind, number, labelled, made)


def test_a_folder_of_thousands_of_files_is_no_output(labelled: Output, made: Made) -> None:
    folder_of_many(labelled, limits.LISTED_OBJECTS)
    judgement = judge(labelled, made)
    assert judgement.verdict is Verdict.MISSING
    assert "holds more than 5,000 objects" in judgement.reasons[0]


def test_a_marker_of_thousands_of_files_is_none(labelled: Output, made: Made) -> None:
    for number in range(limits.MARKED_FILES):
        (labelled.folder / f"{number}.txt").touch()
    many = [{"path": f"{number}.txt", "size_bytes": 0, "sha256": "0"} for number in range(limits.MARKED_FILES)]
    marker = labelled.read("outcome.json")
    labelled._list(marker["files"] + many)
    assert judge(labelled, made).verdict is Verdict.MISSING
