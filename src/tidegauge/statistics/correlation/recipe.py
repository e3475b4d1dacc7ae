# SPDX-License-Identifier: Apache-2.0
"""What can be chosen of how relations are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

from tidegauge.model.errors import QueryError

__all__ = ["DRAWS", "Method", "Rate", "Recipe"]

#: `pearson` correlates innovations, `spearman` their ranks.
Method = Literal["pearson", "spearman"]

#: Who says what p-values are worth in company: Benjamini and Hochberg (1995), or Benjamini and
#: Yekutieli (2001), which holds however pairs depend on each other, and finds less.
Rate = Literal["bh", "by"]

#: So many times are days drawn again for an interval.
DRAWS = 999

# With fewer draws the interval would be chance itself.
_LEAST_DRAWS = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How relations are looked for.

    Attributes:
        max_lag: Most steps by which one series may lead or follow the other.
        alpha: Share of false discoveries among what is called significant; also, intervals miss the
            truth that often.
        method: `pearson` or `spearman`.
        transform: `auto` takes the logarithm of what is above 0, or the logit of what is between 0
            and 1, if that makes a series less skewed; None takes values as they are.
        season: Whether a weekly pattern is taken out, for which four weeks are needed. Turn it off
            only for what cannot have one.
        fdr: `bh` or `by`.
        draws: Of the bootstrap; 0 for no intervals.
        seed: Of the bootstrap.
    """

    max_lag: int = 7
    alpha: float = 0.05
    method: Method = "pearson"
    transform: Literal["auto"] | None = "auto"
    season: bool = True
    fdr: Rate = "bh"
    draws: int = DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be done.

        Raises:
            QueryError: Something has a value that is not allowed.
        """
        if not _is_whole(self.max_lag) or self.max_lag < 0:
            raise _refused("max_lag", self.max_lag, "a whole number of steps, 0 or more")
        if not _is_share(self.alpha):
            raise _refused("alpha", self.alpha, "0 to 1, exclusive, such as 0.05")
        if self.method not in get_args(Method):
            raise _refused("method", self.method, ", ".join(get_args(Method)))
        if self.transform not in ("auto", None):
            raise _refused("transform", self.transform, "'auto' or None")
        if self.fdr not in get_args(Rate):
            raise _refused("fdr", self.fdr, ", ".join(get_args(Rate)))
        if not _is_whole(self.draws) or 0 < self.draws < _LEAST_DRAWS or self.draws < 0:
            raise _refused("draws", self.draws, f"0, or {_LEAST_DRAWS} and more")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_share(value: object) -> bool:
    return isinstance(value, Real) and 0 < float(value) < 1


def _refused(name: str, got: object, allowed: str) -> QueryError:
    return QueryError(f"relations cannot be looked for with this {name}", got=got, allowed=allowed)
