# SPDX-License-Identifier: Apache-2.0
"""The impact of a change on what the store holds."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.model.errors import QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.impact import changes_near, stored_impact

DAY_S = 86_400
LATENCY = "model:latency_ms"
AT = "2025-12-15"  # the 90th day


def days(low: float, high: float, seed: int = 7) -> list[float]:
    """Values of 107 days up to 2025-12-31, the last 17 about `high`, with something like noise."""
    wobble = [((index * seed * 7919) % 101) / 50 - 1 for index in range(107)]
    return [(low if index < 90 else high) + each for index, each in enumerate(wobble)]


@pytest.fixture
def changed(facts: Any) -> Any:
    """A latency of two models, of which one became faster."""
    start = "2025-09-16T12:00:00Z"
    facts.record(LATENCY, *days(100, 90), at=start, every_s=DAY_S, model="fraud")
    facts.record(LATENCY, *days(200, 200, 11), at=start, every_s=DAY_S, model="churn")
    return facts


def test_a_metric_before_and_after_a_time(changed: Any) -> None:
    """Unit, direction and statistic are the catalogue's."""
    impact = stored_impact(changed.query, LATENCY, AT, labels={"model": "fraud"})
    assert (impact.name, impact.unit, impact.statistic) == (LATENCY, "ms", "mean")
    assert (impact.design, impact.verdict, impact.when) == (
        "one series",
        "better",
        "2025-12-15",
    )
    assert impact.n == 28 + 17
    assert impact.difference.low < -10 < impact.difference.high
    assert len(impact.placebos) == 46
    assert impact.course.at[28] == impact.course.change == parse_time_ns(AT) // 1000
    assert impact.concurrent == ()


@pytest.mark.parametrize("control", [{"model": "churn"}, "model:accuracy"])
def test_a_control_is_other_labels_or_another_metric(changed: Any, control: Any) -> None:
    """Of the same days."""
    start = "2025-09-20T12:00:00Z"
    changed.record("model:accuracy", *[0.9, 0.8] * 51, at=start, every_s=DAY_S, model="fraud")
    impact = stored_impact(changed.query, LATENCY, AT, control=control, labels={"model": "fraud"})
    assert impact.design == "control series"
    assert impact.difference.value == pytest.approx(-10, abs=2)


def test_a_control_is_divided_as_well(facts: Any) -> None:
    """A cost per request that is the same everywhere is not changed by another model's traffic."""
    start = "2025-09-16T12:00:00Z"
    traffic = days(100, 100)
    doubled = days(100, 200, 11)
    for model, requests in (("search", traffic), ("churn", doubled)):
        costs = [each * (0.01 + 0.0001 * (index % 5)) for index, each in enumerate(requests)]
        facts.record("llm:requests", *requests, at=start, every_s=DAY_S, model=model)
        facts.record("llm:cost_usd", *costs, at=start, every_s=DAY_S, model=model)
    impact = stored_impact(
        facts.query,
        "llm:cost_usd",
        AT,
        per="llm:requests",
        labels={"model": "search"},
        control={"model": "churn"},
    )
    assert impact.claim == "no clear change"
    assert impact.expected == pytest.approx(0.0102, rel=0.01)
    assert impact.difference.value == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("last", [[], [1.0, 1.0, 1.0]])
def test_errors_that_stop_are_none(facts: Any, last: list[float]) -> None:
    """As long as the store records anything, what nobody counts is 0, and no gap."""
    start = "2025-11-17T12:00:00Z"
    counts = [10.0 + (index * 7919) % 5 for index in range(28)]
    facts.record("error:occurrences", *counts, *last, at=start, every_s=DAY_S)
    facts.record(LATENCY, *[5.0] * 44, at=start, every_s=DAY_S)
    impact = stored_impact(facts.query, "error:occurrences", AT)
    assert impact.n == 28 + 16
    assert impact.after == pytest.approx(sum(last) / 16, abs=0.5)
    assert impact.verdict == "better"


def test_a_sum_per_another_one(facts: Any) -> None:
    """As the ratio of the sums of days."""
    start = "2025-11-20T12:00:00Z"
    counts = [100.0 + index % 5 for index in range(42)]
    times = [each * (2 if index < 25 else 1) for index, each in enumerate(counts)]
    facts.record("llm:failures", *counts, at=start, every_s=DAY_S)
    facts.record(LATENCY, *times, at=start, every_s=DAY_S)
    impact = stored_impact(facts.query, LATENCY, "2025-12-15", per="llm:failures")
    assert impact.name == "model:latency_ms per llm:failures"
    assert impact.statistic == "sum"
    assert (impact.before, impact.after) == (pytest.approx(2), pytest.approx(1))


def test_what_else_changed_is_told(changed: Any) -> None:
    """Versions that replaced others, and optimizations; not what is a week away."""
    for version, day in (("1", "2025-11-30"), ("2", "2025-12-14"), ("3", "2025-12-25")):
        changed.record(
            "model:accuracy", 0.9, at=f"{day}T08:00:00Z", model="fraud", model_version=version
        )
    changed.record("model:accuracy", 0.9, at="2025-12-14T08:00:00Z", model="new", model_version="1")
    changed.writer.put_event(
        "optimization_impact",
        SeriesKey.of("", {}),
        parse_time_ns("2025-12-16T08:00:00Z"),
        {
            "feature": "search",
            "optimization_id": "cache",
            "impact_category": "latency",
            "before_value": 2.0,
            "after_value": 1.0,
        },
    )
    wanted = (
        "version 2 of model fraud (2025-12-14)",
        "optimization cache of search (2025-12-16)",
    )
    assert changes_near(changed.query, parse_time_ns(AT)) == wanted
    assert changes_near(changed.query, parse_time_ns(AT), {"model": "churn"}) == wanted[1:]
    impact = stored_impact(
        changed.query, LATENCY, AT, labels={"model": "fraud"}, concurrent=["a holiday"]
    )
    assert impact.concurrent == ("a holiday", *wanted)
    assert "At about the same time: a holiday; version 2" in impact.summary


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"name": "model:*", "at": AT}, "impact is of one metric at a time; got 'model:*'"),
        ({"name": LATENCY, "at": "2025-09-10"}, "there are no facts of model:latency_ms before"),
        ({"name": LATENCY, "at": "2031-01-01"}, "the change is in the future; got '2031-01-01'"),
        ({"name": LATENCY, "at": AT, "history": float("inf")}, "history cannot be used; got inf"),
        ({"name": LATENCY, "at": AT, "history": "365"}, "history cannot be used; got '365'"),
        ({"name": LATENCY, "at": AT, "days": float("nan")}, "days cannot be used; got nan"),
        ({"name": LATENCY, "at": "2026-01-01"}, "there are no facts of model:latency_ms after"),
        ({"name": LATENCY, "at": AT, "days": -1}, "days cannot be used; got -1"),
        (
            {"name": LATENCY, "at": AT, "control": [1.0]},
            "this is no control of a metric; got [1.0]",
        ),
        (
            {"name": LATENCY, "at": AT, "per": [1.0]},
            "a metric cannot be divided by this; got [1.0]",
        ),
        ({"name": LATENCY, "at": AT, "control": LATENCY}, "the control is what is measured itself"),
        ({"name": LATENCY, "at": AT, "by": "week"}, "a series has no such step; got 'week'"),
        ({"name": "predictions.latency_s", "at": AT}, "there are no facts of it then"),
    ],
)
def test_questions_that_make_no_sense(changed: Any, asked: dict[str, Any], text: str) -> None:
    """The error says what is wrong."""
    changed.record("model:accuracy", 0.9, at="2025-12-14T08:00:00Z")
    with pytest.raises(QueryError) as caught:
        stored_impact(changed.query, asked.pop("name"), asked.pop("at"), **asked)
    assert text in str(caught.value)
