# SPDX-License-Identifier: Apache-2.0
"""Measuring a ranking and recording it in one call."""

from __future__ import annotations

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tidegauge as tg
from tidegauge.ranked import compare_runs
from tidegauge.testing import capture


def test_metrics_are_recorded_under_their_names() -> None:
    """One batch with the model's dimensions; the cut-off is a submetric."""
    with capture() as captured:
        result = tg.evaluate_ranking(
            [[0, 1], [1, 0]],
            [[2, 1], [2, 1]],
            k=1,
            model_name="search",
            model_version="3",
            step=4,
        )
    assert {fact.metric: fact.columns["value"] for fact in captured.facts} == {
        "model:hit_rate.at_1": 0.5,
        "model:ndcg.at_1": 0.5,
        "model:precision.at_1": 0.5,
        "model:recall.at_1": 0.5,
        "model:map.at_1": 0.5,
        "model:mrr.at_1": 0.5,
        "model:map": 0.75,
        "model:mrr": 0.75,
    }
    assert {(str(fact.labels), fact.columns["step"]) for fact in captured.facts} == {
        ("{'model': 'search', 'model_version': '3'}", 4)
    }
    assert result["mrr"] == 0.75


def test_variants_have_names_of_their_own() -> None:
    """The gain and the divisor are in the name, so that no one compares what differs."""
    with capture() as captured:
        tg.evaluate_ranking([1, 0], [2, 1], k=5, gain="exponential", map_over="reachable")
    names = {fact.metric for fact in captured.facts}
    assert {"model:ndcg.exp.at_5", "model:map.reachable.at_5"} <= names
    assert "model:ndcg.at_5" not in names


def test_what_is_unknown_is_not_recorded() -> None:
    """Nothing relevant: no fact, and a reason."""
    with capture() as captured:
        result = tg.evaluate_ranking([0, 0], [2, 1])
    assert captured.facts == []
    assert result.reasons["mrr"] == "no query has a relevant item"


QRELS = {"query": ["q1", "q1", "q2"], "item": ["a", "b", "c"], "relevance": [1, 0, 2]}
RUN = {"query": ["q1", "q1"], "item": ["b", "a"], "score": [0.9, 0.4]}


@pytest.mark.parametrize(
    "make",
    [pd.DataFrame, pl.DataFrame, pa.table, dict],
    ids=["pandas", "polars", "Arrow", "dict"],
)
def test_judgements_and_runs_come_as_frames(make: type) -> None:
    """Whatever has columns; q1 has its item in second place, q2 nothing."""
    with capture() as captured:
        result = tg.evaluate_retrieval(make(QRELS), make(RUN), k=2, model_name="search")
    assert result["mrr"] == 0.25
    assert "model:recall.at_2" in {fact.metric for fact in captured.facts}


@pytest.mark.parametrize(
    "make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"]
)
def test_runs_in_frames_are_compared(make: type) -> None:
    """As they are evaluated; the second run has its item on top."""
    better = {"query": ["q1", "q1"], "item": ["a", "b"], "score": [0.9, 0.4]}
    found = compare_runs(make(QRELS), make(RUN), make(better), k=2)
    assert (found["mrr"].value, found["mrr"].n) == (0.25, 2)


def test_a_relation_of_duckdb_is_a_frame() -> None:
    """Straight from SQL."""
    qrels = duckdb.connect().sql("SELECT 'q1' AS query, 7 AS item, 1 AS relevance")
    with capture():
        assert tg.evaluate_retrieval(qrels, {"q1": {7: 0.5}}, k=1)["mrr"] == 1.0


def test_a_frame_without_the_columns_is_refused() -> None:
    """The error says what was there and what is wanted."""
    with pytest.raises(tg.TidegaugeError, match="qrels is not in a form") as caught:
        tg.evaluate_retrieval(pd.DataFrame({"query": [1]}), {})
    assert "'relevance'" in str(caught.value)
