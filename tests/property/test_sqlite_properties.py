# SPDX-License-Identifier: Apache-2.0
"""Random rows that go through a SQLite file into an empty store are the same rows there."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.catalog.derived_columns import derive
from tidegauge.catalog.scales import SCALES
from tidegauge.config import assemble
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.sqlite_metadata import pack, unpack
from tidegauge.model.sqlite_shapes import SHAPES
from tidegauge.model.tables import Column
from tidegauge.model.times import TimeRange
from tidegauge.record.recorder import metadata_json
from tidegauge.sqlite import read_import, write_export

NOON_US = 1_767_268_800_000_000
TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
LABELS = st.dictionaries(
    st.sampled_from(["service", "model", "run_id", "region", "land"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=4),
    max_size=3,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
METADATA = st.dictionaries(TEXT | st.just("tidegauge"), JSON, min_size=1, max_size=3) | st.none()
#: Few moments, so that equal rows come.
TIME_US = st.sampled_from([0, 1, 250_000, 10**6, 86_400_000_000]).map(lambda us: NOON_US + us)


def cell(column: Column) -> st.SearchStrategy[Any]:
    """A value that the column takes."""
    least = -1e300 if column.least is None else column.least
    most = 1e300 if column.most is None else column.most
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "str": st.sampled_from(column.values)
        if column.values
        else TEXT
        if column.nullable
        else TEXT.filter(bool),
        "bool": st.booleans(),
        "f64": st.floats(least, most),
        "i64": st.integers(int(max(least, -(2**63))), int(min(most, 2**63 - 1))),
    }
    return kinds[column.kind] | st.none() if column.nullable else kinds[column.kind]


@st.composite
def facts(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A table and the columns of a row of it, as the record calls make them."""
    name = draw(st.sampled_from(sorted(SHAPES)))
    shape = SHAPES[name]
    row = {column.name: draw(cell(column)) for column in shape.columns}
    for column in shape.beyond:
        if column.name in {"user_id", "feature"}:
            row[column.name] = draw(cell(column))
    if name == "user_satisfaction":
        scale = SCALES[draw(st.sampled_from(sorted(SCALES)))]
        row["score_scale"] = scale.name
        ends = st.sampled_from([float(scale.worst), 1.0, float(scale.best)])
        row["score"] = draw(ends | st.floats(scale.worst, scale.best))
    if name == "errors" and not row["recovery_attempted"]:
        row["recovery_successful"] = None
    if name == "optimization_impact":
        row["before_value"] = draw(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)))
        row["after_value"] = draw(st.floats(-1e6, 1e6))
    derive(name, row)
    return name, row


def contents(path: Path) -> list[list[tuple[Any, ...]]]:
    """The rows of all tables, without their ids, for those of one moment have no order."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = [connection.execute(f"SELECT * FROM {name}").fetchall() for name in SHAPES]
    return [sorted((row[1:] for row in rows), key=repr) for rows in tables]


@pytest.mark.repeat
@settings(max_examples=8, deadline=None)
@given(rows=st.lists(st.tuples(facts(), TIME_US, LABELS, METADATA), max_size=8))
def test_a_round_trip_changes_nothing(rows: list[Any]) -> None:
    """Exported, imported into an empty store and exported again; and nothing comes twice."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        source, target = (assemble(store=str(root / name)) for name in ("source", "target"))
        writer = JournalWriter(source.root / "journal")
        for (table, row), time_us, labels, metadata in rows:
            columns = {name: value for name, value in row.items() if value is not None}
            if metadata is not None:
                columns["metadata"] = metadata_json(metadata)
            writer.put_event(table, SeriesKey.of("", labels), time_us * 1000, columns)
        writer.close()
        every: Any = {"labels": None, "time_range": TimeRange(), "force": False}
        plain: Any = {"time_zone": "UTC", "scale": None, "check": False}
        write_export(source, root / "first.db", **every)
        done = read_import(target, root / "first.db", **plain)
        assert (done.refused, done.recorded) == ({}, len(rows)), done.examples
        write_export(target, root / "second.db", **every)
        assert contents(root / "second.db") == contents(root / "first.db")
        for parts in (source, target):
            again = read_import(parts, root / "second.db", **plain)
            assert (again.recorded, again.present) == (0, len(rows))
            parts.close()


@given(
    metadata=METADATA.map(lambda each: None if each is None else metadata_json(each)),
    labels=LABELS,
    columns=st.dictionaries(TEXT, TEXT | st.booleans() | st.integers(0, 10), max_size=2),
)
def test_metadata_come_out_as_they_were_packed(
    metadata: str | None, labels: dict[str, str], columns: dict[str, Any]
) -> None:
    """To the letter, whatever keys they use."""
    found, beyond = unpack(pack(metadata, labels, columns))
    assert (found, beyond.labels, beyond.columns) == (metadata, labels, columns)
