# SPDX-License-Identifier: Apache-2.0
"""The numbers of a row as SQL, and sketches of how many distinct values there were."""

from __future__ import annotations

import itertools
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from tidegauge.model.columns import Table
from tidegauge.model.tables import (
    CORRECTIONS,
    ERRORS,
    FEATURE_USAGE,
    POINTS,
    RESOURCE_UTILIZATION,
)
from tidegauge.store.measured import (
    SKETCH_VALUES,
    Sketches,
    distinct_count,
    hash_sql,
    keys_sql,
    measured_columns,
    measured_sql,
    merged_sketches,
    rolled_of,
    sketches_sql,
)
from tidegauge.store.schema import arrow_schema


def ask(table: Table, rows: list[dict[str, Any]], sql: str) -> list[tuple[Any, ...]]:
    """Ask rows of a table, named `facts`; what a row does not say is empty."""
    schema = arrow_schema(table)
    empty = {"time": 0, "date": 0, "slot": "", "labels": []}
    facts = pa.Table.from_pylist([{**empty, **row} for row in rows], schema=schema)
    with duckdb.connect() as connection:
        connection.register("facts", facts)
        return connection.execute(sql).fetchall()


def hashes(*values: object) -> npt.NDArray[np.int64]:
    """The hash of each text."""
    with duckdb.connect() as connection:
        connection.register("texts", pa.table({"text": [str(value) for value in values]}))
        found = connection.execute(f"SELECT {hash_sql('text')} FROM texts")
        return np.array([each for (each,) in found.fetchall()], np.int64)


def sketch(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """What is kept of hashes."""
    return np.unique(values)[:SKETCH_VALUES]


def test_a_row_has_one_number_for_each_measure() -> None:
    """Rows are counted by ones; what is empty is no number; a bool is 0 or 1."""
    rows = [
        {"feature": "find", "action": "run", "duration_ms": 12.5, "success": True},
        {"feature": "find", "action": "run", "success": False},
        {"feature": "find", "action": "stop"},
    ]
    sql = (
        f"SELECT action, measure, value FROM ({measured_sql(FEATURE_USAGE, 'facts')}) ORDER BY ALL"
    )
    assert ask(FEATURE_USAGE, rows, sql) == [
        ("run", "duration_ms", 12.5),
        ("run", "success", 0.0),
        ("run", "success", 1.0),
        ("run", "uses", 1.0),
        ("run", "uses", 1.0),
        ("stop", "uses", 1.0),
    ]


def test_a_number_keeps_what_tells_it_apart() -> None:
    """Time, dimensions, labels, the series, and whose distinct values are counted."""
    rows = [{"feature": "f", "error_type": "E", "service": "web", "user_id": "u"}]
    rows[0] |= {"error_severity": "error", "recovery_attempted": False}
    sql = f"SELECT * FROM ({measured_sql(ERRORS, 'facts')}) LIMIT 0"
    names = [name for (name, *_) in ask(ERRORS, rows, f"DESCRIBE {sql}")]
    assert names == [
        *("time", "service", "model", "model_version", "experiment", "run_id", "environment"),
        *("labels", "feature", "error_type", "error_severity", "impact_level", "user_id"),
        *("measure", "value"),
    ]
    assert set(names) - {"measure", "value"} < set(measured_columns(ERRORS))


def test_a_table_of_which_nothing_is_rolled_up() -> None:
    """Asking for its numbers is a mistake of the caller."""
    with pytest.raises(ValueError, match="nothing is rolled up of corrections"):
        rolled_of(CORRECTIONS)


def test_keys_leave_out_what_is_empty() -> None:
    """Numbers become texts; no columns make an empty map."""
    rows = [{"resource_type": "cpu", "resource_name": "0", "utilization_percent": 5.0}]
    names = ("resource_type", "unit", "utilization_percent")
    sql = f"SELECT {keys_sql(names)}, {keys_sql(())} FROM facts"
    expected = ({"resource_type": "cpu", "utilization_percent": "5.0"}, {})
    assert ask(RESOURCE_UTILIZATION, rows, sql) == [expected]


def test_a_hash_is_the_same_for_ever() -> None:
    """It is written to disk: another machine and a later version must find the same."""
    assert hashes("ann", "").tolist() == [6429283252768367742, 4549053946144276596]
    assert (hashes(*range(1000)) >= 0).all()


def test_a_sketch_counts_users_of_rows_and_not_of_numbers() -> None:
    """The measure that counts rows has it; a row without a user adds none."""
    rows = [
        {"feature": "f", "action": "a", "user_id": user, "user_context": "c", "duration_ms": 1.0}
        for user in ("ann", "bob", "ann", None)
    ]
    users, contexts = sketches_sql(FEATURE_USAGE)
    measured = measured_sql(FEATURE_USAGE, "facts")
    sql = f"SELECT measure, {users}, {contexts} FROM ({measured}) GROUP BY 1 ORDER BY 1"
    assert ask(FEATURE_USAGE, rows, sql) == [
        ("duration_ms", None, None),
        ("uses", sorted(hashes("ann", "bob").tolist()), hashes("c").tolist()),
    ]
    assert sketches_sql(POINTS) == []


def test_a_sketch_keeps_the_smallest_hashes() -> None:
    """In order, and no more than it may."""
    rows = [{"feature": "f", "action": "a", "user_id": f"u{n}"} for n in range(3000)]
    users, _ = sketches_sql(FEATURE_USAGE)
    measured = measured_sql(FEATURE_USAGE, "facts")
    ((found,),) = ask(FEATURE_USAGE, rows, f"SELECT {users} FROM ({measured}) WHERE measure='uses'")
    expected = sketch(hashes(*(row["user_id"] for row in rows)))
    assert found == expected.tolist()


@pytest.mark.parametrize("n", [0, 1, 2, 1023])
def test_few_distinct_values_are_counted_exactly(n: int) -> None:
    """However often each came, and in how many sketches."""
    once = hashes(*range(n))
    assert distinct_count(np.concatenate([once, once[::-1], once])) == (n, 0.0)


@pytest.mark.parametrize("n", [1024, 5_000, 100_000])
def test_many_distinct_values_are_estimated(n: int) -> None:
    """Within a few of the standard errors that are given with the number."""
    estimate, error = distinct_count(sketch(hashes(*range(n))))
    assert error == pytest.approx(0.0313, abs=1e-4)
    assert abs(estimate - n) <= 4 * error * n


def test_the_error_is_what_it_is_said_to_be() -> None:
    """Over many sets the estimates scatter as stated, around the right number."""
    every = hashes(*range(200_000))
    found = [distinct_count(sketch(part))[0] / 2000 for part in np.split(every, 100)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.01)
    assert 0.02 < float(np.std(found)) < 0.045


@pytest.mark.parametrize("n", [100, 700, 20_000])
def test_merged_sketches_count_as_one(n: int) -> None:
    """The sketch of a union is that of all its values, however they were spread and shared."""
    every = hashes(*range(n))
    parts = [sketch(each) for each in (every[: n // 2], every[n // 3 :], every[::7])]
    expected = distinct_count(sketch(every))
    assert distinct_count(np.concatenate(parts)) == expected
    lists = pa.array([*(part.tolist() for part in parts), None, [5]], pa.list_(pa.int64()))
    union, rest = merged_sketches(lists, np.array([0, 3])).to_pylist()
    assert union == sketch(every).tolist()
    assert rest == [5]


def test_merging_nothing() -> None:
    """No groups have no sketches, and empty ones make an empty one."""
    none = pa.array([], pa.list_(pa.int64()))
    assert merged_sketches(none, np.array([], np.int64)).to_pylist() == []
    nulls = pa.array([None, None], pa.list_(pa.int64()))
    assert merged_sketches(nulls, np.array([0])).to_pylist() == [[]]


def test_hashes_of_chosen_rows() -> None:
    """Nulls and chunks do not shift what belongs to which row."""
    lists = [[[1, 2], None], [[3]], [[], [4, 5], None, [6]]]
    sketches = pa.chunked_array(lists, pa.list_(pa.int64()))
    whole: list[list[int] | None] = list(itertools.chain(*lists))
    for mask in itertools.product([False, True], repeat=len(whole)):
        expected = [
            n for each, chosen in zip(whole, mask, strict=True) if chosen for n in each or []
        ]
        assert Sketches.of(sketches).chosen(np.array(mask)).tolist() == expected
