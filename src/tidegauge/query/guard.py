# SPDX-License-Identifier: Apache-2.0
"""What a caller's SQL may do: read the views, and nothing else.

DuckDB's own settings keep a query away from other files and from its configuration, but within the
directories that it may read it may also write, and a `COPY … TO` can hide in the WITH clause of a
SELECT. So the parsed statement is checked against lists of what is allowed; what is not on a list
is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb
import msgspec

from tidegauge.model.errors import QueryError
from tidegauge.query.errors import clip, unreadable_sql

__all__ = ["TABLE_FUNCTIONS", "Statement", "check_read_only"]

_QUERY_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}

#: Functions that may stand in FROM. Not among them: whatever opens files, runs SQL given as text or
#: changes settings.
TABLE_FUNCTIONS = {
    "duckdb_columns",
    "duckdb_functions",
    "duckdb_keywords",
    "duckdb_types",
    "duckdb_views",
    "generate_series",
    "histogram",
    "histogram_values",
    "json_each",
    "json_tree",
    "pragma_table_info",
    "range",
    "repeat",
    "repeat_row",
    "summary",
    "unnest",
}

# What the names of functions, schemas and views that describe the database begin with.
_ABOUT_TABLES = ("duckdb_", "pragma_", "information_schema", "pg_", "sqlite_")

_EXPLAIN = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*explain(?:\s+analyze)?\b", re.IGNORECASE | re.DOTALL
)


class Statement(msgspec.Struct, frozen=True):
    """A statement that was found to read only.

    Attributes:
        sql: Its text.
        tables: Names it reads from, lower case: views, and names of its own WITH clause.
        columns: Names of columns that it uses, lower case; what `*` stands for is not among them.
        lists_tables: Whether it asks what tables there are.
    """

    sql: str
    tables: frozenset[str]
    columns: frozenset[str]
    lists_tables: bool


def check_read_only(connection: duckdb.DuckDBPyConnection, sql: str) -> Statement:
    """Make sure that a text is one statement that reads views and does nothing else.

    Args:
        connection: Any connection; its parser is used, nothing is executed.
        sql: The caller's text.

    Raises:
        QueryError: It cannot be parsed, is not exactly one statement, or may do more than read.
    """
    if not isinstance(sql, str):
        raise QueryError("SQL must be a text", got=sql)
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise unreadable_sql(sql, error) from error
    if len(statements) != 1:
        raise QueryError(
            "SQL must be exactly one statement", got=clip(sql), allowed="one SELECT statement"
        )
    kind = statements[0].type.name
    if kind == "EXPLAIN" and (start := _EXPLAIN.match(sql)):
        return msgspec.structs.replace(check_read_only(connection, sql[start.end() :]), sql=sql)
    if kind == "MULTI":
        raise QueryError(
            "this form of PIVOT creates a type and is refused",
            got=clip(sql),
            fix="Name the values: PIVOT … ON column IN ('a', 'b') USING …",
        )
    if kind != "SELECT":
        raise _more_than_reading(sql, kind.replace("_", " "))
    tree = _tree(connection, sql)
    tables, columns, lists_tables = set(), set[str](), False
    for node in _nodes(tree):
        _check_node(sql, node)
        if node.get("type") == "BASE_TABLE":
            tables.add(str(node["table_name"]).lower())
        for names in (node.get("column_names"), node.get("using_columns")):
            columns.update(str(name).lower() for name in names or ())
        lists_tables |= _lists_tables(node)
    return Statement(sql, frozenset(tables), frozenset(columns), lists_tables)


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    rows = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [sql]).fetchall()
    tree: dict[str, Any] = json.loads(rows[0][0])
    if tree["error"]:
        raise unreadable_sql(sql, tree["error_message"])
    return tree


def _nodes(value: object) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_node(sql: str, node: dict[str, Any]) -> None:
    kind = node.get("type")
    is_query = "cte_map" in node or (isinstance(kind, str) and kind.endswith("_NODE"))
    if is_query and kind not in _QUERY_NODES:
        raise _more_than_reading(sql, str(kind).removesuffix("_QUERY_NODE").replace("_", " "))
    if kind == "TABLE_FUNCTION":
        name = str(node["function"]["function_name"]).lower()
        if name not in TABLE_FUNCTIONS:
            raise QueryError(
                f"the function {name!r} cannot be used in FROM",
                got=clip(sql),
                allowed=", ".join(sorted(TABLE_FUNCTIONS)),
                fix="Read the views; `SHOW TABLES` lists them.",
            )

    if kind == "BASE_TABLE" and not str(node["table_name"]).isidentifier():
        raise QueryError(
            "a query cannot open a file",
            got=node["table_name"],
            fix="Read the views; `SHOW TABLES` lists them.",
        )


def _lists_tables(node: dict[str, Any]) -> bool:
    """Whether the answer to this part depends on which views exist, beyond those it names."""
    match node.get("type"):
        case "SHOW_REF":
            return node["query"] is None
        case "TABLE_FUNCTION":
            return str(node["function"]["function_name"]).lower().startswith(_ABOUT_TABLES)
        case "BASE_TABLE":
            names = (str(node["schema_name"]).lower(), str(node["table_name"]).lower())
            return any(name.startswith(_ABOUT_TABLES) for name in names)
    return False


def _more_than_reading(sql: str, kind: str) -> QueryError:
    return QueryError(
        f"SQL may only read, and {kind} does more",
        got=clip(sql),
        allowed="SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES, EXPLAIN",
        fix="To keep a result: `tidegauge sql --format csv`, or in Python .to_arrow_table(), .df() "
        "or .pl().",
    )
