# SPDX-License-Identifier: Apache-2.0
"""Data frames of others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.query.frames import number_columns, table_of, times_of

COLUMNS = {"day": [date(2026, 1, 1), date(2026, 1, 2)], "ctr": [0.5, None], "note": ["a", "b"]}
START_US = 1_767_225_600_000_000


@pytest.mark.parametrize(
    "made", [pd.DataFrame, pl.DataFrame, pa.table, dict], ids=["pandas", "polars", "arrow", "dict"]
)
def test_every_frame_is_a_table(made: Any) -> None:
    """Numbers come as floats, what is missing as NaN, dates as microseconds."""
    table = table_of(made(COLUMNS))
    columns = number_columns(table)
    assert list(columns) == ["ctr"]
    assert columns["ctr"][0] == 0.5
    assert np.isnan(columns["ctr"][1])
    assert times_of(table, "day").us.tolist() == [START_US, START_US + 86_400_000_000]


@pytest.mark.parametrize(
    "times",
    [
        ["2026-01-01"],
        [datetime(2026, 1, 1, tzinfo=UTC)],
        pd.Series(pd.to_datetime(["2026-01-01T01:00:00+01:00"])),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
    ],
)
def test_times_in_many_forms(times: Any) -> None:
    """Text, Python's, pandas' and numpy's; a zone is converted."""
    assert times_of(table_of({"t": times}), "t").us.tolist() == [START_US]


@pytest.mark.parametrize(
    ("frame", "column", "text"),
    [
        (3, "t", "this is no data frame; got 3"),
        ({"a": [1, "x"]}, "t", "this data frame cannot be read"),
        ({"a": [1]}, "t", "the data frame has no such column; got 't'; allowed: a"),
        ({"t": [1.5]}, "t", "column 't' holds no times"),
        (
            {"t": [1_767_225_600]},
            "t",
            r"holds no times; .* pandas.to_datetime\(frame\['t'\], unit=",
        ),
        (
            pd.DataFrame({"t": pd.period_range("2026", periods=2, freq="D")}),
            "t",
            "'t' holds no times",
        ),
        ({"t": ["2026-01-01", "2026-01-01Z"]}, "t", "column 't' holds no times"),
        (pa.table([[1], [2]], ["a", "a"]), "t", "columns have the same name; got 'a'"),
        ({1: [1], "1": [2]}, "t", "columns have the same name; got '1'"),
        (pd.DataFrame({"x": [1]}, index=[7]), "t", "no such column; got 't'; allowed: x"),
        ({"t": ["soon"]}, "t", "column 't' holds no times"),
        (
            {"t": [None, date(2026, 1, 1)]},
            "t",
            "a time in column 't' is missing; got '1 of 2 rows'",
        ),
    ],
)
def test_frames_that_cannot_be_read(frame: Any, column: str, text: str) -> None:
    """Each error says what is wrong."""
    with pytest.raises(QueryError, match=text):
        times_of(table_of(frame), column)


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.000Z"]
)
def test_texts_may_have_a_zone(text: str) -> None:
    """As JSON and most services write times."""
    assert times_of(table_of({"t": [text]}), "t").us.tolist() == [START_US]


@pytest.mark.parametrize(
    "times",
    [
        ["2026-01-01T00:00:00+01:00"],
        pd.DatetimeIndex(["2026-01-01"]).tz_localize("Europe/Berlin").to_series(),
        [datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))],
        pd.Series(["2026-01-01T00:00:00+01:00"], dtype="category"),
    ],
    ids=["text", "pandas", "python", "categories"],
)
def test_the_date_is_that_of_the_zone(times: Any) -> None:
    """Midnight in Berlin is of the day that begins there, an hour before it does in UTC."""
    found = times_of(table_of({"t": times}), "t")
    assert found.us.tolist() == [START_US - 3_600_000_000]
    assert found.wall_us.tolist() == [START_US]


def test_an_index_of_pandas_is_no_number() -> None:
    """A filtered frame carries one along; if it has times, it stands for a missing column."""
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=[5, 3, 8])
    assert list(number_columns(table_of(frame))) == ["x"]
    dated = frame.set_index(pd.DatetimeIndex(["2026-01-01"] * 3))
    assert times_of(table_of(dated), "timestamp").us.tolist() == [START_US] * 3
    named = frame.set_index(pd.DatetimeIndex(["2026-01-01"] * 3, name="timestamp"))
    assert times_of(table_of(named), "timestamp").us.tolist() == [START_US] * 3


def test_whole_numbers_of_any_size_are_read() -> None:
    """Above 2**53 to the nearest float."""
    columns = number_columns(table_of({"bytes": [2**53 + 1, 2**62 + 1]}))
    assert columns["bytes"].tolist() == [2.0**53, 2.0**62]


def test_a_relation_whose_connection_is_busy_says_so() -> None:
    """DuckDB's own reason is in the error, which is one of ours."""
    connection = duckdb.connect()
    relation = connection.sql("SELECT 1 AS x")
    connection.execute("FROM range(1000000)")
    with pytest.raises(QueryError, match="unfinished result"):
        table_of(relation)
