from __future__ import annotations

from vda_assets.flows.stages import Rendered, Stage
from vda_assets.runs.step import failure_of
from vda_assets.runs.tables import table


def rows_of(value) -> list[tuple[str, ...]]:
    return [tuple(record.data.values()) for record in value.records]


def test_a_failure_names_every_clip_and_cause_once_and_counts_outputs() -> None:
    reasons = {(f"clip{number}.mp4", Stage.ORIGINAL_LABELS): "no GPU" for number in range(7)}
    reasons["clip3.mp4", Stage.AUGMENTED_VIDEOS] = "exit code 3\n  http://osmo/workflows/w-3"
    reasons["clip3.mp4", Stage.AUGMENTED_LABELS] = reasons["clip3.mp4", Rendered.COMPARISONS] = "no augmented clip"

    failure = failure_of(reasons, asked=28)

    assert failure.description is not None
    assert failure.description.startswith("10 of 28 outputs failed: clip0.mp4 original_labels: no GPU; ")
    assert failure.metadata["failures"].value == 10
    rows = rows_of(failure.metadata["failed"])
    assert sorted(rows) == sorted(
        [
            *((f"clip{number}.mp4", "original_labels", "no GPU") for number in range(7)),
            ("clip3.mp4", "augmented_videos", "exit code 3 http://osmo/workflows/w-3"),
            ("clip3.mp4", "augmented_labels, comparisons", "no augmented clip"),
        ]
    )


def test_a_table_is_bounded_in_rows_and_in_characters_and_says_what_it_does_not_show() -> None:
    rows = rows_of(table(("clip", "reason"), [(f"clip{number}.mp4", "é" * 50_000) for number in range(731)]))
    assert len(rows) == 501
    assert rows[499][0] == "clip499.mp4"
    assert rows[500][0] == "and 231 more"
    assert {len(reason) for _, reason in rows[:500]} == {300}


def test_a_message_that_names_long_reasons_stays_short() -> None:
    reasons = {(f"clip{number}.mp4", Stage.ORIGINAL_LABELS): "x" * 1_000_000 for number in range(9)}
    assert len(failure_of(reasons, asked=9).description or "") < 2_000


def test_a_table_without_rows_has_its_columns() -> None:
    empty = table(("clip", "reason"), [])
    assert [column.name for column in empty.schema.columns] == ["clip", "reason"]
