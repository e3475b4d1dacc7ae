# SPDX-License-Identifier: Apache-2.0
"""Has a distribution drifted, how far, which way, and is that more than chance?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.bounds import is_number
from tidegauge.statistics.drift.counts import Counts
from tidegauge.statistics.drift.effects import (
    jensen_shannon,
    population_stability,
    stability_by_chance,
    wasserstein,
)
from tidegauge.statistics.drift.memory import levels_of
from tidegauge.statistics.drift.resampling import LEAST_DAYS, Effect, Noise, interval, noise_of
from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown

__all__ = ["LEAST_ROWS", "MEASURES", "Bin", "Drift", "Measure", "drift_of"]

Measure = Literal["psi", "wasserstein", "jensen_shannon"]

#: What drift is measured by, and from where on it is of interest.
MEASURES: dict[Measure, float] = {"psi": 0.1, "wasserstein": 0.1, "jensen_shannon": 0.1}

#: Fewer values say nothing of a distribution.
LEAST_ROWS = 30

_DRAWS = 1_000
# Of the largest number: less is a deviation that rounding makes.
_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class Bin:
    """A part of both distributions.

    Attributes:
        name: A label; empty for numbers.
        low: The least number in it; None for a label.
        high: The largest number in it.
        reference: Its share of the reference, 0 to 1.
        current: Its share of what is compared.
    """

    name: str
    low: float | None
    high: float | None
    reference: float
    current: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a distribution is from what it was.

    Attributes:
        name: Of what; empty for arrays.
        psi: Population stability index of up to ten bins, less what chance adds to it.
        wasserstein: How far values have moved, in standard deviations of the reference.
        jensen_shannon: Jensen and Shannon's distance, 0 to 1, less what chance adds to it.
        shift: By how much the mean has risen, in standard deviations of the reference.
        measure: By which of them it is decided.
        threshold: What is still of no interest.
        is_drift: Whether it is more than that, however chance may have had it: the lower end of the
            interval is above. None if it cannot be told.
        direction: `up` or `down` where the mean has moved, however chance may have had it; None
            where it has not, or there is none.
        n_reference: How many values there were.
        n_current: How many values are compared.
        bins: Shares of both.
        reason: Why `is_drift` is None; else None.
    """

    name: str
    psi: Estimate
    wasserstein: Estimate
    jensen_shannon: Estimate
    shift: Estimate
    measure: Measure
    threshold: float
    is_drift: bool | None
    direction: Literal["up", "down"] | None
    n_reference: int
    n_current: int
    bins: tuple[Bin, ...]
    reason: str | None

    @property
    def effect(self) -> Estimate:
        """What it is decided by."""
        effect: Estimate = getattr(self, self.measure)
        return effect

    @property
    def summary(self) -> str:
        """The answer in a sentence."""
        name = self.name or "the distribution"
        if self.is_drift is None:
            return f"{name}: cannot be told: {self.reason}"
        effect = self.effect
        told = (
            f"{self.measure} {effect.value:.3g}, {effect.confidence:.0%}: {effect.low:.3g} to "
            f"{effect.high:.3g}, threshold {self.threshold:g}"
        )
        verdict = "has drifted" if self.is_drift else "no drift beyond the threshold is certain"
        way = f" {self.direction}" if self.is_drift and self.direction else ""
        return f"{name}: {verdict}{way} ({told})"

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        estimates = ("psi", "wasserstein", "jensen_shannon", "shift")
        document = {name: getattr(self, name) for name in self.__slots__}
        document |= {name: getattr(self, name).as_dict() for name in estimates}
        document["bins"] = [
            {name: getattr(each, name) for name in each.__slots__} for each in self.bins
        ]
        return document


def drift_of(
    counts: Counts,
    *,
    name: str = "",
    measure: Measure = "psi",
    threshold: float | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Drift:
    """Measure drift, with what chance does to it.

    Args:
        counts: Both distributions.
        name: Of what they are.
        measure: By which of `MEASURES` it is decided.
        threshold: What is still of no interest; that of `MEASURES` if None.
        confidence: Of the intervals, 0 to 1, exclusive.
        seed: Of what chance draws.

    Raises:
        QueryError: An argument cannot be used.
    """
    _check(counts, measure, threshold, confidence)
    limit = MEASURES[measure] if threshold is None else threshold
    n_before, n_now = int(counts.reference.sum()), int(counts.current.sum())
    bins = _bins(counts) if n_before and n_now else ()
    if reason := _shortage(counts, n_before, n_now):
        nothing = unknown(reason, n=min(n_before, n_now), confidence=confidence)
        return Drift(
            name, nothing, nothing, nothing, nothing, measure, limit, None, None,
            n_before, n_now, bins, reason,
        )  # fmt: skip
    rng = np.random.default_rng(seed)
    estimates = _estimates(counts, rng, n_before, n_now, confidence)
    decided = estimates[measure]
    shift = estimates["shift"]
    direction: Literal["up", "down"] | None = None
    if shift.low is not None and shift.high is not None:
        direction = "up" if shift.low > 0 else "down" if shift.high < 0 else None
    return Drift(
        name,
        estimates["psi"],
        estimates["wasserstein"],
        estimates["jensen_shannon"],
        shift,
        measure,
        limit,
        None if decided.low is None else decided.low > limit,
        direction,
        n_before,
        n_now,
        bins,
        decided.reason,
    )


def _estimates(
    counts: Counts, rng: np.random.Generator, n_before: int, n_now: int, confidence: float
) -> dict[str, Estimate]:
    cells = noise_of(
        counts.reference,
        counts.current,
        rng,
        by_day=counts.by_day,
        levels=_levels(counts),
        draws=_DRAWS,
    )
    binned = Noise(
        *(counts.binned(each) for each in (cells.before, cells.now)),
        *(counts.binned(each) for each in (cells.around_before, cells.around_now)),
    )
    least = (0.5 / n_before, 0.5 / n_now)
    method = f"bootstrap of {counts.block}s" if counts.by_day else "bootstrap of rows"
    n = min(len(counts.reference), len(counts.current)) if counts.by_day else min(n_before, n_now)

    def estimate(noise: Noise, effect: Effect, by_chance: float | None, power: int) -> Estimate:
        seen = float(effect(noise.before[None, :], noise.now[None, :])[0])
        if by_chance is None:
            by_chance = float((effect(*noise.drawn(0.0)) ** power).mean())
        value = max(seen**power - by_chance, 0.0) ** (1 / power)
        low, high = interval(noise, effect, confidence)
        return Estimate(value, min(low, value), max(high, value), confidence, method, n)

    def stability(before: np.ndarray, now: np.ndarray) -> np.ndarray:
        return population_stability(_filled(before, least[0]), _filled(now, least[1]))

    def distance(before: np.ndarray, now: np.ndarray) -> np.ndarray:
        return jensen_shannon(_filled(before, least[0]), _filled(now, least[1]))

    chance = None if counts.by_day else stability_by_chance(n_before, n_now, len(counts.names))
    found = {
        "psi": estimate(binned, stability, chance, 1),
        "jensen_shannon": estimate(binned, distance, None, 2),
    }
    positions = counts.positions
    deviation = 0.0 if positions is None else _deviation(cells.before, positions)
    if positions is None or deviation == 0:
        reason = "labels have no order" if positions is None else "the reference does not vary"
        nothing = unknown(reason, n=n, confidence=confidence)
        return {**found, "wasserstein": nothing, "shift": nothing}
    places = positions / deviation

    def moved(before: np.ndarray, now: np.ndarray) -> np.ndarray:
        return wasserstein(before, now, places)

    found["wasserstein"] = estimate(cells, moved, None, 2)
    shift = float((cells.now - cells.before) @ places)
    chances = (cells.around_now - cells.around_before) @ places
    rare = (1 - confidence) / 2
    low, high = np.quantile(chances, [rare, 1 - rare])
    found["shift"] = Estimate(shift, shift - float(high), shift - float(low), confidence, method, n)
    return found


def _levels(counts: Counts) -> tuple[np.ndarray, np.ndarray] | None:
    """One number for each day, if there are days."""
    if not counts.by_day or counts.block != "day":
        return None
    sides = (counts.reference, counts.current)
    if counts.positions is None:
        sides = (counts.binned(sides[0]), counts.binned(sides[1]))
    return levels_of(sides[0], counts.positions), levels_of(sides[1], counts.positions)


def _filled(shares: np.ndarray, least: float) -> np.ndarray:
    """Shares of which none is 0: half of a value is everywhere."""
    filled: np.ndarray = np.maximum(shares, least)
    return filled


def _deviation(shares: np.ndarray, positions: np.ndarray) -> float:
    # In units of the farthest, for large numbers have no square.
    unit = float(np.abs(positions).max()) or 1.0
    places = positions / unit
    deviation = unit * float(np.sqrt(shares @ (places - shares @ places) ** 2))
    return 0.0 if deviation < _ROUNDING * unit else deviation


def _bins(counts: Counts) -> tuple[Bin, ...]:
    before = counts.binned(counts.reference.sum(axis=0)) / counts.reference.sum()
    now = counts.binned(counts.current.sum(axis=0)) / counts.current.sum()
    return tuple(
        Bin(
            name if isinstance(name, str) else "",
            None if isinstance(name, str) else name[0],
            None if isinstance(name, str) else name[1],
            float(one),
            float(other),
        )
        for name, one, other in zip(counts.names, before, now, strict=True)
    )


def _shortage(counts: Counts, n_before: int, n_now: int) -> str | None:
    """Why nothing can be told; None if something can."""
    for side, n in (("the reference", n_before), ("what is compared", n_now)):
        if n < LEAST_ROWS:
            return f"{n} values in {side}; {LEAST_ROWS} are needed"
    if counts.by_day and len(counts.reference) < LEAST_DAYS:
        return f"{len(counts.reference)} {counts.block}s in the reference; {LEAST_DAYS} are needed"
    return None


def _check(counts: Counts, measure: object, threshold: float | None, confidence: float) -> None:
    if not isinstance(measure, str) or measure not in MEASURES:
        raise QueryError("drift is not measured by this", got=measure, allowed=", ".join(MEASURES))
    if measure == "wasserstein" and counts.positions is None:
        raise QueryError(
            "labels have no order, and so no Wasserstein distance",
            got=measure,
            allowed="psi, jensen_shannon",
        )
    if threshold is not None and not (is_number(threshold) and threshold >= 0):
        raise QueryError("this is no threshold", got=threshold, allowed="0 or more")
    if not (is_number(confidence) and 0 < confidence < 1):
        raise QueryError("this is no confidence", got=confidence, allowed="0 to 1, exclusive")
