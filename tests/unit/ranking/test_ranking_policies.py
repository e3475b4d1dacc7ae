# SPDX-License-Identifier: Apache-2.0
"""Queries for which nothing is relevant, and what nobody can tell."""

from __future__ import annotations

import pytest

from tidegauge.model.errors import QueryError
from tidegauge.statistics.ranking import ranking_metrics

Y_TRUE, Y_SCORES = [[0, 1], [0, 0], [1, 0], [0, 0]], [[2, 1], [2, 1], [2, 1], [2, 1]]


def test_they_count_as_zero() -> None:
    """1/2, 0, 1, 0: the mean is 3/8, and the share of such queries is told."""
    result = ranking_metrics(Y_TRUE, Y_SCORES)
    assert result["mrr"] == 0.375
    assert (result.n_queries, result.queries_without_relevant) == (4, 2)
    assert result.share_without_relevant == 0.5


def test_they_can_be_left_out() -> None:
    """1/2 and 1: the mean is 3/4; the share is told all the same."""
    result = ranking_metrics(Y_TRUE, Y_SCORES, no_relevant="skip", per_query=True)
    assert result["mrr"] == 0.75
    assert result.share_without_relevant == 0.5
    assert result.per_query is not None
    assert result.per_query.queries == [0, 2]
    assert result.per_query.by_name["mrr"].tolist() == [0.5, 1.0]


def test_they_can_be_refused() -> None:
    """The error says how many they are and what to do."""
    with pytest.raises(QueryError) as caught:
        ranking_metrics(Y_TRUE, Y_SCORES, no_relevant="error")
    assert str(caught.value) == (
        "queries have no relevant item; got '2 of 4 queries'. "
        "Judge more items, or choose no_relevant='zero' or 'skip'."
    )
    assert ranking_metrics([1, 0], [2, 1], no_relevant="error")["mrr"] == 1.0


@pytest.mark.parametrize("no_relevant", ["zero", "skip"])
@pytest.mark.parametrize("y_true", [[0, 0, 0], []])
def test_nothing_relevant_at_all_is_unknown(y_true: list[int], no_relevant: str) -> None:
    """A model cannot put on top what is not there: None with a reason, not 0."""
    result = ranking_metrics(
        y_true, [1.0] * len(y_true), no_relevant=no_relevant, confidence=0.95, clusters=["u"]
    )
    assert set(result.values()) == {None}
    assert set(result.reasons) == set(result)
    assert result.reasons["ndcg@10"] == "no query has a relevant item"
    assert (result.n_queries, result.share_without_relevant) == (1, 1.0)


def test_no_query_is_unknown_too() -> None:
    """An hour without searches has no NDCG."""
    result = ranking_metrics([], [], queries=[], confidence=0.9)
    assert result.reasons["ndcg@10"] == "there is no query"
    assert set(result.values()) == {None}
    assert result.intervals == {}
