# SPDX-License-Identifier: Apache-2.0
"""Detection and drift of what is in a store."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.detecting import detect_in, drift_in
from tidegauge.model.errors import QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import TimeRange, parse_time_ns

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
SCORE = "model:accuracy"
CONFIDENCE = "model:prediction_confidence"


def days_ago(days: int) -> str:
    """A time of that day."""
    return (NOON - dt.timedelta(days=days)).isoformat()


def predict(facts: Any, days: int, **columns: object) -> None:
    """Write one prediction."""
    row = {"status": "success", **{k: v for k, v in columns.items() if v is not None}}
    time_ns = parse_time_ns(days_ago(days))
    facts.writer.put_event("predictions", SeriesKey.of("", {}), time_ns, row)


def test_points_and_intervals_of_a_day_are_one_histogram(facts: Any) -> None:
    """Under the name that the metric has today."""
    facts.record(CONFIDENCE, 0.5, 0.7, at=days_ago(2))
    facts.interval(CONFIDENCE, 0.9, 0.9, 0.1, at=days_ago(2))
    facts.interval(CONFIDENCE, 0.3, at=days_ago(1))
    found = facts.query.distributions.by_day("prediction_confidence", {}, TimeRange())
    assert found.name == CONFIDENCE
    assert {day: each.count for day, each in found.histograms.items()} == {20_452: 5, 20_453: 1}
    assert found.histograms[20_452].min == 0.1


def test_columns_of_numbers_and_of_texts(facts: Any) -> None:
    """Rows without the number do not count."""
    for confidence, text in ((0.25, "cat"), (0.75, "dog"), (None, "cat")):
        predict(facts, 3, confidence=confidence, prediction_text=text)
    numbers = facts.query.distributions.by_day("predictions.confidence", {}, TimeRange())
    assert {day: each.count for day, each in numbers.histograms.items()} == {20_451: 2}
    texts = facts.query.distributions.by_day("predictions.prediction_text", {}, TimeRange())
    assert texts.labels == {20_451: {"cat": 2, "dog": 1}}


def test_confidence_that_fell_this_week_has_drifted_down(facts: Any) -> None:
    """From histograms alone; whole days count, and the present one is not."""
    rng = np.random.default_rng(1)
    for days in range(36):
        values = rng.beta(8, 2, size=60) - (0.15 if days <= 7 else 0)
        facts.interval(CONFIDENCE, *values.clip(0, 1).tolist(), at=days_ago(days))
    drift = drift_in(facts.query, CONFIDENCE, 7, 28, labels={})
    assert (drift.is_drift, drift.direction, drift.name) == (True, "down", CONFIDENCE)
    assert (drift.n_reference, drift.n_current) == (28 * 60, 7 * 60)
    before = drift_in(facts.query, CONFIDENCE, (days_ago(15), days_ago(8)), 14, labels={})
    assert before.is_drift is False


def test_classes_drift_by_day(facts: Any) -> None:
    """Texts are counted by day as well."""
    for days in range(1, 22):
        for number in range(20):
            text = "cat" if number < (14 if days > 7 else 6) else "dog"
            predict(facts, days, prediction_text=text)
    drift = drift_in(facts.query, "predictions.prediction_text", 7, 14, labels={})
    assert (drift.is_drift, [each.name for each in drift.bins]) == (True, ["cat", "dog"])


def test_series_of_a_store_are_watched(facts: Any) -> None:
    """The direction is the catalogue's; a short series says why it is not watched."""
    rng = np.random.default_rng(2)
    for days in range(80, 0, -1):
        value = 0.9 + rng.normal(0, 0.01) - (0.05 if days <= 10 else 0)
        facts.record(SCORE, value, at=days_ago(days))
    facts.record("model:f1_score", 0.5, 0.6, at=days_ago(30), every_s=86_400)
    watched, short = detect_in(facts.query, "model:*", days=20)
    assert (watched.name, watched.run_length) == (SCORE, 30)
    assert [(alarm.direction, alarm.is_worse) for alarm in watched.alarms] == [("down", True)]
    assert len(watched.values) == 20
    assert (short.name, short.reason) == ("model:f1_score", "no facts since 2025-12-04 00:00")
    assert len(short.values) == 0
    assert detect_in(facts.query, [SCORE], days=20, budget=2)[0].run_length == 15
    assert detect_in(facts.query, "predictions.latency_s", days=20) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model:*", "drift is of one metric or column; got 'model:\\*'"),
        (
            "model:no_such",
            "the metric is neither in the catalogue nor was ever recorded; got 'model:no_such'",
        ),
        ("predictions.nothing", "the table predictions has no such column of numbers"),
        ("predictions.nothing", "of texts: .*prediction_text"),
    ],
)
def test_what_has_no_distribution_is_refused(facts: Any, name: str, text: str) -> None:
    """With what there is."""
    with pytest.raises(QueryError, match=text):
        drift_in(facts.query, name, 7, 28, labels={})


def test_bad_periods_are_refused(facts: Any) -> None:
    """Before anything is read."""
    with pytest.raises(QueryError, match="current cannot be used; got 0"):
        drift_in(facts.query, SCORE, 0, 28, labels={})
    with pytest.raises(QueryError, match="time range is empty"):
        drift_in(facts.query, SCORE, (days_ago(1), days_ago(2)), 28, labels={})
    with pytest.raises(QueryError, match="days cannot be used; got -1"):
        detect_in(facts.query, SCORE, days=-1)
    with pytest.raises(QueryError, match="a series has no such step; got 'week'"):
        detect_in(facts.query, SCORE, by="week")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"days": 0.3}, "this is not one day; got 0.3; allowed: one day or more"),
        ({"days": "x"}, "days cannot be used; got 'x'"),
        ({"days": float("inf")}, "days cannot be used; got inf"),
        ({"history_days": float("inf")}, "history_days cannot be used; got inf"),
        ({"budget": "x"}, "this is no budget of false alarms; got 'x'"),
        ({"name": 3}, "this names no series; got 3"),
        ({"name": [3]}, "this names no series; got .3."),
        ({"method": "magic"}, "there is no such method; got 'magic'"),
    ],
)
def test_what_cannot_be_watched_so_is_refused(facts: Any, asked: dict[str, Any], text: str) -> None:
    """The argument has its name."""
    facts.record(SCORE, *(0.1 * (n % 7) for n in range(60)), at=days_ago(60), every_s=86_400)
    with pytest.raises(QueryError, match=text):
        detect_in(facts.query, **{"name": SCORE, **asked})


@pytest.mark.parametrize(
    ("current", "reference", "text"),
    [
        (0.3, 28, "current cannot be used; got 0.3; allowed: 1 to 10,000 whole days"),
        (7, float("inf"), "reference cannot be used; got inf"),
        (7, "x", "reference cannot be used; got 'x'"),
        (7, ("2025-12-01",), "reference cannot be used; got"),
        (("2025-12-01", "2025-12-02", "2025-12-03"), 7, "current cannot be used; got"),
        (7, ("2025-12-01", "2025-12-28"), "what is compared is a part of the reference"),
    ],
)
def test_periods_that_cannot_be_compared_are_refused(
    facts: Any, current: Any, reference: Any, text: str
) -> None:
    """Also those that have days in common."""
    with pytest.raises(QueryError, match=text):
        drift_in(facts.query, SCORE, current, reference, labels={})


def test_a_series_that_stopped_is_watched_in_the_days_that_were_asked_for(facts: Any) -> None:
    """Whether it is alone or not; one that ended before is not watched."""
    rng = np.random.default_rng(4)
    facts.record(SCORE, *rng.normal(0.9, 0.01, size=60), at=days_ago(65), every_s=86_400)
    (found,) = detect_in(facts.query, SCORE, days=20)
    assert len(found.values) == 15
    assert found.times_us[0] == parse_time_ns(days_ago(20)) // 1000 // 86_400_000_000 * 86_400e6
    (silent,) = detect_in(facts.query, SCORE, days=5)
    assert silent.reason == "no facts since 2025-12-27 00:00"
    (earlier,) = detect_in(facts.query, SCORE, days=10, end=days_ago(10))
    assert len(earlier.values) == 10


def test_a_series_counts_once_and_only_if_it_is_watched(facts: Any) -> None:
    """However often its name was given."""
    rng = np.random.default_rng(5)
    for name in (SCORE, "model:f1_score"):
        facts.record(name, *rng.normal(0.9, 0.01, size=80), at=days_ago(80), every_s=86_400)
    facts.record("model:precision", 0.5, at=days_ago(3))
    found = detect_in(facts.query, [SCORE, "model:*", SCORE, "model:f1_score"], days=20)
    assert [each.name for each in found] == [SCORE, "model:f1_score", "model:precision"]
    assert [each.reason is None for each in found] == [True, True, False]
    assert found[0].run_length == 60


def test_values_at_hand_need_no_store() -> None:
    """Lists, arrays and columns of data frames, of numbers or of texts."""
    import pandas as pd
    import polars as pl

    before, now = np.arange(200.0), np.arange(200.0) + 90
    assert tg.drift(before, now).direction == "up"
    assert tg.drift(pl.Series(before), pd.Series(now)).is_drift is True
    assert tg.drift(["a"] * 50, ["b"] * 50).is_drift is True
    days = np.repeat(np.arange(10), 20)
    blocked = tg.drift(before, now, reference_blocks=days, current_blocks=days)
    assert blocked.psi.method == "bootstrap of blocks"
    with pytest.raises(QueryError, match="there is nothing to compare the values with"):
        tg.drift(before)
    with pytest.raises(QueryError, match="values have no labels; got 'model'"):
        tg.drift(before, now, model="a")
    with pytest.raises(QueryError, match="blocks are given of one side only"):
        tg.drift(before, now, current_blocks=days)
    with pytest.raises(QueryError, match="these values cannot be read"):
        tg.drift([object()], now)


@pytest.mark.parametrize("kind", ["string", "categorical", "enum", "view", "arrow dictionary"])
def test_texts_come_in_many_kinds(kind: str) -> None:
    """Of polars and Arrow; what is missing does not count."""
    import polars as pl
    import pyarrow as pa

    def column(labels: list[str | None]) -> Any:
        match kind:
            case "categorical":
                return pl.Series(labels, dtype=pl.Categorical)
            case "enum":
                return pl.Series(labels, dtype=pl.Enum(["a", "b"]))
            case "view":
                return pa.array(labels, pa.string_view())
            case "arrow dictionary":
                return pa.array(labels).dictionary_encode()
        return pl.Series(labels)

    found = tg.drift(column(["a"] * 50 + ["b", None]), column(["b"] * 50))
    assert (found.is_drift, found.n_reference) == (True, 51)
    assert [each.name for each in found.bins] == ["b", "a"]


def test_blocks_of_any_kind() -> None:
    """Dates are days, users are blocks; a missing text has its block with it."""
    dates = np.repeat(np.arange("2026-01-01", "2026-01-11", dtype="datetime64[D]"), 20)
    users = [f"user {number // 20}" for number in range(200)]
    labels: list[str | None] = ["a", "b", None, "b"] * 50
    for values in (np.arange(200.0), labels):
        by_day = tg.drift(values, values, reference_blocks=dates, current_blocks=dates)
        assert by_day.psi.method == "bootstrap of days"
        by_user = tg.drift(values, values, reference_blocks=users, current_blocks=users)
        assert by_user.psi.method == "bootstrap of blocks"
    assert by_user.n_current == 150
    few = tg.drift(labels, labels, reference_blocks=["x"] * 200, current_blocks=["x"] * 200)
    assert few.reason == "1 blocks in the reference; 7 are needed"


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ([1, 2], "each value has one block; got '2 blocks'; allowed: 100, as values"),
        ([None] * 100, "a block is missing"),
        ([float("nan")] * 100, "a block is missing"),
        ([{"a": 1}] * 100, "blocks have no such names"),
    ],
)
def test_blocks_that_cannot_be_are_refused(blocks: Any, text: str) -> None:
    """Before anything is drawn."""
    values = np.arange(100.0)
    with pytest.raises(QueryError, match=text):
        tg.drift(values, values, reference_blocks=np.arange(100), current_blocks=blocks)


def test_what_cannot_be_compared_is_refused() -> None:
    """Texts with numbers; what is missing altogether has a reason."""
    with pytest.raises(QueryError, match="texts cannot be compared with numbers"):
        tg.drift(["a"] * 50, np.arange(50.0))
    assert tg.drift(["a"] * 50, [None] * 50).reason == "0 values in what is compared; 30 are needed"
    missing = tg.drift([None] * 50, [None] * 50)
    assert missing.reason == "0 values in the reference; 30 are needed"
    with pytest.raises(QueryError, match="values are their own reference; got 14"):
        tg.drift(np.arange(50.0), np.arange(50.0), reference=14)
