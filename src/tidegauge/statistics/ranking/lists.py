# SPDX-License-Identifier: Apache-2.0
"""What was judged and what was retrieved, checked, and the items of a query beside each other."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.given import column_array, number_array
from tidegauge.statistics.ranking.ids import Groups, codes_of, grouped

__all__ = ["Lists", "cluster_codes", "lists_of"]


@dataclass(frozen=True, slots=True)
class Lists:
    """Items of many queries.

    Attributes:
        queries: Identifiers of the queries, in the order in which they first appear.
        lengths: How many items each query has, retrieved or not; shape (n_queries,).
        relevance: Each item's relevance, 0 or more; shape (n_items,), query after query.
        scores: Each item's score; -inf for one that was judged and not retrieved.
        order: Where each item was among the rows that were given; None if in the same place.
    """

    queries: list[Hashable]
    lengths: np.ndarray
    relevance: np.ndarray
    scores: np.ndarray
    order: np.ndarray | None

    @property
    def starts(self) -> np.ndarray:
        """Where the items of each query begin; shape (n_queries,)."""
        starts: np.ndarray = np.cumsum(self.lengths) - self.lengths
        return starts


def lists_of(y_true: Any, y_scores: Any, *, queries: Any = None, retrieved: Any = None) -> Lists:
    """Check rows and group them by query.

    Args:
        y_true: Relevance of each item: shape (n_items,) or (n_queries, n_items).
        y_scores: Score of each item, of the same shape; NaN or None for one that was not retrieved.
        queries: The query of each item if the shape is (n_items,), of each row if it is
            (n_queries, n_items). Without it, one dimension is one query.
        retrieved: Whether each item was retrieved, of the same shape. With it, no score of
            a retrieved item may be NaN.

    Raises:
        QueryError: Shapes differ, a relevance is negative, infinite or missing, or a score
            infinite.
    """
    relevance, scores = number_array(y_true, "y_true"), number_array(y_scores, "y_scores")
    if relevance.shape != scores.shape:
        raise _shapes_differ("y_scores", scores, relevance)
    if relevance.ndim not in {1, 2}:
        raise QueryError(
            "relevances have one or two dimensions",
            got=relevance.shape,
            allowed="(n_items,), (n_queries, n_items)",
        )
    _check_relevance(relevance)
    _check_scores(scores)
    is_retrieved = _retrieved(retrieved, scores)
    if not is_retrieved.all():
        scores = np.where(is_retrieved, scores, -np.inf)
    groups = _groups(queries, relevance)
    relevance, scores = relevance.reshape(-1), scores.reshape(-1)
    if groups.order is not None:
        relevance, scores = relevance[groups.order], scores[groups.order]
    return Lists(groups.ids, groups.lengths, relevance, scores, groups.order)


def cluster_codes(clusters: Any, lists: Lists) -> np.ndarray:
    """Number the cluster of each query; shape (n_queries,).

    Args:
        clusters: A cluster for each query, in the order in which queries first appear; or for each
            item, and then the items of a query agree; or a dictionary of the clusters by query.
        lists: The queries.

    Raises:
        QueryError: A query has none, or several.
    """
    if isinstance(clusters, Mapping):
        return codes_of(_of_each_query(clusters, lists))[0]
    codes, _ = codes_of(clusters)
    if len(codes) == len(lists.relevance) and lists.lengths.all():
        return _of_items(codes, lists)
    if len(codes) == len(lists.queries):
        return codes
    raise QueryError(
        "clusters are one for each query or for each item",
        got=len(codes),
        allowed=f"{len(lists.queries)} or {len(lists.relevance)}",
    )


def _of_each_query(clusters: Mapping[Any, Any], lists: Lists) -> list[Hashable]:
    try:
        return [clusters[query] for query in lists.queries]
    except KeyError as error:
        raise QueryError("a query has no cluster", got=error.args[0]) from error


def _of_items(codes: np.ndarray, lists: Lists) -> np.ndarray:
    if lists.order is not None:
        codes = codes[lists.order]
    firsts: np.ndarray = codes[lists.starts]
    differing = np.flatnonzero(codes != np.repeat(firsts, lists.lengths))
    if len(differing):
        query = int(np.searchsorted(lists.starts, differing[0], side="right")) - 1
        raise QueryError("a query is in more than one cluster", got=lists.queries[query])
    return firsts


def _groups(queries: Any, relevance: np.ndarray) -> Groups:
    if relevance.ndim == 2:
        n_queries, width = relevance.shape
        ids = grouped(np.arange(n_queries) if queries is None else queries)
        if len(ids.ids) != n_queries or ids.lengths.sum() != n_queries:
            raise QueryError(
                "queries are one for each row, each another",
                got=f"{ids.lengths.sum()} with {len(ids.ids)} different",
                allowed=f"{n_queries} different ones",
            )
        return Groups(ids.ids, np.full(n_queries, width), None)
    if queries is None:
        return Groups([0], np.array([len(relevance)]), None)
    groups = grouped(queries)
    if groups.lengths.sum() != len(relevance):
        raise QueryError(
            "queries are one for each item",
            got=int(groups.lengths.sum()),
            allowed=str(len(relevance)),
        )
    return groups


def _retrieved(retrieved: Any, scores: np.ndarray) -> np.ndarray:
    is_scored: np.ndarray = ~np.isnan(scores)
    if retrieved is None:
        return is_scored
    mask = column_array(retrieved, "retrieved")
    if mask.dtype != bool:
        raise QueryError(
            "retrieved says of each item whether it was", got=mask.dtype, allowed="booleans"
        )
    if mask.shape != scores.shape:
        raise _shapes_differ("retrieved", mask, scores)
    unscored = int((mask & ~is_scored).sum())
    if unscored:
        raise QueryError(
            "a retrieved item has no score", got=f"{unscored} of {int(mask.sum())} items"
        )
    return mask


def _check_relevance(relevance: np.ndarray) -> None:
    least, most = relevance.min(initial=0.0), relevance.max(initial=0.0)  # NaN if one of them is
    if not (least >= 0 and most < np.inf):
        bad = relevance[~(np.isfinite(relevance) & (relevance >= 0))]
        raise QueryError(
            "a relevance is negative, infinite or missing",
            got=float(bad[0]),
            allowed="finite numbers of 0 or more",
            fix="Judge as 0 what is not relevant, and leave out what nobody judged or retrieved.",
        )


def _check_scores(scores: np.ndarray) -> None:
    # NaN is ignored.
    most = np.fmax.reduce(scores, axis=None, initial=0.0)
    least = np.fmin.reduce(scores, axis=None, initial=0.0)
    if np.inf in {most, -least}:
        raise QueryError(
            "a score is infinite",
            got=float(most if most == np.inf else least),
            allowed="finite numbers; NaN or None for an item that was not retrieved",
        )


def _shapes_differ(name: str, got: np.ndarray, other: np.ndarray) -> QueryError:
    return QueryError(
        f"{name} does not say something of each item", got=got.shape, allowed=str(other.shape)
    )
