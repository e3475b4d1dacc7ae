# SPDX-License-Identifier: Apache-2.0
"""What a comparison of two versions says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tidegauge.model.spec import Direction
from tidegauge.statistics.estimate import Estimate

__all__ = ["Verdict", "VersionComparison", "VersionMeasure"]

#: What is said of the second version.
Verdict = Literal[
    "better",
    "worse",
    "different",
    "no evidence",
    "no relevant difference",
    "too little data",
]


@dataclass(frozen=True, slots=True)
class VersionMeasure:
    """One measure of two versions.

    Attributes:
        measure: A metric, or a table with what is measured of its rows, `predictions.latency_s`.
        statistic: What is told of it: `mean`, `share`, `ratio`, `p50` or `p95`.
        unit: Unit of the values.
        direction: Which way is better.
        first: The first version's value.
        second: The second's.
        difference: The second less the first; the interval is of this measure alone.
        relative: The same over the magnitude of the first.
        p_value: Of this measure alone; None if it cannot be told.
        p_adjusted: Of all measures together, after Holm.
        verdict: What that says of the second version.
        reason: Why there is too little data; None if there is enough.
        block: How long the pieces of time are that count as one: `day`, `hour`, `minute`, `second`,
            or `fact` if each fact is one.
    """

    measure: str
    statistic: str
    unit: str
    direction: Direction
    first: Estimate
    second: Estimate
    difference: Estimate
    relative: Estimate
    p_value: float | None
    p_adjusted: float | None
    verdict: Verdict
    reason: str | None
    block: str

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        found = {name: getattr(self, name) for name in self.__slots__}
        for name in ("first", "second", "difference", "relative"):
            found[name] = found[name].as_dict()
        return found | {"direction": str(self.direction)}


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """Two versions of a model.

    Attributes:
        model: The model.
        first: The version that is compared with.
        second: The version that is compared.
        confidence: Probability that no measure is said to differ which does not.
        margin: How large a relative difference does not matter.
        start: Beginning of the range, ISO 8601; None if it is open.
        end: End of it.
        measures: What was measured.
    """

    model: str
    first: str
    second: str
    confidence: float
    margin: float
    start: str | None
    end: str | None
    measures: tuple[VersionMeasure, ...]

    @property
    def verdict(self) -> str:
        """What all measures together say of the second version.

        `mixed` if some are better and others worse; else the first of these that some measure says:
        `worse`, `better`, `different`. If there is none, `no relevant difference` or `too little
        data` if all measures say so, and else `no evidence`.
        """
        verdicts = {each.verdict for each in self.measures}
        if {"better", "worse"} <= verdicts:
            return "mixed"
        for verdict in ("worse", "better", "different"):
            if verdict in verdicts:
                return verdict
        if verdicts == {"no relevant difference"}:
            return "no relevant difference"
        return "too little data" if verdicts <= {"too little data"} else "no evidence"

    @property
    def summary(self) -> str:
        """A few lines for people."""
        lines = [f"{self.model}: version {self.second} against {self.first}: {self.verdict}"]
        for verdict in ("worse", "better", "different", "no relevant difference"):
            lines += [
                f"  {verdict}: {_told(each)}" for each in self.measures if each.verdict == verdict
            ]
        for verdict in ("no evidence", "too little data"):
            names = [_name(each) for each in self.measures if each.verdict == verdict]
            if names:
                lines.append(f"  {verdict}: {', '.join(names)}")
        return "\n".join(lines)

    def __str__(self) -> str:
        """The summary."""
        return self.summary

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        found = {name: getattr(self, name) for name in self.__slots__}
        measures = [each.as_dict() for each in self.measures]
        return found | {"verdict": self.verdict, "measures": measures}


def _name(measure: VersionMeasure) -> str:
    return f"{measure.measure} ({measure.statistic})"


def _told(measure: VersionMeasure) -> str:
    """One measure on a line."""
    unit = "" if measure.unit == "1" else f" {measure.unit}"
    values = f"{measure.first.value:.4g} to {measure.second.value:.4g}{unit}"
    change, form = measure.relative, "+.1%"
    if change.low is None:
        change, form = measure.difference, "+.4g"
    ends = f"{change.low:{form}} to {change.high:{form}}"
    return f"{_name(measure)} from {values} ({change.value:{form}}, {ends})"
