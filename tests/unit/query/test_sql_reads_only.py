# SPDX-License-Identifier: Apache-2.0
"""What SQL may not do: write, open files, change settings, look at the program around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.query.guard import check_read_only


def files_below(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


# Statement -> what the error says does more than read.
WRITES = {
    "INSERT INTO metrics VALUES ('x')": "INSERT",
    "UPDATE points SET value = 0": "UPDATE",
    "DELETE FROM points": "DELETE",
    "MERGE INTO metrics USING points ON true WHEN MATCHED THEN DELETE": "MERGE INTO",
    "CREATE TABLE t (a INT)": "CREATE",
    "CREATE TEMP TABLE t AS SELECT 1": "CREATE",
    "CREATE MACRO f(a) AS a": "CREATE",
    "CREATE SECRET s (TYPE s3)": "CREATE",
    "ALTER TABLE metrics ADD COLUMN a INT": "ALTER",
    "DROP VIEW points": "DROP",
    "COPY points TO '{tables}/out.csv'": "COPY",
    "COPY metrics FROM '{tables}/in.csv'": "COPY",
    "EXPORT DATABASE '{tables}/dump'": "EXPORT",
    "IMPORT DATABASE '{tables}/dump'": "PRAGMA",
    "ATTACH '{tables}/new.db'": "ATTACH",
    "ATTACH ':memory:' AS other": "ATTACH",
    "DETACH memory": "DETACH",
    "USE memory": "SET",
    "SET threads = 1": "SET",
    "SET enable_external_access = true": "SET",
    "SET VARIABLE a = 1": "SET",
    "RESET lock_configuration": "SET",
    "PRAGMA enable_profiling": "PRAGMA",
    "PRAGMA database_list": "PRAGMA",
    "INSTALL httpfs": "LOAD",
    "LOAD httpfs": "LOAD",
    "CALL pragma_version()": "CALL",
    "CHECKPOINT": "CALL",
    "VACUUM": "VACUUM",
    "ANALYZE": "VACUUM",
    "BEGIN": "TRANSACTION",
    "PREPARE p AS SELECT 1": "PREPARE",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{tables}/out.csv'": "COPY",
    "EXPLAIN CREATE TABLE t (a INT)": "CREATE",
    "/* c */ EXPLAIN ANALYZE DELETE FROM metrics": "DELETE",
    # DuckDB takes these for SELECT statements.
    "WITH t AS (COPY (SELECT 1) TO '{tables}/out.csv') SELECT * FROM t": "COPY",
    "WITH t AS (INSERT INTO metrics (metric) VALUES ('x') RETURNING *) FROM t": "INSERT",
    "WITH t AS (DELETE FROM metrics RETURNING *) SELECT * FROM t": "DELETE",
    "WITH t AS (UPDATE metrics SET unit = '' RETURNING *) SELECT * FROM t": "UPDATE",
    "SELECT * FROM (WITH t AS (COPY (SELECT 1) TO '{tables}/out.csv') FROM t)": "COPY",
    "SELECT (WITH t AS (COPY (SELECT 1) TO '{tables}/out.csv') SELECT max(#1) FROM t)": "COPY",
    "SELECT 1 UNION (WITH t AS (COPY (SELECT 1) TO '{tables}/out.csv') SELECT 1)": "COPY",
    "EXPLAIN ANALYZE WITH t AS (COPY (SELECT 1) TO '{tables}/out.csv') FROM t": "COPY",
}


@pytest.mark.parametrize("sql", WRITES)
def test_a_statement_that_does_more_than_read_is_refused(sql: str, facts: Any) -> None:
    """Nothing in the store changes, and the error says which part of the statement was too much."""
    facts.record("model:accuracy", 0.5)
    facts.drain()
    before = files_below(facts.store.root)
    tables = facts.store.root / "tables"
    with pytest.raises(QueryError) as caught:
        facts.query.sql(sql.replace("{tables}", str(tables)))
    assert caught.value.what == f"SQL may only read, and {WRITES[sql]} does more"
    assert files_below(facts.store.root) == before


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{file}')",
        "read_text('{file}')",
        "read_blob('{file}')",
        "read_parquet('{tables}/points/*/*.parquet')",
        "parquet_metadata('{tables}/points/*/*.parquet')",
        "glob('/etc/*')",
        "sniff_csv('{file}')",
        "\"Read_CSV\"('{file}')",
        "query('SELECT 1')",
        "query_table('points')",
        "json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        "checkpoint()",
        "enable_logging()",
        "duckdb_secrets()",
        "duckdb_settings()",
    ],
)
def test_a_function_that_opens_files_or_runs_text_is_refused(source: str, facts: Any) -> None:
    """Only functions on the list may stand in FROM, in whatever letters they are written."""
    facts.record("model:accuracy", 0.5)
    facts.drain()
    source = source.format(file="/etc/passwd", tables=facts.store.root / "tables")
    with pytest.raises(QueryError, match=r"the function '\w+' cannot be used in FROM"):
        facts.query.sql(f"SELECT * FROM {source}")


@pytest.mark.parametrize("file", ["/etc/passwd", "{tables}/points/x.parquet", "x.csv", "a:b"])
def test_a_file_cannot_be_read_by_its_name(file: str, facts: Any) -> None:
    """DuckDB would open a file that stands in place of a table."""
    file = file.format(tables=facts.store.root / "tables")
    with pytest.raises(QueryError, match="a query cannot open a file"):
        facts.query.sql(f"SELECT * FROM '{file}'")


def test_settings_hold_even_for_what_the_lists_let_through(facts: Any) -> None:
    """Beneath the lists, DuckDB itself reads no other file, and its settings are locked."""
    facts.record("model:accuracy", 0.5)
    relation = facts.query.sql("SELECT * FROM points", lazy=True)
    for sql in ("FROM read_text('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/tidegauge-out.csv'"):
        with pytest.raises(duckdb.PermissionException):
            relation.query("points", sql)
    with pytest.raises(duckdb.InvalidInputException, match="the configuration has been locked"):
        relation.query("points", "SET enable_external_access = true")


def test_variables_of_the_program_are_not_tables(facts: Any) -> None:
    """DuckDB would find a data frame of the caller by its name."""
    secret = pa.table({"password": ["x"]})
    assert len(secret) == 1
    with pytest.raises(QueryError, match="there is no such table; got 'secret'"):
        facts.query.sql("SELECT * FROM secret")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM points;",
        "FROM points",
        "TABLE points",
        "VALUES (1), (2)",
        "-- a comment\nSELECT 1",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) FROM t",
        "SELECT * FROM points p SEMI JOIN metrics USING (metric)",
        "SELECT unnest([1, 2])",
        "SELECT * FROM range(3)",
        "SELECT * FROM points QUALIFY row_number() OVER (ORDER BY time) = 1",
        "PIVOT points ON model IN ('a') USING sum(value)",
        "SHOW TABLES",
        "SHOW ALL TABLES",
        "DESCRIBE points",
        "DESCRIBE SELECT value FROM points",
        "SUMMARIZE points",
        "EXPLAIN SELECT 1",
        "explain analyze FROM points",
        "-- a comment\nEXPLAIN SELECT 1",
        "SELECT table_name FROM information_schema.tables",
        "SELECT column_name FROM duckdb_columns()",
        "SELECT 'COPY x TO y; DROP TABLE z'",
    ],
)
def test_a_statement_that_only_reads_is_answered(sql: str, facts: Any) -> None:
    """All ways to read are open."""
    facts.record("model:accuracy", 0.5)
    assert facts.query.sql(sql).to_arrow_table().num_columns >= 1


def test_pivot_without_values_says_what_to_write(facts: Any) -> None:
    """It would create a type."""
    with pytest.raises(QueryError, match=r"Name the values: PIVOT … ON column IN \('a', 'b'\)"):
        facts.query.sql("PIVOT points ON model USING sum(value)")


def test_the_tables_a_statement_names_are_found() -> None:
    """Only these are looked up in the store; names of a WITH clause are among them."""
    statement = check_read_only(
        duckdb.connect(), 'WITH t AS (FROM "Points") SELECT * FROM t, main.metrics'
    )
    assert (statement.tables, statement.lists_tables) == (
        frozenset({"points", "t", "metrics"}),
        False,
    )
    assert check_read_only(duckdb.connect(), "SHOW TABLES").lists_tables
    assert check_read_only(duckdb.connect(), "FROM information_schema.columns").lists_tables


def test_what_is_no_text_is_refused(facts: Any) -> None:
    """A query is a string."""
    with pytest.raises(QueryError, match="SQL must be a text; got 5"):
        facts.query.sql(5)


def test_describe_gives_the_columns_of_an_empty_store(facts: Any) -> None:
    """Before the first fact the tables are there, without rows."""
    assert facts.query.sql("SELECT count(*) FROM points").fetchall() == [(0,)]
    described = facts.query.sql("DESCRIBE intervals").fetchall()
    assert described[0][:2] == ("time", "TIMESTAMP WITH TIME ZONE")
