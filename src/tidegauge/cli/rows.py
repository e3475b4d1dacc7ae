# SPDX-License-Identifier: Apache-2.0
"""Rows of an answer, a few thousand at a time: no more of them is in memory than must be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tidegauge.cli.output import Output
from tidegauge.query.sql import quoted

if TYPE_CHECKING:
    import duckdb

__all__ = ["rows_of", "write_json_rows"]

_CHUNK_ROWS = 10_000


def rows_of(relation: duckdb.DuckDBPyRelation) -> Iterator[dict[str, Any]]:
    """The rows, maps as dicts and lengths of time as DuckDB writes them."""
    from tidegauge.store.arrays import to_rows

    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    if "INTERVAL" in kinds.values():
        # Arrow has months, days and nanoseconds apart, which nobody reads.
        relation = relation.project(", ".join(_selected(*item) for item in kinds.items()))
    maps = [name for name, kind in kinds.items() if kind.startswith("MAP(") and kind[-1] == ")"]
    for batch in relation.to_arrow_reader(_CHUNK_ROWS):
        for row in to_rows(batch):
            for name in maps:
                if row[name] is not None:
                    row[name] = dict(row[name])
            yield row


def write_json_rows(output: Output, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON document, a list of all rows, as they come."""
    first = True
    for row in rows:
        output.write("[\n" if first else ",\n")
        output.write_json_line(row)
        first = False
    output.write("[]\n" if first else "\n]\n")


def _selected(name: str, kind: str) -> str:
    column = quoted(name)
    return f"{column}::VARCHAR AS {column}" if kind == "INTERVAL" else column
