# SPDX-License-Identifier: Apache-2.0
"""Data frames of others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

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
