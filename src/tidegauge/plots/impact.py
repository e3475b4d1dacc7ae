# SPDX-License-Identifier: Apache-2.0
"""Charts of an impact: the series around the change, and what earlier dates seemed to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge.model.errors import QueryError
from tidegauge.plots.chart import ACCENT, MUTED, WARNING, drawing, rows_of, styled
from tidegauge.statistics.impact.claims import shown_unit

if TYPE_CHECKING:
    from tidegauge.statistics.impact.result import Impact

__all__ = ["course_chart", "impact_chart", "placebo_chart"]


def impact_chart(impact: Impact) -> Any:
    """Both charts, the series above the earlier dates; the series alone if there are none.

    Args:
        impact: Of a series, from `tidegauge.measure_impact`.

    Raises:
        QueryError: It is not of a series, or nothing is known of it.
        MissingExtraError: The extra `plots` is not installed.
    """
    above = _course(impact).properties(width=560, height=220)
    if not impact.placebos:
        return styled(above, _title(impact), subtitle=_subtitle(impact))
    below = _placebos(impact).properties(width=560, height=140)
    return styled(drawing().vconcat(above, below), _title(impact), subtitle=_subtitle(impact))


def course_chart(impact: Impact) -> Any:
    """The series, its levels before and after, and what was expected without the change.

    Args:
        impact: Of a series, from `tidegauge.measure_impact`.

    Raises:
        QueryError: It is not of a series, or nothing is known of it.
        MissingExtraError: The extra `plots` is not installed.
    """
    return styled(_course(impact), _title(impact), subtitle=_subtitle(impact))


def placebo_chart(impact: Impact) -> Any:
    """How much seemed to change at earlier dates, and how much did at the change.

    Args:
        impact: Of a series, from `tidegauge.measure_impact`.

    Raises:
        QueryError: No earlier date has as much before and after it.
        MissingExtraError: The extra `plots` is not installed.
    """
    if not impact.placebos:
        raise QueryError(
            "there are no earlier dates to draw", fix="Compare fewer days, or wait for more."
        )
    return styled(_placebos(impact), _title(impact), subtitle=_subtitle(impact))


def _course(impact: Impact) -> Any:
    alt = drawing()
    course = impact.course
    if course is None:
        raise QueryError("there is no series to draw", got=impact.reason or impact.design)
    is_time = course.axis == "time"
    at = course.at // 1000 if is_time else course.at
    x = alt.X("at:T" if is_time else "at:Q").title(None if is_time else "step")
    y = alt.Y("value:Q").title(shown_unit(impact.unit) or impact.name or "value").scale(zero=False)
    change = course.change // 1000 if is_time else course.change
    is_after = course.at >= course.change
    values = alt.Chart(rows_of(at=at, value=course.values)).mark_line(
        color=MUTED, point={"color": MUTED, "size": 14}
    )
    layers = [values.encode(x=x, y=y)]
    for part in (~is_after, is_after):
        line = alt.Chart(rows_of(at=at[part], value=course.levels[part]))
        layers.append(line.mark_line(color=ACCENT, strokeWidth=3).encode(x=x, y=y))
    without = alt.Chart(rows_of(at=at[is_after], value=course.expected[is_after]))
    layers.append(without.mark_line(color=ACCENT, strokeDash=[5, 4]).encode(x=x, y=y))
    mark = alt.Chart(rows_of(at=[change])).mark_rule(color=WARNING)
    layers.append(mark.encode(x=x))
    return alt.layer(*layers)


def _placebos(impact: Impact) -> Any:
    alt = drawing()
    effects = None if impact.placebos is None else impact.placebos.effects
    title = f"seeming change at earlier dates {shown_unit(impact.unit)}".strip()
    bars = (
        alt.Chart(rows_of(effect=effects))
        .mark_bar(color=MUTED)
        .encode(
            x=alt.X("effect:Q").bin(maxbins=40).title(title),
            y=alt.Y("count():Q").title("dates"),
        )
    )
    own = alt.Chart(rows_of(effect=[impact.difference.value]))
    return alt.layer(bars, own.mark_rule(color=WARNING, strokeWidth=2).encode(x="effect:Q"))


def _title(impact: Impact) -> str:
    return f"{impact.name or 'impact'} after {impact.when}"


def _subtitle(impact: Impact) -> str:
    told = f"{impact.claim}, p = {impact.p_value:.2g}"
    if impact.relative.value is None:
        return told
    return f"{told}, {impact.relative.value:+.1%}"
