# SPDX-License-Identifier: Apache-2.0
"""Charts of what was detected: a control chart, levels, and how a distribution has drifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidegauge.plots.chart import ACCENT, MUTED, WARNING, drawing, rows_of, styled
from tidegauge.statistics.detection.detect import Detection
from tidegauge.statistics.detection.segments import SegmentedSeries
from tidegauge.statistics.drift.drift import Bin, Drift

__all__ = ["control_chart", "drift_chart", "level_chart"]

# Usual differences between which values are drawn as usual: 95 % of normal ones.
_BAND = 1.96
# Of numbers that name bins. With the last no two floats are written alike.
_FEWEST_DIGITS, _MOST_DIGITS = 3, 17


def control_chart(detection: Detection) -> Any:
    """Values, what is usual at their time, alarms, and where changes probably began.

    Raises:
        MissingExtraError: The extra `plots` is not installed.
    """
    alt = drawing()
    times = _milliseconds(detection.times_us)
    usual = rows_of(
        time=times,
        value=detection.values,
        expected=detection.expected,
        low=detection.expected - _BAND * detection.spread,
        high=detection.expected + _BAND * detection.spread,
    )
    when = alt.X("time:T", title=None)
    base = alt.Chart(usual).encode(when)
    layers = [
        base.mark_area(color=MUTED, opacity=0.3, interpolate="step-after").encode(
            alt.Y(
                "low:Q", title=_axis(detection.name, detection.unit), scale=alt.Scale(zero=False)
            ),
            alt.Y2("high:Q"),
        ),
        base.mark_line(color=MUTED, interpolate="step-after").encode(alt.Y("expected:Q")),
        base.mark_line(color=ACCENT, point=alt.OverlayMarkDef(size=14)).encode(alt.Y("value:Q")),
    ]
    if detection.alarms:
        alarms = rows_of(
            time=[alarm.time_us / 1000 for alarm in detection.alarms],
            change=[alarm.change_us / 1000 for alarm in detection.alarms],
            value=[alarm.value for alarm in detection.alarms],
            alarm=[_told(alarm.direction, alarm.is_worse) for alarm in detection.alarms],
        )
        marked = alt.Chart(alarms)
        shape = alt.Shape("alarm:N", title=None, legend=alt.Legend(orient="top"))
        layers += [
            marked.mark_rule(color=WARNING, strokeDash=[4, 3]).encode(alt.X("change:T")),
            marked.mark_point(color=WARNING, size=90, filled=True).encode(
                when, alt.Y("value:Q"), shape, alt.Tooltip("alarm:N")
            ),
        ]
    return styled(alt.layer(*layers), detection.name, subtitle=_subtitle(detection))


def level_chart(series: SegmentedSeries) -> Any:
    """Values and the levels between which they changed.

    Raises:
        MissingExtraError: The extra `plots` is not installed.
    """
    alt = drawing()
    ends = [*series.changes_us, int(series.times_us[-1]) + series.step_s * 1_000_000]
    levels = [each.level for each in series.segments]
    cut = rows_of(
        start=[series.times_us[each.start] / 1000 for each in series.segments],
        end=[end / 1000 for end in ends],
        level=[level.value for level in levels],
        low=[level.low for level in levels],
        high=[level.high for level in levels],
    )
    values = rows_of(time=_milliseconds(series.times_us), value=series.values)
    when = alt.X("time:T", title=None)
    title = _axis(series.name, series.unit)
    span = (alt.X("start:T", title=None), alt.X2("end:T"))
    layers = [
        alt.Chart(values)
        .mark_line(color=ACCENT, opacity=0.6)
        .encode(when, alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))),
        alt.Chart(cut)
        .mark_rect(color=WARNING, opacity=0.15)
        .encode(*span, alt.Y("low:Q"), alt.Y2("high:Q")),
        alt.Chart(cut).mark_rule(color=WARNING, size=2).encode(*span, alt.Y("level:Q")),
    ]
    count = len(series.segments) - 1
    told = f"{count} change{'' if count == 1 else 's'} of the level"
    return styled(alt.layer(*layers), series.name, subtitle=told)


def drift_chart(drift: Drift) -> Any:
    """Both distributions, bin by bin, with the effect.

    Raises:
        MissingExtraError: The extra `plots` is not installed.
    """
    alt = drawing()
    names = _bin_names(drift.bins)
    rows = rows_of(
        bin=names * 2,
        share=[each.reference for each in drift.bins] + [each.current for each in drift.bins],
        of=["reference"] * len(names) + ["current"] * len(names),
    )
    colours = alt.Scale(domain=["reference", "current"], range=[MUTED, ACCENT])
    bars = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            alt.X("bin:N", title=drift.name or None, sort=names),
            alt.XOffset("of:N", sort=["reference", "current"]),
            alt.Y("share:Q", title="share", axis=alt.Axis(format="%")),
            alt.Color("of:N", title=None, scale=colours, legend=alt.Legend(orient="top")),
        )
    )
    verdict = {True: "has drifted", False: "no drift is certain", None: "cannot be told"}
    effect = drift.effect
    told = drift.reason or (
        f"{drift.measure} {effect.value:.3g} ({effect.confidence:.0%}: {effect.low:.3g} to "
        f"{effect.high:.3g}), threshold {drift.threshold:g}"
    )
    title = f"{drift.name or 'distribution'}: {verdict[drift.is_drift]}"
    return styled(bars, title, subtitle=told)


def _milliseconds(times_us: np.ndarray) -> np.ndarray:
    milliseconds: np.ndarray = times_us / 1000
    return milliseconds


def _axis(name: str, unit: str) -> str:
    return name if unit in ("", "1") else f"{name}, {unit}"


def _told(direction: str, is_worse: bool | None) -> str:  # noqa: FBT001  (a field of an alarm)
    if is_worse is None:
        return direction
    return f"{direction}, {'worse' if is_worse else 'better'}"


def _subtitle(detection: Detection) -> str:
    if detection.reason is not None:
        return f"not watched: {detection.reason}"
    season = detection.season.replace("_", " ")
    return (
        f"{detection.method}, a false alarm each {detection.run_length:,.0f} steps; usual by "
        f"{season}"
        if season != "none"
        else f"{detection.method}, a false alarm each {detection.run_length:,.0f} steps"
    )


def _bin_names(bins: Sequence[Bin]) -> list[str]:
    """With as many digits as it takes for them to differ."""
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        names = [_bin_name(each, digits) for each in bins]
        if len(set(names)) == len(names):
            return names
    return [_bin_name(each, _MOST_DIGITS) for each in bins]


def _bin_name(each: Bin, digits: int) -> str:
    if each.low is None or each.high is None:
        return each.name
    low, high = (f"{end:.{digits}g}" for end in (each.low, each.high))
    return low if each.low == each.high else f"{low} to {high}"
