# SPDX-License-Identifier: Apache-2.0
"""How large each table is, how it grows and what goes next, as `tidegauge status` shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tidegauge.cli.output import Block, Column, Lines, Table, bytes_text

if TYPE_CHECKING:
    from tidegauge.store.status import TableStatus

__all__ = ["table_blocks"]


def table_blocks(tables: list[TableStatus], *, verbose: bool) -> Iterator[Block]:
    """What there is to see of tables; nothing if there are none."""
    details = [Column("version", kind="count"), Column("files", kind="count")] if verbose else []
    columns = [
        Column("name", "table"),
        *details[:1],
        Column("rows", kind="count"),
        *details[1:],
        Column("size_bytes", "size", "bytes"),
        Column("oldest_day", "from"),
        Column("newest_day", "to"),
        *_growth_columns(7),
        *(_growth_columns(30) if verbose else ()),
    ]
    yield Table(columns, [_row(each) for each in tables], empty="There are no tables yet.")
    if any(each.rows_per_day is None for table in tables for each in table.growth[:1]):
        yield Lines("What comes per day is told of tables that have 7 full days.")
    texts = [text for table in tables for text in _expected(table)]
    if texts:
        yield Lines("\n".join(texts))


def _growth_columns(days: int) -> list[Column]:
    return [
        Column(f"rows_{days}", f"rows/day, {days} d", "number"),
        Column(f"bytes_{days}", f"size/day, {days} d", "bytes"),
    ]


def _row(table: TableStatus) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": table.name,
        "version": table.version,
        "rows": table.rows,
        "files": table.files,
        "size_bytes": table.size_bytes,
        "oldest_day": table.oldest_day,
        "newest_day": table.newest_day,
    }
    for each in table.growth:
        row[f"rows_{each.days}"] = each.rows_per_day
        row[f"bytes_{each.days}"] = each.bytes_per_day
    return row


def _expected(table: TableStatus) -> Iterator[str]:
    """What retention and the budget will do to a table, a sentence each."""
    seen = table.outlook
    if seen.next_rows:
        yield (
            f"{table.name}: {seen.next_rows:,} rows, {bytes_text(seen.next_bytes)}, older than "
            f"{seen.next_before_day} go at the next round of retention."
        )
    if seen.budget_bytes is None:
        return
    budget = f"{table.name}: {bytes_text(table.size_bytes)} of {bytes_text(seen.budget_bytes)}"
    if seen.budget_in_days is None:
        yield f"{budget} are used; when it will be all cannot be told: {seen.budget_reason}."
    elif seen.budget_in_days == 0:
        yield f"{budget}: the budget is reached, and whole days go, today never."
    else:
        yield f"{budget} are used, all of it in {seen.budget_in_days:,.1f} days at this growth."
