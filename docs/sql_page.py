# SPDX-License-Identifier: Apache-2.0
"""The reference page of SQL: tables and columns, made from their definitions."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import duckdb

from tidegauge.catalog import Catalog
from tidegauge.model.tables import COMMON_COLUMNS, TABLES, ColumnKind, Table
from tidegauge.query.computed import COMPUTED_COLUMNS
from tidegauge.query.guard import TABLE_FUNCTIONS
from tidegauge.query.vocabulary import METRICS_COLUMNS, metrics_table

__all__ = ["sql_page"]

_TYPES: dict[ColumnKind, str] = {
    "time": "TIMESTAMPTZ",
    "date": "DATE",
    "str": "VARCHAR",
    "bool": "BOOLEAN",
    "f64": "DOUBLE",
    "i64": "BIGINT",
    "i32": "INTEGER",
    "decimal": "DECIMAL(28, 8)",
    "i64_list": "BIGINT[]",
    "map": "MAP(VARCHAR, VARCHAR)",
    "json": "VARCHAR (JSON)",
}

# What a view shows where it differs from what is stored.
_SHOWN = {"metric": "full name that the metric has today"}

_INTRODUCTION = """\
# SQL

`tidegauge.sql(…)` and `tidegauge sql …` take one statement in
[DuckDB's dialect](https://duckdb.org/docs/stable/sql/introduction). How to ask in other ways is
told in [how to query](../how-to/query.md).

```sql
SELECT metric, count(*) FROM points GROUP BY ALL
```

Each statement sees one moment: everything in the tables, and the newest facts straight from the
journals, each exactly once. Times are UTC.

## What a statement may do

Read, and nothing else: `SELECT`, `FROM`, `WITH`, `VALUES`, `DESCRIBE`, `SUMMARIZE`, `SHOW TABLES`,
`EXPLAIN`, and `PIVOT … ON column IN (…)`. A statement that writes, opens a file, changes a setting
or attaches something is refused, also where it hides in a `WITH`. In `FROM` stand the tables below
and these functions:

{functions}.

## Good to know

- `metric` holds full names, and the names metrics have today: facts recorded under a name that was
  given up are shown under the one that replaced it.
- Labels without a column of their own are in the map `labels`: `labels['region']` is null where a
  fact does not have the label.
- `metadata` is JSON text: `metadata->>'git_sha'`.
- Some tables have columns that are computed when a statement names them, and only then: `id`,
  `timestamp` and `created_at` where the tables below say so. `id` numbers all rows by their time:
  it reads the whole table whatever is chosen, and a late row moves the numbers of those after it.
- A condition on `date` or `time` leaves out whole files; give one on large stores.
- `quantile_cont(value, [0.5, 0.95, 0.99])` sorts once and is faster than three calls.

```sql
SELECT labels['region'] AS region, quantile_cont(value, [0.5, 0.95, 0.99]) AS ms
FROM points
WHERE metric = 'model:latency_ms' AND time >= now() - INTERVAL 1 DAY
GROUP BY ALL
```

```sql
SELECT p.metric, m.unit, max(p.value) AS largest
FROM points p JOIN metrics m USING (metric)
WHERE m.direction = 'lower'
GROUP BY ALL
```

```sql
SELECT time, value, metadata->>'git_sha' AS commit
FROM points
WHERE metric = 'model:accuracy' AND metadata IS NOT NULL
ORDER BY time
```
"""


def sql_page(head: str) -> str:
    """Every table with its columns, and what else a statement may use.

    Args:
        head: The comment that says how the page is written.
    """
    functions = textwrap.fill(
        ", ".join(f"`{name}`" for name in sorted(TABLE_FUNCTIONS)),
        width=100,
        break_on_hyphens=False,
    )
    lines = [head, _INTRODUCTION.format(functions=functions)]
    for table in TABLES.values():
        lines.extend(_table(table))
    lines.extend(_vocabulary())
    return "\n".join(lines) + "\n"


def _table(table: Table) -> Iterator[str]:
    yield f"## {table.name}\n"
    yield f"{table.description}\n"
    yield "| Column | Type | Null | Meaning |"
    yield "|---|---|---|---|"
    for column in (*COMMON_COLUMNS, *table.columns):
        null = "yes" if column.nullable else "no"
        meaning = _SHOWN.get(column.name, column.description)
        yield f"| `{column.name}` | {_TYPES[column.kind]} | {null} | {meaning} |"
    for name, _, kind, meaning in COMPUTED_COLUMNS.get(table.name, ()):
        yield f"| `{name}` | {kind} | no | computed where named: {meaning} |"
    yield ""


def _vocabulary() -> Iterator[str]:
    yield "## metrics\n"
    yield "The catalogue: one row per declared metric.\n"
    yield "| Column | Type | Meaning |"
    yield "|---|---|---|"
    for (name, _, meaning), kind in zip(METRICS_COLUMNS, _vocabulary_types(), strict=True):
        yield f"| `{name}` | {kind} | {meaning} |"


def _vocabulary_types() -> list[str]:
    return [str(kind) for kind in duckdb.from_arrow(metrics_table(Catalog())).types]
