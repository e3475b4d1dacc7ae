# SPDX-License-Identifier: Apache-2.0
"""What a change has brought to a metric of the store, and what else changed at about that time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.model.spec import Direction
from tidegauge.model.times import TimeLike, TimeRange, isoformat, parse_time_ns
from tidegauge.query.query import Query
from tidegauge.query.selection import about_time
from tidegauge.query.series import STEPS_S, Series, Step, check_step
from tidegauge.statistics.estimate import CONFIDENCE
from tidegauge.statistics.impact.change import measure_change
from tidegauge.statistics.impact.given import check_days, placed, shown_time
from tidegauge.statistics.impact.result import Impact

__all__ = ["changes_near", "stored_impact"]

_DAY_NS = 86_400 * 10**9

# What happened further from a change is not "at about the same time".
_NEAR_NS = 3 * _DAY_NS

# A version counts as new if another one of its model was there so long before.
_KNOWN_NS = 35 * _DAY_NS

_OPTIMIZATIONS = """
    SELECT min(time)::TIMESTAMP, concat('optimization ', optimization_id, ' of ', feature)
    FROM optimization_impact WHERE {near} GROUP BY optimization_id, feature
"""

_VERSIONS = """
    WITH seen AS (
        SELECT model, model_version, time FROM points WHERE {known}
        UNION ALL SELECT model, model_version, time FROM predictions WHERE {known}
    ), versions AS (
        SELECT model, model_version, min(time) AS time FROM seen
        WHERE model IS NOT NULL AND model_version IS NOT NULL GROUP BY ALL
    ), told AS (
        SELECT *, lag(model_version) OVER (PARTITION BY model ORDER BY time) AS earlier
        FROM versions
    )
    SELECT time::TIMESTAMP, concat('version ', model_version, ' of model ', model), model
    FROM told WHERE earlier IS NOT NULL AND {near}
"""


def stored_impact(
    query: Query,
    name: str,
    at: TimeLike,
    *,
    days: float = 28,
    by: Step = "day",
    statistic: str | None = None,
    control: str | Mapping[str, object] | None = None,
    per: str | None = None,
    has_trend: bool = False,
    history: float = 365,
    direction: Direction | None = None,
    concurrent: Sequence[str] = (),
    confidence: float = CONFIDENCE,
    labels: Mapping[str, object] | None = None,
) -> Impact:
    """Tell what a change has brought; see `tidegauge.measure_impact`.

    Args:
        query: Asks the store.
        name: A metric, or a numeric column of a typed table.
        at: When the change was made.
        days: How many days before and after it are compared, at most.
        by: `day` or `hour`.
        statistic: What of each day or hour is told; if None, what the catalogue says, and
            with `per` the sum.
        control: A metric that the change has not touched, with the same labels; or labels by which
            the same metric is chosen where the change was not made.
        per: What each sum of the metric is divided by: cost per request. Those of a control are
            divided by it as well, chosen by the control's labels.
        has_trend: Whether the metric also follows a straight line.
        history: How many days before those are looked at for comparison.
        direction: Which way is better; if None, what the catalogue says.
        concurrent: What else changed at about that time, as far as the store does not know.
        confidence: Probability that intervals cover the truth.
        labels: Dimensions and labels to choose by.

    Raises:
        QueryError: The question makes no sense, or there are no facts before or after the change.
        StoreError: The store cannot be read.
    """
    check_step(by)
    _check_names(control, per)
    check_days(history, "history")
    check_days(days, "days")
    at_ns = parse_time_ns(at)
    if at_ns > query.now_ns:
        raise QueryError("the change is in the future", got=shown_time(at_ns))
    span_ns = round(days * _DAY_NS)
    step_us = STEPS_S[by] * 1_000_000
    chosen = dict(labels or {})
    statistic = statistic or (None if per is None else "sum")
    asked: dict[str, Any] = {
        "by": by,
        "start": max(at_ns - span_ns - round(history * _DAY_NS), 0) / 1e9,
        "end": (at_ns + span_ns) / 1e9 + STEPS_S[by],
    }
    series = _one(query, name, {**asked, "statistic": statistic, "labels": chosen})
    index, rest = divmod(at_ns // 1000 - series.start_us, step_us)
    if not 0 < index < len(series.values):
        side = "before" if index <= 0 else "after"
        raise QueryError(
            f"there are no facts of {name} {side} the change",
            got=isoformat(at_ns),
            fix="The present day or hour is not whole and does not count.",
        )
    change = placed(series.values, index, days=days, by=by, has_trend=has_trend, is_whole=rest == 0)
    where = {**chosen, **control} if isinstance(control, Mapping) else chosen
    if control is not None:
        other = name if isinstance(control, Mapping) else control
        _refuse_itself(name, other, has_same_labels=where == chosen)
        beside = _one(query, other, {**asked, "statistic": statistic, "labels": where})
        change = replace(change, control=_aligned(beside, series))
    if per is not None:
        sizes = _one(query, per, {**asked, "statistic": "sum", "labels": chosen})
        change = replace(change, denominators=_aligned(sizes, series))
        if control is not None:
            sizes = _one(query, per, {**asked, "statistic": "sum", "labels": where})
            change = replace(change, control_denominators=_aligned(sizes, series))
    impact = measure_change(replace(change, times_us=series.times_us), confidence=confidence)
    return replace(
        impact,
        name=series.name if per is None else f"{series.name} per {per}",
        unit=series.unit,
        direction=series.direction if direction is None else direction,
        statistic=series.statistic,
        when=shown_time(at_ns),
        concurrent=(*concurrent, *changes_near(query, at_ns, chosen)),
    )


def changes_near(
    query: Query, at_ns: int, labels: Mapping[str, object] | None = None
) -> tuple[str, ...]:
    """What the store knows to have changed within three days of a time, oldest first.

    That is optimizations whose impact was recorded, and versions of models of which there was
    another version before.

    Args:
        query: Asks the store.
        at_ns: The time, nanoseconds since 1970.
        labels: Of what is measured; only its `model` counts, if there is one.
    """
    near = TimeRange(max(at_ns - _NEAR_NS, 0), at_ns + _NEAR_NS)
    known = TimeRange(max(at_ns - _KNOWN_NS, 0), at_ns + _NEAR_NS)
    optimizations = query.sql(_OPTIMIZATIONS.format(near=about_time(near)))
    versions = query.sql(_VERSIONS.format(known=about_time(known), near=about_time(near)))
    model = (labels or {}).get("model")
    found = [row[:2] for row in optimizations.fetchall()]
    found += [row[:2] for row in versions.fetchall() if model is None or row[2] == model]
    return tuple(f"{what} ({at:%Y-%m-%d})" for at, what in sorted(found))


def _one(query: Query, name: str, asked: Mapping[str, Any]) -> Series:
    """The only series of a name.

    Raises:
        QueryError: There is none, or several.
    """
    found = query.series(name, **asked)
    if len(found) != 1:
        raise QueryError(
            "impact is of one metric at a time" if found else "there are no facts of it then",
            got=name,
            allowed=", ".join(each.name for each in found),
            fix="" if found else "Look for it with tidegauge.search.",
        )
    return found[0]


def _check_names(control: object, per: object) -> None:
    """Refuse what chooses nothing in the store.

    Raises:
        QueryError: `control` is neither a name nor labels, or `per` is no name.
    """
    if control is not None and not isinstance(control, str | Mapping):
        raise QueryError(
            "this is no control of a metric",
            got=control,
            allowed="a metric's name, a dict of labels",
        )
    if per is not None and not isinstance(per, str):
        raise QueryError("a metric cannot be divided by this", got=per, allowed="a metric's name")


def _refuse_itself(name: str, control: str, *, has_same_labels: bool) -> None:
    """Refuse to compare facts with themselves.

    Raises:
        QueryError: The control is chosen as what is measured is.
    """
    if control == name and has_same_labels:
        raise QueryError(
            "the control is what is measured itself",
            got=name,
            fix="Take what the change has not touched: another metric, or other labels.",
        )


def _aligned(series: Series, like: Series) -> np.ndarray:
    """A series on the grid of another one; shape (n,), NaN where it has no value."""
    offset = (like.start_us - series.start_us) // (series.step_s * 1_000_000)
    at = offset + np.arange(len(like.values))
    inside = (at >= 0) & (at < len(series.values))
    values = np.full(len(at), np.nan)
    values[inside] = series.values[at[inside]]
    return values
