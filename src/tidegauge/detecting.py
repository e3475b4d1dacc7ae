# SPDX-License-Identifier: Apache-2.0
"""Noticing changes and drift of what was recorded: `statistics/` bound to the process's store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegauge.config import parts
from tidegauge.model.errors import QueryError
from tidegauge.model.times import TimeLike, TimeRange, isoformat, parse_time_ns
from tidegauge.statistics.bounds import is_number

if TYPE_CHECKING:
    from tidegauge.query.query import Query
    from tidegauge.query.series import Series, Step
    from tidegauge.statistics.detection.detect import Detection
    from tidegauge.statistics.detection.monitor import Method
    from tidegauge.statistics.detection.scoring import Scoring
    from tidegauge.statistics.detection.segments import SegmentedSeries
    from tidegauge.statistics.drift.drift import Drift, Measure

__all__ = ["detect", "detect_in", "drift", "drift_in", "segments"]

#: What is learned from, if nothing else is said: eight weeks.
_HISTORY_DAYS = 56.0
_WATCHED_DAYS = {"day": 28.0, "hour": 7.0}
#: Steps of a day.
_WATCHED_STEPS = {"day": 1, "hour": 24}
#: Nothing is older.
_MOST_DAYS = 10_000
_REFERENCE_DAYS = 28
_DAY_S = 86_400
_DAY_NS = _DAY_S * 10**9

#: A number of whole days, or the beginning and the end.
Period = float | tuple[TimeLike, TimeLike]


def detect(
    name: str | Sequence[str],
    *,
    days: float | None = None,
    end: TimeLike | None = None,
    by: Step = "day",
    history_days: float = _HISTORY_DAYS,
    budget: float = 1.0,
    method: Method = "cusum",
    only_worse: bool = False,
    statistic: str | None = None,
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> list[Detection]:
    """Tell which metrics are not what they were.

    What is usual is learned from the time before: medians by hour or day of the week, how values
    follow those before them, and how often chance makes large differences. Of all series together,
    chance alone gives as many alarms as the budget has.

    Args:
        name: A metric, a pattern such as `model:*`, a column such as `predictions.latency_s`, or a
            list of these.
        days: The last so many days are watched, up to now or to `end`; if None 28 of days, or 7 of
            hours.
        end: End of what is watched, not in it.
        by: `day` or `hour`, UTC. The present one is not whole, and does not count.
        history_days: How many days before that are learned from; eight weeks if not given.
        budget: False alarms in 30 days, of all series together.
        method: `cusum`, which is soonest for changes of about one usual difference; or `ewma`.
        only_worse: Whether only changes for the worse count, of metrics of which that is known.
        statistic: What is told of an hour or day; as for `Query.series`.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by.

    Returns:
        One for each series that has facts, each once. One that cannot be watched has a `reason`,
        and no share of the budget. One without facts in the last of the steps was watched for less
        long, and that it is silent is no alarm.

    Raises:
        QueryError: The question makes no sense.
        StoreError: The store cannot be read.

    Example:
        >>> import tidegauge as tg
        >>> for found in tg.detect("model:accuracy", days=14):
        ...     print(found.summary)
    """
    return detect_in(
        parts().query,
        name,
        days=days,
        end=end,
        by=by,
        history_days=history_days,
        budget=budget,
        method=method,
        only_worse=only_worse,
        statistic=statistic,
        labels=labels,
        **more_labels,
    )


def segments(
    name: str | Sequence[str],
    *,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    by: Step = "day",
    statistic: str | None = None,
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> list[SegmentedSeries]:
    """Cut series where their levels changed: for looking back, with no promise of false alarms.

    Args:
        name: As for `detect`.
        days: The last so many days, up to now or to `end`; everything if no range is given.
        start: Beginning of the range.
        end: End of the range, not in it.
        by: `day` or `hour`, UTC.
        statistic: As for `Query.series`.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by.

    Returns:
        One for each series that has facts.

    Raises:
        QueryError: The question makes no sense.
        StoreError: The store cannot be read.
        MissingExtraError: The extra `analysis` is not installed.
    """
    from tidegauge.statistics.detection.segments import segmented_series

    asked: dict[str, Any] = {"by": by, "statistic": statistic, "days": days, "start": start}
    return [
        segmented_series(
            series.times_us, series.values, series.step_s, name=series.name, unit=series.unit
        )
        for series in _series(parts().query, name, **asked, end=end, labels=labels, **more_labels)
    ]


def drift(
    what: Any,
    current: Any = None,
    *,
    reference: Period | None = None,
    measure: Measure = "psi",
    threshold: float | None = None,
    confidence: float = 0.95,
    reference_blocks: Any = None,
    current_blocks: Any = None,
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> Drift:
    """Tell how far a distribution is from what it was, and whether that is more than chance.

    Of what was recorded, days are the units of chance: a thousand values of one odd day are one odd
    day. Histograms of handles with `aggregate=…` are enough; single values are not needed.

    Args:
        what: A metric, or a column of numbers or texts such as `predictions.prediction_text`; or
            the values of the reference: numbers, or texts.
        current: What is compared: of what was recorded, the last so many whole days (7 if None) or
            a beginning and an end; else the values.
        reference: Of what was recorded, as many days before that, or a beginning and an end; 28
            days if None.
        measure: What it is decided by: `psi`, `wasserstein` or `jensen_shannon`.
        threshold: What is still of no interest; 0.1 of each if None.
        confidence: Of the intervals.
        reference_blocks: Of values, the day or other block that each is of, if values of one
            resemble each other; else all are taken to be independent. Dates and times are days
            that may resemble the day before; other blocks are independent of each other.
        current_blocks: The same of `current`.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by.

    Raises:
        QueryError: The question makes no sense.
        StoreError: The store cannot be read.

    Example:
        >>> import tidegauge as tg
        >>> tg.drift([1.0, 2.0] * 50, [1.0, 2.0] * 50).is_drift
        False
    """
    from tidegauge.query.samples import counts_of
    from tidegauge.statistics.drift.drift import drift_of

    decided: dict[str, Any] = {
        "measure": measure,
        "threshold": threshold,
        "confidence": confidence,
    }
    if isinstance(what, str):
        if reference_blocks is not None or current_blocks is not None:
            raise QueryError("what was recorded has days for blocks", got=what)
        days = 7 if current is None else current
        chosen = {**(labels or {}), **more_labels}
        before = _REFERENCE_DAYS if reference is None else reference
        return drift_in(parts().query, what, days, before, labels=chosen, **decided)
    if reference is not None:
        raise QueryError("values are their own reference", got=reference, fix="Leave it out.")
    if labels or more_labels:
        raise QueryError("values have no labels", got=", ".join({**(labels or {}), **more_labels}))
    return drift_of(counts_of(what, current, reference_blocks, current_blocks), **decided)


def detect_in(
    query: Query,
    name: str | Sequence[str],
    *,
    days: float | None = None,
    end: TimeLike | None = None,
    by: Step = "day",
    history_days: float = _HISTORY_DAYS,
    budget: float = 1.0,
    method: Method = "cusum",
    only_worse: bool = False,
    **asked: Any,
) -> list[Detection]:
    """The same, of the store that a `Query` asks."""
    from tidegauge.statistics.detection.detect import detect_changes
    from tidegauge.statistics.detection.monitor import run_length_of

    if by not in _WATCHED_DAYS:
        raise QueryError("a series has no such step", got=by, allowed=", ".join(_WATCHED_DAYS))
    watched = _WATCHED_DAYS[by] if days is None else _positive("days", days)
    steps = round(watched * _WATCHED_STEPS[by])
    if not steps:
        raise QueryError(f"this is not one {by}", got=days, allowed=f"one {by} or more")
    reach = watched + _positive("history_days", history_days)
    found = _series(query, name, by=by, days=reach, end=end, **asked)
    step_us = _DAY_S // _WATCHED_STEPS[by] * 1_000_000
    now_ns = query.distributions.now_ns()
    end_ns = now_ns if end is None else min(parse_time_ns(end), now_ns)
    end_us = end_ns // 1000 // step_us * step_us
    counts = [_steps_left(series, end_us, steps) for series in found]
    learned = [_learned(series, count) for series, count in zip(found, counts, strict=True)]
    # What cannot be watched has no false alarms.
    n_series = max(sum(not isinstance(each, str) for each in learned), 1)
    run_length = run_length_of(budget, step_us // 1_000_000, n_series=n_series)
    return [
        detect_changes(
            series.times_us,
            series.values,
            series.step_s,
            count,
            run_length=run_length,
            name=series.name,
            unit=series.unit,
            better=series.direction,
            only_worse=only_worse,
            method=method,
            learned=known,
        )
        for series, count, known in zip(found, counts, learned, strict=True)
    ]


def drift_in(
    query: Query,
    name: str,
    current: Period,
    reference: Period,
    *,
    labels: Mapping[str, object],
    **decided: Any,
) -> Drift:
    """The same of what was recorded, of the store that a `Query` asks."""
    from tidegauge.statistics.drift.counts import counted_histograms, counted_labels
    from tidegauge.statistics.drift.drift import drift_of

    now = _range("current", current, query.distributions.today_ns())
    before = _range("reference", reference, now.start_ns or 0)
    if (before.start_ns or 0) < (now.end_ns or 0) and (now.start_ns or 0) < (before.end_ns or 0):
        raise QueryError(
            "what is compared is a part of the reference",
            got=(reference, current),
            allowed="periods without a common day",
        )
    sides = [query.distributions.by_day(name, labels, each) for each in (before, now)]
    if any(side.labels for side in sides):
        texts = [[side.labels[day] for day in sorted(side.labels)] for side in sides]
        counts = counted_labels(texts[0], texts[1], by_day=True)
    else:
        numbers = [[side.histograms[day] for day in sorted(side.histograms)] for side in sides]
        counts = counted_histograms(numbers[0], numbers[1])
    return drift_of(counts, name=sides[0].name, **decided)


def _series(query: Query, name: str | Sequence[str], **asked: Any) -> list[Series]:
    """The series of one name or of several, each once."""
    names = [name] if isinstance(name, str) else name
    if not _is_list_of_names(names):
        raise QueryError("this names no series", got=name, allowed="a name, or a list of names")
    found: dict[str, Series] = {}
    for each in names:
        for series in query.series(each, **asked):
            found.setdefault(series.name, series)
    return list(found.values())


def _steps_left(series: Series, end_us: int, steps: int) -> int:
    """How many of the last steps of a series are watched: fewer of what ended early."""
    silent = (end_us - int(series.times_us[-1])) // (series.step_s * 1_000_000) - 1
    return max(steps - silent, 0)


def _learned(series: Series, watched: int) -> Scoring | str:
    """What is known of a series from before it is watched, or why it is not."""
    from tidegauge.statistics.detection.scoring import fit_scoring

    if not watched:
        ended_ns = (int(series.times_us[-1]) + series.step_s * 1_000_000) * 1000
        return f"no facts since {isoformat(ended_ns)[:16].replace('T', ' ')}"
    history = slice(0, max(len(series.values) - watched, 0))
    return fit_scoring(series.times_us[history], series.values[history], series.step_s)


def _range(name: str, period: Period, end_ns: int) -> TimeRange:
    if isinstance(period, tuple):
        if len(period) != 2:
            raise _no_period(name, period)
        start, end = period
        found = TimeRange(parse_time_ns(start), parse_time_ns(end))
        if (found.start_ns or 0) >= (found.end_ns or 0):
            raise QueryError("time range is empty", got=period, allowed="start before end")
        return found
    if not is_number(period) or not 1 <= period <= _MOST_DAYS or period != round(period):
        raise _no_period(name, period)
    return TimeRange(max(end_ns - round(period) * _DAY_NS, 0), end_ns)


def _positive(name: str, number: object) -> float:
    if not is_number(number) or not 0 < number <= _MOST_DAYS:
        raise QueryError(
            f"{name} cannot be used", got=number, allowed=f"above 0, at most {_MOST_DAYS:,}"
        )
    return float(number)


def _is_list_of_names(given: object) -> bool:
    return isinstance(given, Sequence) and all(isinstance(each, str) for each in given)


def _no_period(name: str, period: object) -> QueryError:
    return QueryError(
        f"{name} cannot be used",
        got=period,
        allowed=f"1 to {_MOST_DAYS:,} whole days, or a beginning and an end",
    )
