# SPDX-License-Identifier: Apache-2.0
"""Ranking metrics over many queries."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.statistics.bounds import check_confidence
from tidegauge.statistics.estimate import CONFIDENCE, Estimate
from tidegauge.statistics.measured import Measured
from tidegauge.statistics.ranking.intervals import clustered_estimate
from tidegauge.statistics.ranking.lists import Lists, cluster_codes, lists_of
from tidegauge.statistics.ranking.measures import Values, measure
from tidegauge.statistics.ranking.options import (
    Gain,
    MapOver,
    NoRelevant,
    Options,
    Ties,
    options_of,
)
from tidegauge.statistics.ranking.sums import RankingSums

__all__ = ["PerQuery", "RankingMetrics", "metrics_of_lists", "ranking_metrics"]


@dataclass(frozen=True, slots=True)
class PerQuery:
    """What each query came to, of those that count.

    Attributes:
        queries: Their identifiers, in the order in which they first appear.
        by_name: Their values by metric, 0 to 1; shape (n_queries,).
    """

    queries: list[Hashable]
    by_name: dict[str, np.ndarray]


class RankingMetrics(Measured):
    """Means over queries by the name of the metric, such as `ndcg@10`; None if there are none.

    Attributes:
        reasons: Why a metric is None, by its name.
        intervals: The metrics with their uncertainty; empty if nobody asked.
        n_queries: How many queries there were.
        queries_without_relevant: For how many of them nothing was relevant.
        n_unretrieved: How many items were judged and not retrieved.
        queries_unjudged: How many queries of a run nobody judged, and so are left out.
        per_query: What each query came to; None if nobody asked.
        sums: What merges with the sums of other queries.
    """

    def __init__(
        self,
        measured: Measured,
        *,
        sums: RankingSums,
        n_unretrieved: int = 0,
        queries_unjudged: int = 0,
        per_query: PerQuery | None = None,
    ) -> None:
        super().__init__(measured, reasons=measured.reasons, intervals=measured.intervals)
        self.sums = sums
        self.n_queries = sums.n_queries
        self.queries_without_relevant = sums.queries_without_relevant
        self.n_unretrieved = n_unretrieved
        self.queries_unjudged = queries_unjudged
        self.per_query = per_query

    @property
    def share_without_relevant(self) -> float | None:
        """Share of the queries for which nothing was relevant, 0 to 1; None without a query."""
        return self.queries_without_relevant / self.n_queries if self.n_queries else None

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON, without what single queries came to."""
        return {
            "metrics": dict(self),
            "reasons": self.reasons,
            "intervals": {name: each.as_dict() for name, each in self.intervals.items()},
            "n_queries": self.n_queries,
            "queries_without_relevant": self.queries_without_relevant,
            "share_without_relevant": self.share_without_relevant,
            "n_unretrieved": self.n_unretrieved,
            "queries_unjudged": self.queries_unjudged,
        }


def ranking_metrics(
    y_true: Any,
    y_scores: Any,
    k: int | Iterable[int] = 10,
    *,
    queries: Any = None,
    retrieved: Any = None,
    ties: Ties = "average",
    gain: Gain = "linear",
    map_over: MapOver = "relevant",
    no_relevant: NoRelevant = "zero",
    confidence: float | None = None,
    clusters: Any = None,
    per_query: bool = False,
) -> RankingMetrics:
    """Tell how well scores put relevant items on top, as means over queries.

    An item is relevant if its relevance is above 0. With R relevant items of a query, retrieved or
    not, the metrics of its list are

    - `hit_rate@k`: 1 if one of the first k is relevant, else 0
    - `ndcg@k`: sum over the first k of gain / log2(rank + 1), as a share of what the best order of
      all judged items reaches
    - `precision@k`: relevant ones of the first k / k, also where fewer than k were retrieved
    - `recall@k`: relevant ones of the first k / R
    - `map@k`: sum of the precisions at the ranks of relevant items up to k / R
    - `mrr@k`: 1 / rank of the first relevant item, 0 if it is not among the first k

    and `map` and `mrr` of the whole list. Definitions are those of trec_eval; its `success` is
    `hit_rate` here.

    Args:
        y_true: Relevance of each item, finite and 0 or more: shape (n_items,) for one query, or for
            several with `queries`; shape (n_queries, n_items) for lists of one length. Shorter ones
            are filled up with relevance 0 and score NaN.
        y_scores: Score of each item, the highest on top; of the same shape. NaN or None for an item
            that was judged and not retrieved: it counts in R and in the best order.
        k: How many items from the top count, or several such numbers.
        queries: The query of each item, or of each row if there are two dimensions. Anything
            hashable, in any order.
        retrieved: Whether each item was retrieved, if the scores do not say.
        ties: `average` takes the mean over all orders of items with equal scores, `stable` takes
            them in the order given.
        gain: `linear` is the relevance, `exponential` is 2**relevance - 1 and gives `ndcg_exp@k`.
        map_over: `reachable` divides by min(R, k) instead of R, and gives `map_reachable@k`.
        no_relevant: What becomes of queries without relevant items. `zero` counts them as 0, `skip`
            leaves them out of the means, `error` refuses them.
        confidence: Probability that intervals cover the mean over all such queries; None for no
            intervals.
        clusters: What may make queries resemble each other, such as their user: one for each query,
            or for each item, or a dictionary by query. Intervals then allow for it.
        per_query: Keep what each query came to.

    Returns:
        A dictionary, with more attributes.

    Raises:
        QueryError: An argument is not as described.

    Example:
        >>> ranking_metrics([3, 0, 2, 0], [0.9, 0.8, 0.7, 0.1], k=2)["ndcg@2"]
        0.7039180890341347
        >>> result = ranking_metrics([1, 0, 0, 1], [4, 3, 2, 1], k=1, queries=["a", "a", "b", "b"])
        >>> result["hit_rate@1"], result["mrr"], result.n_queries
        (0.5, 0.75, 2)
    """
    return metrics_of_lists(
        lists_of(y_true, y_scores, queries=queries, retrieved=retrieved),
        options_of(k, ties=ties, gain=gain, map_over=map_over),
        no_relevant=no_relevant,
        confidence=confidence,
        clusters=clusters,
        per_query=per_query,
    )


def metrics_of_lists(
    lists: Lists,
    options: Options,
    *,
    no_relevant: NoRelevant,
    confidence: float | None,
    clusters: Any,
    per_query: bool,
    queries_unjudged: int = 0,
) -> RankingMetrics:
    """The metrics of lists; arguments as for `ranking_metrics` and `RankingMetrics`.

    Raises:
        QueryError: An argument is not as described there.
    """
    if confidence is not None:
        check_confidence(confidence)
    values = measure(lists, options)
    sums = RankingSums.of(values, options.ties)
    is_clustered = clusters is not None
    measured = sums.metrics(
        no_relevant=no_relevant, confidence=None if is_clustered else confidence
    )
    counts = values.has_relevant if no_relevant == "skip" else slice(None)
    if is_clustered and not measured.reasons:
        codes = cluster_codes(clusters, lists)[counts]
        measured.intervals = _clustered(values, counts, codes, confidence or CONFIDENCE)
    return RankingMetrics(
        measured,
        sums=sums,
        queries_unjudged=queries_unjudged,
        n_unretrieved=int((lists.scores == -np.inf).sum()),
        per_query=_per_query(lists, values, counts) if per_query else None,
    )


def _clustered(
    values: Values, counts: np.ndarray | slice, codes: np.ndarray, confidence: float
) -> dict[str, Estimate]:
    return {
        name: clustered_estimate(each[counts], codes, confidence, bounds=(0.0, 1.0))
        for name, each in values.by_name.items()
    }


def _per_query(lists: Lists, values: Values, counts: np.ndarray | slice) -> PerQuery:
    queries = np.empty(len(lists.queries), dtype=object)
    queries[:] = lists.queries
    return PerQuery(
        queries[counts].tolist(), {name: each[counts] for name, each in values.by_name.items()}
    )
