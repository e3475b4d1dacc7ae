# SPDX-License-Identifier: Apache-2.0
"""Lists of about the same length as matrices, one column per query, the best item on top.

A hundred thousand lists are measured by a few matrix operations without a loop over queries, in
blocks that stay in the processor's cache. Items are sorted in rows; what follows goes down columns,
so that its inner loop runs over as many queries as there are, not over a few items.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidegauge.statistics.ranking.lists import Lists

__all__ = ["Block", "blocks"]

#: Items of a block, if no single list has more.
_BLOCK_ITEMS = 1 << 16


@dataclass(frozen=True, slots=True)
class Block:
    """Lists in the order of their scores, equal scores in the order given.

    Attributes:
        queries: Which query each column is; shape (n_columns,).
        relevance: Shape (depth, n_columns). What was not retrieved comes below what was,
            then zeros.
        scores: The same for scores; -inf below the retrieved items.
        best: The relevances in the best order.
        has_ties: Whether two retrieved items of a list have the same score.
    """

    queries: np.ndarray
    relevance: np.ndarray
    scores: np.ndarray
    best: np.ndarray
    has_ties: bool


def blocks(lists: Lists) -> Iterator[Block]:
    """All queries, in blocks of lists whose lengths differ by a factor of two at most."""
    classes = np.ceil(np.log2(np.maximum(lists.lengths, 1))).astype(np.int8)
    by_class = np.argsort(classes, kind="stable")
    edges = np.flatnonzero(np.diff(classes[by_class], prepend=-1, append=-1))
    starts = lists.starts
    for begin, end in itertools.pairwise(edges):
        step = max(1, _BLOCK_ITEMS >> int(classes[by_class[begin]]))
        for place in range(begin, end, step):
            queries = by_class[place : min(place + step, end)]
            yield _block(lists, queries, starts[queries], lists.lengths[queries])


def _block(lists: Lists, queries: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Block:
    scores, relevance = _rows(lists, starts, lengths)
    best = np.sort(relevance, axis=1)[:, ::-1].T
    is_sorted = not (scores[:, 1:] > scores[:, :-1]).any()
    if not is_sorted:
        descending = -scores
        best_first = np.argsort(descending, axis=1)
        scores = -np.sort(descending, axis=1)
    has_ties = bool(((scores[:, 1:] == scores[:, :-1]) & (scores[:, 1:] > -np.inf)).any())
    if not is_sorted:
        if has_ties:  # a stable order takes several times as long, and matters only here
            best_first = np.argsort(descending, axis=1, kind="stable")
        relevance = np.take_along_axis(relevance, best_first, axis=1)
    columns = np.ascontiguousarray(relevance.T), np.ascontiguousarray(scores.T)
    return Block(queries, *columns, best, has_ties)


def _rows(lists: Lists, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and relevances, one query per row, in the order given."""
    width = max(1, int(lengths.max()))
    begin, end = int(starts[0]), int(starts[-1] + lengths[-1])
    if end - begin == width * len(starts) and (lengths == width).all():
        shape = (len(starts), width)
        return lists.scores[begin:end].reshape(shape), lists.relevance[begin:end].reshape(shape)
    place = np.arange(width)
    is_item = place < lengths[:, None]
    scores, relevance = np.full(is_item.shape, -np.inf), np.zeros(is_item.shape)
    item = (starts[:, None] + place)[is_item]
    scores[is_item], relevance[is_item] = lists.scores[item], lists.relevance[item]
    return scores, relevance
