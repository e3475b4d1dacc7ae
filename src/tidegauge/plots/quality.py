# SPDX-License-Identifier: Apache-2.0
"""How good a model is: calibration, ROC and precision by recall, residuals.

They are drawn from counts and summaries, so a million rows make a chart of some hundred marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge.model.errors import QueryError
from tidegauge.plots.chart import ACCENT, MUTED, WARNING, drawing, rows_of, styled
from tidegauge.statistics.estimate import CONFIDENCE
from tidegauge.statistics.quality.curve import Curve
from tidegauge.statistics.quality.metrics import Metrics
from tidegauge.statistics.quality.residuals import Residuals
from tidegauge.statistics.quality.score_histogram import ScoreHistogram

if TYPE_CHECKING:
    import altair as alt

__all__ = ["reliability", "residual_chart", "roc_and_precision"]

#: Most points of a line.
_POINTS = 300


def reliability(
    result: Metrics | ScoreHistogram, *, confidence: float = CONFIDENCE, title: str = "Calibration"
) -> alt.VConcatChart:
    """What share is positive of rows with about the same score, over how many rows there are.

    The band is where a calibrated model would be, with the probability asked for, in each bin.

    Args:
        result: Metrics with probabilities, or counted scores. Of more than two classes, the
            confidence in the most likely class and how often it was right.
        confidence: Of the band, 0 to 1, exclusive.
        title: Heading.

    Raises:
        QueryError: There were no probabilities, or `confidence` is none.
        MissingExtraError: The extra `plots` is not installed.
    """
    vega = drawing()
    scores = _scores(result)
    bins = scores.calibration(confidence=confidence)
    metrics = scores.probability_metrics()
    data = rows_of(
        score=[each.mean_score for each in bins],
        share=[each.share for each in bins],
        low=[each.null_low for each in bins],
        high=[each.null_high for each in bins],
        n=[each.n for each in bins],
        nobody=0,
        begin=[each.low for each in bins],
        end=[each.high for each in bins],
    )
    unit = vega.Scale(domain=[0, 1])
    x = vega.X("score:Q", title="mean score", scale=unit)
    base = vega.Chart(data)
    band = base.mark_area(color=MUTED, opacity=0.35).encode(
        x=x, y=vega.Y("low:Q", scale=unit, title="share of positives"), y2="high:Q"
    )
    diagonal = _dashed(rows_of(score=[0.0, 1.0], share=[0.0, 1.0]), "score:Q", "share:Q")
    line = base.mark_line(color=ACCENT).encode(x=x, y="share:Q")
    points = base.mark_point(color=ACCENT, filled=True, size=45).encode(
        x=x, y="share:Q", tooltip=["score:Q", "share:Q", "n:Q"]
    )
    above = (band + diagonal + line + points).properties(width=420, height=260)
    below = (
        base.mark_rect(color=ACCENT, opacity=0.6)
        .encode(
            x=vega.X("begin:Q", title="score", scale=unit),
            x2="end:Q",
            y=vega.Y("n:Q", title="rows"),
            y2="nobody:Q",
        )
        .properties(width=420, height=70)
    )
    subtitle = (
        f"ECE {_shown(metrics['ece'])}, of which chance explains {_shown(metrics['ece_null'])}; "
        f"{scores.n:,} rows; band: {confidence:.0%} of calibrated models"
    )
    chart: alt.VConcatChart = styled(vega.vconcat(above, below), title, subtitle=subtitle)
    return chart


def roc_and_precision(
    result: Metrics | ScoreHistogram | Curve, *, title: str = "Cutting the score"
) -> alt.HConcatChart:
    """Recall over false alarms, and precision over recall, side by side.

    Dashed is what a model would do that knows nothing: the diagonal, and the share of positives.

    Args:
        result: Metrics with probabilities of two classes, counted scores, or their curve.
        title: Heading.

    Raises:
        QueryError: There were no probabilities, or not both classes.
        MissingExtraError: The extra `plots` is not installed.
    """
    vega = drawing()
    curve = result if isinstance(result, Curve) else _scores(result, of_two=True).curve()
    area, precision = curve.auc(), curve.average_precision()
    if area is None or precision is None:
        raise QueryError(
            "there is no curve of one class",
            got=f"{curve.n_positive} positives, {curve.n_negative} negatives",
        )
    table = curve.table(most=_POINTS)
    prevalence = curve.n_positive / (curve.n_positive + curve.n_negative)
    unit = vega.Scale(domain=[0, 1])
    along = rows_of(
        alarms=[0.0, *(1 - (each.specificity or 0.0) for each in table)],
        recall=[0.0, *(each.recall for each in table)],
        threshold=[None, *(each.threshold for each in table)],
        order=list(range(len(table) + 1)),
    )
    roc = (
        _dashed(rows_of(alarms=[0.0, 1.0], recall=[0.0, 1.0]), "alarms:Q", "recall:Q")
        + vega.Chart(along)
        .mark_line(color=ACCENT)
        .encode(
            x=vega.X("alarms:Q", title="share of negatives that alarm", scale=unit),
            y=vega.Y("recall:Q", title="share of positives found", scale=unit),
            order="order:Q",
            tooltip=["threshold:Q", "recall:Q"],
        )
    ).properties(width=260, height=260, title=f"ROC, area {area:.3f}")
    data = rows_of(
        recall=[each.recall for each in table],
        precision=[each.precision for each in table],
        threshold=[each.threshold for each in table],
        order=list(range(len(table))),
    )
    by_recall = (
        _dashed(rows_of(recall=[0.0, 1.0], precision=[prevalence] * 2), "recall:Q", "precision:Q")
        + vega.Chart(data)
        .mark_line(color=ACCENT, interpolate="step-before")
        .encode(
            x=vega.X("recall:Q", title="recall", scale=unit),
            y=vega.Y("precision:Q", title="precision", scale=unit),
            order="order:Q",
            tooltip=["threshold:Q", "precision:Q", "recall:Q"],
        )
    ).properties(width=260, height=260, title=f"Average precision {precision:.3f}")
    subtitle = f"{curve.n_positive:,} of {curve.n_positive + curve.n_negative:,} rows are positive"
    chart: alt.HConcatChart = styled(vega.hconcat(roc, by_recall), title, subtitle=subtitle)
    return chart


def residual_chart(result: Residuals, *, title: str = "Errors") -> alt.HConcatChart:
    """Errors over predicted values, in bands of as many rows each, and how often which error is.

    The line is the median of each band; half of its errors are in the darker area, and 90 % in
    the lighter one.

    Args:
        result: From `tidegauge.quality.residuals`.
        title: Heading.

    Raises:
        MissingExtraError: The extra `plots` is not installed.
    """
    vega = drawing()
    names = ("p5", "p25", "p50", "p75", "p95")
    data = rows_of(
        predicted=result.predicted,
        **{name: result.quantiles[:, at] for at, name in enumerate(names)},
    )
    x = vega.X("predicted:Q", title="predicted", scale=vega.Scale(zero=False))
    base = vega.Chart(data)
    areas = [
        base.mark_area(color=ACCENT, opacity=opacity).encode(
            x=x, y=vega.Y(f"{low}:Q", title="predicted less true"), y2=f"{high}:Q"
        )
        for low, high, opacity in (("p5", "p95", 0.2), ("p25", "p75", 0.35))
    ]
    zero = vega.Chart(rows_of(p50=[0.0])).mark_rule(color=WARNING, strokeDash=[4, 4])
    median = base.mark_line(color=ACCENT, point={"color": ACCENT}).encode(x=x, y="p50:Q")
    over = vega.layer(*areas, zero.encode(y="p50:Q"), median).properties(width=340, height=260)
    bars = rows_of(begin=result.edges[:-1], end=result.edges[1:], rows=result.counts, nobody=0)
    often = (
        vega.Chart(bars)
        .mark_rect(color=ACCENT, opacity=0.6)
        .encode(
            x=vega.X("begin:Q", title="predicted less true", scale=vega.Scale(zero=False)),
            x2="end:Q",
            y=vega.Y("rows:Q", title="rows"),
            y2="nobody:Q",
        )
        .properties(width=200, height=260)
    )
    subtitle = f"{result.n:,} rows; median, half and 90 % of the errors in bands of equal size"
    chart: alt.HConcatChart = styled(vega.hconcat(over, often), title, subtitle=subtitle)
    return chart


def _scores(result: Metrics | ScoreHistogram, *, of_two: bool = False) -> ScoreHistogram:
    if isinstance(result, ScoreHistogram):
        return result
    scores = result.scores if of_two else result.scores or result.confidences
    if scores is None:
        raise QueryError(
            "these metrics have no scores that could be drawn",
            allowed="metrics of two classes" if of_two else "metrics of classes",
            fix="Measure with `y_prob`.",
        )
    return scores


def _dashed(data: Any, x: str, y: str) -> Any:
    return drawing().Chart(data).mark_line(color=MUTED, strokeDash=[4, 4]).encode(x=x, y=y)


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
