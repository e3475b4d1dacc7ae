# SPDX-License-Identifier: Apache-2.0
"""How well a model ranks, measured and recorded under the names of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tidegauge.catalog import format_metric_name
from tidegauge.query.frames import table_of
from tidegauge.record.context import context
from tidegauge.record.front import log_metrics
from tidegauge.statistics import ranking
from tidegauge.statistics.ranking import (
    RankingMetrics,
    ranking_metrics,
    ranking_metrics_of_run,
)

if TYPE_CHECKING:
    from tidegauge.query.frames import Frame
    from tidegauge.statistics.estimate import Estimate

__all__ = ["catalogue_names", "compare_runs", "evaluate_ranking", "evaluate_retrieval"]

#: Metrics whose variant is a submetric.
_VARIANTS = {"ndcg_exp": ("ndcg", "exp"), "map_reachable": ("map", "reachable")}


def evaluate_ranking(
    y_true: Any,
    y_scores: Any,
    k: int | Iterable[int] = 10,
    *,
    model_name: str | None = None,
    model_version: str | None = None,
    step: int | None = None,
    **choices: Any,
) -> RankingMetrics:
    """Tell how well scores put relevant items on top, and record it.

    Recorded is what `catalogue_names` gives, as one batch: `ndcg@10` as `model:ndcg.at_10`. What is
    None is not recorded.

    Args:
        y_true: Relevance of each item: shape (n_items,), or (n_queries, n_items).
        y_scores: Score of each item, of the same shape; NaN or None for one that was not retrieved.
        k: How many items from the top count, or several such numbers.
        model_name: Recorded as the dimension `model`.
        model_version: Recorded as the dimension of that name.
        step: As for `log_metric`.
        choices: `queries` and whatever else `tidegauge.statistics.ranking.ranking_metrics` takes.

    Returns:
        The metrics by name, with the share of queries without relevant items, and more.

    Raises:
        QueryError: An argument is not as described.
        MetricValidationError: In strict mode, as `log_metric`.

    Example:
        >>> import tidegauge as tg
        >>> result = tg.evaluate_ranking(
        ...     [1, 0, 0, 1], [4, 3, 2, 1], k=1, queries=["a", "a", "b", "b"], model_name="search"
        ... )
        >>> result["hit_rate@1"], result["mrr"]
        (0.5, 0.75)
    """
    result = ranking_metrics(y_true, y_scores, k, **choices)
    _record(result, model_name, model_version, step)
    return result


def evaluate_retrieval(
    qrels: Frame | Mapping[Any, Any],
    run: Frame | Mapping[Any, Any],
    k: int | Iterable[int] = 10,
    *,
    model_name: str | None = None,
    model_version: str | None = None,
    step: int | None = None,
    **choices: Any,
) -> RankingMetrics:
    """Tell how well what was retrieved fits what was judged, and record it.

    All judged queries count, also those for which nothing was retrieved.

    Args:
        qrels: Relevance by item, by query: `{"q1": {"d3": 2}}`. Or a data frame with the columns
            `query`, `item` and `relevance`.
        run: Score by item, by query; or a data frame with `query`, `item` and `score`.
        k: As for `evaluate_ranking`.
        model_name: As for `evaluate_ranking`.
        model_version: As for `evaluate_ranking`.
        step: As for `evaluate_ranking`.
        choices: What `tidegauge.statistics.ranking.ranking_metrics_of_run` takes.

    Raises:
        QueryError: An argument is not as described.
        MetricValidationError: In strict mode, as `log_metric`.

    Example:
        >>> import tidegauge as tg
        >>> qrels = {"q1": {"d3": 2, "d7": 0, "d9": 1}, "q2": {"d1": 1}}
        >>> tg.evaluate_retrieval(qrels, {"q1": {"d3": 0.9, "d7": 0.3}}, k=5)["recall@5"]
        0.25
    """
    result = ranking_metrics_of_run(_columns(qrels), _columns(run), k, **choices)
    _record(result, model_name, model_version, step)
    return result


def compare_runs(
    qrels: Frame | Mapping[Any, Any],
    first: Frame | Mapping[Any, Any],
    second: Frame | Mapping[Any, Any],
    k: int | Iterable[int] = 10,
    **choices: Any,
) -> dict[str, Estimate]:
    """Tell by how much the second run is better than the first. Nothing is recorded.

    Args:
        qrels: As for `evaluate_retrieval`.
        first: The run that is compared with, as for `evaluate_retrieval`.
        second: The other one.
        k: As for `evaluate_ranking`.
        choices: What `tidegauge.statistics.ranking.compare_runs` takes.

    Returns:
        The second mean less the first, by metric.

    Raises:
        QueryError: An argument is not as described.

    Example:
        >>> from tidegauge.ranked import compare_runs
        >>> qrels = {"query": ["q1", "q2"], "item": ["d1", "d2"], "relevance": [1, 1]}
        >>> first, second = {"q1": {"d1": 0.9}}, {"q1": {"d1": 0.8}, "q2": {"d2": 0.3}}
        >>> compare_runs(qrels, first, second)["mrr"].value
        0.5
    """
    return ranking.compare_runs(_columns(qrels), _columns(first), _columns(second), k, **choices)


def catalogue_names(result: Mapping[str, float | None]) -> dict[str, float]:
    """What ranking metrics are called in the catalogue; those that are None are left out.

    Example:
        >>> catalogue_names({"ndcg_exp@10": 0.8, "mrr": 0.5, "map": None})
        {'model:ndcg.exp.at_10': 0.8, 'model:mrr': 0.5}
    """
    return {_catalogue_name(name): value for name, value in result.items() if value is not None}


def _catalogue_name(name: str) -> str:
    metric, _, cutoff = name.partition("@")
    parts = _VARIANTS.get(metric, (metric,))
    return format_metric_name("model", *parts, *([f"at_{cutoff}"] if cutoff else []))


def _record(
    result: RankingMetrics, model: str | None, model_version: str | None, step: int | None
) -> None:
    given = {"model": model, "model_version": model_version}
    with context(**{name: value for name, value in given.items() if value is not None}):
        log_metrics(catalogue_names(result), step)


def _columns(given: Frame | Mapping[Any, Any]) -> Mapping[Any, Any]:
    if isinstance(given, Mapping):
        return given
    table = table_of(given)
    wanted = {"query", "item", "relevance", "score"}
    return {name: table[name].to_numpy() for name in table.column_names if name in wanted}
