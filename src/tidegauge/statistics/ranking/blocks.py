# SPDX-License-Identifier: Apache-2.0
"""Lists of about the same length as matrices, one row per query, best item first.

A hundred thousand lists are measured by a few matrix operations without a loop over queries, in
blocks that stay in the processor's cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidegauge.statistics.ranking.lists import Lists

__all__ = ["Block", "Tied", "blocks", "tied"]

#: Items of a block, if no single list has more.
_BLOCK_ITEMS = 1 << 16


@dataclass(frozen=True, slots=True)
class Block:
    """Lists in the order of their scores, equal scores in the order given.

    Attributes:
        rows: Which query each row is; shape (n_rows,).
        relevance: Shape (n_rows, width). What was not retrieved comes after what was, then zeros.
        scores: The same for scores; -inf behind the retrieved items.
        has_ties: Whether two retrieved items of a list have the same score.
    """

    rows: np.ndarray
    relevance: np.ndarray
    scores: np.ndarray
    has_ties: bool


@dataclass(frozen=True, slots=True)
class Tied:
    """Which items of a block have the same score.

    Attributes:
        first: Place of the first item with the same score, 0 for the best; shape (n_rows, width).
        end: Place behind the last one.
    """

    first: np.ndarray
    end: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """How many items have the score of each item, itself included."""
        size: np.ndarray = self.end - self.first
        return size

    def sums(self, values: np.ndarray) -> np.ndarray:
        """The sum over the items with the same score, at each of them."""
        before = np.zeros((len(values), values.shape[1] + 1))
        np.cumsum(values, axis=1, out=before[:, 1:])
        sums = np.take_along_axis(before, self.end, axis=1)
        sums -= np.take_along_axis(before, self.first, axis=1)
        # What has no tie keeps its value to the last bit, as in a block without any.
        return np.where(self.size == 1, values, sums)


def blocks(lists: Lists) -> Iterator[Block]:
    """All queries, in blocks of lists whose lengths differ by a factor of two at most."""
    classes = np.ceil(np.log2(np.maximum(lists.lengths, 1))).astype(np.int8)
    by_class = np.argsort(classes, kind="stable")
    edges = np.flatnonzero(np.diff(classes[by_class], prepend=-1, append=-1))
    starts = lists.starts
    for begin, end in itertools.pairwise(edges):
        step = max(1, _BLOCK_ITEMS >> int(classes[by_class[begin]]))
        for place in range(begin, end, step):
            rows = by_class[place : min(place + step, end)]
            yield _block(lists, rows, starts[rows], lists.lengths[rows])


def tied(scores: np.ndarray) -> Tied:
    """Find items with equal scores, which are beside each other; shape (n_rows, width)."""
    follows = scores[:, 1:] == scores[:, :-1]
    place = np.arange(scores.shape[1])
    first = np.zeros(scores.shape, dtype=np.intp)
    np.maximum.accumulate(np.where(follows, 0, place[1:]), axis=1, out=first[:, 1:])
    end = np.full(scores.shape, scores.shape[1], dtype=np.intp)
    ends_here = np.where(follows, scores.shape[1], place[1:])
    end[:, :-1] = np.minimum.accumulate(ends_here[:, ::-1], axis=1)[:, ::-1]
    return Tied(first, end)


def _block(lists: Lists, rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Block:
    scores, relevance = _matrices(lists, starts, lengths)
    if (scores[:, 1:] > scores[:, :-1]).any():
        best_first = np.argsort(-scores, axis=1)
        ordered = np.take_along_axis(scores, best_first, axis=1)
        has_ties = _has_ties(ordered)
        if has_ties:  # a stable order takes several times as long, and is of use only here
            best_first = np.argsort(-scores, axis=1, kind="stable")
        relevance = np.take_along_axis(relevance, best_first, axis=1)
        return Block(rows, relevance, ordered, has_ties)
    return Block(rows, relevance, scores, _has_ties(scores))


def _matrices(
    lists: Lists, starts: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
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


def _has_ties(scores: np.ndarray) -> bool:
    """Whether two retrieved items of a list have the same score; best first."""
    return bool(((scores[:, 1:] == scores[:, :-1]) & (scores[:, 1:] > -np.inf)).any())
