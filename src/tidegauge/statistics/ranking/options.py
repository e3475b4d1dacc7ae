# SPDX-License-Identifier: Apache-2.0
"""What may be chosen about ranking metrics, and what the metrics are called by it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tidegauge.model.errors import QueryError

__all__ = [
    "Gain",
    "MapOver",
    "NoRelevant",
    "Options",
    "Ties",
    "check_no_relevant",
    "check_ties",
    "options_of",
]

#: What the order of items with equal scores is: every order counts alike, or as they were given.
Ties = Literal["average", "stable"]

#: What an item of relevance r is worth in NDCG: r, or 2**r - 1.
Gain = Literal["linear", "exponential"]

#: What average precision is divided by: all relevant items, or as many as the cut-off lets in.
MapOver = Literal["relevant", "reachable"]

#: What becomes of queries for which nothing is relevant: 0, left out, or refused.
NoRelevant = Literal["zero", "skip", "error"]

#: The largest cut-off.
_MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Options:
    """How lists are measured.

    Attributes:
        cutoffs: How many items from the top count, ascending, 1 or more each.
        ties: See `Ties`.
        gain: See `Gain`.
        map_over: See `MapOver`.
    """

    cutoffs: tuple[int, ...]
    ties: Ties
    gain: Gain
    map_over: MapOver

    @property
    def ndcg_name(self) -> str:
        """NDCG's name before the `@`."""
        return "ndcg" if self.gain == "linear" else "ndcg_exp"

    @property
    def map_name(self) -> str:
        """The name, before the `@`, of mean average precision within a cut-off."""
        return "map" if self.map_over == "relevant" else "map_reachable"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all metrics, in the order in which they are told."""
        each = ("hit_rate", self.ndcg_name, "precision", "recall", self.map_name, "mrr")
        return (*(f"{name}@{k}" for k in self.cutoffs for name in each), "map", "mrr")


def options_of(k: int | Iterable[int], *, ties: str, gain: str, map_over: str) -> Options:
    """Check what a caller has chosen.

    Raises:
        QueryError: A cut-off is no whole number of 1 or more, or there is no such choice.
    """
    cutoffs = sorted({_cutoff(each) for each in (k if isinstance(k, Iterable) else (k,))})
    if not cutoffs:
        raise _bad_cutoff(k)
    return Options(
        tuple(cutoffs),
        ties=check_ties(ties),
        gain=_choice("gain", gain, Gain),
        map_over=_choice("map_over", map_over, MapOver),
    )


def check_no_relevant(no_relevant: str) -> NoRelevant:
    """Return the policy if there is such a one.

    Raises:
        QueryError: There is not.
    """
    policy: NoRelevant = _choice("no_relevant", no_relevant, NoRelevant)
    return policy


def check_ties(ties: str) -> Ties:
    """Return the way of taking ties if there is such a one.

    Raises:
        QueryError: There is not.
    """
    way: Ties = _choice("ties", ties, Ties)
    return way


def _cutoff(k: object) -> int:
    # True is a whole number to Python, and 10.0 is none to it.
    if isinstance(k, bool) or not hasattr(k, "__index__"):
        raise _bad_cutoff(k)
    whole = operator.index(k)
    if not 1 <= whole <= _MOST:
        raise _bad_cutoff(k)
    return whole


def _choice(name: str, value: str, choices: Any) -> Any:
    allowed = get_args(choices)
    if value not in allowed:
        raise QueryError(f"{name} is not known", got=value, allowed=", ".join(map(repr, allowed)))
    return value


def _bad_cutoff(k: object) -> QueryError:
    return QueryError(
        "a cut-off k is how many items from the top of a list count",
        got=k,
        allowed="a whole number of 1 or more and of 64 bits, or several of them, such as (5, 10)",
    )
