# SPDX-License-Identifier: Apache-2.0
"""Whatever is recorded and corrected in whatever order: the table is as a list would be."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegauge.amend.amender import Amender
from tidegauge.catalog import builtin_catalog
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import TimeRange
from tidegauge.record.context import current
from tidegauge.record.recorder import Recorder
from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import compact
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store

_DAY_NS = 86_400 * 10**9
_START_NS = 20_000 * _DAY_NS

_values = st.sampled_from([0.0, 0.25, 0.5, 1.0])
_metrics = st.sampled_from(["custom:a", "custom:b"])
_models = st.sampled_from(["m", "n", None])
_splits = st.sampled_from(["train", "val", None])
_hours = st.integers(0, 71)
_rows = st.fixed_dictionaries(
    {"metric": _metrics, "model": _models, "split": _splits, "value": _values, "hour": _hours}
)
_where = st.fixed_dictionaries(
    {}, optional={"metric": _metrics, "model": _models, "split": _splits, "value": _values}
)
_ranges = st.tuples(st.none() | _hours, st.none() | _hours)
_steps = st.one_of(
    st.tuples(st.just("record"), st.lists(_rows, min_size=1, max_size=6)),
    st.tuples(st.just("correct"), _where, _ranges, st.none() | _values),
    st.tuples(st.just("drain")),
    st.tuples(st.just("compact")),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(st.lists(_steps, min_size=2, max_size=8))
def test_a_table_is_as_a_list_would_be(steps: list[tuple[Any, ...]]) -> None:
    """Random rows, and random values set and rows taken back, beside drains and compaction."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "store"
        store, recorder = Store(root), _recorder(root)
        amender = Amender(store, recorder, DrainFollower(store))
        expected: list[dict[str, Any]] = []
        n_changes = 0
        for step in steps:
            if step[0] == "record":
                for row in step[1]:
                    _record(recorder, row)
                    expected.append(dict(row))
            elif step[0] == "correct":
                n_changes += _correct(amender, expected, *step[1:])
            elif step[0] == "drain":
                DrainFollower(store).advance(force=True)
            else:
                compact(store, "points", full_rows=100)
            assert _found(root) == sorted(map(_key, expected))
        recorder.writer.close()
        assert len(_ask(root, "corrections", "FROM corrections")) == n_changes
        status = status_of(Store(root))
        assert status.is_balanced
        assert [each for each in examine(Store(root), deep=True) if each.severity == "error"] == []


def _correct(
    amender: Amender,
    expected: list[dict[str, Any]],
    where: dict[str, Any],
    hours: tuple[int | None, int | None],
    value: float | None,
) -> int:
    """Correct the store and the list; returns how many changes were made."""
    start, end = hours
    if (start is not None and end is not None and start >= end) or (
        not where and hours == (None,) * 2
    ):
        return 0
    time_range = TimeRange(*(None if each is None else _time_ns(each) for each in hours))
    done = amender.correct(
        "points",
        where,
        time_range,
        changes=None if value is None else {"value": value},
        retract=value is None,
    )
    chosen = [
        row
        for row in expected
        if all(row[name] == wanted for name, wanted in where.items())
        and (start is None or row["hour"] >= start)
        and (end is None or row["hour"] < end)
    ]
    assert done.rows == len(chosen)
    assert len(done.days) == len({row["hour"] // 24 for row in chosen})
    for row in chosen:
        row["value"] = value
    expected[:] = [row for row in expected if row["value"] is not None]
    return int(bool(chosen))


def _recorder(root: Path) -> Recorder:
    recorder = Recorder(root / "journal")
    recorder.configure(
        root / "journal",
        catalog=builtin_catalog(),
        strict=True,
        defaults={},
        budget_bytes=1 << 30,
        segment_slots=4,
        context=current,
    )
    return recorder


def _record(recorder: Recorder, row: dict[str, Any]) -> None:
    labels = {name: row[name] for name in ("model", "split") if row[name] is not None}
    key = SeriesKey.of(row["metric"], labels)
    recorder.writer.put_point(key, row["value"], time_ns=_time_ns(row["hour"]))


def _time_ns(hour: int) -> int:
    return _START_NS + hour * 3600 * 10**9


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["metric"], row["model"] or "", row["split"] or "", row["hour"], row["value"])


def _found(root: Path) -> list[tuple[Any, ...]]:
    sql = f"""
        SELECT metric, coalesce(model, ''), coalesce(labels['split'], ''),
            (epoch_us(time) - {_START_NS // 1000}) // 3600000000, value
        FROM points
    """
    return sorted(_ask(root, "points", sql))


def _ask(root: Path, table: str, sql: str) -> list[tuple[Any, ...]]:
    connection = duckdb.connect()
    snapshot(Store(root), table).register(connection, table)
    return connection.execute(sql).fetchall()
