# SPDX-License-Identifier: Apache-2.0
"""Two versions of a model side by side, from a store."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from tidegauge.model.errors import QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.version_results import VersionComparison, VersionMeasure

DAYS = [f"2025-12-{day:02}" for day in range(2, 26)]


class Served:
    """Records what versions of the model `fraud` do; the same each time."""

    def __init__(self, facts: Any) -> None:
        self.facts = facts
        self.chance = random.Random(5)

    def metric(self, name: str, version: str, mean: float, spread: float) -> None:
        """A value on each day."""
        for day in DAYS:
            value = self.chance.gauss(mean, spread)
            self.facts.record(
                name, value, at=f"{day}T08:00:00Z", model="fraud", model_version=version
            )

    def row(self, table: str, version: str, at: str, columns: dict[str, Any]) -> None:
        """A row of a typed table."""
        key = SeriesKey.of("", {"model": "fraud", "model_version": version})
        given = {name: value for name, value in columns.items() if value is not None}
        self.facts.writer.put_event(table, key, parse_time_ns(at), given)

    def predictions(
        self, version: str, *, latency_s: float, right: float, failed: float = 0.02, n: int = 30
    ) -> None:
        """Predictions of each day, with their truths."""
        for day in DAYS:
            for at in range(n):
                prediction_id = f"{version}-{day}-{at}"
                is_failed = self.chance.random() < failed
                truth = self.chance.choice("ab")
                said = truth if self.chance.random() < right else "c"
                columns = {
                    "status": "error" if is_failed else "success",
                    "latency_s": latency_s * self.chance.lognormvariate(0, 0.4),
                    "prediction_text": None if is_failed else said,
                    "prediction_id": prediction_id,
                }
                self.row("predictions", version, f"{day}T09:{at:02}:00Z", columns)
                truths = {"prediction_id": prediction_id, "truth_text": truth}
                self.row("ground_truths", version, f"{day}T20:00:00Z", truths)

    def compare(self, **asked: Any) -> VersionComparison:
        """Version 2 against version 1."""
        return self.facts.query.versions.compare("fraud", 1, 2, **asked)


@pytest.fixture
def served(facts: Any) -> Served:
    """Versions of the model, of which nothing is recorded yet."""
    return Served(facts)


def by_name(found: VersionComparison) -> dict[tuple[str, str], VersionMeasure]:
    """The measures by name and statistic."""
    return {(each.measure, each.statistic): each for each in found.measures}


def test_better_and_worse_go_by_the_catalogue(served: Served) -> None:
    """More f1 is better, more latency is worse; equal loss is no evidence."""
    for name, first, second in (
        ("model:f1_score", 0.80, 0.85),
        ("model:latency_ms", 40, 50),
        ("model:log_loss", 0.5, 0.5),
    ):
        served.metric(name, "1", first, 0.04 * first)
        served.metric(name, "2", second, 0.04 * first)
    found = served.compare(days=60)
    assert {each.measure: each.verdict for each in found.measures} == {
        "model:f1_score": "better",
        "model:latency_ms": "worse",
        "model:log_loss": "no evidence",
    }
    assert found.verdict == "mixed"
    latency = by_name(found)["model:latency_ms", "mean"]
    assert (latency.unit, latency.block) == ("ms", "day")
    assert latency.difference.value == pytest.approx(10, abs=1.5)
    assert latency.relative.low is not None
    assert 0.15 < latency.relative.low < 0.25
    assert latency.p_value is not None
    assert latency.p_adjusted == pytest.approx(latency.p_value * 3)
    lines = str(found).splitlines()
    assert lines[0] == "fraud: version 2 against 1: mixed"
    assert lines[1].startswith("  worse: model:latency_ms (mean) from ")
    assert lines[-1] == "  no evidence: model:log_loss (mean)"


def test_predictions_tell_accuracy_errors_and_latency(served: Served) -> None:
    """Accuracy from truths, whenever they became known; percentiles of all values."""
    served.predictions("1", latency_s=0.10, right=0.9)
    served.predictions("2", latency_s=0.13, right=0.6)
    found = by_name(served.compare())
    assert {name: each.verdict for name, each in found.items()} == {
        ("predictions.accuracy", "share"): "worse",
        ("predictions.error", "share"): "no evidence",
        ("predictions.latency_s", "p50"): "worse",
        ("predictions.latency_s", "p95"): "worse",
    }
    p50 = found["predictions.latency_s", "p50"]
    assert p50.first.value == pytest.approx(0.10, rel=0.1)
    assert p50.first.low is not None
    assert p50.first.high is not None
    # Of 700 independent lognormal values it is 0.074: twice 1.96 * 0.4 * sqrt(pi / 2 / 700).
    assert 0.06 < (p50.first.high - p50.first.low) / p50.first.value < 0.15
    accuracy = found["predictions.accuracy", "share"]
    assert accuracy.second.value == pytest.approx(0.6 * 0.98, abs=0.04)


def test_rounded_latency_makes_no_verdict(served: Served) -> None:
    """40 ms or 41 ms by chance is no difference, and one of them all the time is too little."""
    for version in ("1", "2"):
        for at in range(300):
            latency_s = served.chance.choice((0.040, 0.041))
            columns = {"status": "success", "latency_s": latency_s}
            served.row("predictions", version, f"2025-12-31T11:00:00.{at:03}Z", columns)
            call = {"operation": "chat", "is_stream": False, "usage": "provider", "attempt": 1}
            call |= {"call_id": f"{version}-{at}", "operation_id": f"{version}-{at}"}
            call |= {
                "wire_requests": 1,
                "status": "success",
                "latency_s": 0.03 + int(version) / 100,
            }
            served.row("llm_calls", version, f"2025-12-31T11:00:00.{at:03}Z", call)
    found = by_name(served.compare())
    p50 = found["predictions.latency_s", "p50"]
    assert (p50.block, p50.verdict) == ("fact", "no evidence")
    assert p50.first.value == pytest.approx(0.0405, abs=0.0001)
    assert p50.first.low is not None
    assert p50.first.high is not None
    assert 0.0001 < p50.first.high - p50.first.low < 0.0004
    constant = found["llm_calls.latency_s", "p50"]
    assert (constant.first.value, constant.second.value) == (0.04, 0.05)
    assert constant.verdict == "too little data"
    assert constant.reason == "the same number all the time, which may have been found only once"


def test_regressions_are_told_by_how_far_off_they_are(served: Served) -> None:
    """Where predictions are numbers, no prediction is right or wrong."""
    for version, off in (("1", 1.0), ("2", 3.0)):
        for at, day in enumerate(DAYS):
            prediction_id = f"{version}-{at}"
            columns = {
                "status": "success",
                "prediction": 10.5 + off * served.chance.uniform(-1, 1),
                "prediction_id": prediction_id,
            }
            served.row("predictions", version, f"{day}T09:00:00Z", columns)
            truth = {"prediction_id": prediction_id, "truth": 10.5}
            served.row("ground_truths", version, f"{day}T10:00:00Z", truth)
    found = by_name(served.compare())
    assert found["predictions.absolute_error", "mean"].verdict == "worse"
    assert ("predictions.accuracy", "share") not in found


def test_cost_and_satisfaction(served: Served) -> None:
    """Cost of a call to a language model, and what users think."""
    for version, cost, score in (("1", 0.01, 0.6), ("2", 0.02, 0.8)):
        for at, day in enumerate(DAYS):
            spread = served.chance.uniform(0.9, 1.1)
            call = {
                "operation": "chat",
                "status": "success",
                "is_stream": False,
                "usage": "provider",
                "call_id": f"{version}-{at}",
                "operation_id": f"{version}-{at}",
                "attempt": 1,
                "wire_requests": 1,
                "cost": round(Decimal(str(cost * spread)) * 10**8),
                "currency": "USD",
                "latency_s": spread,
            }
            served.row("llm_calls", version, f"{day}T09:00:00Z", call)
            opinion = {
                "feature": "search",
                "satisfaction_type": "overall",
                "score": score * spread,
                "normalized_score": score * spread,
                "score_scale": "0-1",
                "rating": 5,
            }
            served.row("user_satisfaction", version, f"{day}T10:00:00Z", opinion)
    found = by_name(served.compare())
    cost = found["llm_calls.cost", "mean"]
    assert (cost.verdict, cost.unit) == ("worse", "USD/{request}")
    assert cost.relative.value == pytest.approx(1, abs=0.1)
    assert found["user_satisfaction.normalized_score", "mean"].verdict == "better"
    assert found["llm_calls.latency_s", "p50"].verdict == "no evidence"
    assert found["llm_calls.latency_s", "p95"].verdict == "too little data"


def test_ratios_are_worked_out_from_counters(served: Served) -> None:
    """Clicks over impressions of each version, from intervals as well; totals are not compared."""
    for version, rate in (("1", 0.04), ("2", 0.08)):
        for day in DAYS:
            labels = {"model": "fraud", "model_version": version}
            at = f"{day}T08:00:00Z"
            served.facts.record("business:impressions", 1000, at=at, **labels)
            clicks = round(1000 * rate * served.chance.uniform(0.9, 1.1))
            served.facts.interval("business:clicks", clicks - 5, 5, at=at, **labels)
    [found] = served.compare().measures
    assert (found.measure, found.statistic, found.verdict) == (
        "business:click_through_rate",
        "share",
        "better",
    )
    assert found.second.value == pytest.approx(0.08, abs=0.004)


def test_counters_count_wherever_they_fall(served: Served) -> None:
    """Clicks of other times than impressions are in: the rate is that of `business_metrics`."""
    for version, clicks in (("1", 23), ("2", 46)):
        labels = {"model": "fraud", "model_version": version}
        served.facts.record("business:impressions", 1000, **labels)
        served.facts.record("business:clicks", clicks, at="2026-01-01T11:00:07Z", **labels)
        for at, day in enumerate(DAYS):
            name = "business:conversions" if at % 2 else "business:visits"
            served.facts.record(name, 50 - 40 * (at % 2), at=f"{day}T08:00:00Z", **labels)
    found = by_name(served.compare())
    rates = found["business:click_through_rate", "share"]
    assert (rates.first.value, rates.second.value) == (0.023, 0.046)
    assert rates.block == "second"
    assert rates.verdict == "too little data"
    conversion = found["usage:conversion_rate", "share"]
    assert (conversion.block, conversion.verdict) == ("day", "no evidence")
    assert conversion.first.value == 0.2
    told = served.facts.query.business.metrics(days=60, model="fraud", model_version="2")
    for row in told:
        if row.metric in ("business:click_through_rate", "usage:conversion_rate"):
            assert found[row.metric, "share"].second.value == row.estimate.value


def test_counters_that_make_no_rate_say_so(served: Served) -> None:
    """Clicks without impressions, and more clicks than impressions."""
    labels = {"model": "fraud"}
    served.facts.record("business:impressions", 10, model_version="1", **labels)
    served.facts.record("business:clicks", 12, model_version="1", **labels)
    served.facts.record("business:clicks", 1, model_version="2", **labels)
    served.facts.record("model:f1_score", 0.5, model_version="2", **labels)
    rate = by_name(served.compare())["business:click_through_rate", "share"]
    assert rate.reason == "no business:impressions of version 2"
    served.facts.record("business:impressions", 10, model_version="2", **labels)
    rate = by_name(served.compare())["business:click_through_rate", "share"]
    assert rate.reason == (
        "a share above 1 of version 1: what is above and below were not counted of the same"
    )


def test_too_little_is_said_with_the_reason(served: Served) -> None:
    """Few values, the same one again and again, or only one version."""
    labels = {"model": "fraud"}
    for version in ("1", "2"):
        served.facts.record("model:f1_score", 0.8, 0.9, 0.85, model_version=version, **labels)
        same = [float(version)] * 50
        served.facts.record(
            "model:mae", *same, at="2025-12-01", every_s=86_400 / 4, model_version=version, **labels
        )
    served.facts.record("model:r2", 0.5, model_version="2", **labels)
    found = served.compare()
    assert {each.measure: each.reason for each in found.measures} == {
        "model:f1_score": "only 3 pieces of time; 8 are needed",
        "model:mae": "the same number all the time, which may have been found only once",
        "model:r2": "no facts of version 1",
    }
    assert {each.verdict for each in found.measures} == {"too little data"}
    assert found.verdict == "too little data"
    assert by_name(found)["model:mae", "mean"].difference.value == 1


def test_a_memory_makes_facts_worth_less(served: Served) -> None:
    """A thousand minutes that drift are few independent ones, and no verdict is founded on them."""
    for version, level in (("1", 0.0), ("2", 0.1)):
        value, values = level, []
        for _ in range(400):
            value += 0.99 * (level - value) * 0.01 + served.chance.gauss(0, 0.01)
            values.append(value)
        served.facts.record(
            "model:f1_score",
            *values,
            at="2026-01-01T02:00:00Z",
            every_s=60,
            model="fraud",
            model_version=version,
        )
    [found] = served.compare().measures
    assert (found.block, found.verdict) == ("minute", "too little data")
    assert found.reason is not None
    assert "resemble each other so much" in found.reason


def test_a_margin_asks_for_more_than_a_difference(served: Served) -> None:
    """A difference of 2 % is better without margin, and does not matter within 10 %."""
    served.metric("model:f1_score", "1", 0.800, 0.006)
    served.metric("model:f1_score", "2", 0.816, 0.006)
    assert served.compare().measures[0].verdict == "better"
    within = served.compare(margin=0.10)
    assert within.measures[0].verdict == within.verdict == "no relevant difference"
    assert served.compare(margin=0.02).measures[0].verdict == "no evidence"


def test_measures_are_chosen_by_name(served: Served) -> None:
    """A pattern, or a metric whose direction nobody knows."""
    for version in ("1", "2"):
        served.metric("model:f1_score", version, 0.8, 0.01)
        served.metric("model:my_score", version, float(version), 0.1)
    assert [each.measure for each in served.compare().measures] == ["model:f1_score"]
    chosen = served.compare(metrics="model:my*")
    [found] = chosen.measures
    assert found.verdict == chosen.verdict == "different"
    with pytest.raises(QueryError) as caught:
        served.compare(metrics=["model:my_skore"])
    assert caught.value.fix == "Did you mean 'model:my_score'?"
    with pytest.raises(QueryError, match="measures cannot be chosen by this"):
        served.compare(metrics=5)


def test_a_published_accuracy_counts_until_that_of_predictions_is_known(served: Served) -> None:
    """One ground truth does not take the place of daily values; eight days of them do."""
    for version in ("1", "2"):
        served.metric("model:accuracy", version, 0.8, 0.01)
        columns = {"status": "success", "prediction_text": "a", "prediction_id": version}
        served.row("predictions", version, "2025-12-02T09:00:00Z", columns)
        truth = {"prediction_id": version, "truth_text": "a"}
        served.row("ground_truths", version, "2025-12-02T10:00:00Z", truth)
    found = by_name(served.compare())
    assert found["model:accuracy", "mean"].verdict == "no evidence"
    assert found["predictions.accuracy", "share"].verdict == "too little data"
    for version in ("1", "2"):
        served.predictions(version, latency_s=0.1, right=0.8, n=3)
    found = by_name(served.compare())
    assert ("model:accuracy", "mean") not in found
    assert found["predictions.accuracy", "share"].verdict == "no evidence"


def test_versions_with_nothing_but_totals_say_so(served: Served) -> None:
    """They are there, and yet nothing of them can be compared."""
    for version in ("1", "2"):
        labels = {"model": "fraud", "model_version": version}
        served.facts.record("business:revenue_usd", 10, **labels)
    with pytest.raises(QueryError) as caught:
        served.compare()
    assert caught.value.what == (
        "nothing that was recorded of this version of 'fraud' can be compared"
    )
    with pytest.raises(QueryError, match="no fact of the model 'fraud' has this version") as caught:
        served.compare(start="2025-01-01", end="2025-01-02")
    assert caught.value.fix == "Ask for another time or other labels."


def test_what_makes_no_sense_is_refused(served: Served) -> None:
    """The error says which versions there are."""
    served.metric("model:f1_score", "1", 0.8, 0.01)
    with pytest.raises(QueryError) as caught:
        served.compare()
    assert str(caught.value) == (
        "no fact of the model 'fraud' has this version; got '2'; allowed: 1. There is only '1'."
    )
    for asked, what in (
        ({"margin": -0.1}, "a margin cannot be this"),
        ({"margin": "x"}, "a margin cannot be this"),
        ({"confidence": 1.0}, "confidence is a probability"),
        ({"model_version": "3"}, "facts cannot be chosen by what is compared"),
    ):
        with pytest.raises(QueryError, match=what):
            served.compare(**asked)
    with pytest.raises(QueryError, match="both versions are the same"):
        served.facts.query.versions.compare("fraud", 1, "1")
