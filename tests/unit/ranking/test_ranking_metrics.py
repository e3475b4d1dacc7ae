# SPDX-License-Identifier: Apache-2.0
"""Ranking metrics of one query and of many, by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tidegauge.statistics.ranking import RankingSums, ranking_metrics

NAN = math.nan


def test_one_query_has_the_keys_of_the_call() -> None:
    """Ranked 3, 2, 0, 0, 1: DCG@3 is 3 + 2 / log2(3); two of the first three are relevant."""
    y_true, y_scores = np.array([0, 3, 0, 2, 1]), np.array([0.5, 0.9, 0.4, 0.8, 0.1])
    result = ranking_metrics(y_true, y_scores, k=3)
    gain, best = 3 + 2 / math.log2(3), 3 + 2 / math.log2(3) + 1 / 2
    assert result == {
        "hit_rate@3": 1.0,
        "ndcg@3": pytest.approx(gain / best),
        "precision@3": pytest.approx(2 / 3),
        "recall@3": pytest.approx(2 / 3),
        "map@3": pytest.approx(2 / 3),
        "mrr@3": 1.0,
        "map": pytest.approx((1 + 1 + 3 / 5) / 3),
        "mrr": 1.0,
    }
    assert {type(value) for value in result.values()} == {float}
    assert result.reasons == {} == result.intervals


def test_a_third_is_a_third() -> None:
    """Exact sums take nothing away from the value of one query."""
    assert ranking_metrics([0, 0, 1], [3, 2, 1])["mrr"] == 1 / 3


def test_the_published_gains() -> None:
    """Relevances 3, 2, 3, 0, 1, 2 in that order: 0.9608 if linear, 0.9488 if exponential."""
    y_true, y_scores = [3, 2, 3, 0, 1, 2], [6, 5, 4, 3, 2, 1]
    assert ranking_metrics(y_true, y_scores)["ndcg@10"] == pytest.approx(0.9608, abs=5e-5)
    exponential = ranking_metrics(y_true, y_scores, gain="exponential")
    assert exponential["ndcg_exp@10"] == pytest.approx(0.9488, abs=5e-5)
    assert "ndcg@10" not in exponential


def test_what_was_not_retrieved_counts_in_the_best_order() -> None:
    """Two more relevant items that were not retrieved: 0.7850 instead of 0.9608."""
    y_true, y_scores = [3, 2, 3, 0, 1, 2, 3, 2], [6, 5, 4, 3, 2, 1, NAN, None]
    result = ranking_metrics(y_true, y_scores, k=6)
    assert result["ndcg@6"] == pytest.approx(0.7850, abs=5e-5)
    assert result["recall@6"] == pytest.approx(5 / 7)
    assert result.n_unretrieved == 2


def test_a_list_cut_short_is_not_perfect() -> None:
    """One of four relevant items, in first place: recall 1/4, NDCG 1 / (1 + 0.63 + 0.5 + 0.43)."""
    result = ranking_metrics([1, 1, 1, 1], [0.9, NAN, NAN, NAN], k=10)
    assert result["recall@10"] == 0.25
    best = sum(1 / math.log2(rank + 1) for rank in (1, 2, 3, 4))
    assert result["ndcg@10"] == pytest.approx(1 / best)
    assert result["map@10"] == 0.25
    assert result["mrr"] == 1.0


def test_precision_divides_by_k_where_fewer_were_retrieved() -> None:
    """Two of three retrieved items are relevant: precision@5 is 2/5, and nothing fails."""
    result = ranking_metrics([1, 0, 1], [3, 2, 1], k=5)
    assert result["precision@5"] == 0.4
    assert result["ndcg@5"] == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))


def test_a_hit_rate_is_a_share_of_queries() -> None:
    """Hits in the top 2 for one query of two: 0.5, however many hits there were."""
    y_true = [[1, 1, 0], [0, 0, 1]]
    assert ranking_metrics(y_true, [[3, 2, 1], [3, 2, 1]], k=2)["hit_rate@2"] == 0.5


def test_several_cut_offs_at_once() -> None:
    """Each has its keys, in ascending order, and one that is there twice counts once."""
    result = ranking_metrics([0, 1, 1], [3, 2, 1], k=(np.int64(2), 1, 2))
    assert (result["precision@1"], result["precision@2"]) == (0.0, 0.5)
    assert list(result)[:7:6] == ["hit_rate@1", "hit_rate@2"]
    assert len(result) == 14


def test_average_precision_over_what_is_reachable() -> None:
    """Of three relevant items, k=1 lets one in: divided by R it is 1/3, by min(R, k) it is 1."""
    y_true, y_scores = [1, 1, 1], [3, 2, 1]
    assert ranking_metrics(y_true, y_scores, k=1)["map@1"] == pytest.approx(1 / 3)
    reachable = ranking_metrics(y_true, y_scores, k=1, map_over="reachable")
    assert reachable["map_reachable@1"] == 1.0
    assert "map@1" not in reachable


FLAT = ([1, 0, 0, 1, 0, 1], [0.9, 0.3, 0.8, 0.1, 0.5, 0.6])
QUERIES = ["b", "a", "b", "a", "a", "b"]


@pytest.mark.parametrize(
    "queries",
    [
        pytest.param(QUERIES, id="texts"),
        pytest.param(np.array(QUERIES), id="NumPy texts"),
        pytest.param(np.array(QUERIES, dtype=object), id="NumPy objects"),
        pytest.param(pd.Series(QUERIES, dtype="category"), id="pandas categories"),
        pytest.param(pl.Series(QUERIES), id="polars"),
        pytest.param(pa.array(QUERIES), id="Arrow"),
        pytest.param([2, 1, 2, 1, 1, 2], id="numbers"),
        pytest.param(np.array([2, 1, 2, 1, 1, 2]), id="NumPy numbers"),
        pytest.param([("x", 2), 1.5, ("x", 2), 1.5, 1.5, ("x", 2)], id="mixed"),
        pytest.param(np.array([2.5, 1, 2.5, 1, 1, 2.5]), id="fractions"),
        pytest.param(
            np.array(["2026-01-02", "2026-01-01"], dtype="M8[ns]")[[0, 1, 0, 1, 1, 0]], id="times"
        ),
    ],
)
def test_queries_are_told_by_identifiers_of_any_kind(queries: object) -> None:
    """Rows of two queries mixed: ranks 1 and 3 are relevant for the one, 3 for the other."""
    result = ranking_metrics(*FLAT, k=1, queries=queries, per_query=True)
    assert result.n_queries == 2
    assert result.per_query is not None
    assert result.per_query.by_name["mrr"].tolist() == [1.0, pytest.approx(1 / 3)]
    assert result["mrr"] == pytest.approx(2 / 3)


def test_identifiers_that_print_alike_are_not_the_same() -> None:
    """The number 1 and the text "1" are two queries."""
    assert ranking_metrics([1, 1], [1, 1], queries=[1, "1"]).n_queries == 2


def test_rows_of_a_query_beside_each_other_or_not_come_to_the_same() -> None:
    """Shuffled rows, whole-number identifiers or texts: the same sums to the last bit."""
    rng = np.random.default_rng(5)
    y_true, y_scores = rng.random((40, 9)) * (rng.random((40, 9)) < 0.4), rng.random((40, 9))
    whole = ranking_metrics(y_true, y_scores, k=(3, 20)).sums
    queries = np.repeat(rng.permutation(40), 9)
    mixed = rng.permutation(360)
    for ids in (queries, queries[mixed], queries[mixed].astype(str), queries.astype(str)):
        rows = mixed if (ids == queries[mixed].astype(ids.dtype)).all() else slice(None)
        flat = ranking_metrics(y_true.ravel()[rows], y_scores.ravel()[rows], k=(3, 20), queries=ids)
        assert flat.sums == whole


def test_lists_of_many_lengths_are_measured_each_by_itself() -> None:
    """Queries of 1 to 70 items in one call: all come to what each does alone, to the bit."""
    rng = np.random.default_rng(3)
    lengths = [*range(1, 71), 1, 2]
    lists = [(rng.integers(0, 3, n) / 3, rng.integers(0, 9, n) / 9) for n in lengths]
    queries = np.repeat(np.arange(len(lengths)), lengths)
    y_true, y_scores = (np.concatenate(each) for each in zip(*lists, strict=True))
    together = ranking_metrics(y_true, y_scores, k=(1, 5), queries=queries)
    alone = [ranking_metrics(*each, k=(1, 5)).sums for each in lists]
    assert sum(alone, RankingSums()) == together.sums


def test_lists_of_one_length_are_filled_up() -> None:
    """Relevance 0 and score NaN, or `retrieved`, say where a shorter list ends."""
    y_true = [[0, 1, 0], [0, 1, 0]]
    nan = ranking_metrics(y_true, [[2, 1, NAN], [3, 2, 1]], k=3)
    mask = ranking_metrics(
        y_true,
        [[2, 1, 7], [3, 2, 1]],
        k=3,
        retrieved=np.array([[True, True, False], [True, True, True]]),
    )
    assert nan == mask
    assert nan["mrr"] == 0.5


def test_rows_of_two_dimensions_may_have_identifiers() -> None:
    """They are told with what each query came to."""
    result = ranking_metrics(
        [[1, 0], [0, 1]], [[2, 1], [2, 1]], queries=["q1", "q2"], per_query=True
    )
    assert result.per_query is not None
    assert result.per_query.queries == ["q1", "q2"]
    assert result.per_query.by_name["mrr"].tolist() == [1.0, 0.5]


def test_a_cut_off_far_beyond_the_list_is_no_matter() -> None:
    """Nothing is as long as k, and precision says so."""
    assert ranking_metrics([1, 0], [2, 1], k=10**12)[f"precision@{10**12}"] == pytest.approx(
        1e-12, abs=1e-18
    )


def test_a_result_can_be_written_as_json() -> None:
    """All but single queries: metrics, reasons, intervals and counts."""
    result = ranking_metrics([[1, 0], [0, 0]], [[2, 1], [2, math.nan]], k=1, confidence=0.9)
    document = json.loads(json.dumps(result.as_dict()))
    assert document["metrics"]["mrr"] == 0.5
    assert document["intervals"]["mrr"]["method"] == "wilson"
    assert (document["reasons"], document["n_queries"], document["n_unretrieved"]) == ({}, 2, 1)
    assert (document["queries_without_relevant"], document["share_without_relevant"]) == (1, 0.5)


def test_scores_may_be_as_large_as_numbers_go() -> None:
    """Only infinite ones are refused."""
    assert ranking_metrics([0, 1], [1.7e308, -1.7e308])["mrr"] == 0.5
