# SPDX-License-Identifier: Apache-2.0
"""SQL from a shell: `tidegauge sql`."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.command import Commands
from tidegauge.cli.output import Column, Output, Table
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    import duckdb

__all__ = ["commands", "sql"]

commands = Commands("Record and read")

_CHUNK_ROWS = 10_000
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

    Each row of the answer is an object in JSON. CSV and JSON have all rows.
    """
    from tidegauge.query.errors import readable_errors

    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise typer.BadParameter("no SQL was given, neither as an argument nor on stdin")
    relation = session.existing.query.sql(text, timeout_s=timeout)
    if session.output.as_json:
        form = Form.JSON
    with readable_errors(text):
        if form is Form.JSON:
            _write_json(session.output, relation)
        elif form is Form.CSV:
            _write_csv(relation)
        else:
            _write_table(session.output, relation, limit)


def _write_table(output: Output, relation: duckdb.DuckDBPyRelation, limit: int) -> None:
    rows = list(_rows(relation.limit(limit + 1) if limit else relation))
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=False))
    columns = [
        Column(name, kind="number" if _is_number(kinds[name]) else "text")
        for name in relation.columns
    ]
    shown = rows[:limit] if limit else rows
    output.show(None, Table(columns, shown, empty="No rows."))
    if len(shown) < len(rows):
        output.note(f"[dim]The first {limit} rows; --limit 0 shows all.[/]")


def _write_json(output: Output, relation: duckdb.DuckDBPyRelation) -> None:
    first = True
    for row in _rows(relation):
        output.write("[\n" if first else ",\n")
        output.write_json_line(row)
        first = False
    output.write("[]\n" if first else "\n]\n")


def _write_csv(relation: duckdb.DuckDBPyRelation) -> None:
    import csv

    from tidegauge.cli.output import plain

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(relation.columns)
    for row in _rows(relation):
        writer.writerow([_csv_cell(plain(cell)) for cell in row.values()])


def _csv_cell(cell: object) -> object:
    if isinstance(cell, dict | list):
        import msgspec

        return msgspec.json.encode(cell).decode()
    return cell


def _rows(relation: duckdb.DuckDBPyRelation) -> Iterator[dict[str, Any]]:
    types = [str(kind) for kind in relation.types]
    maps = [name for name, kind in zip(relation.columns, types, strict=True) if _is_map(kind)]
    for batch in relation.to_arrow_reader(_CHUNK_ROWS):
        for row in batch.to_pylist():
            for name in maps:
                if row[name] is not None:
                    row[name] = dict(row[name])
            yield row


def _is_map(kind: str) -> bool:
    return kind.startswith("MAP(") and kind.endswith(")")


def _is_number(kind: str) -> bool:
    return kind.startswith(("DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "UHUGEINT")) or "INT" in kind
