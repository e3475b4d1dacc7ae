# SPDX-License-Identifier: Apache-2.0
"""Percentiles of one side of a comparison, of values that may be rounded or few different ones.

Latency that is rounded to milliseconds has thousands of equal values, and a usual percentile is one
of them: it jumps or stays, and how far it can be off is not seen. So half of the values that are
equal count as below (the mid-distribution), and a percentile lies between two neighbouring ones.
Values without equals have their usual percentiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tidegauge.statistics.verdicts import FEWEST_WORTH, Side
from tidegauge.statistics.welch import student_quantile

__all__ = ["Place", "quantile_side", "reach_of_share"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a percentile lies (Ma, Genton and Parzen 2011).

    Attributes:
        below: The largest value of which no more than the share is below.
        above: The smallest of which no less is.
        way: How far the percentile is from the one to the other, 0 to 1.
        is_within: Whether there are values on both sides, so that the percentile is not the least
            or the greatest one for want of others.
    """

    below: float
    above: float
    way: float
    is_within: bool = True

    @classmethod
    def between(cls, share: float, lower: tuple[float, float], upper: tuple[float, float]) -> Place:
        """The place of a share, 0 to 1, between two neighbours.

        Args:
            share: Of all values, that is below.
            lower: A value, and the share below it with half of those equal to it; the greatest with
                no more than `share`, or the least value of all.
            upper: The same, the least with no less; or the greatest value of all.
        """
        (below, least), (above, most) = lower, upper
        way = (share - least) / (most - least) if most > least else 0.0
        return cls(below, above, min(max(way, 0.0), 1.0), least <= share <= most)

    @property
    def value(self) -> float:
        """The percentile."""
        return self.below + self.way * (self.above - self.below)

    @property
    def counted(self) -> tuple[float, float]:
        """How much of a value equal to `below`, and of one equal to `above`, counts as below it.

        What is less counts as 1, and what is more as 0. The mean of these is the share.
        """
        if self.below == self.above:
            return 0.5, 0.5
        return (1 + self.way) / 2, self.way / 2


def reach_of_share(side: Side, confidence: float) -> float:
    """How far the interval of a share reaches to each side; 1 if a side is worth too little."""
    if side.worth < FEWEST_WORTH:
        return 1.0
    return side.reach(confidence)


def quantile_side(value: float, below: Side, low: float, high: float, confidence: float) -> Side:
    """A percentile, with the uncertainty that the share below it has (Woodruff 1952).

    Where the percentiles at the ends are not as far from it on either side, it is as uncertain as
    on the side that is further; for it may lie next to a gap, and beyond it on the other side of
    the comparison. One that stays the same is worth one block, as a mean is; and one that is worth
    too little for an interval is only known not to.

    Args:
        value: The percentile of all values.
        below: The share of values below it, in blocks.
        low: The percentile at the lower end of that share's interval.
        high: The percentile at its upper end.
        confidence: Of that interval.
    """
    if low == high:
        return Side(value, 0.0, 1.0, below.blocks)
    if below.worth < FEWEST_WORTH:
        return Side(value, high - low, below.worth, below.blocks)
    quantile = student_quantile((1 + confidence) / 2, below.freedom)
    spread = max(high - value, value - low) / quantile * math.sqrt(below.worth)
    return Side(value, spread, below.worth, below.blocks)
