# SPDX-License-Identifier: Apache-2.0
"""Judgements and runs that are kept apart, against what ir-measures takes from trec_eval."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, Success, nDCG

from tidegauge.model.errors import QueryError
from tidegauge.statistics.ranking import ranking_metrics_of_run

Judged = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]


def collection(seed: int) -> tuple[Judged, Run]:
    """Queries with judged and unjudged items, without hits, without a list, without relevant."""
    rng = np.random.default_rng(seed)
    qrels: Judged = {"nothing-relevant": {"d1": 0, "d2": 0}, "no-list": {"d1": 2}}
    run: Run = {"nothing-relevant": {"d1": 2.0, "d9": 1.0}, "unjudged": {"d1": 1.0}}
    for number in range(60):
        items = [f"d{each}" for each in rng.permutation(40)]
        judged = items[: int(rng.integers(1, 20))]
        grades = rng.choice([0, 1, 2, 3], p=[0.5, 0.3, 0.1, 0.1], size=len(judged))
        qrels[f"q{number}"] = dict(zip(judged, grades.tolist(), strict=True))
        found = rng.choice(items, size=int(rng.integers(1, 30)), replace=False).tolist()
        scores = (rng.permutation(len(found)) + 1.0).tolist()
        run[f"q{number}"] = dict(zip(found, scores, strict=True))
    return qrels, run


@pytest.mark.parametrize("seed", [1, 2])
def test_untied_lists_come_to_what_trec_eval_says(seed: int) -> None:
    """Every metric at every cut-off, over all judged queries, retrieved or not: to 1e-9."""
    qrels, run = collection(seed)
    cutoffs = (1, 3, 10, 50)
    pairs = [("mrr", RR), ("map", AP)]
    for k in cutoffs:
        pairs += [
            (f"ndcg@{k}", nDCG @ k),
            (f"precision@{k}", ir_measures.P @ k),
            (f"recall@{k}", ir_measures.R @ k),
            (f"map@{k}", AP @ k),
            (f"mrr@{k}", RR @ k),
            (f"hit_rate@{k}", Success @ k),
        ]
    theirs = ir_measures.calc_aggregate([measure for _, measure in pairs], qrels, run)
    ours = ranking_metrics_of_run(qrels, run, cutoffs)
    assert ours == pytest.approx({name: theirs[measure] for name, measure in pairs}, abs=1e-9)
    assert ours.n_queries == len(qrels)


def test_each_query_comes_to_what_trec_eval_says() -> None:
    """Not only the mean: NDCG of each query, in the order of the judgements."""
    qrels, run = collection(3)
    ours = ranking_metrics_of_run(qrels, run, 5, per_query=True).per_query
    assert ours is not None
    theirs = {each.query_id: each.value for each in ir_measures.iter_calc([nDCG @ 5], qrels, run)}
    assert ours.queries == list(qrels)
    expected = [theirs[query] for query in qrels]
    assert ours.by_name["ndcg@5"].tolist() == pytest.approx(expected, abs=1e-9)


QRELS = {"q1": {"d1": 1}, "q2": {"d2": 1}, "q3": {}}
RUN = {"q1": {"d1": 1.0}, "q9": {"d2": 1.0}}


def test_queries_without_a_list_count_unless_told_otherwise() -> None:
    """Silence about q2 and q3 is no success; `only_retrieved` leaves them out."""
    every = ranking_metrics_of_run(QRELS, RUN)
    assert (every["mrr"], every.n_queries, every.queries_without_relevant) == (1 / 3, 3, 1)
    some = ranking_metrics_of_run(QRELS, RUN, only_retrieved=True)
    assert (some["mrr"], some.n_queries, some.queries_without_relevant) == (1.0, 1, 0)


def test_two_users_of_whom_one_found_something() -> None:
    """One of four in first place, and nothing: NDCG 0.39 and 0, recall 0.25 and 0, not 1."""
    qrels = {"u1": {"a": 1, "b": 1, "c": 1, "d": 1}, "u2": {"a": 1}}
    result = ranking_metrics_of_run(
        qrels, {"u1": {"a": 1.0}, "u2": {"b": 1.0}}, k=3, per_query=True
    )
    assert result.per_query is not None
    assert result.per_query.by_name["ndcg@3"].tolist() == [pytest.approx(0.4693, abs=5e-5), 0.0]
    assert result["ndcg@3"] == pytest.approx(0.2346, abs=5e-5)
    assert result["recall@3"] == 0.125


def test_queries_that_nobody_judged_are_counted() -> None:
    """They are left out, and how many they are is told."""
    result = ranking_metrics_of_run(QRELS, RUN | {"q8": {}})
    assert result.queries_unjudged == result.as_dict()["queries_unjudged"] == 2


@pytest.mark.parametrize(
    ("qrels", "run", "text"),
    [
        ({"1": {"d": 1}}, {1: {"d": 1.0}}, "no queries of the run are judged, and their identi"),
        ({1: {"d": 1}}, {"1": {"d": 1.0}, "2": {}}, "got 'str'; allowed: number. Give both the"),
        ({"q": {"1": 1}}, {"q": {1: 1.0}}, "no items of the run are judged, and their identifier"),
    ],
    ids=str,
)
def test_identifiers_of_another_type_are_refused(qrels: Judged, run: Run, text: str) -> None:
    """Else a run that was read with other types would silently score 0."""
    with pytest.raises(QueryError) as caught:
        ranking_metrics_of_run(qrels, run)
    assert text in str(caught.value)


def test_a_run_that_shares_nothing_scores_0() -> None:
    """Where identifiers are of one type, nothing shared is a bad run and no mistake."""
    assert ranking_metrics_of_run({1: {"a": 1}}, {1.0: {"b": 1.0}})["mrr"] == 0.0
    assert ranking_metrics_of_run({1: {"a": 1}}, {np.int64(2): {"b": 1.0}})["mrr"] == 0.0
    assert ranking_metrics_of_run({"q": {"a": 1}}, {})["mrr"] == 0.0


def test_columns_say_the_same_as_dictionaries() -> None:
    """Rows in any order, identifiers of any kind."""
    qrels = {"query": [2, 1, 1], "item": ["x", "x", "y"], "relevance": [1, 0, 2]}
    run = {"query": np.array([1, 2, 1]), "item": ["y", "x", "z"], "score": [0.1, 0.2, 0.3]}
    by_query = ranking_metrics_of_run(
        {2: {"x": 1}, 1: {"x": 0, "y": 2}}, {1: {"y": 0.1, "z": 0.3}, 2: {"x": 0.2}}, 5
    )
    assert ranking_metrics_of_run(qrels, run, 5) == by_query
    assert by_query["mrr"] == 0.75


def test_equal_scores_of_a_run_are_averaged() -> None:
    """Also between what was judged and what was not; `stable` takes the run's order."""
    qrels, run = {"q": {"a": 1}}, {"q": {"b": 1.0, "a": 1.0}}
    assert ranking_metrics_of_run(qrels, run)["mrr"] == 0.75
    assert ranking_metrics_of_run(qrels, run, ties="stable")["mrr"] == 0.5


def test_nothing_judged_is_nothing_told() -> None:
    """No query, no number, a reason."""
    result = ranking_metrics_of_run({}, RUN)
    assert set(result.values()) == {None}
    assert result.reasons["mrr"] == "there is no query"
    assert result.share_without_relevant is None
