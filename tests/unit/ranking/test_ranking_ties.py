# SPDX-License-Identifier: Apache-2.0
"""Equal scores: the mean over every order, against every order, and the order given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from tidegauge.statistics.ranking import ranking_metrics


def over_every_order(
    relevance: Sequence[float], scores: Sequence[float], unretrieved: Sequence[float], k: int
) -> dict[str, float]:
    """The mean of each metric over all orders in which no score is above the one before."""
    n_relevant = sum(each > 0 for each in (*relevance, *unretrieved))
    best = sorted((*relevance, *unretrieved), reverse=True)[:k]
    found = []
    for order in itertools.permutations(range(len(relevance))):
        ranked_scores = [scores[place] for place in order]
        if ranked_scores != sorted(ranked_scores, reverse=True):
            continue
        ranked = [relevance[place] for place in order]
        ranks = [rank for rank, each in enumerate(ranked, 1) if each > 0]
        precisions = [(rank, number / rank) for number, rank in enumerate(ranks, 1)]
        found.append(
            {
                f"hit_rate@{k}": float(any(rank <= k for rank in ranks)),
                f"ndcg@{k}": dcg(ranked[:k]) / dcg(best),
                f"precision@{k}": sum(rank <= k for rank in ranks) / k,
                f"recall@{k}": sum(rank <= k for rank in ranks) / n_relevant,
                f"map@{k}": sum(p for rank, p in precisions if rank <= k) / n_relevant,
                f"mrr@{k}": 1 / ranks[0] if ranks and ranks[0] <= k else 0.0,
                "map": sum(p for _, p in precisions) / n_relevant,
                "mrr": 1 / ranks[0] if ranks else 0.0,
            }
        )
    return {name: math.fsum(each[name] for each in found) / len(found) for name in found[0]}


def dcg(ranked: Sequence[float]) -> float:
    """Discounted gain of a list."""
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(ranked, 1))


def test_every_metric_is_its_mean_over_every_order() -> None:
    """Up to six items with three scores, some not retrieved, cut off anywhere: all orders tried."""
    rng = np.random.default_rng(11)
    tried = 0
    while tried < 60:
        n, k = int(rng.integers(1, 7)), int(rng.integers(1, 8))
        relevance = rng.integers(0, 3, n).tolist()
        scores = rng.integers(0, 3, n).tolist()
        unretrieved = rng.integers(0, 2, int(rng.integers(0, 3))).tolist()
        if not any((*relevance, *unretrieved)):
            continue
        tried += 1
        result = ranking_metrics(relevance + unretrieved, scores + [math.nan] * len(unretrieved), k)
        expected = over_every_order(relevance, scores, unretrieved, k)
        assert result == pytest.approx(expected, abs=1e-12)


def test_a_constant_model_is_not_perfect() -> None:
    """3, 0, 0 with one score: NDCG 0.710 and not 1; each rank comes in a third of orders."""
    result = ranking_metrics([3, 0, 0], [1, 1, 1], k=3)
    assert result["ndcg@3"] == pytest.approx((1 + 1 / math.log2(3) + 1 / 2) / 3)
    assert result["ndcg@3"] == pytest.approx(0.710, abs=5e-4)
    assert result["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_a_cut_through_equal_scores() -> None:
    """Two of five equal items are relevant and two are seen: a hit in 1 - 3/5 · 2/4 of orders."""
    assert ranking_metrics([1, 1, 0, 0, 0], [7] * 5, k=2)["hit_rate@2"] == pytest.approx(0.7)


def test_many_equal_scores_stay_exact() -> None:
    """One of 100,000 equal items is relevant: the mean of 1 / rank is the harmonic number / n."""
    n = 100_000
    harmonic = math.fsum(1 / rank for rank in range(1, n + 1))
    result = ranking_metrics([1] + [0] * (n - 1), [0.0] * n, k=1000)
    assert result["mrr"] == pytest.approx(harmonic / n, rel=1e-11)
    assert result["hit_rate@1000"] == pytest.approx(1000 / n, rel=1e-11)


def test_ndcg_is_that_of_scikit_learn() -> None:
    """Graded relevances with few scores, all retrieved: its default, with each cut-off."""
    rng = np.random.default_rng(2)
    y_true, y_scores = rng.integers(0, 5, (50, 30)), rng.integers(0, 8, (50, 30))
    for k in (1, 5, 30, 40):
        assert ranking_metrics(y_true, y_scores, k)[f"ndcg@{k}"] == pytest.approx(
            ndcg_score(y_true, y_scores, k=k), abs=1e-12
        )
        exponential = ranking_metrics(y_true, y_scores, k, gain="exponential")
        assert exponential[f"ndcg_exp@{k}"] == pytest.approx(
            ndcg_score(2.0**y_true - 1, y_scores, k=k), abs=1e-12
        )


def test_the_order_given_can_count() -> None:
    """`stable` takes equal scores as they come, also where other queries are between them."""
    assert ranking_metrics([0, 1], [1, 1], ties="stable")["mrr"] == 0.5
    assert ranking_metrics([1, 0], [1, 1], ties="stable")["mrr"] == 1.0
    result = ranking_metrics(
        [0, 1, 1, 0], [1, 1, 1, 1], queries=["a", "b", "a", "b"], ties="stable", per_query=True
    )
    assert result.per_query is not None
    assert result.per_query.by_name["mrr"].tolist() == [0.5, 1.0]


def test_the_two_zeros_are_one_score() -> None:
    """-0.0 and 0.0 are equal, and so are tied."""
    assert ranking_metrics([1, 0], [-0.0, 0.0])["mrr"] == 0.75


def test_what_was_not_retrieved_has_no_score_to_share() -> None:
    """Two items without a score are no tie: neither can be a hit."""
    assert ranking_metrics([0, 1, 1], [1, math.nan, math.nan], k=3)["hit_rate@3"] == 0.0
