# SPDX-License-Identifier: Apache-2.0
"""Statistics of random facts, spread at random over points, intervals, journals and tables."""

from __future__ import annotations

import math
import statistics
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegauge.catalog import Catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import TimeRange
from tidegauge.query.engine import Engine
from tidegauge.query.query import Query
from tidegauge.query.selection import Vocabulary
from tidegauge.query.vocabulary import metrics_table
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

NOON_NS = 1_767_268_800_000_000_000
VALUE = st.floats(min_value=-1e6, max_value=1e6).map(lambda value: round(value, 3))
MODEL = st.sampled_from(["a", "b", None])
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.data_too_large])

# A handful of values of one model: single, or as one interval.
Group = tuple[str | None, bool, list[float]]
GROUPS = st.lists(
    st.tuples(MODEL, st.booleans(), st.lists(VALUE, min_size=1, max_size=8)), max_size=8
)


def fill(store: Store, groups: list[Group], drained: int) -> None:
    """Record the groups one after the other, ten seconds each; the first `drained` are stored."""
    writer = JournalWriter(store.root / "journal")
    for number, (model, together, values) in enumerate(groups):
        key = SeriesKey.of("model:latency_ms", {} if model is None else {"model": model})
        start_ns = NOON_NS + number * 10**10
        if together:
            total = Accumulator()
            total.add_many(values)
            writer.put_event("intervals", key, start_ns, total.columns(10.0))
        else:
            for index, value in enumerate(values):
                writer.put_point(key, value, time_ns=start_ns + index * 10**9)
        if number + 1 == drained:
            DrainFollower(store).advance(force=True)
    writer.close()


@SLOW
@given(groups=GROUPS, drained=st.integers(min_value=0, max_value=8))
def test_statistics_do_not_depend_on_how_facts_are_kept(groups: list[Group], drained: int) -> None:
    """Count, mean, deviation and extremes are exact; percentiles within the stated error."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "store")
        fill(store, groups, drained)
        query = Query(store, Catalog(), threads=1)
        rows = query.stats("model:latency_ms", by="model").to_pylist() if groups else []
        store.close()
    expected: dict[str | None, list[float]] = {}
    for model, _, values in groups:
        expected.setdefault(model, []).extend(values)
    assert {row["model"]: row["count"] for row in rows} == {
        model: len(values) for model, values in expected.items()
    }
    for row in rows:
        values = expected[row["model"]]
        assert math.isclose(row["mean"], statistics.fmean(values), rel_tol=1e-9, abs_tol=1e-9)
        assert (row["min"], row["max"]) == (min(values), max(values))
        assert (row["first"], row["last"]) == (values[0], values[-1])
        if row["std"] is not None:
            exact = statistics.stdev(values)
            assert math.isclose(row["std"], exact, rel_tol=1e-3, abs_tol=1e-6)
        mixed = any(together for model, together, _ in groups if model == row["model"])
        assert row["percentiles"] == ("histogram" if mixed else "exact")
        largest = max(map(abs, values))
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            exact = float(np.quantile(values, share))
            allowed = row["percentile_error"] * largest + 1e-9 * largest
            assert abs(row[name] - exact) <= allowed


@SLOW
@given(
    groups=GROUPS,
    start=st.integers(min_value=-5, max_value=85),
    length=st.integers(min_value=1, max_value=90),
)
def test_a_range_holds_what_lies_in_it(groups: list[Group], start: int, length: int) -> None:
    """Half-open, for points by their time and for intervals by their start."""
    start_ns, end_ns = NOON_NS + start * 10**9, NOON_NS + (start + length) * 10**9
    expected = 0
    for number, (_, together, values) in enumerate(groups):
        for index in range(len(values)):
            time_ns = NOON_NS + number * 10**10 + (0 if together else index * 10**9)
            expected += start_ns <= time_ns < end_ns
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "store")
        fill(store, groups, drained=4)
        vocabulary = Vocabulary(Catalog())
        engine = Engine(store, metrics_table(vocabulary.catalog), threads=1)
        chosen = vocabulary.select("model:latency_ms", {}, TimeRange(start_ns, end_ns))
        connection = engine.connect()
        engine.view(connection, ["points", "intervals"], chosen.time_range)
        ((found,),) = connection.execute(
            f"SELECT (SELECT count(*) FROM points WHERE {chosen.where}) + "
            f'(SELECT coalesce(sum("count"), 0) FROM intervals WHERE {chosen.where})'
        ).fetchall()
        store.close()
    assert found == expected
