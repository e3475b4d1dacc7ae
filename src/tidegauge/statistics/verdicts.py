# SPDX-License-Identifier: Apache-2.0
"""Whether one of two sides is better, in several measures at once, with what chance alone could do.

What happens in a minute resembles the minute before, and facts of a day each other. So facts are
put together in blocks of time; a side is worth as many independent blocks as their memory leaves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown
from tidegauge.statistics.welch import (
    independent_count,
    student_quantile,
    student_tail,
    welch_freedom,
)

__all__ = [
    "FEWEST_WORTH",
    "Contrast",
    "Side",
    "contrasts",
    "holm",
    "side_of",
]

#: With fewer independent blocks than this on a side there is no verdict: their memory cannot be
#: told well enough for false verdicts to be as rare as they should be (simulations/versions.py).
FEWEST_WORTH = 8

# How far, relative to it, sums of one and the same number may be off for being rounded.
_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    Attributes:
        value: The ratio of the sums of all blocks, or the percentile of all values.
        spread: Standard deviation of what a block adds to it.
        worth: How many independent blocks there are as good as.
        blocks: How many blocks there are.
    """

    value: float
    spread: float
    worth: float
    blocks: int

    @property
    def freedom(self) -> float:
        """Degrees of freedom: one is lost for the value, and one for how strong the memory is."""
        return self.worth - 2

    def reach(self, confidence: float) -> float:
        """How far Student's interval reaches to each side; `worth` is above 2."""
        quantile = student_quantile((1 + confidence) / 2, self.freedom)
        return quantile * self.spread / math.sqrt(self.worth)

    def estimate(self, confidence: float) -> Estimate:
        """The value with Student's interval."""
        if self.worth < FEWEST_WORTH:
            return Estimate(
                self.value, confidence=confidence, n=self.worth, reason=_too_little(self)
            )
        reach = self.reach(confidence)
        return Estimate(
            self.value, self.value - reach, self.value + reach, confidence, "blocks", self.worth
        )


@dataclass(frozen=True, slots=True)
class Contrast:
    """How the second side differs from the first, in one measure.

    Attributes:
        difference: The second value less the first; interval of this measure alone.
        relative: The same over the magnitude of the first.
        p_value: Probability of as large a difference by chance, if there were none or, where a
            margin was given, none beyond it; None if it cannot be told.
        p_adjusted: The same for all measures together, after Holm; what verdicts go by.
        differs: Whether there is a difference, beyond the margin if one was given.
        is_equivalent: Whether the difference is within the margin, of this measure alone.
    """

    difference: Estimate
    relative: Estimate
    p_value: float | None
    p_adjusted: float | None
    differs: bool
    is_equivalent: bool


def side_of(blocks: Sequence[tuple[float, float]], *, is_share: bool = False) -> Side:
    """What blocks of time tell together.

    A number that is the same in all blocks was found once, however often it was recorded: it is
    worth one block. A share has at least the uncertainty of that many independent trials, so that
    no error among few calls does not mean that there can be none (Agresti and Coull 1998).

    Args:
        blocks: (numerator, denominator) of each in the order of time, one or more. No denominator
            is below 0 and not all are 0. Of a mean these are the sum of values and how many there
            are.
        is_share: Whether it is a share of trials.
    """
    n = len(blocks)
    bottom = math.fsum(below for _, below in blocks)
    value = math.fsum(top for top, _ in blocks) / bottom
    added = [(top - value * below) * n / bottom for top, below in blocks]
    squares = math.fsum(each * each for each in added)
    products = math.fsum(one * other for one, other in itertools.pairwise(added))
    noise = math.fsum((_ROUNDING * top * n / bottom) ** 2 for top, _ in blocks)
    if n < 2 or (squares <= noise and not is_share):
        return Side(value, 0.0, 1.0, n)
    worth = independent_count(n, products / squares) if squares else float(n)
    variance = squares / (n - 1)
    if is_share:
        likely = (value * bottom + 2) / (bottom + 4)
        variance = max(variance, likely * (1 - likely) / bottom * worth)
    return Side(value, math.sqrt(variance), worth, n)


def contrasts(
    pairs: Sequence[tuple[Side, Side]], *, confidence: float = CONFIDENCE, margin: float = 0.0
) -> list[Contrast]:
    """Compare two sides in several measures.

    The probability that any measure is said to differ which does not is at most `1 - confidence`.
    Intervals are those of each measure alone.

    Args:
        pairs: The two sides of each measure.
        confidence: 0 to 1, exclusive.
        margin: How large a relative difference does not matter, 0 or more.
    """
    chances = [_chance(first, second, margin) for first, second in pairs]
    # Which measures turn out to be worth too little depends on chance as well: they count.
    looks = [
        at for at, pair in enumerate(pairs) if min(each.blocks for each in pair) >= FEWEST_WORTH
    ]
    by_chance = [chances[at] for at in looks]
    adjusted = dict(
        zip(looks, holm([1.0 if each is None else each for each in by_chance]), strict=True)
    )
    found = []
    for at, ((first, second), chance) in enumerate(zip(pairs, chances, strict=True)):
        corrected = None if chance is None else adjusted[at]
        found.append(
            Contrast(
                difference=_difference(first, second, confidence),
                relative=_relative(first, second, confidence),
                p_value=chance,
                p_adjusted=corrected,
                differs=corrected is not None and corrected <= 1 - confidence,
                is_equivalent=chance is not None
                and margin > 0
                and _is_within(first, second, margin, 1 - confidence),
            )
        )
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being looked at together (Holm 1979), whatever depends on what."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, p_values[at] * (len(p_values) - rank)))
        adjusted[at] = largest
    return adjusted


def _difference(first: Side, second: Side, confidence: float) -> Estimate:
    difference = second.value - first.value
    worth = min(first.worth, second.worth)
    if worth < FEWEST_WORTH:
        side = min(first, second, key=lambda each: each.worth)
        return Estimate(difference, confidence=confidence, n=worth, reason=_too_little(side))
    _, error, freedom = _combined(first, second)
    reach = student_quantile((1 + confidence) / 2, freedom) * error
    return Estimate(difference, difference - reach, difference + reach, confidence, "welch", worth)


def _relative(first: Side, second: Side, confidence: float) -> Estimate:
    worth = min(first.worth, second.worth)
    if first.value == 0:
        return unknown("the first side is 0", n=worth, confidence=confidence)
    scale = abs(first.value)
    value = (second.value - first.value) / scale
    if worth < FEWEST_WORTH:
        side = min(first, second, key=lambda each: each.worth)
        return Estimate(value, confidence=confidence, n=worth, reason=_too_little(side))
    _, error, freedom = _combined(first, second, second.value / first.value)
    quantile = student_quantile((1 + confidence) / 2, freedom)
    if scale <= quantile * first.spread / math.sqrt(first.worth):
        reason = "the first side may be 0"
        return Estimate(value, confidence=confidence, n=worth, reason=reason)
    reach = quantile * error / scale
    return Estimate(value, value - reach, value + reach, confidence, "delta method", worth)


def _chance(first: Side, second: Side, margin: float) -> float | None:
    """The two-sided p-value of a difference beyond the margin."""
    if min(first.worth, second.worth) < FEWEST_WORTH:
        return None
    way = 1.0 if second.value >= first.value else -1.0
    allowed = 1 + way * math.copysign(margin, first.value)
    beyond, error, freedom = _combined(first, second, allowed)
    if error == 0:
        return 0.0 if way * beyond > 0 else 1.0
    return min(1.0, 2 * student_tail(way * beyond / error, freedom))


def _is_within(first: Side, second: Side, margin: float, risk: float) -> bool:
    """Whether the difference is within the margin, by two one-sided tests (Schuirmann 1987)."""
    for way in (1.0, -1.0):
        short, error, freedom = _combined(
            first, second, 1 + way * math.copysign(margin, first.value)
        )
        if error == 0:
            if way * short >= 0:
                return False
        elif student_tail(-way * short / error, freedom) > risk:
            return False
    return True


def _combined(first: Side, second: Side, times: float = 1.0) -> tuple[float, float, float]:
    """The second value less so many times the first; its standard error and freedom."""
    variance_1 = times**2 * first.spread**2 / first.worth
    variance_2 = second.spread**2 / second.worth
    value = second.value - times * first.value
    if variance_1 + variance_2 == 0:
        return value, 0.0, math.inf
    freedom = welch_freedom(variance_1, first.freedom + 1, variance_2, second.freedom + 1)
    return value, math.sqrt(variance_1 + variance_2), freedom


def _too_little(side: Side) -> str:
    if side.blocks < FEWEST_WORTH:
        return f"only {side.blocks} pieces of time; {FEWEST_WORTH} are needed"
    if side.spread == 0:
        return "the same number all the time, which may have been found only once"
    return (
        f"{side.blocks} pieces of time resemble each other so much that they are worth "
        f"{side.worth:.1f}; {FEWEST_WORTH} are needed"
    )
