# SPDX-License-Identifier: Apache-2.0
"""What may be asked of features, and how a question that makes no sense is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.model.errors import ConfigError, QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.features import Features
from tidegauge.query.query import Query

AT = parse_time_ns("2026-01-01T11:00:00Z")


@pytest.fixture
def features(facts: Any) -> Features:
    """Uses of two features, and values in two units."""
    for feature, action in (("search", "query"), ("search", "suggest"), ("upload", "send")):
        columns = {"feature": feature, "action": action}
        facts.writer.put_event("feature_usage", SeriesKey("", (), ()), AT, columns)
    for unit, value in (("ms", 12.0), ("MB", 300.0)):
        columns = {
            "feature": "search",
            "metric_category": "load",
            "metric_name": f"load_{unit}",
            "value": value,
            "unit": unit,
        }
        facts.writer.put_event("system_performance", SeriesKey("", (), ()), AT, columns)
    found: Features = facts.query.features
    return found


def test_several_features_are_asked_about_in_a_list(features: Features) -> None:
    """Any of them, as with labels."""
    assert features.usage(["search", "upload"])["total_usage"] == 3  # type: ignore[arg-type]
    assert features.usage(action=["query", "send"])["total_usage"] == 2  # type: ignore[arg-type]


def test_a_column_of_the_table_is_found_among_the_labels(features: Features) -> None:
    """Where it is given by itself; what is in `labels` is a label."""
    for asked, count in (({"action": "query"}, 1), ({"labels": {"action": "query"}}, 0)):
        [row] = features.trend("usage", days=0.1, **asked)  # type: ignore[arg-type]
        assert row["count"] == count


def test_what_is_no_text_cannot_be_a_feature(features: Features) -> None:
    """The error is ours."""
    with pytest.raises(QueryError) as caught:
        features.usage(1.5)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "value of label 'feature' cannot be searched for; got 1.5; allowed: a text, a whole "
        "number, a list of these, or None for facts without the label."
    )


def test_values_in_several_units_have_no_trend_together(features: Features) -> None:
    """Nor a difference; those of one unit, or told apart by unit, do."""
    said = (
        r"^the values are in several units; got 'MB, ms'; allowed: values of one unit\. "
        r"Choose a unit, a category or a metric, or tell them apart by unit\.$"
    )
    with pytest.raises(QueryError, match=said):
        features.trend("performance", days=1)
    with pytest.raises(QueryError, match=said):
        features.compare_periods("performance")
    assert [row["avg"] for row in features.trend("performance", days=0.1, unit="ms")] == [12.0]
    told_apart = features.trend("performance", days=0.1, by="unit")
    assert [(row["unit"], row["avg"]) for row in told_apart] == [("MB", 300.0), ("ms", 12.0)]


def test_learning_says_why_a_mean_is_missing(features: Features, facts: Any) -> None:
    """By key, also where there are records."""
    columns = {"feature": "search", "learning_type": "ranking", "accuracy": 0.9}
    facts.writer.put_event("learning_effectiveness", SeriesKey("", (), ()), AT, columns)
    found = features.learning()
    assert (found["count"], found["avg_accuracy"], found["avg_confidence"]) == (1, 0.9, None)
    assert found["reason"] == {
        f"avg_{name}": f"no {name} was recorded in this time"
        for name in ("confidence", "improvement_rate", "sample_size")
    }


def test_a_zone_that_is_none_is_a_setting_gone_wrong(facts: Any) -> None:
    """Not an error of the library that reads zones."""
    query = Query(facts.store, builtin_catalog(), facts.clock, time_zone="Mars/Phobos")
    with pytest.raises(ConfigError, match=r"^there is no such time zone; got 'Mars/Phobos'; "):
        query.features.trend("usage")
