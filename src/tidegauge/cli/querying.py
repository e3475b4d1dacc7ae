# SPDX-License-Identifier: Apache-2.0
"""SQL from a shell: `tidegauge sql`."""

from __future__ import annotations

import enum
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli.arguments import check_seconds
from tidegauge.cli.command import Commands
from tidegauge.cli.output import Column, Output, Table
from tidegauge.cli.rows import rows_of, write_json_rows
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    import duckdb

__all__ = ["commands", "sql"]

commands = Commands("Record and read")

# Rows that a table on a terminal shows; whoever wants more says so, or asks for CSV or JSON.
_MOST_ROWS = 1000


class Form(enum.StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@commands.add(
    "sql",
    examples=[
        'sql "select metric, count(*) from points group by all"',
        'sql "show tables"',
        "sql --format csv < question.sql > answer.csv",
    ],
)
def sql(
    session: Session,
    query: Annotated[
        str,
        typer.Argument(help="One statement in DuckDB's dialect; - or nothing reads it from stdin."),
    ] = "-",
    form: Annotated[
        Form, typer.Option("--format", "-f", help="How rows are written.")
    ] = Form.TABLE,
    limit: Annotated[
        int, typer.Option(min=0, help="Most rows of a table; 0 for all of them.")
    ] = _MOST_ROWS,
    timeout: Annotated[
        float | None, typer.Option("--timeout-s", help="Most seconds to compute for.")
    ] = None,
) -> None:
    """Ask in SQL. It can only read: the tables points, intervals and metrics (the catalogue).

    Each row of the answer is an object in JSON. CSV and JSON have all rows. In JSON, whole numbers
    of more than 64 bits are text.
    """
    from tidegauge.query.errors import readable_errors

    if timeout is not None:
        check_seconds(timeout, option="--timeout-s")
    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise typer.BadParameter("no SQL was given, neither as an argument nor on stdin")
    relation = session.existing.query.sql(text, timeout_s=timeout)
    if session.output.as_json:
        form = Form.JSON
    with readable_errors(text):
        if form is Form.JSON:
            write_json_rows(session.output, rows_of(relation))
        elif form is Form.CSV:
            _write_csv(relation)
        else:
            _write_table(session.output, relation, limit)


def _write_table(output: Output, relation: duckdb.DuckDBPyRelation, limit: int) -> None:
    rows = list(rows_of(relation.limit(limit + 1) if limit else relation))
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=False))
    columns = [
        Column(name, kind="number" if _is_number(kinds[name]) else "text")
        for name in relation.columns
    ]
    shown = rows[:limit] if limit else rows
    output.show(None, Table(columns, shown, empty="No rows."))
    if len(shown) < len(rows):
        output.note(f"[dim]The first {limit} rows; --limit 0 shows all.[/]")


def _write_csv(relation: duckdb.DuckDBPyRelation) -> None:
    import csv

    from tidegauge.cli.output import plain

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(relation.columns)
    for row in rows_of(relation):
        writer.writerow([_csv_cell(plain(cell)) for cell in row.values()])


def _csv_cell(cell: object) -> object:
    if isinstance(cell, dict | list):
        import msgspec

        return msgspec.json.encode(cell).decode()
    return cell


def _is_number(kind: str) -> bool:
    return kind.startswith(("DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "UHUGEINT")) or "INT" in kind
