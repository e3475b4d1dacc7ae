# SPDX-License-Identifier: Apache-2.0
"""A number that was estimated: with its uncertainty, or None with a reason."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CONFIDENCE", "Estimate", "unknown"]

#: Probability that an interval covers what it is for, unless somebody asks for another.
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with an interval, in the unit of what was estimated.

    Attributes:
        value: The estimate; None if it is not defined.
        low: Lower end of the interval; None if there is no interval.
        high: Upper end.
        confidence: Probability that such intervals cover the truth, 0 to 1, exclusive.
        method: How the interval was found, such as `wilson` or `circular block bootstrap`; empty if
            there is none.
        n: How many independent observations it rests on.
        reason: Why `value`, or else the interval, is None; None if both are there.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float = CONFIDENCE
    method: str = ""
    n: float = 0
    reason: str | None = None

    def as_dict(self) -> dict[str, float | str | None]:
        """As a dictionary ready to be written as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def unknown(reason: str, *, n: float = 0, confidence: float = CONFIDENCE) -> Estimate:
    """What cannot be told, and why."""
    return Estimate(None, confidence=confidence, n=n, reason=reason)
