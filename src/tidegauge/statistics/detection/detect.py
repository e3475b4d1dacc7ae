# SPDX-License-Identifier: Apache-2.0
"""Detection on a series that is there: learn from its first part, watch the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tidegauge.model.spec import Direction
from tidegauge.statistics.detection.baseline import Season
from tidegauge.statistics.detection.monitor import Method, Monitor, Notice, fit_monitor
from tidegauge.statistics.detection.scoring import Scoring

__all__ = ["Alarm", "Detection", "detect_changes"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """The series is not what it was.

    Attributes:
        time_us: Beginning of the step of the alarm, microseconds since 1970.
        change_us: Beginning of the step with which the change probably began.
        end_us: Beginning of the step with which it was over; None if it is not.
        value: The value of the step.
        expected: The value that is usual at this time.
        z: How far it is from that, in usual differences.
        direction: `up` or `down`.
        is_worse: Whether that is worse; None if nobody said which way is better.
    """

    time_us: int
    change_us: int
    end_us: int | None
    value: float | None
    expected: float | None
    z: float | None
    direction: Literal["up", "down"]
    is_worse: bool | None

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What watching a series found.

    Attributes:
        name: Of the series.
        unit: Of the values; empty if there is none.
        better: Which way is better.
        step_s: Seconds of a step.
        times_us: Beginnings of the steps that were watched; shape (n,).
        values: Shape (n,), NaN where there is none.
        expected: What is usual at these times; shape (n,), NaN if it is not known.
        spread: By how much values usually differ from that; shape (n,).
        alarms: In the order of time.
        method: `cusum` or `ewma`.
        run_length: Steps until a false alarm of this series, on average.
        threshold: Of the chart; None if nothing was watched.
        season: What values were compared within; empty if nothing was watched.
        note: Why the season is not the finest that there could be; empty if it is.
        n_history: Values that it was learned from.
        reason: Why nothing was watched; None if it was.
    """

    name: str
    unit: str
    better: Direction
    step_s: int
    times_us: np.ndarray
    values: np.ndarray
    expected: np.ndarray
    spread: np.ndarray
    alarms: tuple[Alarm, ...]
    method: Method
    run_length: float
    threshold: float | None
    season: str
    note: str
    n_history: int
    reason: str | None
    monitor: Monitor | None = field(repr=False)

    @property
    def summary(self) -> str:
        """What was found, in a sentence."""
        if self.reason is not None:
            return f"{self.name}: not watched: {self.reason}"
        count = len(self.alarms)
        found = f"{count} alarm{'' if count == 1 else 's'}" if count else "nothing"
        return (
            f"{self.name}: {found} in {len(self.values)} steps ({self.method}, a false alarm each "
            f"{self.run_length:,.0f} steps)"
        )

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON, without what is needed to go on."""
        return {
            "name": self.name,
            "unit": self.unit,
            "better": self.better.value,
            "step_s": self.step_s,
            "times_us": self.times_us.tolist(),
            "values": _listed(self.values),
            "expected": _listed(self.expected),
            "spread": _listed(self.spread),
            "alarms": [alarm.as_dict() for alarm in self.alarms],
            "method": self.method,
            "run_length": self.run_length,
            "threshold": self.threshold,
            "season": self.season,
            "note": self.note,
            "n_history": self.n_history,
            "reason": self.reason,
        }


def detect_changes(
    times_us: np.ndarray,
    values: np.ndarray,
    step_s: int,
    watched: int,
    *,
    run_length: float,
    name: str = "",
    unit: str = "",
    better: Direction = Direction.NONE,
    only_worse: bool = False,
    method: Method = "cusum",
    season: Season | None = None,
    scale_floor: float | None = None,
    learned: Scoring | str | None = None,
) -> Detection:
    """Watch the last steps of a series, having learned from those before.

    Args:
        times_us: Beginnings of the steps, without holes, microseconds since 1970; shape (n,).
        values: Shape (n,), NaN where there is none.
        step_s: Seconds of a step.
        watched: How many steps are watched.
        run_length: Steps until a false alarm, on average, more than 1.
        name: Of the series.
        unit: Of the values.
        better: Which way is better.
        only_worse: Whether only changes for the worse count. Both count if nobody says which.
        method: `cusum` or `ewma`.
        season: As for `fit_baseline`.
        scale_floor: As for `fit_baseline`.
        learned: What `fit_scoring` says of what comes before the steps that are watched, or why
            the series cannot be watched; it is asked if None.

    Raises:
        QueryError: An argument cannot be used.
    """
    begin = max(len(values) - watched, 0)
    history, now = slice(0, begin), slice(begin, None)
    monitor = fit_monitor(
        times_us[history],
        values[history],
        step_s,
        run_length=run_length,
        method=method,
        rises=not (only_worse and better is Direction.HIGHER),
        falls=not (only_worse and better is Direction.LOWER),
        season=season,
        scale_floor=scale_floor,
        learned=learned,
    )
    n_history = int(np.isfinite(values[history]).sum())
    if isinstance(monitor, str):
        nothing = np.full(len(values) - begin, np.nan)
        return Detection(
            name, unit, better, step_s, times_us[now], values[now], nothing, nothing, (), method,
            run_length, None, "", "", n_history, monitor, None,
        )  # fmt: skip
    notices = monitor.update(times_us[now], values[now])
    baseline = monitor.scoring.baseline
    return Detection(
        name,
        unit,
        better,
        step_s,
        times_us[now],
        values[now],
        baseline.expected(times_us[now]),
        baseline.spread(times_us[now]),
        tuple(_alarms(notices, better)),
        method,
        run_length,
        monitor.threshold,
        baseline.season,
        baseline.note,
        n_history,
        None,
        monitor,
    )


def _alarms(notices: list[Notice], better: Direction) -> list[Alarm]:
    """Alarms with their ends."""
    alarms = []
    for number, notice in enumerate(notices):
        if notice.kind != "alarm":
            continue
        ends = (
            later.time_us
            for later in notices[number + 1 :]
            if later.kind == "over" and later.rises == notice.rises
        )
        is_worse = None if better is Direction.NONE else notice.rises is (better is Direction.LOWER)
        alarms.append(
            Alarm(
                notice.time_us,
                notice.change_us,
                next(ends, None),
                notice.value,
                notice.expected,
                notice.z,
                "up" if notice.rises else "down",
                is_worse,
            )
        )
    return alarms


def _listed(values: np.ndarray) -> list[float | None]:
    return [float(each) if np.isfinite(each) else None for each in values]
