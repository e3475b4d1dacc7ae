# SPDX-License-Identifier: Apache-2.0
"""What is said of a change: how large it is, how sure that is, and what may be called its cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from tidegauge.catalog.units import CURRENCIES
from tidegauge.model.errors import QueryError
from tidegauge.model.spec import Direction
from tidegauge.statistics.estimate import CONFIDENCE, Estimate
from tidegauge.statistics.impact.claims import Claim, Design, Verdict, claim_of, sentence_of
from tidegauge.statistics.impact.placebos import Placebos, alpha_of
from tidegauge.statistics.impact.savings import Savings, savings_of

__all__ = ["Claim", "Course", "Design", "Impact", "Verdict"]


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The series around a change, for charts.

    Attributes:
        axis: What `at` counts: microseconds since 1970, or steps.
        at: Where each value is; shape (n,), int64.
        values: The values; shape (n,), NaN where there is none.
        levels: The level before, and after the change the one after; shape (n,).
        expected: What the level would be without the change; shape (n,).
        change: Where the first value after the change is, on the same axis.
    """

    axis: Literal["time", "step"]
    at: np.ndarray
    values: np.ndarray
    levels: np.ndarray
    expected: np.ndarray
    change: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Impact:
    """A change and what it has brought.

    Attributes:
        name: What was measured; empty for numbers without a name.
        unit: Its unit; empty if there is none.
        direction: Which way is better.
        statistic: What of the numbers is compared, such as `mean` or `p95`.
        design: `randomised`, `paired units`, `control series`, `one series` or `two samples`.
        when: What the change came after, as text: a time, or values; empty for samples.
        before: The level before, or of the first sample; None if it is not known.
        expected: What the level after would be without the change: `before`, but for a control.
        after: The level after, or of the second sample.
        difference: `after` less `expected`, in `unit`.
        relative: The same as a share of `expected`: 0.05 is 5 percent more.
        p_value: Probability of so clear a difference if there is none; None if it is not known.
        n: How many values there are: units, or steps of a series.
        n_effective: How many independent values they are worth.
        variance_reduction: The share of variance that a covariate has explained; None without one.
        placebos: The same comparison at earlier dates; None for samples.
        trend_p_value: Of a trend in the difference to the control before the change; None without
            a control, or if too little is known.
        concurrent: What else has changed at about the same time.
        notes: What a reader should know, in sentences.
        reason: Why there is no `p_value`; None if there is one.
        course: The series, for charts; None for samples.
    """

    name: str = ""
    unit: str = ""
    direction: Direction = Direction.NONE
    statistic: str = "mean"
    design: Design
    when: str = ""
    before: float | None = None
    expected: float | None = None
    after: float | None = None
    difference: Estimate
    relative: Estimate
    p_value: float | None = None
    n: int = 0
    n_effective: float | None = None
    variance_reduction: float | None = None
    placebos: Placebos | None = None
    trend_p_value: float | None = None
    concurrent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None
    course: Course | None = field(default=None, repr=False)

    @property
    def confidence(self) -> float:
        """Probability that intervals like these cover the truth."""
        return self.difference.confidence

    @property
    def is_clear(self) -> bool:
        """Whether the difference is more than chance would make of nothing."""
        return self.p_value is not None and self.p_value <= alpha_of(self.confidence)

    @property
    def verdict(self) -> Verdict:
        """`better`, `worse`, `changed` if neither way is better, `not clear`, or `unknown`."""
        if self.p_value is None or self.difference.value is None:
            return "unknown"
        if not self.is_clear:
            return "not clear"
        if self.direction is Direction.NONE:
            return "changed"
        rose = self.difference.value > 0
        return "better" if rose == (self.direction is Direction.HIGHER) else "worse"

    @property
    def claim(self) -> Claim:
        """What may be said of the cause: `caused`, `likely effect`, `changed after` or `differs`.

        It is `no clear change` if the difference is not clear, and `unknown` without a p-value.
        """
        if self.p_value is None:
            return "unknown"
        if not self.is_clear:
            return "no clear change"
        return claim_of(
            self.design,
            has_placebos=self.placebos is not None
            and self.placebos.level(alpha_of(self.confidence)) is not None,
            is_parallel=self.trend_p_value is not None and self.trend_p_value > 1 - CONFIDENCE,
        )

    @property
    def summary(self) -> str:
        """What was found, in sentences, and how sure it is."""
        return sentence_of(
            claim=self.claim,
            verdict=self.verdict,
            name=self.name,
            unit=self.unit,
            when=self.when,
            difference=self.difference,
            relative=self.relative,
            p_value=self.p_value,
            reason=self.reason,
            concurrent=self.concurrent,
        )

    def savings(self, units: float | Decimal, *, currency: str = "USD") -> Savings:
        """What a change of the cost per unit has saved on so many units.

        Args:
            units: How many units have been made since, 0 or more.
            currency: Of the cost per unit, a code of ISO 4217.

        Returns:
            Amounts with 8 decimal places.

        Raises:
            QueryError: `units` is no such number, or `currency` is none, or not that of `unit`.
        """
        if self.unit in CURRENCIES and currency != self.unit:
            raise QueryError("the cost is in another currency", got=currency, allowed=self.unit)
        return savings_of(self.difference, units, currency=currency)

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON; without the series."""
        placebos = None if self.placebos is None else self.placebos.effects.tolist()
        return {
            "name": self.name,
            "unit": self.unit,
            "direction": self.direction.value,
            "statistic": self.statistic,
            "design": self.design,
            "when": self.when or None,
            "claim": self.claim,
            "verdict": self.verdict,
            "summary": self.summary,
            "before": self.before,
            "expected": self.expected,
            "after": self.after,
            "difference": self.difference.as_dict(),
            "relative": self.relative.as_dict(),
            "p_value": self.p_value,
            "n": self.n,
            "n_effective": self.n_effective,
            "variance_reduction": self.variance_reduction,
            "placebos": placebos,
            "trend_p_value": self.trend_p_value,
            "concurrent": list(self.concurrent),
            "notes": list(self.notes),
            "reason": self.reason,
        }

    def __str__(self) -> str:
        return self.summary
