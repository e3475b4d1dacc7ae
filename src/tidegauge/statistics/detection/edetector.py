# SPDX-License-Identifier: Apache-2.0
"""E-detectors: has a rate, or the mean of bounded numbers, become worse than is tolerated?

They need to know nothing of how numbers are distributed. As long as the mean of each, given all
before, is tolerated, there are on average at least as many steps until an alarm as was asked for
(Shin, Ramdas and Rinaldo 2024). What is tolerated should therefore be worse than what is usual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.wilson import wilson_interval

__all__ = ["EDetector", "Form", "alarmed_of_many", "tolerated_rate"]

Form = Literal["sr", "cusum"]

# How many times as likely, as odds, what is to be noticed is: bets that are good for each of these.
_ODDS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_FIRST_CHUNK = 256
_LARGEST_EXPONENT = 300.0


@dataclass(slots=True, eq=False)
class EDetector:
    """Wealth that bets on a change would have, of several series at once.

    After an alarm it begins anew, so that a change that lasts is told again and again; unless it
    is to gather evidence for `alarmed_of_many`.

    Not thread-safe.

    Attributes:
        tolerated: The mean that is still tolerated, 0 to 1, exclusive.
        run_length: Steps until a false alarm, on average, at least.
        worse: Whether `higher` or `lower` means are worse.
        form: `sr` after Shiryaev and Roberts, `cusum` after Page; the former is never slower.
        wealth: Of each bet; shape (n_bets, n_series).
        restarts: Whether it begins anew after an alarm.
    """

    tolerated: float
    run_length: float
    worse: Literal["higher", "lower"]
    form: Form
    wealth: np.ndarray
    restarts: bool = True

    @classmethod
    def begin(
        cls,
        tolerated: float,
        run_length: float,
        *,
        worse: Literal["higher", "lower"] = "higher",
        form: Form = "sr",
        n_series: int = 1,
        restarts: bool = True,
    ) -> EDetector:
        """Begin with nothing.

        Args:
            tolerated: The mean that is still tolerated, 0 to 1, exclusive; see `tolerated_rate`.
            run_length: Steps until a false alarm, on average, at least; more than 1.
            worse: Which way is worse.
            form: `sr` or `cusum`.
            n_series: How many series.
            restarts: Whether to begin anew after an alarm; False for `alarmed_of_many`.

        Raises:
            QueryError: One of these cannot be used.
        """
        if not 0 < tolerated < 1:
            raise QueryError(
                "such a mean cannot be tolerated", got=tolerated, allowed="0 to 1, exclusive"
            )
        if not run_length > 1:
            raise QueryError("this is no run length", got=run_length, allowed="more than 1")
        if worse not in ("higher", "lower") or form not in ("sr", "cusum"):
            raise QueryError(
                "there is no such e-detector",
                got=(worse, form),
                allowed="higher or lower; sr or cusum",
            )
        nothing = np.zeros((len(_ODDS), n_series))
        return cls(tolerated, run_length, worse, form, nothing, restarts)

    def update(self, values: np.ndarray, trials: np.ndarray | None = None) -> list[tuple[int, int]]:
        """Look at new values.

        Args:
            values: Numbers of 0 to 1; with `trials`, sums of so many such numbers each, as the
                number of failures is. Shape (n_series, n) or, of one series, (n,). NaN where there
                is none.
            trials: Shape as of `values`. A step without any is none, as one without a value.

        Returns:
            Number of the series and of the step of each alarm, in order. If it does not begin anew,
            of each series the first step here at which there is enough evidence.

        Raises:
            QueryError: A value is not 0 to 1, or a sum not 0 to the number of trials.
        """
        rows = np.atleast_2d(np.asarray(values, dtype=float))
        counts = None if trials is None else np.atleast_2d(np.asarray(trials, dtype=float))
        gains = self._gains(rows, counts)
        counted = ~np.isnan(rows) if counts is None else ~np.isnan(rows) & (counts > 0)
        wealth, self.wealth = _grown(gains, counted, self.wealth, self.form)
        alarms = []
        for series in np.flatnonzero((wealth >= self.run_length).any(axis=1)).tolist():
            if not self.restarts:
                alarms.append((series, int((wealth[series] >= self.run_length).argmax())))
                continue
            at, last = _restarted(
                gains[:, series], counted[series], wealth[series], self.run_length, self.form
            )
            alarms += [(series, each) for each in at]
            self.wealth[:, series] = last
        return alarms

    def evidence(self) -> np.ndarray:
        """The wealth of all bets together; shape (n_series,).

        For `alarmed_of_many` of a detector that does not begin anew: what it told of is gone else.
        """
        evidence: np.ndarray = self.wealth.mean(axis=0)
        return evidence

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        return {
            "tolerated": self.tolerated,
            "run_length": self.run_length,
            "worse": self.worse,
            "form": self.form,
            "wealth": self.wealth.tolist(),
            "restarts": self.restarts,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> EDetector:
        """The inverse of `as_dict`."""
        return cls(**{**document, "wealth": np.array(document["wealth"], dtype=float)})

    def _gains(self, rows: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
        """Logarithms of what each step multiplies each bet's wealth by; (n_bets, n_series, n).

        For sums the least that the numbers can have multiplied it by, which is what they have if
        each was 0 or 1, in whatever order.
        """
        most = 1.0 if counts is None else counts
        if not ((rows >= 0) & (rows <= most) | np.isnan(rows)).all():
            raise QueryError(
                "an e-detector cannot take these values",
                got=rows[~((rows >= 0) & (rows <= most))].ravel()[0],
                allowed="0 to 1, or sums of 0 to the number of trials",
                fix="Scale them to lie between 0 and 1.",
            )
        if self.worse == "lower":
            rows, usual = most - rows, 1 - self.tolerated
        else:
            usual = self.tolerated
        gains = np.empty((len(_ODDS), *rows.shape))
        for bet, odds in enumerate(_ODDS):
            # Best for a mean whose odds are so many times those of what is tolerated.
            stake = (odds - 1) / (1 - usual + odds * usual)
            if counts is None:
                gains[bet] = np.log1p(stake * (rows - usual))
            else:
                gains[bet] = rows * math.log1p(stake * (1 - usual))
                gains[bet] += (counts - rows) * math.log1p(-stake * usual)
        return np.nan_to_num(gains, copy=False, nan=0.0)


def tolerated_rate(
    failures: int, trials: int, *, margin: float = 0.1, worse: Literal["higher", "lower"] = "higher"
) -> float | None:
    """What is worse than a history by a margin, and by what of it is chance.

    Args:
        failures: How many of the trials of the history; with `lower`, how many were good.
        trials: How many.
        margin: How much worse is tolerated, as a share of the rate.
        worse: Whether a `higher` or a `lower` rate is worse.

    Returns:
        The end of Wilson's interval on the worse side, and the margin; None without a history, or
        if nothing could be worse.

    Raises:
        QueryError: There are more failures than trials, or an argument cannot be used.
    """
    if worse not in ("higher", "lower"):
        raise QueryError("this is no way to become worse", got=worse, allowed="higher or lower")
    if not 0 <= failures <= max(trials, 0):
        raise QueryError("so many cannot fail", got=failures, allowed=f"0 to {trials}, of {trials}")
    if not 0 <= margin < math.inf:
        raise QueryError("this is no margin", got=margin, allowed="0 or more")
    if trials <= 0:
        return None
    low, high = wilson_interval(failures, trials)
    tolerated = high * (1 + margin) if worse == "higher" else low / (1 + margin)
    return tolerated if 0 < tolerated < 1 else None


def alarmed_of_many(evidence: np.ndarray, run_length: float) -> np.ndarray:
    """Which of many series to tell of, so that the share of false alarms stays small.

    The procedure of Benjamini and Hochberg for e-detectors, which needs no independence
    (Dandapanthula and Ramdas 2025): the k series with the most evidence, for the largest k of which
    all have at least K / k times the run length.

    Args:
        evidence: From `EDetector.evidence`, begun with `restarts=False`; shape (K,).
        run_length: What was asked of each.

    Returns:
        Their numbers, ascending.
    """
    order = np.argsort(-evidence, kind="stable")
    needed = run_length * len(evidence) / np.arange(1, len(evidence) + 1)
    enough = np.flatnonzero(evidence[order] >= needed)
    chosen: np.ndarray = np.sort(order[: int(enough[-1]) + 1 if len(enough) else 0])
    return chosen


def _grown(
    gains: np.ndarray, counted: np.ndarray, wealth: np.ndarray, form: Form
) -> tuple[np.ndarray, np.ndarray]:
    """The mean wealth of all bets after each step, (n_series, n), and of each at the end.

    Args:
        gains: Shape (n_bets, n_series, n).
        counted: Which steps have a value; shape (n_series, n).
        wealth: Before; shape (n_bets, n_series).
        form: Of the e-detector.
    """
    steps = gains.shape[-1]
    # Running sums stay where floats can hold their exponentials.
    largest = float(np.abs(gains).max(initial=0))
    size = max(int(_LARGEST_EXPONENT / largest), 1) if largest else max(steps, 1)
    total = np.empty((gains.shape[1], steps))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for begin in range(0, steps, size):
            part = slice(begin, begin + size)
            sums = np.cumsum(gains[:, :, part], axis=-1)
            if form == "sr":
                paths = _grown_sr(sums, counted[:, part], wealth)
            else:
                paths = _grown_cusum(sums, wealth)
            total[:, part] = paths.mean(axis=0)
            wealth = paths[:, :, -1]
    return total, wealth


def _grown_sr(sums: np.ndarray, counted: np.ndarray, wealth: np.ndarray) -> np.ndarray:
    """Wealth to which 1 is added before each step that has a value."""
    stakes = np.exp(-sums)
    stakes[:, :, 1:] = stakes[:, :, :-1]
    stakes[:, :, 0] = 1
    stakes *= counted
    stakes[:, :, 0] += wealth
    np.cumsum(stakes, axis=-1, out=stakes)
    paths: np.ndarray = stakes * np.exp(sums)
    # What was without bounds stays so.
    return np.where(np.isnan(paths), np.inf, paths) if np.isinf(wealth).any() else paths


def _grown_cusum(sums: np.ndarray, wealth: np.ndarray) -> np.ndarray:
    """Wealth that is never less than 1 before a step."""
    begun = np.concatenate([np.minimum(-np.log(wealth), 0)[:, :, None], sums[:, :, :-1]], axis=-1)
    paths: np.ndarray = np.exp(sums - np.minimum.accumulate(begun, axis=-1))
    return paths


def _restarted(
    gains: np.ndarray, counted: np.ndarray, wealth: np.ndarray, goal: float, form: Form
) -> tuple[list[int], np.ndarray]:
    """Alarms of one series that begins anew after each, and the wealth of each bet at the end.

    Args:
        gains: Shape (n_bets, n).
        counted: Which steps have a value; shape (n,).
        wealth: Until the first alarm; shape (n,).
        goal: The wealth of an alarm.
        form: Of the e-detector.
    """
    alarms = [int((wealth >= goal).argmax())]
    nothing = np.zeros((len(gains), 1))
    last, begin, size = nothing, alarms[0] + 1, _FIRST_CHUNK
    while begin < gains.shape[1]:
        part = slice(begin, begin + size)
        grown, after = _grown(gains[:, None, part], counted[None, part], last, form)
        reached = grown[0] >= goal
        if reached.any():
            alarms.append(begin + int(reached.argmax()))
            last, begin, size = nothing, alarms[-1] + 1, _FIRST_CHUNK
        else:
            last, begin, size = after, begin + size, 2 * size
    return alarms, last[:, 0]
