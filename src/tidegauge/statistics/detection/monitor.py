# SPDX-License-Identifier: Apache-2.0
"""A series under watch: learned from its history, with a threshold for so many false alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.bounds import is_number
from tidegauge.statistics.detection.baseline import Season
from tidegauge.statistics.detection.cusum import Cusum
from tidegauge.statistics.detection.ewma import Ewma
from tidegauge.statistics.detection.passages import Signal
from tidegauge.statistics.detection.run_length import cusum_threshold, ewma_threshold
from tidegauge.statistics.detection.scoring import Scoring, fit_scoring
from tidegauge.statistics.timeseries.adjustment import DAY_S

__all__ = ["METHODS", "Method", "Monitor", "Notice", "fit_monitor", "run_length_of"]

Method = Literal["cusum", "ewma"]

#: How a series can be watched.
METHODS: tuple[Method, ...] = ("cusum", "ewma")

_MONTH_S = 30 * DAY_S


@dataclass(frozen=True, slots=True)
class Notice:
    """An alarm, or the end of one.

    Attributes:
        kind: `alarm` or `over`.
        time_us: Beginning of the step, microseconds since 1970.
        change_us: Beginning of the step with which the change probably began.
        value: The value of the step; None if it has none.
        expected: The value that is usual at this time.
        z: How far it is from that, in usual differences.
        rises: Whether values are higher than they were, or lower.
    """

    kind: Literal["alarm", "over"]
    time_us: int
    change_us: int
    value: float | None
    expected: float | None
    z: float | None
    rises: bool


@dataclass(slots=True, eq=False)
class Monitor:
    """Watches one series, a few steps at a time.

    Not thread-safe.

    Attributes:
        scoring: What is known of the series.
        chart: What watches its scores.
        run_length: Steps until a false alarm, on average.
        past: The last differences from the baseline, the newest last; shape (order,).
        next_us: Beginning of the step that has not been seen.
    """

    scoring: Scoring
    chart: Cusum | Ewma
    run_length: float
    past: np.ndarray
    next_us: int

    def update(self, times_us: np.ndarray, values: np.ndarray) -> list[Notice]:
        """Look at new values.

        Args:
            times_us: Beginnings of the steps, without holes; shape (n,). Steps between the last
                ones seen and these count as gaps.
            values: Shape (n,), NaN where there is none.

        Raises:
            QueryError: The first step has been seen before.
        """
        if not len(times_us):
            return []
        if times_us[0] < self.next_us:
            raise QueryError(
                "this step has been seen before",
                got=int(times_us[0]),
                allowed=f"{self.next_us} or later, microseconds since 1970",
            )
        self._skip_to(int(times_us[0]))
        scores, z, self.past = self.scoring.scores(times_us, values, self.past)
        self.next_us = int(times_us[-1]) + self.step_us
        expected = self.scoring.baseline.expected(times_us)
        return [
            self._notice(signal, times_us, values, expected, z)
            for signal in self.chart.update(scores)
        ]

    @property
    def step_us(self) -> int:
        """Microseconds of a step."""
        return self.scoring.baseline.step_s * 1_000_000

    @property
    def method(self) -> Method:
        """How it watches."""
        return "cusum" if isinstance(self.chart, Cusum) else "ewma"

    @property
    def threshold(self) -> float:
        """Of the chart."""
        return float(self.chart.thresholds[0])

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON, from which it can go on elsewhere."""
        return {
            "scoring": self.scoring.as_dict(),
            "method": self.method,
            "chart": self.chart.as_dict(),
            "run_length": self.run_length,
            "past": [None if np.isnan(each) else float(each) for each in self.past],
            "next_us": self.next_us,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Monitor:
        """The inverse of `as_dict`."""
        chart = Cusum if document["method"] == "cusum" else Ewma
        return cls(
            Scoring.from_dict(document["scoring"]),
            chart.from_dict(document["chart"]),
            document["run_length"],
            np.array(document["past"], dtype=float),
            document["next_us"],
        )

    def _skip_to(self, begin_us: int) -> None:
        """Note that there is nothing before a step but gaps."""
        skipped = np.arange(self.next_us, begin_us, self.step_us)
        if not self.scoring.is_closed(skipped).all():
            self.past = np.full(len(self.past), np.nan)
        # A change that may have begun began so much earlier.
        self.chart.ages[self.chart.ages > 0] += len(skipped)

    def _notice(
        self,
        signal: Signal,
        times_us: np.ndarray,
        values: np.ndarray,
        expected: np.ndarray,
        z: np.ndarray,
    ) -> Notice:
        at = signal.index
        return Notice(
            signal.kind,
            int(times_us[at]),
            int(times_us[0]) + signal.change * self.step_us,
            _known(values[at]),
            _known(expected[at]),
            _known(z[at]),
            signal.rises,
        )


def fit_monitor(
    times_us: np.ndarray,
    values: np.ndarray,
    step_s: int,
    *,
    run_length: float,
    method: Method = "cusum",
    rises: bool = True,
    falls: bool = True,
    season: Season | None = None,
    scale_floor: float | None = None,
    learned: Scoring | str | None = None,
) -> Monitor | str:
    """Learn from a history, and be ready for what comes after.

    Args:
        times_us: Beginnings of the steps, without holes, microseconds since 1970; shape (n,).
        values: Shape (n,), NaN where there is none.
        step_s: Seconds of a step.
        run_length: Steps until a false alarm, on average, more than 1; see `run_length_of`.
        method: One of `METHODS`.
        rises: Whether rises are watched.
        falls: Whether falls are.
        season: As for `fit_baseline`.
        scale_floor: As for `fit_baseline`.
        learned: What `fit_scoring` says of the history, if it has been asked.

    Returns:
        Or why the series cannot be watched.

    Raises:
        QueryError: An argument cannot be used.
    """
    if not 1 < run_length < math.inf:
        raise QueryError("this is no run length", got=run_length, allowed="more than 1")
    if not (rises or falls):
        raise QueryError("nothing is watched", allowed="rises, falls, or both")
    if method not in METHODS:
        raise QueryError("there is no such method", got=method, allowed=", ".join(METHODS))
    scoring = learned
    if scoring is None:
        scoring = fit_scoring(times_us, values, step_s, season=season, scale_floor=scale_floor)
    if isinstance(scoring, str):
        return scoring
    finder = cusum_threshold if method == "cusum" else ewma_threshold
    threshold = finder(run_length, sides=rises + falls, uncertainty=scoring.uncertainty)
    if threshold is None:
        return (
            f"{scoring.n} values of history are too few for one false alarm in {run_length:,.0f} "
            "steps"
        )
    begin = Cusum.begin if method == "cusum" else Ewma.begin
    chart = begin(threshold, rises=rises, falls=falls)
    _, _, past = scoring.scores(times_us, values, np.full(scoring.memory.order, np.nan))
    return Monitor(scoring, chart, run_length, past, int(times_us[-1]) + step_s * 1_000_000)


def run_length_of(false_alarms: float, step_s: int, *, n_series: int = 1) -> float:
    """Steps between two false alarms of one series, if all may have so many in a month.

    Args:
        false_alarms: In 30 days, of all series together; above 0.
        step_s: Seconds of a step.
        n_series: How many series are watched.

    Raises:
        QueryError: Nobody can keep to it, or everything would be an alarm.
    """
    steps = n_series * _MONTH_S / step_s
    if not is_number(false_alarms) or not 0 < false_alarms < steps:
        raise QueryError(
            "this is no budget of false alarms",
            got=false_alarms,
            allowed=f"more than 0 and less than {steps:g} a month, the number of values",
        )
    return steps / false_alarms


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
