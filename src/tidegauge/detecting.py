# SPDX-License-Identifier: Apache-2.0
"""Noticing changes and drift of what was recorded: `statistics/` bound to the process's store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegauge.config import parts
from tidegauge.model.errors import QueryError
from tidegauge.model.times import TimeLike, TimeRange, parse_time_ns

if TYPE_CHECKING:
    from tidegauge.query.query import Query
    from tidegauge.query.series import Series, Step
    from tidegauge.statistics.detection.detect import Detection
    from tidegauge.statistics.detection.monitor import Method
    from tidegauge.statistics.detection.segments import SegmentedSeries
    from tidegauge.statistics.drift.counts import Counts
    from tidegauge.statistics.drift.drift import Drift, Measure

__all__ = ["detect", "detect_in", "drift", "drift_in", "segments"]

#: Steps that are learned from, by the length of a step: eight weeks.
_HISTORY_DAYS = 56.0
_WATCHED_DAYS = {"day": 28.0, "hour": 7.0}
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
        One for each series that has facts. One that cannot be watched has a `reason`.

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
    reference: Period = 28,
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
        reference: As many days before that, or a beginning and an end; 28 days if not given.
        measure: What it is decided by: `psi`, `wasserstein` or `jensen_shannon`.
        threshold: What is still of no interest; 0.1 of each if None.
        confidence: Of the intervals.
        reference_blocks: Of values, the day or other block that each is of, if values of one
            resemble each other; else all are taken to be independent.
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
        return drift_in(parts().query, what, days, reference, labels=chosen, **decided)
    if labels or more_labels:
        raise QueryError("values have no labels", got=", ".join({**(labels or {}), **more_labels}))
    return drift_of(_given(what, current, reference_blocks, current_blocks), **decided)


def detect_in(
    query: Query,
    name: str | Sequence[str],
    *,
    days: float | None = None,
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
    reach = watched + _positive("history_days", history_days)
    found = _series(query, name, by=by, days=reach, **asked)
    if not found:
        return []
    run_length = run_length_of(budget, found[0].step_s, n_series=len(found))
    last_us = max(int(series.times_us[-1]) for series in found)
    detections = []
    for series in found:
        # What ended early was watched for less long.
        silent = (last_us - int(series.times_us[-1])) // (series.step_s * 1_000_000)
        steps = max(round(watched * _DAY_S / series.step_s) - silent, 0)
        detections.append(
            detect_changes(
                series.times_us,
                series.values,
                series.step_s,
                steps,
                run_length=run_length,
                name=series.name,
                unit=series.unit,
                better=series.direction,
                only_worse=only_worse,
                method=method,
            )
        )
    return detections


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

    now = _range(current, query.distributions.today_ns())
    before = _range(reference, now.start_ns or 0)
    sides = [query.distributions.by_day(name, labels, each) for each in (before, now)]
    if any(side.labels for side in sides):
        texts = [list(side.labels.values()) for side in sides]
        counts = counted_labels(texts[0], texts[1], by_day=True)
    else:
        numbers = [list(side.histograms.values()) for side in sides]
        counts = counted_histograms(numbers[0], numbers[1])
    return drift_of(counts, name=sides[0].name, **decided)


def _series(query: Query, name: str | Sequence[str], **asked: Any) -> list[Series]:
    """The series of one name or of several."""
    names = [name] if isinstance(name, str) else name
    return [series for each in names for series in query.series(each, **asked)]


def _range(period: Period, end_ns: int) -> TimeRange:
    if isinstance(period, tuple):
        start, end = period
        found = TimeRange(parse_time_ns(start), parse_time_ns(end))
        if (found.start_ns or 0) >= (found.end_ns or 0):
            raise QueryError("time range is empty", got=period, allowed="start before end")
        return found
    span_ns = round(_positive("days", period)) * _DAY_NS
    return TimeRange(max(end_ns - span_ns, 0), end_ns)


def _given(reference: Any, current: Any, before: Any, now: Any) -> Counts:
    from tidegauge.query.frames import value_array
    from tidegauge.statistics.drift.counts import counted_texts, counted_values

    if current is None:
        raise QueryError("there is nothing to compare the values with", fix="Give both.")
    if (before is None) != (now is None):
        raise QueryError("blocks are given of one side only", fix="Give both, or none.")
    one, other = value_array(reference), value_array(current)
    blocks = [None if each is None else value_array(each) for each in (before, now)]
    if one.dtype.kind in "UO" or other.dtype.kind in "UO":
        return counted_texts(one, other, reference_days=blocks[0], current_days=blocks[1])
    return counted_values(one, other, reference_days=blocks[0], current_days=blocks[1])


def _positive(name: str, number: object) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float) or not number > 0:
        raise QueryError(f"{name} cannot be used", got=number, allowed="a number greater than 0")
    return float(number)
