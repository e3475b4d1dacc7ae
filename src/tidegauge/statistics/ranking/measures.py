# SPDX-License-Identifier: Apache-2.0
"""The measures of each list.

Where scores are equal, a measure is its mean over all orders of the items with the same score. With
`t` items of which `r` are relevant behind `a` items of which `c` are, the item in place `p` of the
`t` (0 for the first) is relevant with probability `r / t`, and then `(r - 1) / (t - 1) p` relevant
ones of the `t` are expected before it. That gives hits, gains and precisions (McSherry & Najork
2008). None of the first `p` is relevant with probability `(t - r) / t · (t - r - 1) / (t - 1) ·…`,
`p` factors, which gives the first hit. One item with a score of its own is `t = 1`.

Each sum runs down from the top of its list, so that a list has the same value, to the last bit,
whatever lists it is measured with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.ranking.blocks import Block, blocks
from tidegauge.statistics.ranking.lists import Lists
from tidegauge.statistics.ranking.options import Gain, Options
from tidegauge.statistics.ranking.running import running
from tidegauge.statistics.ranking.ties import tied

__all__ = ["Values", "measure"]

#: Relevances beyond these would add up to infinity.
_MOST: dict[Gain, float] = {"linear": 1e300, "exponential": 1000.0}


@dataclass(frozen=True, slots=True)
class Values:
    """What each query came to.

    Attributes:
        by_name: Value of each query by metric, 0 to 1; shape (n_queries,). It is 0 for queries
            without relevant items.
        has_relevant: Whether an item of the query is relevant; shape (n_queries,).
    """

    by_name: dict[str, np.ndarray]
    has_relevant: np.ndarray


@dataclass(frozen=True, slots=True)
class _Expected:
    """What is expected of each place of the lists of a block; shape (depth, n_columns) each.

    Attributes:
        hits: Probability that the item is relevant.
        gains: Its gain.
        precisions: Precision up to it, counted where it is relevant.
        misses: Probability that no item up to it is relevant.
        firsts: Probability that it is the first relevant one.
    """

    hits: np.ndarray
    gains: np.ndarray
    precisions: np.ndarray
    misses: np.ndarray
    firsts: np.ndarray


def measure(lists: Lists, options: Options) -> Values:
    """Measure every list.

    Raises:
        QueryError: A relevance is too large for the gain.
    """
    _check_gains(lists, options.gain)
    n_queries = len(lists.queries)
    by_name = {name: np.zeros(n_queries) for name in options.names}
    has_relevant = np.zeros(n_queries, dtype=bool)
    for block in blocks(lists):
        n_relevant = (block.relevance > 0).sum(axis=0)
        has_relevant[block.queries] = n_relevant > 0
        for name, values in _measures(block, n_relevant, options).items():
            # Rounding can leave the bounds by a bit or two.
            by_name[name][block.queries] = np.minimum(values, 1.0)
    return Values(by_name, has_relevant)


def _measures(block: Block, n_relevant: np.ndarray, options: Options) -> dict[str, np.ndarray]:
    expected = _expected(block, options.gain, is_averaged=options.ties == "average")
    rank = _ranks(len(block.scores))
    seen = slice(options.cutoffs[-1])
    discount = np.log2(rank[seen] + 1)
    gain = running(np.add, expected.gains[seen] / discount)
    best_gain = running(np.add, _gains(block.best[seen], options.gain) / discount)
    hits = running(np.add, expected.hits[seen])
    precisions = running(np.add, expected.precisions)
    reciprocals = running(np.add, expected.firsts / rank)
    found = {}
    for k in options.cutoffs:
        last = min(k, len(rank)) - 1
        reachable = np.minimum(n_relevant, last + 1)
        over = n_relevant if options.map_over == "relevant" else reachable
        found[f"hit_rate@{k}"] = 1 - expected.misses[last]
        found[f"{options.ndcg_name}@{k}"] = _ratio(gain[last], best_gain[last])
        found[f"precision@{k}"] = hits[last] / float(k)
        found[f"recall@{k}"] = _ratio(hits[last], n_relevant)
        found[f"{options.map_name}@{k}"] = _ratio(precisions[last], over)
        found[f"mrr@{k}"] = reciprocals[last]
    found["map"] = _ratio(precisions[-1], n_relevant)
    found["mrr"] = reciprocals[-1]
    return found


def _expected(block: Block, gain: Gain, *, is_averaged: bool) -> _Expected:
    is_retrieved = block.scores > -np.inf
    gains = np.where(is_retrieved, _gains(block.relevance, gain), 0.0)
    relevant = (is_retrieved & (block.relevance > 0)).astype(float)
    rank = _ranks(len(relevant))
    hits_so_far = running(np.add, relevant)
    if not (is_averaged and block.has_ties):
        misses = running(np.multiply, 1 - relevant)
        firsts = relevant * _above(misses, 1.0)
        return _Expected(relevant, gains, relevant * hits_so_far / rank, misses, firsts)
    ties = tied(block.scores)
    size = ties.size
    inside = (rank - 1) - ties.first  # place among items with the same score
    n_relevant = ties.sums(relevant)
    hits = n_relevant / size
    before = np.take_along_axis(_above(hits_so_far, 0.0), ties.first, axis=0)
    others = inside * (n_relevant - 1) / np.maximum(size - 1, 1)
    # Places above the first relevant score have no relevant item, so their factor is 1.
    others_left = np.maximum(size - n_relevant - inside, 0)
    misses = running(np.multiply, others_left / (size - inside))
    return _Expected(
        hits=hits,
        gains=ties.sums(gains) / size,
        precisions=hits * (before + 1 + others) / rank,
        misses=misses,
        firsts=_above(misses, 1.0) * n_relevant / (size - inside),
    )


def _ranks(depth: int) -> np.ndarray:
    return np.arange(1, depth + 1)[:, None]


def _gains(relevance: np.ndarray, gain: Gain) -> np.ndarray:
    return relevance if gain == "linear" else np.exp2(relevance) - 1


def _above(values: np.ndarray, first: float) -> np.ndarray:
    """At each place, the value of the place above; `first` at the top."""
    above = np.empty_like(values)
    above[0] = first
    above[1:] = values[:-1]
    return above


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The quotient; 0 where there is nothing to divide by."""
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return ratio


def _check_gains(lists: Lists, gain: Gain) -> None:
    most = lists.relevance.max(initial=0.0)
    if most > _MOST[gain]:
        raise QueryError(
            f"a relevance is too large for the {gain} gain",
            got=float(most),
            allowed=f"at most {_MOST[gain]:g}",
        )
