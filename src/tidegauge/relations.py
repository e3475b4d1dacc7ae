# SPDX-License-Identifier: Apache-2.0
"""Which metrics move together: `statistics/correlation/` bound to a store, or to data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tidegauge.config import parts

if TYPE_CHECKING:
    from tidegauge.model.times import TimeLike
    from tidegauge.query.frames import Frame
    from tidegauge.query.query import Query
    from tidegauge.query.series import Series, Step
    from tidegauge.statistics.correlation.recipe import Method, Rate
    from tidegauge.statistics.correlation.report import Relations

__all__ = ["USUAL_DAYS", "correlate", "correlate_ml_business_metrics", "relations_of"]

#: What is looked at if nothing is said.
USUAL_DAYS = 90.0


def correlate(
    first: str | Sequence[str],
    second: str | Sequence[str] | None = None,
    *,
    by: Step = "day",
    statistic: str | None = None,
    least_count: int = 1,
    max_lag: int = 7,
    alpha: float = 0.05,
    method: Method = "pearson",
    transform: Literal["auto"] | None = "auto",
    season: bool = True,
    fdr: Rate = "bh",
    draws: int = 999,
    hours: float | None = None,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> Relations:
    """Tell which recorded metrics move together, and which may lead.

    Metrics that trend, that repeat by the week or whose days resemble the day before seem related
    to any test that takes days for independent. Here all this is taken out of each, and what is
    left is compared at every lag.

    Args:
        first: Metrics, patterns such as `model:*`, or numeric columns of typed tables such as
            `predictions.latency_s`.
        second: What they are put beside; each of the first with each other if None.
        by: `day` or `hour`, UTC. The present one does not count.
        statistic: What is told of the facts of a step: `mean`, `sum`, `last`, `min`, `max`, `p50`,
            `p95`, `p99` or `count`; if None, sums of what is counted, means of what is measured.
        least_count: Steps with fewer facts do not count, but for sums and counts.
        max_lag: Most steps by which one may lead or follow the other.
        alpha: Share of false discoveries among what is called significant.
        method: `pearson`, or `spearman` for ranks.
        transform: `auto` takes logarithms or logits where values are less skewed so; None does
            not.
        season: Whether a weekly pattern is taken out; four weeks are needed then.
        fdr: `bh` (Benjamini and Hochberg) or `by` (Benjamini and Yekutieli).
        draws: Of the bootstrap that gives intervals; 0 for none.
        hours: Length of the range; 90 days if no range is given.
        days: The same in days.
        start: Beginning of the range.
        end: End of the range, not in it.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by.

    Returns:
        A dictionary `<first>_vs_<second>` of what `correlate_ml_business_metrics` tells of each
        pair. What has no facts in the range is in it, with a `reason`.

    Raises:
        QueryError: A name is known to nobody, or something asked for makes no sense.
        StoreError: The store cannot be read.

    Example:
        >>> import tidegauge as tg
        >>> found = tg.correlate("model:accuracy", "business:revenue_usd", days=120)
        >>> found["model:accuracy_vs_business:revenue_usd"]["reason"]
        'model:accuracy: no values; business:revenue_usd: no values'
    """
    return relations_of(
        parts().query,
        first,
        second,
        by=by,
        statistic=statistic,
        least_count=least_count,
        within={"hours": hours, "days": days, "start": start, "end": end},
        labels={**(labels or {}), **more_labels},
        max_lag=max_lag,
        alpha=alpha,
        method=method,
        transform=transform,
        season=season,
        fdr=fdr,
        draws=draws,
    )


def correlate_ml_business_metrics(
    ml_metrics: Frame | Mapping[str, Any],
    business_metrics: Frame | Mapping[str, Any],
    *,
    on: str = "timestamp",
    by: Step | None = None,
    max_lag: int = 7,
    alpha: float = 0.05,
    method: Method = "pearson",
    transform: Literal["auto"] | None = "auto",
    season: bool = True,
    fdr: Rate = "bh",
    draws: int = 999,
) -> Relations:
    """Tell which columns of two data frames move together, and which may lead.

    Rows may be in any order, several to a step, which are averaged, and the frames of different
    lengths; a step without rows is a gap.

    Args:
        ml_metrics: A frame of pandas, polars or Arrow, or a dictionary of columns. All columns of
            numbers count.
        business_metrics: The same; its columns are put beside each of the first one's.
        on: The column with the times, in both: times, dates or texts in ISO 8601. Of pandas, an
            index without a name will do.
        by: `day` or `hour`; if None, hours if times of both are usually closer than half a day.
            Days, and hours of the week, are those of the zone of the column, UTC without one.
        max_lag: As for `correlate`, like all that follow.
        alpha: Share of false discoveries.
        method: `pearson` or `spearman`.
        transform: `auto` or None.
        season: Whether a weekly pattern is taken out.
        fdr: `bh` or `by`.
        draws: Of the bootstrap.

    Returns:
        A dictionary `<ml>_vs_<business>` of dictionaries with

        - `correlation` of what trend, week and past do not tell, at the `lag` at which chance
          explains it least; above 0, the ML metric leads by so many steps;
        - `interval_low` and `interval_high`, which hold for all lags together;
        - `p_value` after the choice among lags (Šidák), `q_value` after the choice among pairs, and
          `significant`, which says that the latter is below `alpha`;
        - `n` steps that were compared, and `n_effective`, what they are worth with their memory;
        - `naive_correlation`, `naive_p_value`: what a test says that takes steps for independent;
        - `moves`, the finding in words; `notes`; and `reason` if there is no correlation.

        Its `summary` and `table()` are texts; its `pairs` have the correlations at every lag.

    Raises:
        QueryError: What is given is no frame or has no such column, or makes no sense; or two pairs
            would have the same name.

    Example:
        >>> import tidegauge as tg
        >>> ml = {"timestamp": ["2026-01-01", "2026-01-02"], "accuracy": [0.91, 0.92]}
        >>> business = {"timestamp": ["2026-01-02", "2026-01-01"], "revenue": [120.0, 100.0]}
        >>> tg.correlate_ml_business_metrics(ml, business)["accuracy_vs_revenue"]["reason"]
        'accuracy: 2 values, and 20 are needed; revenue: 2 values, and 20 are needed'
    """
    from tidegauge.query.alignment import align_frames
    from tidegauge.statistics.correlation.recipe import Recipe
    from tidegauge.statistics.correlation.relate import relate

    recipe = Recipe(
        max_lag=max_lag,
        alpha=alpha,
        method=method,
        transform=transform,
        season=season,
        fdr=fdr,
        draws=draws,
    )
    return relate(*align_frames(ml_metrics, business_metrics, on=on, by=by), recipe)


def relations_of(
    query: Query,
    first: str | Sequence[str],
    second: str | Sequence[str] | None,
    *,
    within: Mapping[str, Any],
    by: Step = "day",
    statistic: str | None = None,
    least_count: int = 1,
    labels: Mapping[str, object] | None = None,
    **recipe: Any,
) -> Relations:
    """What `correlate` tells, of any store.

    Args:
        query: Asks the store.
        first: As for `correlate`.
        second: As for `correlate`.
        within: `hours`, `days`, `start` and `end`, None if not given.
        by: As for `correlate`.
        statistic: As for `correlate`.
        least_count: As for `correlate`.
        labels: What facts are chosen by.
        recipe: How relations are looked for; see `statistics/correlation/recipe.py`.
    """
    from tidegauge.query.alignment import align_series
    from tidegauge.statistics.correlation.recipe import Recipe
    from tidegauge.statistics.correlation.relate import relate

    how = Recipe(**recipe)
    if all(within.get(name) is None for name in ("hours", "days", "start")):
        within = {**within, "days": USUAL_DAYS}

    def found(names: str | Sequence[str]) -> dict[str, Series | None]:
        series: dict[str, Series | None] = {}
        for name in [names] if isinstance(names, str) else names:
            several = query.series(name, by=by, statistic=statistic, labels=labels, **within)
            series.update({each.name: each for each in several} if several else {name: None})
        return series

    firsts, seconds = found(first), None if second is None else found(second)
    return relate(*align_series(firsts, seconds, by=by, least_count=least_count), how)
