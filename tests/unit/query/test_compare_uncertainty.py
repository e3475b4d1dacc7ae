# SPDX-License-Identifier: Apache-2.0
"""How sure a comparison is: few values, values that follow one another, many metrics at once."""

from __future__ import annotations

import random
from typing import Any

import pytest


def row_of(facts: Any, metric: str) -> dict[str, Any]:
    """The row of one metric in the comparison of model versions 1 and 2."""
    rows = facts.query.compare("1", "2", by="model_version").to_pylist()
    return next(row for row in rows if row["metric"] == metric)


def test_chance_alone_is_unclear(facts: Any) -> None:
    """Two samples of the same distribution: the interval covers zero."""
    numbers = random.Random(1)
    for version in ("1", "2"):
        values = [numbers.gauss(100, 15) for _ in range(40)]
        facts.record("model:latency_ms", *values, model_version=version)
    row = row_of(facts, "model:latency_ms")
    assert row["low"] < 0 < row["high"]
    assert (row["verdict"], row["reason"]) == ("unclear", None)


def test_values_that_follow_one_another_count_for_fewer(facts: Any) -> None:
    """The same values, shuffled and in a slow wave: the wave's interval is several times wider."""
    numbers = random.Random(2)
    for version, level in (("1", 100.0), ("2", 104.0)):
        value, wave = 0.0, []
        for _ in range(400):
            value = 0.9 * value + numbers.gauss(0, 4)
            wave.append(level + value)
        facts.record("api:request_duration_seconds", *wave, model_version=version)
        numbers.shuffle(wave)
        facts.record("model:latency_ms", *wave, model_version=version)
    shuffled = row_of(facts, "model:latency_ms")
    followed = row_of(facts, "api:request_duration_seconds")
    assert shuffled["difference"] == pytest.approx(followed["difference"])
    assert followed["standard_error"] > 3 * shuffled["standard_error"]
    assert (shuffled["verdict"], followed["verdict"]) == ("worse", "unclear")


def test_a_sequence_that_hardly_moves_tells_nothing(facts: Any) -> None:
    """A straight line is one observation, however many points it has."""
    for version in ("1", "2"):
        line = [float(number) for number in range(30)]
        facts.record("model:latency_ms", *line, model_version=version)
    row = row_of(facts, "model:latency_ms")
    assert row["standard_error"] is None
    assert row["verdict"] == "unclear"
    assert row["reason"] == (
        "values follow one another so closely that a side is worth fewer than three"
    )


def test_more_looks_widen_every_interval(facts: Any) -> None:
    """All intervals of one comparison hold together."""
    numbers = random.Random(3)
    for version in ("1", "2"):
        values = [numbers.gauss(10, 1) for _ in range(50)]
        for metric in ("model:latency_ms", "api:request_duration_seconds"):
            facts.record(metric, *values, model_version=version)
    both = row_of(facts, "model:latency_ms")
    (alone,) = facts.query.compare(
        "1", "2", by="model_version", metrics="model:latency_ms"
    ).to_pylist()
    assert alone["standard_error"] == both["standard_error"]
    assert 1.1 < (both["high"] - both["low"]) / (alone["high"] - alone["low"]) < 1.2


def test_intervals_have_no_order_to_judge_by(facts: Any) -> None:
    """Their means are compared, without an uncertainty that would be made up."""
    facts.interval("model:latency_ms", 1.0, 2.0, 3.0, model_version="1")
    facts.interval("model:latency_ms", 4.0, 5.0, 6.0, model_version="2")
    row = row_of(facts, "model:latency_ms")
    assert (row["difference"], row["standard_error"], row["verdict"]) == (3.0, None, "unclear")
    assert row["reason"] == "kept as intervals: how values follow one another is not known"


def test_constants_that_are_equal_are_equal(facts: Any) -> None:
    """Without any spread the difference is certain."""
    for version in ("1", "2"):
        facts.record("model:latency_ms", 7.0, 7.0, 7.0, model_version=version)
    row = row_of(facts, "model:latency_ms")
    assert (row["low"], row["high"], row["verdict"]) == (0.0, 0.0, "equal")


def test_nothing_relative_to_zero(facts: Any) -> None:
    """A share of nothing is no number."""
    facts.record("custom:gain", 0.0, model_version="1")
    facts.record("custom:gain", 2.0, model_version="2")
    row = row_of(facts, "custom:gain")
    assert (row["difference"], row["relative"], row["verdict"]) == (2.0, None, "no direction")


def test_sides_may_be_values_of_a_label(facts: Any) -> None:
    """`by` takes any label."""
    facts.record("model:accuracy", 0.5, fold="a")
    facts.record("model:accuracy", 0.25, fold="b")
    (row,) = facts.query.compare("a", "b", by="fold").to_pylist()
    assert (row["a"], row["b"], row["verdict"]) == (0.5, 0.25, "worse")
