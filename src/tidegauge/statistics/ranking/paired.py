# SPDX-License-Identifier: Apache-2.0
"""Two rankers on the same queries: the difference of their means, with its interval.

Queries differ more in how hard they are than rankers do in how good. The difference is taken query
by query, so that the hardness cancels out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from tidegauge.model.errors import QueryError
from tidegauge.statistics.bounds import check_confidence
from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown
from tidegauge.statistics.ranking.intervals import clustered_estimate, values_estimate
from tidegauge.statistics.ranking.lists import Lists, cluster_codes, lists_of
from tidegauge.statistics.ranking.measures import measure
from tidegauge.statistics.ranking.options import (
    Gain,
    MapOver,
    NoRelevant,
    Options,
    Ties,
    options_of,
)
from tidegauge.statistics.ranking.runs import lists_of_run, rows_of
from tidegauge.statistics.ranking.sums import RankingSums, nothing_to_average

__all__ = ["compare_rankings", "compare_runs"]


def compare_rankings(
    y_true: Any,
    first: Any,
    second: Any,
    k: int | Iterable[int] = 10,
    *,
    queries: Any = None,
    ties: Ties = "average",
    gain: Gain = "linear",
    map_over: MapOver = "relevant",
    no_relevant: NoRelevant = "zero",
    confidence: float = CONFIDENCE,
    clusters: Any = None,
) -> dict[str, Estimate]:
    """Tell by how much the second ranker is better than the first, on the same queries.

    An interval that covers 0 says that chance could have made the difference. Each metric has an
    interval of its own: who looks for the one of many that differs will find one by chance.

    Args:
        y_true: As for `ranking_metrics`, and so is whatever is not told here.
        first: Scores of the ranker that is compared with; NaN for what it did not retrieve.
        second: Scores of the other one, for the same items.
        k: See there.
        queries: See there.
        ties: See there.
        gain: See there.
        map_over: See there.
        no_relevant: See there. What is counted as 0 differs by 0.
        confidence: Probability that intervals cover the mean difference over all such queries.
        clusters: See there.

    Returns:
        The second mean less the first, by metric.

    Raises:
        QueryError: An argument is not as described.

    Example:
        >>> better = compare_rankings([[0, 1], [0, 1]], [[2, 1], [2, 1]], [[1, 2], [2, 1]], k=1)
        >>> better["hit_rate@1"].value, better["hit_rate@1"].n
        (0.5, 2)
    """
    return _differences(
        lists_of(y_true, first, queries=queries),
        lists_of(y_true, second, queries=queries),
        options_of(k, ties=ties, gain=gain, map_over=map_over),
        no_relevant=no_relevant,
        confidence=confidence,
        clusters=clusters,
    )


def compare_runs(
    qrels: Mapping[Any, Any],
    first: Mapping[Any, Any],
    second: Mapping[Any, Any],
    k: int | Iterable[int] = 10,
    *,
    ties: Ties = "average",
    gain: Gain = "linear",
    map_over: MapOver = "relevant",
    no_relevant: NoRelevant = "zero",
    confidence: float = CONFIDENCE,
    clusters: Mapping[Any, Hashable] | None = None,
) -> dict[str, Estimate]:
    """Tell by how much the second run is better than the first, over all judged queries.

    Args:
        qrels: As for `ranking_metrics_of_run`.
        first: The run that is compared with, as for `ranking_metrics_of_run`.
        second: The other one.
        k: As for `compare_rankings`, and so is the rest.
        ties: See there.
        gain: See there.
        map_over: See there.
        no_relevant: See there.
        confidence: See there.
        clusters: The cluster of each query.

    Raises:
        QueryError: An argument is not as described.

    Example:
        >>> qrels = {"q1": {"d1": 1}, "q2": {"d2": 1}}
        >>> first, second = {"q1": {"d1": 0.9}}, {"q1": {"d1": 0.8}, "q2": {"d2": 0.3}}
        >>> compare_runs(qrels, first, second)["mrr"].value
        0.5
    """
    judged = rows_of("qrels", qrels, "relevance")
    return _differences(
        lists_of_run(judged, rows_of("the first run", first, "score")),
        lists_of_run(judged, rows_of("the second run", second, "score")),
        options_of(k, ties=ties, gain=gain, map_over=map_over),
        no_relevant=no_relevant,
        confidence=confidence,
        clusters=clusters,
    )


def _differences(
    first: Lists,
    second: Lists,
    options: Options,
    *,
    no_relevant: NoRelevant,
    confidence: float,
    clusters: Any,
) -> dict[str, Estimate]:
    if confidence is None:
        raise QueryError("a difference has an interval", got=confidence, allowed="a confidence")
    check_confidence(confidence)
    before, after = measure(first, options), measure(second, options)
    sums = RankingSums.of(before, options.ties)
    sums.counted(no_relevant)
    reason = nothing_to_average(sums.n_queries, sums.queries_without_relevant)
    if reason is not None:
        return {name: unknown(reason, confidence=confidence) for name in options.names}
    counts = before.has_relevant if no_relevant == "skip" else slice(None)
    codes = None if clusters is None else cluster_codes(clusters, first)[counts]
    found = {}
    for name in options.names:
        difference = (after.by_name[name] - before.by_name[name])[counts]
        if codes is None:
            found[name] = values_estimate(difference, confidence)
        else:
            found[name] = clustered_estimate(difference, codes, confidence)
    return found
