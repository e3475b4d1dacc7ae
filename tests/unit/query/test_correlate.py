# SPDX-License-Identifier: Apache-2.0
"""`tidegauge.correlate`: which recorded metrics move together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.model.errors import QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.relations import relations_of
from tidegauge.statistics.correlation.report import Relations
from tidegauge.testing import capture

ACCURACY, REVENUE, CLICKS = "model:accuracy", "business:revenue_usd", "business:click_through_rate"
N_DAYS = 100
FIRST_DAY = "2025-09-23T10:00:00Z"  # a hundred days before 2026-01-01


@pytest.fixture
def filled(facts: Any) -> Any:
    """Accuracy of a hundred days, which leads revenue by a day; and clicks of no concern."""
    noise = np.random.default_rng(6).normal(size=(3, N_DAYS))
    noise[1] = 0.7 * np.roll(noise[0], 1) + 0.7 * noise[1]
    for metric, values in zip((ACCURACY, REVENUE, CLICKS), noise, strict=True):
        scaled = (0.5 + values / 20).tolist()
        facts.record(metric, *scaled, at=FIRST_DAY, every_s=86_400, team="red")
    return facts


def related(facts: Any, *names: Any, days: float | None = None, **asked: Any) -> Relations:
    """What moves together, without intervals."""
    return relations_of(facts.query, *names, within={"days": days}, draws=0, **asked)


def test_patterns_are_compared_with_patterns(filled: Any) -> None:
    """Over the last 90 days, if no range is given."""
    found = related(filled, "model:*", ["business:*"])
    assert list(found) == [f"{ACCURACY}_vs_{CLICKS}", f"{ACCURACY}_vs_{REVENUE}"]
    best = found[f"{ACCURACY}_vs_{REVENUE}"]
    assert (best["significant"], best["lag"]) == (True, 1)
    assert not found[f"{ACCURACY}_vs_{CLICKS}"]["significant"]
    assert best["n"] <= 90 < related(filled, ACCURACY, REVENUE, days=110).pairs[0].n


def test_one_list_is_compared_with_itself(filled: Any) -> None:
    """Each with each other, once."""
    found = related(filled, ["model:*", "business:*"], None)
    assert [(each.first, each.second) for each in found.pairs] == [
        (ACCURACY, CLICKS),
        (ACCURACY, REVENUE),
        (CLICKS, REVENUE),
    ]


def test_lists_that_overlap_have_no_pair_twice(filled: Any) -> None:
    """And none of a metric with itself."""
    found = related(filled, [ACCURACY, REVENUE], [REVENUE, ACCURACY, CLICKS])
    assert [(each.first, each.second) for each in found.pairs] == [
        (ACCURACY, REVENUE),
        (ACCURACY, CLICKS),
        (REVENUE, CLICKS),
    ]


def test_a_metric_without_facts_has_a_reason(filled: Any) -> None:
    """It is declared, so it is no error; what is known to nobody is one."""
    found = related(filled, "model:precision", REVENUE)
    (told,) = found.values()
    assert told["reason"] == "model:precision: no values"
    with pytest.raises(QueryError, match="acuracy"):
        related(filled, "model:acuracy", REVENUE)


def test_facts_are_chosen(filled: Any) -> None:
    """By labels; and by how many facts a day must have."""
    assert related(filled, ACCURACY, REVENUE, labels={"team": "red"}).pairs[0].reason is None
    assert related(filled, ACCURACY, REVENUE, least_count=2).pairs[0].reason == (
        f"{ACCURACY}: no values"
    )
    blue = related(filled, ACCURACY, REVENUE, labels={"team": ["red", "blue"]}, statistic="count")
    assert blue.pairs[0].reason == f"{ACCURACY}: constant; {REVENUE}: constant"


def test_columns_of_typed_tables_are_compared(filled: Any) -> None:
    """Such as the latency of predictions."""
    slower = np.random.default_rng(7).normal(size=N_DAYS)
    for day, value in enumerate(slower):
        filled.writer.put_event(
            "predictions",
            SeriesKey.of("", {}),
            (1758621600 + day * 86_400) * 10**9,  # 2025-09-23
            {"endpoint": "/predict", "latency_s": 1 + float(value) / 10, "status": "success"},
        )
    (found,) = related(filled, "predictions.latency_s", ACCURACY).pairs
    assert (found.first, found.second) == ("predictions.latency_s", ACCURACY)
    assert found.reason is None


def test_days_on_which_nothing_was_counted_are_no_gaps(filled: Any) -> None:
    """A counter that hardly ever counts has a value for each day, which is mostly 0."""
    counted = np.random.default_rng(8).poisson(0.4, N_DAYS)
    for day in np.flatnonzero(counted[:-1]):
        at_ns = (1758621600 + int(day) * 86_400) * 10**9  # 2025-09-23
        filled.writer.put_point(SeriesKey.of(REVENUE, {}), float(counted[day]), time_ns=at_ns)
    (found,) = related(filled, ACCURACY, REVENUE, days=110, max_lag=0).pairs
    assert found.n > 85


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"by": "week"}, "a series has no such step; got 'week'"),
        ({"statistic": "p42"}, "this is no statistic; got 'p42'"),
        ({"alpha": 0.0}, "relations cannot be looked for with this alpha"),
    ],
)
def test_what_makes_no_sense_is_refused(filled: Any, asked: dict[str, Any], text: str) -> None:
    """Each error says what is wrong."""
    with pytest.raises(QueryError, match=text):
        related(filled, ACCURACY, REVENUE, **asked)


def test_a_program_asks_its_own_store() -> None:
    """By labels as keyword arguments, too."""
    with capture():
        for metric in (ACCURACY, REVENUE):
            tg.log_metric(metric, 0.9, team="red")
        found = tg.correlate(ACCURACY, REVENUE, by="hour", hours=48, team="red")
    (told,) = found.values()
    assert told["reason"] == f"{ACCURACY}: no values; {REVENUE}: no values"
