# SPDX-License-Identifier: Apache-2.0
"""Items with the same score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.statistics.ranking.running import running

__all__ = ["Tied", "tied"]


@dataclass(frozen=True, slots=True)
class Tied:
    """Which items of lists have the same score; shape (depth, n_columns) each.

    Attributes:
        first: Place of the topmost item with the same score, 0 at the top.
        end: Place below the last one.
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
        above = np.concatenate((np.zeros((1, values.shape[1])), running(np.add, values)))
        sums = np.take_along_axis(above, self.end, axis=0)
        sums -= np.take_along_axis(above, self.first, axis=0)
        # What has no tie keeps its value to the last bit, as in a block without any.
        return np.where(self.size == 1, values, sums)


def tied(scores: np.ndarray) -> Tied:
    """Find items with equal scores; shape (depth, n_columns), the highest on top."""
    depth = len(scores)
    follows = scores[1:] == scores[:-1]
    place = np.arange(1, depth)[:, None]
    first = np.zeros(scores.shape, dtype=np.intp)
    np.maximum.accumulate(np.where(follows, 0, place), axis=0, out=first[1:])
    end = np.full(scores.shape, depth, dtype=np.intp)
    ends = np.where(follows, depth, place)
    end[:-1] = np.minimum.accumulate(ends[::-1], axis=0)[::-1]
    return Tied(first, end)
