# SPDX-License-Identifier: Apache-2.0
"""What is told of series that may move together, as objects, as a dictionary and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.correlation.recipe import Recipe
from tidegauge.statistics.estimate import Estimate
from tidegauge.statistics.timeseries.adjustment import HOUR_S

__all__ = ["Relation", "Relations", "Treatment"]

_COLUMNS = ("pair", "lag", "r", "interval", "q", "naive r", "naive p", "")


@dataclass(frozen=True, slots=True)
class Treatment:
    """What was done to a series before it was compared.

    Attributes:
        transform: `none`, `log` or `logit`.
        is_differenced: Whether changes were taken, because the series wanders.
        degree: Of the polynomials by which its weekly pattern changes; 0 if it is always the same.
        order: How many values of its past were taken into account.
        leftover_p: P-value of the test of Ljung and Box; if it is small, what was compared still
            follows its past, and p-values are too small. None if there is a reason.
        reason: Why the series cannot be compared; None if it can.
    """

    transform: str
    is_differenced: bool
    degree: int
    order: int
    leftover_p: float | None
    reason: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """Whether two series move together.

    Attributes:
        first: Name of the one, of ML if there is such a side.
        second: Name of the other.
        correlation: Of what is new in both, at the lag at which chance explains it least. The
            interval holds for all lags together.
        lag: How many steps the first one leads; negative if it follows. None if there is a reason.
        p_value: How often the best of all lags would be so far off by chance (Šidák 1967).
        q_value: The same in the company of all pairs: the share of false ones among the relations
            that have none larger.
        is_significant: Whether `q_value` is below alpha.
        n: How many pairs of values were compared at the lag.
        n_effective: How many independent values the two series would be worth as they are, with
            their memory. For information; the test does not need it.
        naive_correlation: Pearson's, of values as they are at lag 0; None if not defined.
        naive_p_value: What it would mean if days were independent. Do not use it.
        reason: Why there is no correlation; None if there is one.
        notes: What to know before relying on it.
        step_s: Seconds of a step.
        lags: Lags that were looked at; shape (m,).
        correlations: At each lag; shape (m,).
        bands: How far chance takes a correlation at each lag, all lags considered; shape (m,).
        naive_correlations: Of values as they are, at each lag; shape (m,).
        treatments: What was done to the first and the second before they were compared.
    """

    first: str
    second: str
    correlation: Estimate
    lag: int | None
    p_value: float | None
    q_value: float | None
    is_significant: bool
    n: int
    n_effective: float | None
    naive_correlation: float | None
    naive_p_value: float | None
    reason: str | None
    notes: tuple[str, ...]
    step_s: int
    lags: np.ndarray
    correlations: np.ndarray
    bands: np.ndarray
    naive_correlations: np.ndarray
    treatments: tuple[Treatment, Treatment]

    @property
    def moves(self) -> str:
        """What can be said of both, as a sentence that claims no cause."""
        return f"{self.first} {self._verb(self.second)}" if self.is_significant else self.finding

    @property
    def finding(self) -> str:
        """The same without the names."""
        if self.is_significant:
            return self._verb("it")
        return "no relation shown" if self.reason is None else f"not known: {self.reason}"

    def _verb(self, other: str) -> str:
        lag = self.lag or 0
        unit = "hour" if self.step_s == HOUR_S else "day"
        steps = f"{abs(lag)} {unit}{'s' if abs(lag) > 1 else ''}"
        against = "" if (self.correlation.value or 0) > 0 else ", in the opposite direction"
        if lag > 0:
            return f"may lead {other} by {steps}{against}"
        later = f", {steps} later" if lag else ""
        return f"moves with {other}{later}{against}"

    def as_dict(self) -> dict[str, Any]:
        """What is told, ready to be written as JSON."""
        return {
            "correlation": self.correlation.value,
            "p_value": self.p_value,
            "significant": self.is_significant,
            "q_value": self.q_value,
            "lag": self.lag,
            "interval_low": self.correlation.low,
            "interval_high": self.correlation.high,
            "n": self.n,
            "n_effective": self.n_effective,
            "naive_correlation": self.naive_correlation,
            "naive_p_value": self.naive_p_value,
            "moves": self.moves,
            "reason": self.reason,
            "notes": list(self.notes),
        }


class Relations(dict[str, dict[str, Any]]):
    """A dictionary of `<first>_vs_<second>` to what is told of the two.

    Args:
        pairs: One for each two series that were compared.
        recipe: How relations were looked for.

    Raises:
        QueryError: Two pairs would have the same key.

    Attributes:
        pairs: The same as objects, with their correlations at every lag.
        recipe: How relations were looked for.
    """

    def __init__(self, pairs: Sequence[Relation], recipe: Recipe) -> None:
        super().__init__()
        for each in pairs:
            key = f"{each.first}_vs_{each.second}"
            if key in self:
                raise QueryError("two pairs have the same name", got=key, fix="Rename a column.")
            self[key] = each.as_dict()
        self.pairs = tuple(pairs)
        self.recipe = recipe

    @property
    def significant(self) -> tuple[Relation, ...]:
        """The pairs that move together, most certain first."""
        found = [each for each in self.pairs if each.is_significant]
        return tuple(sorted(found, key=lambda each: (each.q_value, each.first, each.second)))

    @property
    def summary(self) -> str:
        """What was found, what was not, and what the usual test would have said."""
        looked_at = [each for each in self.pairs if each.reason is None]
        found = self.significant
        may_be_chance = f"of what is found, {self.recipe.alpha:.0%} may be chance"
        lines = [f"{len(found)} of {len(looked_at)} pairs move together; {may_be_chance}."]
        lines += [f"- {each.moves}: {_strength(each)}" for each in found]
        naive = sum(
            each.naive_p_value is not None and each.naive_p_value < self.recipe.alpha
            for each in looked_at
        )
        lines.append(
            f"A test that takes days for independent would have called {naive} of them related."
        )
        refused = len(self.pairs) - len(looked_at)
        if refused:
            lines.append(f"Of {refused} pairs nothing is known; each says why.")
        lines.append("What moves together need not be cause and effect.")
        return "\n".join(lines)

    def table(self) -> str:
        """A line of text for each pair, with the naive correlation beside ours."""
        rows = [_COLUMNS, *(_cells(each) for each in self.pairs)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


def _strength(relation: Relation) -> str:
    found = relation.correlation
    interval = "" if found.low is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"r = {found.value:.2f}{interval}, q = {relation.q_value:.2g}"


def _cells(relation: Relation) -> tuple[str, ...]:
    found = relation.correlation
    return (
        f"{relation.first} ~ {relation.second}",
        _text(relation.lag, "+d") if relation.lag else _text(relation.lag, "d"),
        _text(found.value, ".2f"),
        "-" if found.low is None else f"{found.low:.2f} to {found.high:.2f}",
        _text(relation.q_value, ".2g"),
        _text(relation.naive_correlation, ".2f"),
        _text(relation.naive_p_value, ".2g"),
        relation.finding,
    )


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
