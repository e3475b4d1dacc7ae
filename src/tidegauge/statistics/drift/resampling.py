# SPDX-License-Identifier: Apache-2.0
"""What chance does to an effect that cannot be negative, such as a distance.

Such an effect is above 0 also where nothing has changed, and the usual bootstrap would double that.
So chance is added to shares between what was seen and no difference at all: the interval has those
differences with which what was seen is not unusual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidegauge.statistics.drift.memory import drawn_strengths, widened

__all__ = ["LEAST_DAYS", "Noise", "interval", "noise_of"]

#: Fewer days do not say how much days differ.
LEAST_DAYS = 7

# With fewer, what days differ by is better known from the reference.
_OWN_DAYS = 14
_HALVINGS = 10
# Effects beyond so many times what was seen are not looked at.
_FARTHEST = 4.0

#: From shares before, (draws, n_cells), and now to an effect each, (draws,).
Effect = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """What was seen, and by how much it would differ another time.

    Attributes:
        before: Shares of the reference; shape (n_cells,).
        now: Shares of what is compared.
        around_before: Deviations of shares that chance makes; shape (draws, n_cells).
        around_now: The same of what is compared.
    """

    before: np.ndarray
    now: np.ndarray
    around_before: np.ndarray
    around_now: np.ndarray

    def drawn(self, part: float) -> tuple[np.ndarray, np.ndarray]:
        """Shares as they could be if the difference was this part of what was seen."""
        middle = (self.before + self.now) / 2
        return (
            middle + part * (self.before - middle) + self.around_before,
            middle + part * (self.now - middle) + self.around_now,
        )


def noise_of(
    reference: np.ndarray,
    current: np.ndarray,
    rng: np.random.Generator,
    *,
    by_day: bool,
    levels: tuple[np.ndarray, np.ndarray] | None = None,
    draws: int = 1_000,
) -> Noise:
    """Draw days, or rows, again and again.

    Args:
        reference: Counts of each day, or of all rows in one; shape (n_days, n_cells).
        current: The same. Of a few days, days of the reference are drawn instead.
        rng: Where chance is from.
        by_day: Whether days are drawn.
        levels: One number for each day of both, in order, if a day may resemble the day before.
        draws: How often.
    """
    before, now = _shares(reference), _shares(current)
    if not by_day:
        return Noise(before, now, _of_rows(reference, rng, draws), _of_rows(current, rng, draws))
    has_own = len(current) >= min(_OWN_DAYS, len(reference))
    days = current if has_own else reference
    strengths = np.zeros(draws)
    if levels is not None:
        strengths = drawn_strengths(levels if has_own else levels[:1], rng, draws)
    luck = rng.random(draws)
    factors = widened(strengths, len(reference), len(reference), luck)
    around_before = factors[:, None] * _of_days(reference, len(reference), rng, draws)
    # The same days have the same luck.
    luck = rng.random(draws) if has_own else luck
    factors = widened(strengths, len(days), len(current), luck)
    around_now = factors[:, None] * _of_days(days, len(current), rng, draws)
    return Noise(before, now, around_before, around_now)


def interval(noise: Noise, effect: Effect, confidence: float) -> tuple[float, float]:
    """The lower and the upper end for an effect.

    Args:
        noise: From `noise_of`.
        effect: Computes it from shares.
        confidence: Of the interval, 0 to 1, exclusive.
    """
    seen = float(effect(noise.before[None, :], noise.now[None, :])[0])
    rare = (1 - confidence) / 2

    def at_least(part: float) -> float:
        return float((effect(*noise.drawn(part)) >= seen).mean())

    low = 0.0 if at_least(0.0) > rare else _part(lambda part: at_least(part) > rare, 0.0, 1.0)
    high = _part(lambda part: at_least(part) >= 1 - rare, 0.0, _FARTHEST)
    ends = [_effect_at(noise, effect, part) for part in (low, high)]
    return ends[0], ends[1]


def _part(is_enough: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return (low + high) / 2


def _effect_at(noise: Noise, effect: Effect, part: float) -> float:
    middle = (noise.before + noise.now) / 2
    before = middle + part * (noise.before - middle)
    now = middle + part * (noise.now - middle)
    return float(effect(before[None, :], now[None, :])[0]) if part else 0.0


def _shares(counts: np.ndarray) -> np.ndarray:
    shares: np.ndarray = counts.sum(axis=0) / counts.sum()
    return shares


def _of_rows(counts: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    shares, total = _shares(counts), int(counts.sum())
    deviations: np.ndarray = rng.multinomial(total, shares, size=draws) / total - shares
    return deviations


def _of_days(days: np.ndarray, count: int, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Deviations of the shares of `count` days that are drawn."""
    weights = rng.multinomial(count, np.full(len(days), 1 / len(days)), size=draws).astype(float)
    totals = weights @ days.sum(axis=1)
    deviations: np.ndarray = (weights @ days) / totals[:, None] - _shares(days)
    return deviations
