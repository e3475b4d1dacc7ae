# SPDX-License-Identifier: Apache-2.0
"""Charts of relations: the correlation of a pair at every lag, and all pairs at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge.model.errors import QueryError
from tidegauge.plots.chart import ACCENT, MUTED, WARNING, drawing, rows_of, styled
from tidegauge.statistics.timeseries.adjustment import HOUR_S

if TYPE_CHECKING:
    from altair import LayerChart

    from tidegauge.statistics.correlation.report import Relation, Relations

__all__ = ["lag_chart", "pairs_chart"]

_CELL = 46


def lag_chart(relation: Relation) -> LayerChart:
    """The correlation at each lag, what chance does, and the naive correlations behind.

    Args:
        relation: One of the pairs of what `tidegauge.correlate` returns.

    Raises:
        QueryError: Nothing is known of the pair.
        MissingExtraError: The extra `plots` is not installed.
    """
    alt = drawing()
    if relation.reason is not None:
        raise QueryError("there is no correlation to draw", got=relation.reason)
    data = rows_of(
        lag=relation.lags,
        correlation=relation.correlations,
        low=-relation.bands,
        high=relation.bands,
        naive=relation.naive_correlations,
        is_best=[lag == relation.lag for lag in relation.lags.tolist()],
    )
    unit = "hours" if relation.step_s == HOUR_S else "days"
    axis = alt.X("lag:Q", title=f"{unit} by which {relation.first} leads").axis(tickMinStep=1)
    base = alt.Chart(data).encode(axis)
    high = alt.Y("correlation:Q", title="correlation")
    band = base.mark_area(color=MUTED, opacity=0.25).encode(alt.Y("low:Q"), alt.Y2("high:Q"))
    naive = base.mark_line(color=MUTED, strokeDash=[4, 3]).encode(alt.Y("naive:Q"))
    colour = alt.when(alt.datum.is_best).then(alt.value(WARNING)).otherwise(alt.value(ACCENT))
    stems = base.mark_rule(strokeWidth=2).encode(high, color=colour).encode(y2=alt.datum(0))
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(high, color=colour)
    chart: LayerChart = styled(
        alt.layer(band, naive, stems, dots),
        f"{relation.first} and {relation.second}",
        subtitle=[
            relation.moves,
            "band: chance at all lags together; dashes: the naive correlation",
        ],
    )
    return chart


def pairs_chart(relations: Relations) -> LayerChart:
    """The correlation of each pair at its best lag; what may be chance is pale.

    Args:
        relations: What `tidegauge.correlate` returns.

    Raises:
        QueryError: There are no pairs.
        MissingExtraError: The extra `plots` is not installed.
    """
    alt = drawing()
    if not relations.pairs:
        raise QueryError("there are no pairs to draw")
    data = rows_of(
        first=[each.first for each in relations.pairs],
        second=[each.second for each in relations.pairs],
        correlation=[each.correlation.value for each in relations.pairs],
        weight=[1.0 if each.is_significant else 0.35 for each in relations.pairs],
        told=[_told(each) for each in relations.pairs],
    )
    base = alt.Chart(data).encode(
        alt.X("second:N", title=None, sort=None).axis(labelAngle=-40, labelLimit=240, grid=False),
        alt.Y("first:N", title=None, sort=None).axis(labelLimit=240, grid=False),
    )
    colour = alt.Color("correlation:Q").scale(scheme="purpleorange", domain=[-1, 1], reverse=True)
    cells = base.mark_rect().encode(colour, alt.Opacity("weight:Q", scale=None))
    words = base.mark_text(fontSize=11).encode(alt.Text("told:N"))
    chart: LayerChart = styled(
        alt.layer(cells, words),
        "What moves together",
        subtitle="correlation, and lag if it is not 0; pale: may be chance; –: not known",
    )
    chart.width, chart.height = alt.Step(2 * _CELL), alt.Step(_CELL)
    return chart


def _told(relation: Relation) -> str:
    if relation.lag is None or relation.correlation.value is None:
        return "–"
    lag = f" {relation.lag:+d}" if relation.lag else ""
    return f"{relation.correlation.value:.2f}{lag}"
