"""Tables in metadata. Dagster shows them inline, and keeps them with their event for ever: so they are bounded."""

from collections.abc import Sequence

import dagster as dg

MOST_ROWS = 500
MOST_CHARACTERS = 300
# What a text ends with is often a link, or the line of a log that tells.
_KEPT_END = 100
_GAP = " … "


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> dg.TableMetadataValue:
    """The rows below the columns' names. Of more than MOST_ROWS, one more row says how many are not shown."""
    shown = [[shortened(cell) for cell in row] for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        shown.append([f"and {len(rows) - MOST_ROWS} more", *("" for _ in columns[1:])])
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in shown],
        schema=dg.TableSchema([dg.TableColumn(column) for column in columns]),
    )


def shortened(text: str) -> str:
    """The text on one line, without its middle when it has more than MOST_CHARACTERS."""
    line = " ".join(text.split())
    if len(line) <= MOST_CHARACTERS:
        return line
    return f"{line[: MOST_CHARACTERS - len(_GAP) - _KEPT_END]}{_GAP}{line[-_KEPT_END:]}"
