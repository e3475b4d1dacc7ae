# SPDX-License-Identifier: Apache-2.0
"""What somebody passes, read: two samples, or a series with the place of its change."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.model.times import isoformat, parse_time_ns
from tidegauge.statistics.impact.change import Change
from tidegauge.statistics.impact.groups import array_of, read_group, side_of
from tidegauge.statistics.impact.samples import Samples
from tidegauge.statistics.timeseries.adjustment import DAY_S, STEPS_S

__all__ = [
    "check_days",
    "given_change",
    "given_samples",
    "on_grid",
    "placed",
    "shown_time",
]

_PERIODS = {"day": (7,), "hour": (24, 168)}
_CENTURY = 36_525
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


def given_samples(
    before: Any,
    after: Any,
    *,
    per: Any = None,
    units: Any = None,
    covariate: Any = None,
    is_randomised: bool = False,
    statistic: str = "mean",
) -> Samples:
    """Two samples as they were passed; see `tidegauge.measure_impact`.

    Raises:
        QueryError: Something of it cannot be used.
    """
    quantile = _quantile_of(statistic)
    if quantile is not None and (units is not None or per is not None):
        raise QueryError(
            "quantiles can only be compared between independent rows",
            got=f"{statistic} with units or per",
            fix="Compare the mean, or leave out units if each has one row.",
        )
    groups = []
    for index, given in enumerate((before, after)):
        values = array_of(given, ("before", "after")[index])
        n = len(values)
        groups.append(
            read_group(
                values,
                denominators=side_of(per, index, n, "per", are_numbers=True),
                units=side_of(units, index, n, "units", are_numbers=False),
                covariate=side_of(covariate, index, n, "covariate", are_numbers=True),
            )
        )
    return Samples(groups[0], groups[1], is_randomised=is_randomised, quantile=quantile)


def given_change(
    values: Any,
    at: Any,
    *,
    times: Any = None,
    control: Any = None,
    per: Any = None,
    days: float = 28,
    by: str = "day",
    has_trend: bool = False,
) -> tuple[Change, str]:
    """A series with its change as they were passed, and when it was; see `measure_impact`.

    Raises:
        QueryError: Something of it cannot be used.
        MetricValidationError: A time cannot be read.
    """
    arrays = [array_of(values, "the series")]
    for other, what in (
        (control, "control"),
        *zip(
            _pers(per, has_control=control is not None), ("per", "per of the control"), strict=True
        ),
    ):
        arrays.append(np.zeros(0) if other is None else array_of(other, what))
        if other is not None and len(arrays[-1]) != len(arrays[0]):
            raise QueryError(
                f"{what} must have a value for each of the series",
                got=len(arrays[-1]),
                allowed=f"{len(arrays[0])}",
            )
    step_us = _step_s(by) * 1_000_000
    if times is None:
        index = _index_of(at, len(arrays[0]))
        change = placed(arrays[0], index, days=days, by=by, has_trend=has_trend)
        when = f"the first {index} values"
    else:
        times = _listed(times, len(arrays[0]))
        zone = times[0].tzinfo if by == "day" and isinstance(times[0], dt.datetime) else None
        times_us = np.array([_time_ns(each, zone) // 1000 for each in times], dtype=np.int64)
        start_us, arrays = on_grid(times_us, arrays, step_us)
        at_ns = _time_ns(at, zone)
        index, rest = divmod(at_ns // 1000 - start_us, step_us)
        change = placed(arrays[0], index, days=days, by=by, has_trend=has_trend, is_whole=rest == 0)
        grid_us = start_us + step_us * np.arange(len(arrays[0]), dtype=np.int64)
        change, when = replace(change, times_us=grid_us), shown_time(at_ns)
    return replace(
        change,
        control=arrays[1] if control is not None else None,
        denominators=arrays[2] if per is not None else None,
        control_denominators=arrays[3] if per is not None and control is not None else None,
    ), when


def placed(
    values: np.ndarray,
    index: int,
    *,
    days: float,
    by: str,
    has_trend: bool = False,
    is_whole: bool = True,
) -> Change:
    """The change of a series on a grid.

    Args:
        values: Shape (n,), NaN where there is none.
        index: The step that the change is in, or begins.
        days: How far to look on both sides.
        by: `day` or `hour`: what a step is.
        has_trend: Whether the series also follows a straight line.
        is_whole: Whether it begins that step. The step that it is in the midst of does not count.

    Raises:
        QueryError: The change is not inside of the series, or `days` is no number of days.
    """
    check_days(days, "days")
    count = round(days * DAY_S / _step_s(by))
    if not count:
        raise QueryError("days cannot be used", got=days, allowed="at least one step")
    if not 0 < index < len(values):
        raise QueryError(
            "the change is not inside of the series",
            got=f"step {index} of {len(values)}",
            fix="There must be values before it and after it.",
        )
    return Change(
        values,
        index,
        before=count,
        after=count,
        skipped=0 if is_whole else 1,
        periods=_PERIODS[by],
        stride=DAY_S // _step_s(by),
        has_trend=has_trend,
    )


def on_grid(
    times_us: np.ndarray, columns: list[np.ndarray], step_us: int
) -> tuple[int, list[np.ndarray]]:
    """Columns with a value for each step from the first to the last, and when the first begins.

    Raises:
        QueryError: A step has two values.
    """
    steps = times_us // step_us
    if len(np.unique(steps)) < len(steps):
        raise QueryError(
            "there are two values for the same step", fix="Sum them up by day or hour first."
        )
    first = int(steps.min())
    gridded = []
    for column in columns:
        filled = np.full(int(steps.max()) - first + 1, np.nan)
        if len(column):
            filled[steps - first] = column
        gridded.append(filled)
    return first * step_us, gridded


def shown_time(time_ns: int) -> str:
    """A time to the second, and a midnight as the date; UTC."""
    return isoformat(time_ns)[:19].removesuffix("T00:00:00")


def _pers(per: Any, *, has_control: bool) -> tuple[Any, Any]:
    """What a series is divided by, and what its control is.

    Raises:
        QueryError: There is a control, and no pair.
    """
    if per is None or not has_control:
        return per, None
    if not isinstance(per, tuple | list) or len(per) != 2:
        raise QueryError(
            "per must be a pair where there is a control",
            got=per,
            allowed="(per of the series, per of the control)",
        )
    return per[0], per[1]


def check_days(given: object, what: str) -> None:
    """Refuse what is no number of days.

    Raises:
        QueryError: It is no number, below 0, or longer than a century.
    """
    is_number = isinstance(given, Real) and not isinstance(given, bool)
    if not is_number or not 0 <= given <= _CENTURY:  # type: ignore[operator]  # it is a number
        raise QueryError(
            f"{what} cannot be used", got=given, allowed=f"a number of days, 0 to {_CENTURY}"
        )


def _quantile_of(statistic: str) -> float | None:
    if statistic == "mean":
        return None
    match = _QUANTILE.fullmatch(statistic)
    if match is None or float(match[1]) == 0:
        raise QueryError(
            "samples cannot be compared by this",
            got=statistic,
            allowed="mean, or a quantile such as p50 or p99.9",
        )
    return float(match[1]) / 100


def _step_s(by: str) -> int:
    if by not in STEPS_S:
        raise QueryError("a series has no such step", got=by, allowed="day, hour")
    return STEPS_S[by]


def _index_of(at: Any, count: int) -> int:
    if isinstance(at, bool) or not hasattr(at, "__index__"):
        raise QueryError(
            "where the change is cannot be told",
            got=at,
            allowed=f"the index of the first value after it, 1 to {count - 1}",
            fix="Pass times as well, to say it as a time.",
        )
    return int(at)


def _listed(times: Any, count: int) -> list[Any]:
    listed = list(times) if isinstance(times, Iterable) and not isinstance(times, str) else None
    if listed is None or len(listed) != count or not count:
        raise QueryError(
            "times must have one for each value",
            got=times if listed is None else len(listed),
            allowed=f"{count}, above 0",
        )
    return listed


def _time_ns(time: Any, zone: dt.tzinfo | None) -> int:
    """A time since 1970; of days in a time zone, by the clock there, whose days are whole ones."""
    if zone is not None and isinstance(time, dt.datetime) and time.tzinfo is not None:
        time = time.astimezone(zone).replace(tzinfo=dt.UTC)
    return parse_time_ns(time)
