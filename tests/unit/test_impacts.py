# SPDX-License-Identifier: Apache-2.0
"""Impact as a program measures and records it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.model.errors import QueryError
from tidegauge.testing import capture

BEFORE, AFTER = [45.0, 44.8, 46.1, 45.5, 45.2], [38.9, 38.2, 39.3, 38.8, 38.1]


@pytest.fixture(autouse=True)
def captured() -> Iterator[Any]:
    """A store of one's own."""
    with capture() as captured:
        yield captured


def test_a_metric_of_the_process_store() -> None:
    """Chosen by labels, with what the catalogue says of it."""
    noise = np.random.default_rng(1).normal(size=60)
    today = dt.datetime.now(dt.UTC).replace(hour=12)
    for index, each in enumerate(noise):
        time = (today - dt.timedelta(days=60 - index)).isoformat()
        tg.log_metric_with_metadata(
            "model:latency_ms",
            (80 if index < 40 else 60) + each,
            {"timestamp": time, "model": "fraud"},
        )
    at = (today - dt.timedelta(days=20)).date()
    impact = tg.measure_impact("model:latency_ms", at=at, model="fraud")
    assert (impact.verdict, impact.claim, impact.unit) == ("better", "changed after", "ms")
    assert impact.relative.low < -0.25 < impact.relative.high
    assert json.loads(json.dumps(impact.as_dict()))["verdict"] == "better"


def test_an_impact_is_recorded_as_that_of_an_optimization(captured: Any) -> None:
    """With its interval, and how it was found, as metadata."""
    impact = tg.measure_impact(BEFORE, AFTER, direction="lower")
    tg.record_impact(
        impact,
        feature="process-optimization",
        optimization_id="opt_001",
        impact_category="task_completion_time",
        user_impact_score=0.85,
        metadata={"ticket": "T-1"},
    )
    [fact] = captured.facts
    row = fact.columns
    assert row["before_value"] == pytest.approx(45.32)
    assert row["after_value"] == pytest.approx(38.66)
    assert row["relative_change"] == pytest.approx(impact.relative.value)
    stats = tg.get_advanced_metrics().get_optimization_stats("process-optimization")
    assert stats["count"] == 1
    [(metadata,)] = tg.sql("SELECT metadata FROM optimization_impact").fetchall()
    found = json.loads(metadata)
    assert found["change_low"] == pytest.approx(impact.difference.low)
    assert (found["design"], found["claim"], found["ticket"]) == ("two samples", "differs", "T-1")


def test_what_is_not_known_is_not_recorded() -> None:
    """There is no value before and after."""
    with pytest.raises(QueryError, match="an impact that is not known cannot be recorded"):
        tg.record_impact(
            tg.measure_impact([1.0], [2.0]), feature="f", optimization_id="o", impact_category="c"
        )


def test_savings_are_money() -> None:
    """A cost per unit that fell saves on each unit."""
    impact = tg.measure_impact([0.05, 0.07, 0.06], [0.03, 0.03, 0.04])
    saved = impact.savings(units=1000, currency="EUR")
    assert saved.amount == pytest.approx(Decimal("26.66666667"))
    assert saved.low < saved.amount < saved.high
    assert saved.currency == "EUR"


def test_a_cost_is_saved_in_its_own_currency() -> None:
    """What is known to be dollars is not called euros."""
    impact = replace(tg.measure_impact([0.05, 0.07, 0.06], [0.03, 0.03, 0.04]), unit="USD")
    assert impact.savings(units=1000).currency == "USD"
    with pytest.raises(QueryError, match="the cost is in another currency; got 'EUR'"):
        impact.savings(units=1000, currency="EUR")


def test_one_concurrent_event_is_a_text() -> None:
    """And not its letters; mere numbers have no unit."""
    impact = tg.measure_impact([1.0, 2.0] * 20 + [7.0, 8.0] * 5, at=40, concurrent="a holiday")
    assert impact.concurrent == ("a holiday",)
    assert "At about the same time: a holiday." in impact.summary
    assert ": +6.002 (" in replace(impact, unit="1").summary


@pytest.mark.parametrize(
    ("before", "after", "asked", "text"),
    [
        ("model:latency_ms", None, {}, "when the change was made is not said"),
        ("model:latency_ms", [1.0], {"at": 0}, "is compared with itself, before and after a time"),
        (
            "model:latency_ms",
            None,
            {"at": 0, "units": ([1], [1])},
            "this does not go with a metric of the store; got 'units'",
        ),
        (BEFORE, AFTER, {"model": "fraud"}, "this does not go with two samples; got 'labels'"),
    ],
)
def test_ways_of_asking_are_not_mixed(
    before: Any, after: Any, asked: dict[str, Any], text: str
) -> None:
    """The error says what does not go with what."""
    with pytest.raises(QueryError) as caught:
        tg.measure_impact(before, after, **asked)
    assert text in str(caught.value)


def test_the_summary_says_what_may_be_said() -> None:
    """And is what is printed."""
    impact = tg.measure_impact(BEFORE, AFTER, direction="lower")
    assert str(impact) == (
        "the number differs: -6.66 (-7.396 to -5.924), -14.7 % (-16.19 to -13.17), p = 2.9e-08. "
        "That is better. What caused it, this comparison cannot tell."
    )
