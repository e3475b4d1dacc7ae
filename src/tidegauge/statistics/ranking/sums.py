# SPDX-License-Identifier: Apache-2.0
"""What is kept of many queries, so that the metrics of a month are those of its minutes, merged.

A sum is a whole number of units of 2⁻⁶². A value is rounded to whole units by itself, and adding
whole numbers is exact: parts merge to the same sums in any order and grouping, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.bounds import check_confidence
from tidegauge.statistics.estimate import CONFIDENCE, Estimate
from tidegauge.statistics.measured import Measured
from tidegauge.statistics.ranking.intervals import mean_estimate, share_estimate
from tidegauge.statistics.ranking.measures import Values
from tidegauge.statistics.ranking.options import Ties, check_no_relevant, check_ties

__all__ = ["RankingSums", "Sums", "nothing_to_average"]

_ONE = 1 << 62


class Sums(NamedTuple):
    """What is kept of one metric.

    Attributes:
        total: Sum of its values in units of 2⁻⁶².
        squares: Sum of their squares in units of 2⁻¹²⁴.
    """

    total: int
    squares: int


@dataclass(frozen=True, slots=True)
class RankingSums:
    """Sums over queries, mergeable with `+`.

    Attributes:
        n_queries: How many queries there were.
        queries_without_relevant: For how many of them nothing was relevant; they add 0.
        by_name: What is kept of each metric, by name.
        ties: How items with equal scores were taken, which no name of a metric says.

    Example:
        >>> from tidegauge.statistics.ranking import ranking_metrics
        >>> minutes = [([0, 1], [0.9, 0.4]), ([1, 0], [0.8, 0.1])]
        >>> parts = [ranking_metrics(*minute, k=1).sums for minute in minutes]
        >>> sum(parts, RankingSums()).metrics()["hit_rate@1"]
        0.5
    """

    n_queries: int = 0
    queries_without_relevant: int = 0
    by_name: Mapping[str, Sums] = field(default_factory=dict)
    ties: Ties = "average"

    @classmethod
    def of(cls, values: Values, ties: Ties = "average") -> RankingSums:
        """The sums of what queries came to, with ties taken in that way."""
        n_queries = len(values.has_relevant)
        return cls(
            n_queries,
            n_queries - int(values.has_relevant.sum()),
            {name: _sums(each) for name, each in values.by_name.items()},
            ties,
        )

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> RankingSums:
        """Read what `as_dict` has written.

        Raises:
            QueryError: It is something else.
        """
        try:
            sums = cls(
                int(document["n_queries"]),
                int(document["queries_without_relevant"]),
                {
                    name: Sums(int(each["sum"]), int(each["sum_squares"]))
                    for name, each in document["metrics"].items()
                },
                check_ties(document.get("ties", "average")),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise QueryError("these are no sums of ranking metrics", got=document) from error
        if not 0 <= sums.queries_without_relevant <= sums.n_queries:
            raise QueryError("these sums contradict themselves", got=document)
        return sums

    def __add__(self, other: RankingSums) -> RankingSums:
        """The sums over the queries of both.

        Raises:
            QueryError: They are of different metrics, or ties were taken differently.
        """
        if not self.by_name or not other.by_name:  # one of nothing adds nothing
            return self if self.by_name else other
        if self.by_name.keys() != other.by_name.keys():
            raise QueryError(
                "sums of different metrics cannot be merged",
                got=", ".join(other.by_name),
                allowed=", ".join(self.by_name),
                fix="Measure with the same k, gain and map_over.",
            )
        if self.ties != other.ties:
            raise QueryError(
                "sums with different ties cannot be merged", got=other.ties, allowed=self.ties
            )
        return RankingSums(
            self.n_queries + other.n_queries,
            self.queries_without_relevant + other.queries_without_relevant,
            {
                name: Sums(mine.total + its.total, mine.squares + its.squares)
                for name, mine in self.by_name.items()
                for its in (other.by_name[name],)
            },
            self.ties,
        )

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON; sums are decimal texts, for their length."""
        return {
            "n_queries": self.n_queries,
            "queries_without_relevant": self.queries_without_relevant,
            "metrics": {
                name: {"sum": str(each.total), "sum_squares": str(each.squares)}
                for name, each in self.by_name.items()
            },
            "ties": self.ties,
        }

    def metrics(self, *, no_relevant: str = "zero", confidence: float | None = None) -> Measured:
        """The means over the queries.

        Args:
            no_relevant: `zero` counts queries without relevant items as 0, `skip` leaves them out,
                `error` refuses them.
            confidence: Probability that such intervals cover the mean over all such queries, 0 to
                1, exclusive; no intervals if None.

        Raises:
            QueryError: There is no such policy or probability, or a query without relevant items
                is refused.
        """
        n_counted = self.counted(no_relevant)
        reason = nothing_to_average(self.n_queries, self.queries_without_relevant)
        if reason is not None:
            return Measured(
                dict.fromkeys(self.by_name), reasons=dict.fromkeys(self.by_name, reason)
            )
        means = {name: each.total / (n_counted * _ONE) for name, each in self.by_name.items()}
        if confidence is None:
            return Measured(means)
        check_confidence(confidence)
        return Measured(
            means,
            intervals={name: self.estimate(name, n_counted, confidence) for name in self.by_name},
        )

    def counted(self, no_relevant: str) -> int:
        """How many queries means are over.

        Raises:
            QueryError: As for `metrics`.
        """
        policy = check_no_relevant(no_relevant)
        if policy == "error" and self.queries_without_relevant:
            raise QueryError(
                "queries have no relevant item",
                got=f"{self.queries_without_relevant} of {self.n_queries} queries",
                fix="Judge more items, or choose no_relevant='zero' or 'skip'.",
            )
        left_out = self.queries_without_relevant if policy == "skip" else 0
        return self.n_queries - left_out

    def estimate(self, name: str, n: int, confidence: float = CONFIDENCE) -> Estimate:
        """The mean of a metric over `n` queries, 1 or more, with Student's interval.

        A metric that is 1 or 0 for every query is a share, and has Wilson's interval.
        """
        total, squares = self.by_name[name]
        if total * _ONE == squares:  # between 0 and 1, only these two are their squares
            return share_estimate(total // _ONE, n, confidence)
        # Whole numbers do not cancel as floats would.
        scatter = n * squares - total * total
        variance = scatter / (n * n * (n - 1) * _ONE * _ONE) if n > 1 else 0.0
        return mean_estimate(
            total / (n * _ONE), variance, n=n, confidence=confidence, bounds=(0.0, 1.0)
        )


def nothing_to_average(n_queries: int, without_relevant: int) -> str | None:
    """Why there are no means; None if there are."""
    if not n_queries:
        return "there is no query"
    if without_relevant == n_queries:
        return "no query has a relevant item"
    return None


def _sums(values: np.ndarray) -> Sums:
    """The sums of numbers between 0 and 1, exactly but for rounding each number to a unit."""
    units = np.rint(values * _ONE).astype(np.int64)
    high, low = units >> 31, units & 0x7FFF_FFFF
    squares = (_sum(high * high) << 62) + (_sum(high * low) << 32) + _sum(low * low)
    return Sums(_sum(units), squares)


def _sum(numbers: np.ndarray) -> int:
    """The sum of whole numbers up to 2⁶²: of four thousand million halves of 31 bits, it fits."""
    return (int((numbers >> 31).sum()) << 31) + int((numbers & 0x7FFF_FFFF).sum())
