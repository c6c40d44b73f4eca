"""Tables in metadata. Dagster shows them inline, and keeps them with their event for ever: so they are bounded."""

from collections.abc import Sequence

import dagster as dg

from vda_assets.base.cut import cut

MOST_ROWS = 500


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> dg.TableMetadataValue:
    """The rows below the columns' names. Of more than MOST_ROWS, one more row says how many are not shown."""
    shown = [[cut(cell) for cell in row] for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        shown.append([f"and {len(rows) - MOST_ROWS} more", *("" for _ in columns[1:])])
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in shown],
        schema=dg.TableSchema([dg.TableColumn(column) for column in columns]),
    )
