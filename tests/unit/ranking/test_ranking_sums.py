# SPDX-License-Identifier: Apache-2.0
"""Sums over queries: what they keep, merge and refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.statistics.ranking import RankingSums, ranking_metrics

RNG = np.random.default_rng(9)
Y_TRUE, Y_SCORES = RNG.integers(0, 4, (300, 8)) // 2, RNG.integers(0, 5, (300, 8))


def test_minutes_make_the_day_to_the_last_bit() -> None:
    """Sums of parts, merged in another order, are those of the whole; so are the intervals."""
    whole = ranking_metrics(Y_TRUE, Y_SCORES, (3, 5), confidence=0.95)
    parts = [
        ranking_metrics(Y_TRUE[place : place + 7], Y_SCORES[place : place + 7], (3, 5)).sums
        for place in range(0, 300, 7)
    ]
    merged = sum(reversed(parts), RankingSums())
    assert merged == whole.sums
    told = merged.metrics(confidence=0.95)
    assert told == whole
    assert told.intervals == whole.intervals


def test_sums_know_both_policies() -> None:
    """What was counted as 0 can be left out later."""
    sums = ranking_metrics([[1, 0], [0, 0]], [[2, 1], [2, 1]]).sums
    assert sums.metrics()["mrr"] == 0.5
    assert sums.metrics(no_relevant="skip")["mrr"] == 1.0
    with pytest.raises(QueryError, match="1 of 2 queries"):
        sums.metrics(no_relevant="error")


def test_sums_survive_json() -> None:
    """Sums beyond 2**53 are texts, so that no reader rounds them."""
    sums = ranking_metrics(Y_TRUE, Y_SCORES).sums
    document = json.loads(json.dumps(sums.as_dict()))
    assert RankingSums.from_dict(document) == sums
    assert set(document) == {"n_queries", "queries_without_relevant", "metrics", "ties"}
    hits = ranking_metrics([1], [1], k=1).sums.as_dict()["metrics"]["hit_rate@1"]
    assert hits == {"sum": str(2**62), "sum_squares": str(2**124)}


def test_sums_of_before_ties_were_told_are_averaged() -> None:
    """Documents without `ties` are read as the default."""
    document = ranking_metrics([1], [1]).sums.as_dict()
    del document["ties"]
    assert RankingSums.from_dict(document) == ranking_metrics([1], [1]).sums


def test_sums_with_different_ties_do_not_merge() -> None:
    """Their metrics have the same names, and differ."""
    averaged = ranking_metrics([3, 0], [1, 1]).sums
    stable = ranking_metrics([3, 0], [1, 1], ties="stable").sums
    assert RankingSums.from_dict(stable.as_dict()) == stable
    assert RankingSums() + stable == stable + RankingSums() == stable
    with pytest.raises(QueryError) as caught:
        averaged + stable
    assert str(caught.value) == (
        "sums with different ties cannot be merged; got 'stable'; allowed: average."
    )
    with pytest.raises(QueryError, match="these are no sums of ranking metrics"):
        RankingSums.from_dict(stable.as_dict() | {"ties": "random"})


def test_sums_of_different_metrics_do_not_merge() -> None:
    """The error says what each has, and what to do."""
    with pytest.raises(QueryError, match=r"different metrics.*Measure with the same k"):
        ranking_metrics([1], [1], k=1).sums + ranking_metrics([1], [1], k=2).sums


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"n_queries": 1, "queries_without_relevant": 2, "metrics": {}},
        {"n_queries": "many", "queries_without_relevant": 0, "metrics": {}},
        {"n_queries": 1, "queries_without_relevant": 0, "metrics": {"mrr": {"sum": "1"}}},
        {"n_queries": 1, "queries_without_relevant": 0, "metrics": 3},
    ],
    ids=str,
)
def test_other_documents_are_refused(document: dict[str, object]) -> None:
    """What is no such document, or contradicts itself, is an error."""
    with pytest.raises(QueryError, match="these"):
        RankingSums.from_dict(document)
