# SPDX-License-Identifier: Apache-2.0
"""Groups of facts as plain dictionaries, ready to be written as JSON.

Where a number cannot be told it is None, and `reason` says why; it is never 0 or NaN instead.
"""

from __future__ import annotations

from typing import TypedDict

from tidegauge.query.summary import Summary
from tidegauge.statistics.wilson import wilson_interval

__all__ = ["CONFIDENCE", "Numbers", "Share", "numbers_of", "share_of"]

#: Probability that an interval covers what it is for.
CONFIDENCE = 0.95


class Numbers(TypedDict):
    """Values in numbers.

    `stddev` is the sample standard deviation. `percentile_error` is the largest relative error of
    the percentiles: 0.0 where they were computed from the values themselves.
    """

    count: int
    avg: float | None
    min: float | None
    max: float | None
    stddev: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    percentile_error: float | None
    reason: str | None


class Share(TypedDict):
    """A share with its uncertainty: `low` and `high` are Wilson's interval, 95 %."""

    rate: float | None
    low: float | None
    high: float | None
    count: int
    reason: str | None


def numbers_of(summary: Summary | None, *, nothing: str = "no values in this time") -> Numbers:
    """The numbers of a group.

    Args:
        summary: The group; None if it has no values.
        nothing: The reason, then.
    """
    if summary is None:
        return Numbers(
            count=0,
            avg=None,
            min=None,
            max=None,
            stddev=None,
            p50=None,
            p95=None,
            p99=None,
            percentile_error=None,
            reason=nothing,
        )
    p50, p95, p99 = summary.quantiles or (None, None, None)
    reason = None
    if summary.mean is None:
        reason = "the sum is beyond the largest float"
    elif summary.std is None:
        reason = (
            "one value has no deviation"
            if summary.count == 1
            else "the values are too far from zero, or too large, to tell their deviation"
        )
    return Numbers(
        count=summary.count,
        avg=summary.mean,
        min=summary.smallest,
        max=summary.largest,
        stddev=summary.std,
        p50=p50,
        p95=p95,
        p99=p99,
        percentile_error=summary.percentile_error if summary.quantiles else None,
        reason=reason,
    )


def share_of(successes: int, count: int, *, nothing: str) -> Share:
    """A share of so many.

    Args:
        successes: How many of them.
        count: How many there are.
        nothing: The reason if there are none.
    """
    if not count:
        return Share(rate=None, low=None, high=None, count=0, reason=nothing)
    low, high = wilson_interval(successes, count, confidence=CONFIDENCE)
    return Share(rate=successes / count, low=low, high=high, count=count, reason=None)
