# SPDX-License-Identifier: Apache-2.0
"""Numbers on a grid of hours or days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.model.series import SeriesKey

DAY_S = 86_400
SCORE = "model:accuracy"


def test_a_day_is_the_mean_of_its_values_and_gaps_stay_gaps(facts: Any) -> None:
    """A day without facts is NaN, and has a place."""
    facts.record(SCORE, 0.5, 0.7, at="2025-12-28T08:00:00Z")
    facts.record(SCORE, 0.9, at="2025-12-30T08:00:00Z")
    (series,) = facts.query.series(SCORE, days=7)
    assert series.values.tolist()[::2] == [0.6, 0.9]
    assert np.isnan(series.values[1])
    assert series.counts.tolist() == [2, 0, 1]
    assert (series.name, series.statistic, series.step_s) == (SCORE, "mean", DAY_S)
    assert series.times_us.tolist() == [
        (20_450 + day) * DAY_S * 1_000_000 for day in range(3)
    ]  # 2025-12-28 and on


def test_counters_are_summed_and_nothing_counted_between_is_zero(facts: Any) -> None:
    """No request on a day between two days with some is none, which is a number."""
    facts.record("llm:failures", 2, 3, at="2025-12-28T08:00:00Z")
    facts.record("llm:failures", 4, at="2025-12-30T08:00:00Z")
    (series,) = facts.query.series("llm:failures", days=7)
    assert (series.statistic, series.values.tolist()) == ("sum", [5.0, 0.0, 4.0])


def test_a_counter_that_falls_silent_is_zero_while_the_store_records(facts: Any) -> None:
    """Up to the last day with facts of anything; a value that is not recorded is a gap."""
    facts.record("llm:failures", 5, at="2025-12-27T08:00:00Z")
    facts.record("model:latency_ms", 5, at="2025-12-27T08:00:00Z")
    facts.interval(SCORE, 0.5, at="2025-12-30T08:00:00Z")
    (counted,) = facts.query.series("llm:failures", days=7)
    assert counted.values.tolist() == [5.0, 0.0, 0.0, 0.0]
    assert counted.counts.tolist() == [1, 0, 0, 0]
    (mean,) = facts.query.series("model:latency_ms", days=7)
    assert mean.values.tolist() == [5.0]


def test_a_column_that_falls_silent_is_counted_as_zero_while_its_table_goes_on(facts: Any) -> None:
    """Rows of others count as none of it; its mean has no value then."""
    for day, model in ((27, "fraud"), (28, "churn"), (29, "churn")):
        facts.writer.put_event(
            "predictions",
            SeriesKey.of("", {"model": model}),
            (1767052800 + (day - 30) * DAY_S + 60) * 10**9,  # in December 2025
            {"endpoint": "/predict", "latency_s": 0.5, "status": "success"},
        )
    asked = {"name": "predictions.latency_s", "days": 7, "model": "fraud"}
    (counted,) = facts.query.series(**asked, statistic="count")
    assert counted.values.tolist() == [1.0, 0.0, 0.0]
    (mean,) = facts.query.series(**asked)
    assert mean.values.tolist() == [0.5]


def test_the_present_day_is_not_whole(facts: Any) -> None:
    """It is noon: the last day is yesterday, and a range of days reaches back to a midnight."""
    facts.record(SCORE, 0.1, at="2025-12-30T01:00:00Z")
    facts.record(SCORE, 0.2, at="2025-12-31T23:00:00Z")
    facts.record(SCORE, 0.3, at="2026-01-01T11:00:00Z")
    (series,) = facts.query.series(SCORE, days=2)
    assert series.values.tolist() == [0.1, 0.2]


def test_hours(facts: Any) -> None:
    """Hours are whole ones as well, and other statistics can be asked for."""
    facts.record(SCORE, 0.1, 0.2, 0.9, at="2026-01-01T10:00:00Z", every_s=60)
    facts.record(SCORE, 0.4, at="2026-01-01T11:00:00Z")
    (series,) = facts.query.series(SCORE, hours=6, by="hour", statistic="p50")
    assert series.values.tolist() == [0.2, 0.4]


def test_a_column_of_a_typed_table(facts: Any) -> None:
    """Such as the latency of predictions; rows without a number do not count."""
    for hour, latency_s in ((1, 0.25), (2, 0.75), (3, None)):
        facts.writer.put_event(
            "predictions",
            SeriesKey.of("", {}),
            (1767052800 + hour * 3600) * 10**9,  # 2025-12-30
            {"endpoint": "/predict", "latency_s": latency_s, "status": "success"},
        )
    (series,) = facts.query.series("predictions.latency_s", days=7)
    assert series.values.tolist() == [0.5]
    assert series.counts.tolist() == [2]
    (longest,) = facts.query.series("predictions.latency_s", days=7, statistic="max")
    assert longest.values.tolist() == [0.75]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"name": SCORE, "by": "week"}, "a series has no such step; got 'week'"),
        ({"name": SCORE, "statistic": "p42"}, "this is no statistic; got 'p42'"),
        ({"name": "predictions.endpoint"}, "the table predictions has no such column of numbers"),
        ({"name": SCORE, "hours": 1}, "there is no whole day in this time"),
        ({"name": "model:acuracy", "days": 3}, "acuracy"),
    ],
)
def test_questions_without_an_answer(facts: Any, asked: dict[str, Any], text: str) -> None:
    """Each error says what is wrong."""
    facts.record(SCORE, 0.5)
    with pytest.raises(QueryError, match=text):
        facts.query.series(**asked)


def test_nothing_recorded_yet(facts: Any) -> None:
    """A declared metric without facts has no series."""
    assert facts.query.series(SCORE, days=3) == []
    assert facts.query.series("predictions.latency_s", days=3) == []
