# SPDX-License-Identifier: Apache-2.0
"""`tidegauge.correlate_ml_business_metrics`, on data frames of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

import tidegauge as tg
from tidegauge.model.errors import QueryError

DAYS = 120
START = np.datetime64("2026-01-05")


@pytest.fixture
def columns() -> tuple[dict[str, Any], dict[str, Any]]:
    """Accuracy leads revenue by two days; latency and clicks have nothing to do with anything."""
    noise = np.random.default_rng(5).normal(size=(4, DAYS))
    noise[2] = 0.6 * np.roll(noise[0], 2) + 0.8 * noise[2]
    for step in range(1, DAYS):
        noise[:, step] += 0.7 * noise[:, step - 1]
    accuracy, latency, revenue, clicks = noise
    times = START + np.arange(DAYS)
    ml = {
        "timestamp": times,
        "accuracy": 1 / (1 + np.exp(-2 - accuracy / 4)),
        "latency": np.exp(latency / 3),
        "note": ["fine"] * DAYS,
    }
    business = {"timestamp": times, "revenue": np.exp(7 + revenue / 5), "clicks": 90 + clicks}
    return ml, business


@pytest.mark.parametrize(
    "made", [pd.DataFrame, pl.DataFrame, pa.table, dict], ids=["pandas", "polars", "arrow", "dict"]
)
def test_all_columns_of_numbers_are_compared(made: Any, columns: Any) -> None:
    """In the form and with the keys that everybody expects, whatever frame they are in."""
    ml, business = columns
    found = tg.correlate_ml_business_metrics(made(ml), made(business))
    assert list(found) == [
        "accuracy_vs_revenue",
        "accuracy_vs_clicks",
        "latency_vs_revenue",
        "latency_vs_clicks",
    ]
    assert {name for name, each in found.items() if each["significant"]} == {"accuracy_vs_revenue"}
    best = found["accuracy_vs_revenue"]
    assert best["moves"] == "accuracy may lead revenue by 2 days"
    assert {"correlation", "p_value", "significant"} <= best.keys()
    assert found.pairs[0].treatments[1].transform == "log"
    assert isinstance(found, dict)


def test_the_naive_numbers_are_those_of_scipy(columns: Any) -> None:
    """Of the days that both have, as they are, so that anybody can see what has changed."""
    ml, business = columns
    late = {name: column[30:] for name, column in business.items()}
    found = tg.correlate_ml_business_metrics(ml, late)["latency_vs_clicks"]
    expected = stats.pearsonr(ml["latency"][30:], late["clicks"])
    assert found["naive_correlation"] == pytest.approx(expected.statistic)
    assert found["naive_p_value"] == pytest.approx(expected.pvalue)


def test_order_and_repetition_of_rows_do_not_matter(columns: Any) -> None:
    """Rows of a day are averaged, and a day without rows is a gap."""
    ml, business = (pd.DataFrame(each) for each in columns)
    expected = tg.correlate_ml_business_metrics(ml.drop(index=[3, 60]), business)
    ml["timestamp"] += pd.Timedelta(hours=3)
    twice = pd.concat(
        [ml.assign(accuracy=ml.accuracy - 0.01), ml.assign(accuracy=ml.accuracy + 0.01)]
    )
    shuffled = twice.sample(frac=1, random_state=1)
    shuffled = shuffled[~shuffled["timestamp"].isin(ml["timestamp"].iloc[[3, 60]])]
    found = tg.correlate_ml_business_metrics(shuffled, business.iloc[::-1])
    assert found.pairs[0].n == expected.pairs[0].n
    for name, each in found.items():
        assert each["correlation"] == pytest.approx(expected[name]["correlation"])


def test_hours_and_days_meet_on_days() -> None:
    """The coarser of the two steps is taken, unless one is asked for."""
    rng = np.random.default_rng(5)
    hours = np.datetime64("2026-01-05T00", "s") + 3_600 * np.arange(24 * 40)
    ml = {"timestamp": hours, "latency": rng.normal(size=len(hours))}
    business = {"timestamp": START + np.arange(40), "revenue": rng.normal(size=40)}
    (found,) = tg.correlate_ml_business_metrics(ml, business, draws=0).pairs
    assert (found.step_s, found.n <= 40) == (86_400, True)
    both = tg.correlate_ml_business_metrics(ml, ml, draws=0, max_lag=0).pairs[0]
    assert both.step_s == 3_600
    (forced,) = tg.correlate_ml_business_metrics(ml, business, by="hour").pairs
    assert forced.step_s == 3_600


def test_the_column_of_times_has_any_name(columns: Any) -> None:
    """Both frames have it."""
    ml, business = ({"day": each.pop("timestamp"), **each} for each in columns)
    assert len(tg.correlate_ml_business_metrics(ml, business, on="day", draws=0)) == 4


@pytest.mark.parametrize(
    ("changed", "options", "text"),
    [
        ({}, {"on": "day"}, "the data frame has no such column; got 'day'"),
        ({}, {"by": "week"}, "a series has no such step; got 'week'"),
        ({}, {"max_lag": -1}, "relations cannot be looked for with this max_lag"),
        ({"revenue": ["?"] * DAYS, "clicks": ["?"] * DAYS}, {}, "has no column of numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(
    columns: Any, changed: dict[str, Any], options: dict[str, Any], text: str
) -> None:
    """Each error says what is wrong."""
    ml, business = columns
    with pytest.raises(QueryError, match=text):
        tg.correlate_ml_business_metrics(ml, business | changed, **options)


def test_empty_frames_are_no_error() -> None:
    """There are no values, and that is what is told."""
    empty = pa.table(
        {"timestamp": pa.array([], pa.timestamp("us")), "x": pa.array([], pa.float64())}
    )
    found = tg.correlate_ml_business_metrics(empty, empty)
    assert found["x_vs_x"]["reason"] == "x: no values; x: no values"


def test_days_are_those_of_the_calendar_of_a_column() -> None:
    """Midnight in Berlin and midnight UTC are one day, though the one is the evening before."""
    rng = np.random.default_rng(3)
    shared = rng.normal(size=DAYS)
    days = pd.date_range("2026-01-05", periods=DAYS)
    ml = {"timestamp": days.tz_localize("Europe/Berlin"), "accuracy": shared}
    business = {"timestamp": days.tz_localize("UTC"), "revenue": shared + rng.normal(size=DAYS)}
    (found,) = tg.correlate_ml_business_metrics(ml, business, draws=0).pairs
    assert (found.lag, found.is_significant) == (0, True)


def test_a_week_stays_a_week_when_the_clocks_change() -> None:
    """No day of London is lost or moved, so the pattern that two columns share goes."""
    rng = np.random.default_rng(4)
    days = pd.date_range("2026-01-05", periods=180, tz="Europe/London")
    week = 3 * rng.normal(size=7)[np.arange(180) % 7]
    frame = {"timestamp": days, **{f"x{i}": week + rng.normal(size=180) for i in range(8)}}
    found = tg.correlate_ml_business_metrics(frame, {**frame, "y": week}, draws=0, max_lag=0)
    p_values = [each.p_value for each in found.pairs if each.first < each.second < "y"]
    assert len(p_values) == 28
    assert np.mean(np.array(p_values, dtype=float) < 0.05) < 0.15


def test_hours_of_the_week_are_those_of_the_zone() -> None:
    """Office hours begin an hour earlier in UTC when the clocks have changed."""
    rng = np.random.default_rng(5)
    hours = pd.date_range("2026-03-01", periods=24 * 60, freq="h", tz="Europe/Berlin")
    office = 4.0 * ((hours.hour >= 9) & (hours.hour < 17) & (hours.day_of_week < 5))
    first, second = office + rng.normal(size=(2, len(hours)))
    ml, business = {"timestamp": hours, "x": first}, {"timestamp": hours, "y": second}
    (found,) = tg.correlate_ml_business_metrics(ml, business, draws=0).pairs
    assert found.step_s == 3_600
    assert found.p_value is not None
    assert found.p_value > 0.05


def test_two_pairs_of_one_name_are_refused() -> None:
    """One would silently replace the other."""
    times = START + np.arange(3)
    ml = {"timestamp": times, "a": [1.0, 2, 3], "a_vs_b": [1.0, 2, 3]}
    business = {"timestamp": times, "c": [1.0, 2, 3], "b_vs_c": [1.0, 2, 3]}
    with pytest.raises(QueryError, match="two pairs have the same name; got 'a_vs_b_vs_c'"):
        tg.correlate_ml_business_metrics(ml, business)


def test_the_largest_numbers_are_no_trouble(columns: Any) -> None:
    """What is found does not depend on the unit, and nothing overflows."""
    ml, business = columns
    usual = tg.correlate_ml_business_metrics(ml, business, draws=0)
    huge = {**business, "revenue": business["revenue"] / business["revenue"].max() * 1.7e308}
    found = tg.correlate_ml_business_metrics(ml, huge, draws=0)["accuracy_vs_revenue"]
    assert found["correlation"] == pytest.approx(usual["accuracy_vs_revenue"]["correlation"])
    expected = usual["accuracy_vs_revenue"]["naive_correlation"]
    assert found["naive_correlation"] == pytest.approx(expected)
