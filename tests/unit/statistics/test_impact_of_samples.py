# SPDX-License-Identifier: Apache-2.0
"""The impact of a change as two samples show it."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

import tidegauge as tg
from tidegauge.model.errors import QueryError
from tidegauge.statistics.estimate import Estimate
from tidegauge.statistics.impact.relative import Means, relative_change
from tidegauge.statistics.impact.savings import savings_of

RNG = np.random.default_rng(0)
BEFORE, AFTER = RNG.lognormal(3, 1, 100), RNG.lognormal(3.6, 1, 120)
USERS = np.arange(100)


def test_independent_samples_are_compared_by_welch() -> None:
    """The oracle is scipy's."""
    impact = tg.measure_impact(BEFORE, AFTER)
    oracle = stats.ttest_ind(AFTER, BEFORE, equal_var=False)
    interval = oracle.confidence_interval()
    assert impact.p_value == pytest.approx(oracle.pvalue)
    assert impact.difference.low == pytest.approx(interval.low)
    assert impact.difference.high == pytest.approx(interval.high)
    assert (impact.design, impact.claim, impact.n) == ("two samples", "differs", 220)


def test_a_share_is_that_of_the_logarithm_of_the_ratio() -> None:
    """By the formula, with Student's quantile."""
    impact = tg.measure_impact(BEFORE, AFTER)
    ratio = AFTER.mean() / BEFORE.mean()
    variances = [each.var(ddof=1) / len(each) / each.mean() ** 2 for each in (BEFORE, AFTER)]
    freedom = stats.ttest_ind(AFTER, BEFORE, equal_var=False).df
    factor = np.exp(stats.t.ppf(0.975, freedom) * np.sqrt(sum(variances)))
    assert impact.relative.value == pytest.approx(ratio - 1)
    assert impact.relative.low == pytest.approx(ratio / factor - 1)
    assert impact.relative.high == pytest.approx(ratio * factor - 1)


@pytest.mark.parametrize(
    "kind", [list, pd.Series, pl.Series, tuple], ids=["list", "pandas", "polars", "tuple"]
)
def test_whatever_holds_numbers_is_a_sample(kind: type) -> None:
    """Lists, and columns of data frames; what is missing is left out and told."""
    impact = tg.measure_impact(kind([*BEFORE, float("nan")]), kind(AFTER.tolist()))
    assert impact.p_value == tg.measure_impact(BEFORE, AFTER).p_value
    assert impact.notes == ("1 rows with a missing number or unit are left out.",)


def test_the_same_units_are_compared_with_themselves() -> None:
    """By the paired t-test, in any order; units of one sample alone are left out."""
    after = BEFORE * 1.1 + RNG.normal(size=100)
    order = RNG.permutation(100)
    impact = tg.measure_impact(
        BEFORE[:90], after[order], units=(USERS[:90].astype(str), USERS[order].astype(str))
    )
    oracle = stats.ttest_rel(after[:90], BEFORE[:90])
    assert impact.p_value == pytest.approx(oracle.pvalue)
    assert (impact.design, impact.claim, impact.n) == ("paired units", "changed after", 90)
    assert impact.difference.high == pytest.approx(oracle.confidence_interval().high)
    assert impact.relative.low < 0.1 < impact.relative.high
    assert impact.notes == ("10 units that are only in one sample are left out.",)


def test_a_unit_with_many_rows_counts_once() -> None:
    """Rows of one user are not independent."""
    repeated = tg.measure_impact(
        np.repeat(BEFORE, 5), AFTER, units=(np.repeat(USERS, 5), 1000 + np.arange(120))
    )
    assert repeated.p_value == pytest.approx(tg.measure_impact(BEFORE, AFTER).p_value)


def test_units_that_all_change_by_the_same_do_not_vary() -> None:
    """What is left of them is a rounding error."""
    impact = tg.measure_impact(
        [0.1, 0.2, 0.3], [0.2, 0.3, 0.4], units=(["a", "b", "c"], ["a", "b", "c"])
    )
    assert impact.reason == "the values do not vary"


@pytest.mark.parametrize(
    "missing", [None, float("nan"), pd.NA], ids=["None", "NaN", "NA of pandas"]
)
def test_rows_of_nobody_are_left_out(missing: object) -> None:
    """A missing unit is not one that all such rows share."""
    units: list[object] = [missing, missing, 3, 4, 5]
    impact = tg.measure_impact([9.0, 9.0, 1.0, 2.0, 3.0], [2.0, 3.0, 5.0], units=(units, [3, 4, 5]))
    assert impact.n == 3
    assert impact.difference.value == pytest.approx(4 / 3)
    assert impact.notes == ("2 rows with a missing number or unit are left out.",)


def test_a_covariate_takes_out_what_it_explains() -> None:
    """CUPED equals the regression on covariate and group, and may say that a change caused it."""
    covariate = RNG.normal(size=400)
    values = 5 + 0.8 * covariate + 0.6 * RNG.normal(size=400)
    values[200:] += 0.3
    impact = tg.measure_impact(
        values[:200],
        values[200:],
        covariate=(covariate[:200], covariate[200:]),
        randomised=True,
    )
    from statsmodels.api import OLS

    group = np.arange(400) >= 200
    design = np.column_stack([np.ones(400), group, covariate])
    assert impact.difference.value == pytest.approx(OLS(values, design).fit().params[1])
    assert impact.variance_reduction == pytest.approx(0.64, abs=0.06)
    assert (impact.design, impact.claim) == ("randomised", "caused")
    assert impact.summary.startswith("the change caused a difference in the number: +0.")


def test_a_ratio_has_the_variance_of_the_delta_method() -> None:
    """Clicks per view, whose users have many views or few."""
    views = RNG.integers(1, 50, 300).astype(float)
    clicks = RNG.binomial(views.astype(int), 0.2).astype(float)
    impact = tg.measure_impact(clicks[:150], clicks[150:], per=(views[:150], views[150:]))
    expected = 0.0
    ratios = []
    for part in (slice(0, 150), slice(150, 300)):
        ratio = clicks[part].sum() / views[part].sum()
        covariance = np.cov(clicks[part], views[part])
        expected += (
            (covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1])
            / 150
            / views[part].mean() ** 2
        )
        ratios.append(ratio)
    assert impact.before == pytest.approx(ratios[0])
    assert impact.after == pytest.approx(ratios[1])
    width = impact.difference.high - impact.difference.value
    assert width == pytest.approx(stats.t.ppf(0.975, 298) * np.sqrt(expected), rel=1e-3)


def test_quantiles_are_compared_by_a_bootstrap() -> None:
    """It covers about what resampling itself does, each time the same."""
    impact = tg.measure_impact(BEFORE, AFTER, statistic="p90")
    draws = [
        np.quantile(RNG.choice(AFTER, 120), 0.9) - np.quantile(RNG.choice(BEFORE, 100), 0.9)
        for _ in range(4000)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    width = high - low
    assert impact.statistic == "p90"
    assert impact.difference.low == pytest.approx(low, abs=0.15 * width)
    assert impact.difference.high == pytest.approx(high, abs=0.15 * width)
    assert tg.measure_impact(BEFORE, AFTER, statistic="p90").p_value == impact.p_value


def test_an_extreme_quantile_of_few_values_has_no_interval() -> None:
    """Nobody knows the 99th percentile of a hundred values well."""
    impact = tg.measure_impact(BEFORE, AFTER, statistic="p99")
    assert (impact.p_value, impact.difference.low) == (None, None)
    assert impact.reason == (
        "the smaller sample has 1 values beyond the quantile, and 5 are needed"
    )
    assert impact.difference.value is not None


@pytest.mark.parametrize(
    ("direction", "verdict"), [("higher", "better"), ("lower", "worse"), (None, "changed")]
)
def test_which_way_is_better_decides_the_verdict(direction: object, verdict: str) -> None:
    """A rise is good for a score and bad for a latency."""
    impact = tg.measure_impact(BEFORE, AFTER, direction=direction)  # type: ignore[arg-type]
    assert impact.verdict == verdict


@pytest.mark.parametrize(
    ("means", "is_positive", "method", "reason"),
    [
        (Means(10, 12, 0.1, 0.1), False, "log ratio", None),
        (Means(10, 12, 9.0, 0.1), True, "log ratio", None),
        (Means(10, 12, 9.0, 0.1), False, "Fieller", None),
        (Means(10, 0.1, 0.1, 0.1), False, "Fieller", None),
        (Means(10, 0.0, 0.1, 0.0), True, "Fieller", None),
        (Means(10, 12, 26.0, 0.1), True, "", "the interval of the mean before includes 0"),
        (Means(-10, 12, 0.1, 0.1), False, "", "the mean before is not above 0"),
    ],
)
def test_how_a_share_is_told(
    means: Means, is_positive: bool, method: str, reason: str | None
) -> None:
    """By logarithm, by Fieller, or not at all."""
    found = relative_change(means, (2.0, 2.0), is_positive=is_positive, n=9, confidence=0.95)
    assert (found.method, found.reason) == (method, reason)


def test_fiellers_interval_solves_his_equation() -> None:
    """At its ends the difference is just so many standard errors from 0."""
    means = Means(10.0, 4.0, 9.0, 9.0, covariance=2.0)
    found = relative_change(means, (1.5, 2.0), is_positive=False, n=9, confidence=0.95)
    for share, reach in ((found.low, -1.5), (found.high, 2.0)):
        ratio = 1 + share
        error = np.sqrt(9.0 - 2 * ratio * 2.0 + ratio**2 * 9.0)
        assert (ratio * 10.0 - 4.0) / error == pytest.approx(reach)


@pytest.mark.parametrize("kind", ["poisson", "exponential"])
def test_a_share_and_its_difference_agree_on_whether_there_is_one(kind: str) -> None:
    """Also of few counts near 0, where a logarithm reaches far; and no share falls by more."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        before, after = getattr(rng, kind)(3, 12), getattr(rng, kind)(0.3, 12)
        impact = tg.measure_impact(before, after)
        if impact.relative.low is None or impact.relative.high is None:
            continue
        assert impact.is_clear == (not impact.relative.low <= 0 <= impact.relative.high)
        assert impact.relative.low >= -1


def test_savings_are_exact_money() -> None:
    """What the cost per unit has fallen by, on so many units; the ends change places."""
    saved = savings_of(Estimate(-0.002, -0.003, 0.001, 0.95), 10_000, currency="EUR")
    assert (saved.amount, saved.low, saved.high) == (Decimal(20), Decimal(-10), Decimal(30))
    assert saved.as_dict() == {
        "amount": "20.00000000",
        "low": "-10.00000000",
        "high": "30.00000000",
        "units": "10000",
        "currency": "EUR",
        "confidence": 0.95,
        "reason": None,
    }
    assert savings_of(Estimate(-0.5), np.int64(3), currency="USD").amount == Decimal("1.5")
    assert savings_of(Estimate(None, reason="no data"), 5, currency="USD").amount is None
    with pytest.raises(QueryError, match="these are no units to save on; got -1"):
        savings_of(Estimate(1.0), -1, currency="USD")
    with pytest.raises(QueryError, match="these are no units to save on; got True"):
        savings_of(Estimate(1.0), True, currency="USD")
    with pytest.raises(QueryError, match="this is no currency; got 'dollars'"):
        savings_of(Estimate(1.0), 1, currency="dollars")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ([1.0], [2.0, 3.0], "there are 1 values before and 2 after, and 2 are needed"),
        ([], [], "there are 0 values before and 0 after, and 2 are needed"),
        ([1.0, 1.0], [2.0, 2.0], "the values do not vary"),
        ([0.1] * 3, [0.2] * 3, "the values do not vary"),
    ],
)
def test_too_little_is_a_reason(before: list[float], after: list[float], reason: str) -> None:
    """And never a number, a warning or a crash."""
    impact = tg.measure_impact(before, after)
    assert (impact.p_value, impact.reason) == (None, reason)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"covariate": (BEFORE, AFTER)}, "a covariate can only adjust randomised groups"),
        (
            {"units": (USERS, np.arange(120)), "randomised": True},
            "a unit cannot be in both groups of a randomised comparison",
        ),
        ({"units": USERS}, "units must be a pair"),
        (
            {"units": (np.array(["a", 1] * 50, dtype=object), np.arange(120))},
            "units cannot be compared with one another",
        ),
        ({"units": (USERS, USERS)}, "units must have one entry for each of after; got '100"),
        ({"statistic": "max"}, "samples cannot be compared by this; got 'max'"),
        ({"statistic": "p0"}, "samples cannot be compared by this; got 'p0'"),
        (
            {"statistic": "p90", "units": (USERS, 1000 + np.arange(120))},
            "quantiles can only be compared between independent rows",
        ),
        ({"per": (0 * BEFORE, AFTER)}, "what values are divided by adds up to 0"),
        ({"at": 3}, "this does not go with two samples; got 'at'"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, object], text: str) -> None:
    """With what is wrong, and what would do."""
    with pytest.raises(QueryError) as caught:
        tg.measure_impact(BEFORE, AFTER, **asked)
    assert text in str(caught.value)


def test_numbers_are_asked_for() -> None:
    """Text is no sample, and neither is a table."""
    with pytest.raises(QueryError, match="after cannot be read as numbers"):
        tg.measure_impact(BEFORE, ["a", "b"])
    with pytest.raises(QueryError, match="after has numbers that are too large; got 1e\\+300"):
        tg.measure_impact(BEFORE, [1e300, 2.0])
    with pytest.raises(QueryError, match="before must be numbers one after the other"):
        tg.measure_impact([[1.0, 2.0]], AFTER)
