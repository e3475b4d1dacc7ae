# SPDX-License-Identifier: Apache-2.0
"""Laws of scores, and of rows: what a call accepts is what every reader sees."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.catalog import builtin_catalog
from tidegauge.catalog.scales import SCALES, read_score
from tidegauge.journal.reader import Journal
from tidegauge.model.feature_tables import FEATURE_TABLES
from tidegauge.model.tables import Column, Table
from tidegauge.query.query import Query
from tidegauge.record.recorder import Recorder
from tidegauge.record.rows import RowWriter
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

NAMED = st.sampled_from(list(SCALES.values()))
SLOW = settings(max_examples=20, deadline=None)
TIMES_NS = st.integers(min_value=0, max_value=2**62).map(lambda n: n // 1000 * 1000)


@given(data=st.data(), scale=NAMED)
def test_a_score_is_worth_something_from_0_to_1(data: st.DataObject, scale: Any) -> None:
    """The worst of a scale is 0, the best 1, and the rating a whole number of the scale."""
    score = data.draw(st.floats(scale.worst, scale.best))
    scored = read_score(score, scale.name)
    assert (scored.score, scored.scale) == (score, scale.name)
    assert 0 <= scored.normalized <= 1
    assert 0 <= scored.rating <= 10
    assert scale.best == 1 or scale.worst <= scored.rating <= scale.best
    assert read_score(scale.worst, scale.name).normalized == 0
    assert read_score(scale.best, scale.name).normalized == 1


@given(data=st.data(), scale=NAMED)
def test_a_better_score_is_never_worth_less(data: st.DataObject, scale: Any) -> None:
    """Both the normalised score and the rating rise with the score."""
    pair = st.floats(scale.worst, scale.best)
    low, high = sorted((data.draw(pair), data.draw(pair)))
    less, more = read_score(low, scale.name), read_score(high, scale.name)
    assert less.normalized <= more.normalized
    assert less.rating <= more.rating


@given(score=st.floats(0, 5) | st.integers(0, 5))
def test_every_number_of_the_two_scales_is_on_one_of_them(score: float) -> None:
    """And a named scale says the same as the one that was found."""
    scored = read_score(score)
    again = read_score(scored.score, scored.scale)
    assert again == scored
    assert math.isclose(scored.score, score, rel_tol=1e-5)


def cells(column: Column) -> st.SearchStrategy[Any]:
    """Everything that a column may hold, ends of ranges included."""
    least, most = column.least, column.most
    found: st.SearchStrategy[Any]
    if column.values:
        found = st.sampled_from(column.values)
    elif column.kind == "bool":
        found = st.booleans()
    elif column.kind == "i64":
        ends = (-(2**63) + 1 if least is None else least, 2**63 - 1 if most is None else most)
        found = st.integers(*map(int, ends))
    elif column.kind == "f64":
        found = st.floats(least, most, allow_nan=False, allow_infinity=False)
    else:
        found = st.text(min_size=0 if column.nullable else 1, max_size=40)
    return st.none() | found if column.nullable else found


def rows(table: Table) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """A few rows of a table."""
    return st.lists(st.tuples(*map(cells, table.columns)), min_size=1, max_size=5)


@SLOW
@given(data=st.data(), table=st.sampled_from(FEATURE_TABLES))
def test_an_accepted_row_is_stored_exactly(data: st.DataObject, table: Table) -> None:
    """Journal, tables and SQL show what was passed, before a drain and after it."""
    given_rows = data.draw(rows(table))
    times_ns = [data.draw(TIMES_NS) for _ in given_rows]
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory))
        recorder = Recorder(store.root / "journal", strict=True)
        put: Callable[..., bool] = RowWriter(recorder, table).bind()
        for row, time_ns in zip(given_rows, times_ns, strict=True):
            assert put(row, time_ns)
        names = [column.name for column in table.columns]
        (slot,) = Journal(store.root / "journal").slots()
        found = slot.events(slot.first_events()).records
        assert [tuple(map(each.columns.get, names)) for each in found] == given_rows
        expected = sorted(zip(times_ns, given_rows, strict=True), key=repr)
        query = Query(store, builtin_catalog())
        assert asked(query, table.name, names) == expected
        DrainFollower(store).advance(force=True)
        assert asked(query, table.name, names) == expected
        recorder.writer.close()
        query.close()
        store.close()


def asked(query: Query, table: str, names: list[str]) -> list[tuple[int, tuple[Any, ...]]]:
    """Time and columns of every row, in an order of their own."""
    columns = ", ".join(f'"{name}"' for name in names)
    found = query.sql(f"SELECT epoch_us(time), {columns} FROM {table}").fetchall()
    return sorted(((time_us * 1000, tuple(row)) for time_us, *row in found), key=repr)
