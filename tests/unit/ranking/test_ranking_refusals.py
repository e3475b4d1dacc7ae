# SPDX-License-Identifier: Apache-2.0
"""What ranking metrics refuse, and what the errors say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.statistics.ranking import (
    compare_rankings,
    ranking_metrics,
    ranking_metrics_of_run,
)

GOOD: dict[str, Any] = {"y_true": [1, 0], "y_scores": [0.2, 0.1]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"y_true": [1, -2]}, "a relevance is negative, infinite or missing; got -2.0"),
        ({"y_true": [1, math.nan]}, "a relevance is negative, infinite or missing; got nan"),
        ({"y_true": [1, None]}, "a relevance is negative, infinite or missing; got nan"),
        ({"y_true": [math.inf, 1]}, "a relevance is negative, infinite or missing; got inf"),
        ({"y_true": ["a", "b"]}, "y_true holds no numbers; got ['a', 'b']"),
        ({"y_true": [[1], [1, 2]]}, "rows of y_true differ in length"),
        ({"y_true": [1, 0, 0]}, "y_scores does not say something of each item; got (2,)"),
        ({"y_true": 1, "y_scores": 1}, "relevances have one or two dimensions; got ()"),
        ({"y_true": [1e301, 0]}, "a relevance is too large for the linear gain; got 1e+301"),
        ({"y_true": [1001, 0], "gain": "exponential"}, "too large for the exponential gain"),
        ({"y_scores": [math.inf, 0]}, "a score is infinite; got inf"),
        ({"y_scores": [-math.inf, math.nan]}, "a score is infinite; got -inf"),
        ({"y_scores": ["high", "low"]}, "y_scores holds no numbers; got ['high', 'low']"),
        ({"k": 0}, "a cut-off k is how many items from the top of a list count; got 0"),
        ({"k": -1}, "how many items from the top of a list count; got -1"),
        ({"k": True}, "how many items from the top of a list count; got True"),
        ({"k": 10.0}, "how many items from the top of a list count; got 10.0"),
        ({"k": ()}, "how many items from the top of a list count; got ()"),
        ({"k": (5, 0)}, "how many items from the top of a list count; got 0"),
        ({"k": "10"}, "how many items from the top of a list count; got '1'"),
        ({"k": 10**400}, "how many items from the top of a list count; got"),
        ({"ties": "random"}, "ties is not known; got 'random'; allowed: 'average', 'stable'"),
        ({"gain": "log"}, "gain is not known; got 'log'; allowed: 'linear', 'exponential'"),
        ({"map_over": "k"}, "map_over is not known; got 'k'; allowed: 'relevant', 'reachable'"),
        ({"no_relevant": 0}, "no_relevant is not known; got 0; allowed: 'zero', 'skip', 'error'"),
        ({"confidence": 95}, "confidence is a probability; got 95"),
        ({"confidence": 1.0}, "confidence is a probability; got 1.0"),
        ({"queries": ["a"]}, "queries are one for each item; got 1; allowed: 2"),
        ({"queries": "ab"}, "identifiers are one for each row; got 'ab'"),
        ({"queries": 7}, "identifiers are one for each row; got 7"),
        ({"queries": [[1], [2]]}, "an identifier cannot be hashed"),
        ({"queries": np.array([[1, 2]])}, "got 'an array of shape (1, 2)'"),
        ({"queries": ["a", None]}, "an identifier is missing. Leave out rows without one."),
        ({"queries": np.array([1.0, math.nan])}, "an identifier is missing; got nan"),
        ({"clusters": [1, 2, 3]}, "clusters are one for each query or for each item; got 3"),
        ({"clusters": [1, 2]}, "a query is in more than one cluster; got 0"),
        ({"clusters": {1: "u"}}, "a query has no cluster; got 0"),
        (
            {"queries": pd.Series(["a", None], dtype="string")},
            "an identifier is missing; got <NA>. Leave out rows without one.",
        ),
        (
            {"queries": np.ma.masked_array([1, 2], mask=[0, 1])},
            "an identifier is missing. Leave out rows without one.",
        ),
        ({"y_true": [1, 0j]}, "y_true holds no numbers; got [1, 0j]"),
        ({"y_scores": np.array([1, 2], dtype="timedelta64[s]")}, "y_scores holds no numbers"),
        ({"retrieved": np.ma.masked_array([True, True], mask=[0, 1])}, "retrieved says of each"),
        ({"retrieved": [1, 0]}, "retrieved says of each item whether it was"),
        ({"retrieved": [True]}, "retrieved does not say something of each item; got (1,)"),
        (
            {"y_scores": [math.nan, 1], "retrieved": [True, True]},
            "a retrieved item has no score; got '1 of 2 items'",
        ),
        (
            {"y_true": [[1], [0]], "y_scores": [[1], [0]], "queries": ["a", "a"]},
            "queries are one for each row, each another; got '2 with 1 different'",
        ),
    ],
    ids=str,
)
def test_a_bad_argument_is_named(given: dict[str, Any], said: str) -> None:
    """The error says what is wrong, what was got and what is allowed."""
    with pytest.raises(QueryError) as caught:
        ranking_metrics(**{**GOOD, **given})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("qrels", "run", "said"),
    [
        ([("q", "d", 1)], {}, "qrels is not in a form that is known"),
        ({}, [("q", "d", 1)], "run is not in a form that is known"),
        ({}, {"query": [1], "item": [2]}, "got ['query', 'item']; allowed: {query: {item: score}}"),
        ({"q": {"d": None}}, {}, "a relevance of qrels is missing"),
        ({"q": {"d": "yes"}}, {}, "the column 'relevance' of qrels holds no numbers"),
        ({"q": {"d": -1}}, {"q": {}}, "a relevance is negative"),
        ({"q": {"d": 1}}, {"q": {"d": math.nan}}, "a score of run is missing"),
        ({"q": {"d": 1}}, {"q": {"d": math.inf}}, "a score is infinite"),
        ({}, {"query": [1], "item": [2, 3], "score": [4]}, "columns of run differ in length"),
        (
            {"query": [1, 1], "item": ["d", "d"], "relevance": [0, 1]},
            {},
            "an item is more than once in qrels for a query; got (1, 'd')",
        ),
        (
            {1: {"d": 1}},
            {"query": [1, 2, 1], "item": ["d", "d", "d"], "score": [0, 1, 2]},
            "an item is more than once in run for a query; got (1, 'd')",
        ),
    ],
    ids=str,
)
def test_bad_judgements_and_runs_are_named(qrels: Any, run: Any, said: str) -> None:
    """The error says which of the two it is."""
    with pytest.raises(QueryError) as caught:
        ranking_metrics_of_run(qrels, run)
    assert said in str(caught.value)


def test_a_score_that_is_masked_is_of_an_item_that_was_not_retrieved() -> None:
    """A mask hides a score as NaN does."""
    hidden = np.ma.masked_array([3, 2, 9.0], mask=[0, 0, 1])
    result = ranking_metrics([1, 0, 1], hidden)
    assert (result.n_unretrieved, result["mrr"]) == (1, 1.0)
    assert result == ranking_metrics([1, 0, 1], [3, 2, None])


def test_any_number_may_be_a_confidence() -> None:
    """Also one of numpy's."""
    result = ranking_metrics([1, 0], [0.2, 0.1], confidence=np.float32(0.5))
    assert result.intervals["mrr"].confidence == 0.5


def test_a_difference_wants_a_confidence() -> None:
    """It is nothing without its interval."""
    with pytest.raises(QueryError, match="a difference has an interval"):
        compare_rankings([1, 0], [1, 2], [2, 1], confidence=None)  # type: ignore[arg-type]
