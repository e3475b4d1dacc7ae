# SPDX-License-Identifier: Apache-2.0
"""What a change has brought, and how much data it takes to see it, for the process's store.

`statistics/impact/` and `query/` bound to it; recording goes through `integrations/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from tidegauge.config import parts
from tidegauge.integrations.feature_records import FeatureRecords
from tidegauge.model.errors import QueryError
from tidegauge.model.spec import Direction
from tidegauge.model.times import TimeLike

if TYPE_CHECKING:
    from tidegauge.statistics.impact.power import Plan
    from tidegauge.statistics.impact.result import Impact

__all__ = ["measure_impact", "minimum_detectable_effect", "record_impact", "sample_size"]

Kind = Literal["mean", "proportion"]
Better = Literal["higher", "lower", "none"]

# What each way of comparing takes, besides what all take.
_OF_SAMPLES = {"per", "units", "covariate", "randomised", "statistic"}
_OF_ARRAYS = {"at", "times", "days", "by", "control", "per", "trend"}
_OF_STORE = {"at", "days", "by", "control", "per", "trend", "statistic", "history", "labels"}

_records = FeatureRecords()


def measure_impact(
    before: Any,
    after: Any = None,
    *,
    at: TimeLike | None = None,
    days: float | None = None,
    by: Literal["day", "hour"] | None = None,
    control: Any = None,
    per: Any = None,
    statistic: str | None = None,
    trend: bool = False,
    history: float | None = None,
    times: Any = None,
    units: Any = None,
    covariate: Any = None,
    randomised: bool = False,
    direction: Better | None = None,
    concurrent: str | Sequence[str] = (),
    confidence: float = 0.95,
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> Impact:
    """Tell what a change has brought, with an interval, and what may be said of the cause.

    There are three ways to ask. Samples are lists, arrays or columns of data frames; missing
    numbers are left out.

    - `measure_impact("model:latency_ms", at="2026-01-15")`: a metric of the store, or a numeric
      column such as `predictions.latency_s`, before and after a time.
    - `measure_impact(values, at=90)`: a series of days, of which the value with index 90 is the
      first after the change; or `times=` and a time.
    - `measure_impact(before, after)`: two samples.

    Days follow one another, and so do not count as independent: the model of a series estimates
    how long it remembers. Its p-value is then compared with those of all earlier dates that have
    as much before and after them, and the larger of the two is told. Two samples are compared by
    Welch's method.

    Args:
        before: A metric's name, a series, or a sample.
        after: The other sample.
        at: When the change was made, or the index of the first value after it. A day in the midst
            of which it was made counts neither as before nor as after.
        days: How many days before and after the change are compared, at most; 28 if None.
        by: `day`, or `hour`: what a value of the series is of.
        control: What the change has not touched: another metric's name, a dict of labels by which
            the same metric is chosen, or another series. Series that are never below 0 are
            compared as shares.
        per: What sums are divided by: a metric's name, a series, or a pair of samples. Sums of a
            control are divided as well: by the same metric with the control's labels, or by the
            second of a pair of series.
        statistic: Of a day or hour, what of its facts: `mean`, `sum`, `p95`, …; if None, what the
            catalogue says. Of two samples, `mean` or a quantile such as `p95`.
        trend: The series also follows a straight line, in which the change is a step.
        history: How many days before those that are compared are looked at; 365 if None.
        times: When each value of a series was; of days in a time zone, by the clock there.
        units: A pair, of whom each value of the two samples is. Those with several values count
            once; those in both samples are compared with themselves.
        covariate: A pair, of what was known of each value beforehand; takes out what it explains
            (CUPED). Only of randomised groups.
        randomised: Chance has decided who is in `before`, without the change, and in `after`.
        direction: `higher`, `lower` or `none`, whichever is better; if None, as in the catalogue.
        concurrent: What else has changed at about that time, one or several texts. The store's
            versions of models and optimizations are told in any case.
        confidence: Probability that intervals cover the truth, 0 to 1, exclusive.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose facts by.

    Returns:
        What has changed. With too few values its p-value is None, and `reason` says why.

    Raises:
        QueryError: The question makes no sense, or has what does not go with its way of asking.
        MetricValidationError: A time cannot be read.
        StoreError: The store cannot be read.

    Example:
        >>> import tidegauge as tg
        >>> impact = tg.measure_impact([5.1, 4.9, 5.0, 5.2], [4.1, 4.0, 4.3, 4.2])
        >>> impact.claim, round(impact.relative.value, 2)
        ('differs', -0.18)
    """
    from tidegauge.statistics.bounds import check_confidence

    check_confidence(confidence)
    asked = {
        "at": at,
        "days": days,
        "by": by,
        "control": control,
        "per": per,
        "statistic": statistic,
        "trend": trend or None,
        "history": history,
        "times": times,
        "units": units,
        "covariate": covariate,
        "randomised": randomised or None,
        "labels": {**(labels or {}), **more_labels} or None,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    concurrent = (concurrent,) if isinstance(concurrent, str) else tuple(concurrent)
    way = None if direction is None else _direction(direction)
    if isinstance(before, str):
        _check(asked, _OF_STORE, "a metric of the store", after=after, needs_at=True)
        return _of_store(before, asked, way, concurrent, confidence)
    if after is None:
        _check(asked, _OF_ARRAYS, "a series", after=None, needs_at=True)
        impact = _of_series(before, asked, confidence)
    else:
        _check(asked, _OF_SAMPLES, "two samples", after=None, needs_at=False)
        impact = _of_samples(before, after, asked, confidence)
    return replace(impact, direction=way or Direction.NONE, concurrent=concurrent)


def record_impact(
    impact: Impact,
    *,
    feature: str,
    optimization_id: str,
    impact_category: str,
    user_impact_score: float | None = None,
    metadata: Mapping[str, object] | None = None,
    time: TimeLike | None = None,
) -> None:
    """Record a measured impact as that of an optimization, with its interval as metadata.

    The value before is what was expected without the change, so that the relative change of the
    row is the one that was measured.

    Args:
        impact: From `measure_impact`.
        feature: The part of the product.
        optimization_id: Which optimization.
        impact_category: `task_completion_time`, `resource_usage`, `accuracy`, `user_experience`,
            or another.
        user_impact_score: Impact on users, 0 to 1.
        metadata: Whatever else is known.
        time: When it was measured, if not now.

    Raises:
        QueryError: Nothing is known of the impact.
        MetricValidationError: In strict mode, if the row does not fit; see
            `get_advanced_metrics().record_optimization_impact`.
    """
    if impact.expected is None or impact.after is None:
        raise QueryError("an impact that is not known cannot be recorded", got=impact.reason)
    found = {
        "metric": impact.name,
        "unit": impact.unit,
        "design": impact.design,
        "claim": impact.claim,
        "p_value": impact.p_value,
        "change": impact.difference.value,
        "change_low": impact.difference.low,
        "change_high": impact.difference.high,
        "change_ratio_low": impact.relative.low,
        "change_ratio_high": impact.relative.high,
        "confidence": impact.confidence,
    }
    _records.record_optimization_impact(
        feature=feature,
        optimization_id=optimization_id,
        impact_category=impact_category,
        before_value=impact.expected,
        after_value=impact.after,
        user_impact_score=user_impact_score,
        metadata={**found, **(metadata or {})},
        time=time,
    )


def sample_size(
    baseline: float | None,
    effect: float,
    *,
    kind: Kind = "mean",
    std: float | None = None,
    autocorrelation: float | None = None,
    relative: bool = False,
    power: float = 0.8,
    alpha: float = 0.05,
) -> int:
    """Tell how many units each of two groups needs, or how many days before and after a change.

    Args:
        baseline: The mean or proportion without the change; None if it does not matter, as for a
            mean whose effect is not relative.
        effect: The smallest effect that is to be seen, in the unit of the values.
        kind: `mean`, or `proportion` for shares of yes and no.
        std: Standard deviation of the values, which means need.
        autocorrelation: Correlation of each day with the one before, 0 to 0.999: asks for days, of
            a series whose values fluctuate by `std`. None asks for independent units.
        relative: `effect` is a share of the baseline.
        power: Probability to see such an effect, 0 to 1, exclusive.
        alpha: Probability to see one where there is none, 0 to 1, exclusive.

    Raises:
        QueryError: A number is outside of its bounds, or no number is enough.

    Example:
        >>> import tidegauge as tg
        >>> tg.sample_size(0.10, 0.02, kind="proportion")
        3841
        >>> tg.sample_size(None, 5, std=10)
        64
    """
    from tidegauge.statistics.impact.power import least_count

    plan = _plan(baseline, kind, std, autocorrelation, power, alpha)
    return least_count(plan, effect * _scale(baseline, relative=relative))


def minimum_detectable_effect(
    baseline: float | None,
    count: int,
    *,
    kind: Kind = "mean",
    std: float | None = None,
    autocorrelation: float | None = None,
    relative: bool = False,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """Tell the smallest rise that so many units in each group show, or so many days on each side.

    Args:
        baseline: As for `sample_size`.
        count: Units in each group, or days before and after the change; 2 or more.
        kind: As for `sample_size`.
        std: As for `sample_size`.
        autocorrelation: As for `sample_size`.
        relative: Tell it as a share of the baseline.
        power: As for `sample_size`.
        alpha: As for `sample_size`.

    Returns:
        The effect, in the unit of the values, or as a share of the baseline.

    Raises:
        QueryError: A number is outside of its bounds, or no effect can be seen.

    Example:
        >>> import tidegauge as tg
        >>> round(tg.minimum_detectable_effect(None, 64, std=10), 2)
        4.99
    """
    from tidegauge.statistics.impact.power import least_effect

    scale = _scale(baseline, relative=relative)
    return least_effect(_plan(baseline, kind, std, autocorrelation, power, alpha), count) / scale


def _of_store(
    name: str,
    asked: dict[str, Any],
    direction: Direction | None,
    concurrent: Sequence[str],
    confidence: float,
) -> Impact:
    from tidegauge.query.impact import stored_impact

    options = {key: value for key, value in asked.items() if key not in ("at", "trend")}
    return stored_impact(
        parts().query,
        name,
        asked["at"],
        has_trend="trend" in asked,
        direction=direction,
        concurrent=concurrent,
        confidence=confidence,
        **options,
    )


def _of_series(values: Any, asked: dict[str, Any], confidence: float) -> Impact:
    from tidegauge.statistics.impact.change import measure_change
    from tidegauge.statistics.impact.given import given_change

    options = {key: value for key, value in asked.items() if key not in ("at", "trend")}
    change, when = given_change(values, asked["at"], has_trend="trend" in asked, **options)
    return replace(measure_change(change, confidence=confidence), when=when)


def _of_samples(before: Any, after: Any, asked: dict[str, Any], confidence: float) -> Impact:
    from tidegauge.statistics.impact.given import given_samples
    from tidegauge.statistics.impact.samples import measure_samples

    options = {key: value for key, value in asked.items() if key != "randomised"}
    samples = given_samples(before, after, is_randomised="randomised" in asked, **options)
    return measure_samples(samples, confidence=confidence)


def _plan(
    baseline: float | None,
    kind: str,
    std: float | None,
    autocorrelation: float | None,
    power: float,
    alpha: float,
) -> Plan:
    from tidegauge.statistics.impact.power import Plan

    if kind not in ("mean", "proportion"):
        raise QueryError("this cannot be planned", got=kind, allowed="mean, proportion")
    if kind == "mean":
        return Plan(std, power=power, alpha=alpha, autocorrelation=autocorrelation)
    if std is not None or autocorrelation is not None:
        raise QueryError(
            "a proportion has no spread of its own",
            got=std if autocorrelation is None else autocorrelation,
            fix="Leave out std and autocorrelation; or plan daily shares as kind='mean'.",
        )
    if baseline is None:
        raise QueryError("a proportion needs its baseline", got=None, allowed="0 to 1, exclusive")
    return Plan(None, baseline=baseline, power=power, alpha=alpha)


def _scale(baseline: float | None, *, relative: bool) -> float:
    if not relative:
        return 1.0
    if not baseline:
        raise QueryError(
            "a relative effect needs what it is relative to", got=baseline, allowed="not 0"
        )
    return abs(baseline)


def _direction(given: str) -> Direction:
    try:
        return Direction(given)
    except ValueError as error:
        raise QueryError("this is no direction", got=given, allowed=", ".join(Direction)) from error


def _check(
    asked: Mapping[str, Any], allowed: set[str], what: str, *, after: Any, needs_at: bool
) -> None:
    if after is not None:
        raise QueryError(f"{what} is compared with itself, before and after a time", got=after)
    if needs_at and "at" not in asked:
        raise QueryError(
            f"when the change was made is not said, which {what} needs",
            fix="Pass at, or two samples.",
        )
    if unknown := sorted(asked.keys() - allowed):
        raise QueryError(
            f"this does not go with {what}",
            got=", ".join(unknown),
            allowed=", ".join(sorted(allowed)),
        )
