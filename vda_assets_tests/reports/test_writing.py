"""The report's files: the same facts give the same bytes, a reader never finds half, a spreadsheet no formula."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vda_assets.flows.stages import Rendered, Stage
from vda_assets.reports.documents import safe_cell
from vda_assets.reports.facts import verdict_of
from vda_assets.reports.writing import into_folder
from vda_assets_tests.reports.some_clips import report, some_clip

FILES = {"report.csv", "report.json", "report.html"}
FORMULAS = [
    "=HYPERLINK(1)",
    "+1+cmd",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "  =1",
    "\r=1",
    "\n=1",
    "＝1",
    "'=1",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_begins_a_formula(tmp_path: Path, formula: str) -> None:
    path = f"{formula.strip()}.mp4"
    clip = some_clip(path, "rejected", reason=formula, values={"weather": formula}, doubts=[formula])
    (row,) = report(tmp_path, clip).table
    for name in ("file", "augmented_videos_reason", "weather", "doubts"):
        assert row[name].startswith("'"), name
        assert row[name].endswith(("1", ")", "cmd", "3", ".mp4")), name
    assert not any(cell.lstrip()[:1] in tuple("=+-@＝＋－＠") for cell in row.values() if cell)


@pytest.mark.parametrize("text", ["a.mp4", "0.5 of 1", "", "a=b", "2026-01-01"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


def test_a_row_has_the_real_name_beside_the_key(tmp_path: Path) -> None:
    (row,) = report(tmp_path, some_clip("night/straße 1.mp4")).table
    assert (row["clip"], row["file"]) == ("night=2Fstra=C3=9Fe=201.mp4", "night/straße 1.mp4")


def test_a_reason_of_several_lines_stays_in_its_row(tmp_path: Path) -> None:
    clips = [some_clip(state="failed", reason='one\ntwo, "three"\r\nfour'), some_clip("b.mp4")]
    table = report(tmp_path, *clips).table
    assert [row["clip"] for row in table] == ["a.mp4", "b.mp4"]
    assert table[0]["augmented_videos_reason"] == 'one two, "three" four'


@pytest.mark.parametrize("text", ["half a \ud83d character", "\x00 nothing", "\u202egpm.exe", "snow ☃ 雪"])
def test_any_text_can_be_written(tmp_path: Path, text: str) -> None:
    said = text.replace("\ud83d", "?")
    written = report(tmp_path, some_clip(state="failed", reason=text, values={"weather": text}))
    assert written.document["causes"][0]["reason"]
    assert written.document["clips"][0]["outputs"]["augmented_videos"]["reason"] == said
    assert written.table[0]["weather"] == said
    assert json.dumps(said, ensure_ascii=False) in written.page


def test_the_same_facts_give_the_same_bytes_but_for_the_time(tmp_path: Path) -> None:
    clips = [some_clip("a.mp4"), some_clip("b.mp4", "rejected", reason="the gate scored 0.1")]
    moments = ("2026-11-27T12:00:00+00:00", "2027-01-31T23:59:59+00:00")
    one, other = (report(tmp_path / at[:4], *clips, written=at) for at in moments)
    for name in FILES:
        first, second = ((written.folder / name).read_text() for written in (one, other))
        for at in moments:
            first, second = (text.replace(at, "").replace(at[:16].replace("T", " "), "") for text in (first, second))
        assert first == second, name


@pytest.mark.parametrize("killed_at", sorted(FILES))
def test_what_is_interrupted_leaves_the_former_page_and_no_half_file(tmp_path: Path, killed_at: str) -> None:
    former = report(tmp_path, some_clip()).page
    put = into_folder(tmp_path)

    def killed(name: str, source: Path) -> None:
        if name == killed_at:
            raise KeyboardInterrupt
        put(name, source)

    with pytest.raises(KeyboardInterrupt):
        report(tmp_path, some_clip(), some_clip("b.mp4"), put=killed)
    assert (tmp_path / "report.html").read_text() == former
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_reasons_of_one_cause_stand_together_and_do_not_grow_without_end(tmp_path: Path) -> None:
    alike = [some_clip(f"{at}.mp4", "failed", reason=f"exit code {at} of '{at}'") for at in range(50)]
    words = ["".join(chr(97 + int(digit)) for digit in str(at)) for at in range(1000)]
    others = [some_clip(f"{word}.mp4", "failed", reason=word, values={word: word}) for word in words]
    written = report(tmp_path, *alike, *others)
    causes = written.document["causes"]
    assert causes[0]["count"] > 500, "what came when there were too many"
    assert causes[1]["count"] == 50
    assert len(causes[1]["clips"]) == 20
    assert len(causes) < 210
    assert len(written.document["variables"]) < 110
    assert len(written.table) == 1050


ALL = dict.fromkeys([*Stage, *Rendered], "accepted")


@pytest.mark.parametrize(
    ("states", "wanted", "verdict"),
    [
        ({}, (), "accepted"),
        ({Rendered.COMPARISONS: "made"}, (), "accepted"),
        ({Stage.AUGMENTED_VIDEOS: "rejected", Stage.ORIGINAL_LABELS: "degraded"}, (), "rejected"),
        ({Stage.AUGMENTED_VIDEOS: "failed", Stage.AUGMENTED_LABELS: "missing"}, tuple(Stage), "failed"),
        ({Rendered.COMPARISONS: "quarantined", Stage.AUGMENTED_VIDEOS: "failed"}, (), "quarantined"),
        ({Stage.AUGMENTED_VIDEOS: "missing"}, (), "accepted"),
        ({Stage.AUGMENTED_VIDEOS: "missing"}, (Stage.AUGMENTED_VIDEOS,), "missing"),
        (dict.fromkeys(ALL, "missing"), (), "missing"),
        ({Stage.AUGMENTED_VIDEOS: "somebody's own word"}, (), "accepted"),
    ],
)
def test_a_clip_is_worth_what_the_worst_of_its_outputs_is(states: dict, wanted: tuple, verdict: str) -> None:
    assert verdict_of({**ALL, **states}, wanted=wanted) == verdict
