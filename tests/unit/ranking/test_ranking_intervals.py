# SPDX-License-Identifier: Apache-2.0
"""How sure a mean over queries is, and the difference of two rankers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint

from tidegauge.statistics.estimate import Estimate
from tidegauge.statistics.ranking import compare_rankings, compare_runs, ranking_metrics

RNG = np.random.default_rng(4)
Y_TRUE = (RNG.random((80, 12)) < 0.2).astype(int)
FIRST, SECOND = RNG.random((80, 12)), RNG.random((80, 12)) + 0.3 * Y_TRUE
USERS = RNG.integers(0, 15, 80)


def ends(estimate: Estimate) -> tuple[float | None, float | None]:
    """Both ends of an interval."""
    return estimate.low, estimate.high


def test_a_mean_has_students_interval() -> None:
    """From sums, it is that of scipy from the values."""
    result = ranking_metrics(Y_TRUE, FIRST, 5, confidence=0.9, per_query=True)
    assert result.per_query is not None
    estimate = result.intervals["ndcg@5"]
    values = result.per_query.by_name["ndcg@5"]
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert ends(estimate) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert (estimate.value, estimate.method, estimate.n) == (result["ndcg@5"], "student", 80)


def test_a_share_has_wilsons_interval() -> None:
    """Hits are 0 or 1, so their mean is a share, also where every query is a hit."""
    estimate = ranking_metrics(Y_TRUE, FIRST, 5, confidence=0.95).intervals["hit_rate@5"]
    assert estimate.value is not None
    low, high = proportion_confint(round(estimate.value * 80), 80, method="wilson")
    assert ends(estimate) == (pytest.approx(low), pytest.approx(high))
    sure = ranking_metrics([[1, 0]] * 20, [[2, 1]] * 20, confidence=0.95).intervals["mrr"]
    assert ends(sure) == (pytest.approx(0.8389, abs=5e-5), 1.0)
    assert sure.method == "wilson"


def test_queries_that_are_left_out_add_no_certainty() -> None:
    """`skip` counts in the interval as in the mean."""
    y_true = [[0, 1], [1, 0], [0, 0], [0, 1], [0, 0]]  # 1/2, 1, -, 1/2, -
    estimate = ranking_metrics(y_true, [[2, 1]] * 5, no_relevant="skip", confidence=0.95).intervals[
        "mrr"
    ]
    theirs = scipy.stats.ttest_1samp([0.5, 1.0, 0.5], 0).confidence_interval(0.95)
    assert (theirs.low, theirs.high) == (
        pytest.approx(-0.0504, abs=5e-5),
        pytest.approx(1.3838, abs=5e-5),
    )
    assert ends(estimate) == (0.0, 1.0)  # there the metric ends, and so does the interval
    wide = ranking_metrics(y_true, [[2, 1]] * 5, no_relevant="skip", confidence=0.5)
    theirs = scipy.stats.ttest_1samp([0.5, 1.0, 0.5], 0).confidence_interval(0.5)
    assert ends(wide.intervals["mrr"]) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert estimate.n == 3


def test_one_query_has_no_interval() -> None:
    """The estimate is there, with the reason why it has none."""
    estimate = ranking_metrics([0, 0, 1], [3, 2, 1], confidence=0.95).intervals["mrr"]
    assert (estimate.value, estimate.low) == (1 / 3, None)
    assert estimate.reason == "one query has no interval"


def test_queries_without_scatter_have_no_interval() -> None:
    """Ten times 1/3 says nothing of how much others would differ."""
    result = ranking_metrics([[0, 0, 1]] * 10, [[3, 2, 1]] * 10, confidence=0.95)
    assert result.intervals["mrr"].low is None
    assert result.intervals["mrr"].reason == "every query has the same value: no scatter"


@pytest.mark.parametrize("given", ["by query", "by item", "dictionary"])
def test_queries_of_a_user_resemble_each_other(given: str) -> None:
    """Clusters give the interval of statsmodels' clustered regression on a constant."""
    rows = RNG.permutation(80 * 12)
    queries = np.repeat(np.arange(80), 12)[rows]
    appeared = list(dict.fromkeys(queries.tolist()))
    clusters = {
        "by query": USERS[appeared],
        "by item": [f"user {USERS[query]}" for query in queries],
        "dictionary": dict(enumerate(USERS.tolist())),
    }[given]
    result = ranking_metrics(
        Y_TRUE.ravel()[rows],
        FIRST.ravel()[rows],
        5,
        queries=queries,
        clusters=clusters,
        per_query=True,
    )
    assert result.per_query is not None
    fit = sm.OLS(result.per_query.by_name["mrr"], np.ones(80)).fit()
    robust = fit.get_robustcov_results(
        "cluster", groups=USERS[appeared], use_correction=True, use_t=True
    )
    low, high = robust.conf_int(0.05)[0]
    estimate = result.intervals["mrr"]
    # statsmodels also multiplies the variance by (n - 1) / (n - 1), which is 1 for a constant.
    assert ends(estimate) == (pytest.approx(low, rel=1e-9), pytest.approx(high, rel=1e-9))
    assert (estimate.method, estimate.n) == ("student, clustered", 15)


def test_one_user_has_no_interval() -> None:
    """However many queries there are."""
    result = ranking_metrics(Y_TRUE, FIRST, clusters=["the same"] * 80)
    assert result.intervals["mrr"].reason == "one cluster has no interval"


def test_a_difference_is_taken_query_by_query() -> None:
    """The second less the first, with the interval of scipy's paired test."""
    found = compare_rankings(Y_TRUE, FIRST, SECOND, 5)
    values = [
        ranking_metrics(Y_TRUE, scores, 5, per_query=True).per_query for scores in (FIRST, SECOND)
    ]
    assert values[0] is not None
    assert values[1] is not None
    paired = scipy.stats.ttest_rel(values[1].by_name["map"], values[0].by_name["map"])
    theirs = paired.confidence_interval(0.95)
    estimate = found["map"]
    assert ends(estimate) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert estimate.low is not None
    assert estimate.low > 0
    assert list(found) == list(ranking_metrics(Y_TRUE, FIRST, 5))


def test_a_difference_allows_for_clusters_too() -> None:
    """As many independent observations as there are users."""
    estimate = compare_rankings(Y_TRUE, FIRST, SECOND, clusters=USERS)["mrr"]
    assert (estimate.method, estimate.n) == ("student, clustered", 15)


def test_a_ranker_does_not_differ_from_itself() -> None:
    """The difference is 0, and has no scatter to make an interval of."""
    estimate = compare_rankings(Y_TRUE, FIRST, FIRST)["ndcg@10"]
    assert (estimate.value, estimate.low) == (0.0, None)


def test_runs_are_compared_over_all_judged_queries() -> None:
    """The first run has nothing for q2, and its items in another order: 1, 0 against 1/2, 1."""
    qrels = {"q1": {"a": 1, "b": 0}, "q2": {"c": 2}, "q3": {"x": 0}}
    first = {"q1": {"a": 2.0, "b": 1.0}}
    second = {"q2": {"c": 1.0, "z": 0.5}, "q1": {"b": 2.0, "a": 1.0}}
    assert compare_runs(qrels, first, second)["mrr"].value == pytest.approx((-0.5 + 1 + 0) / 3)
    skipped = compare_runs(
        qrels, first, second, no_relevant="skip", clusters={"q1": 1, "q2": 2, "q3": 1}
    )
    assert skipped["mrr"].value == pytest.approx(0.25)
    assert skipped["mrr"].n == 2


def test_a_difference_of_nothing_is_unknown() -> None:
    """No relevant item in any query: None with the reason."""
    estimate = compare_rankings([0, 0], [1, 2], [2, 1])["mrr"]
    assert (estimate.value, estimate.reason) == (None, "no query has a relevant item")
