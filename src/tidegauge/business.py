# SPDX-License-Identifier: Apache-2.0
"""What it was worth: recording what was counted and earned, and what follows from it.

`record/` and `query/` bound to the process's store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from tidegauge.catalog.units import CURRENCIES
from tidegauge.config import parts
from tidegauge.model.amounts import read_amount
from tidegauge.model.errors import CatalogError, MetricValidationError, QueryError
from tidegauge.model.spec import Combine, Direction, MetricSpec, NamesAbroad
from tidegauge.model.times import TimeLike
from tidegauge.record.front import log_metric, recorder

if TYPE_CHECKING:
    from tidegauge.query.business import BusinessMetric
    from tidegauge.query.frames import Frame
    from tidegauge.statistics.estimate import Estimate

__all__ = [
    "business_metrics",
    "customer_lifetime_value",
    "log_business",
    "mean_per_unit",
    "ratio_by_user",
    "saved",
]

#: What is recorded of money, and what it is.
_MONEY = {"revenue": "Revenue", "cost_savings": "Operational savings"}


def log_business(
    *,
    impressions: float | None = None,
    clicks: float | None = None,
    visits: float | None = None,
    conversions: float | None = None,
    cohort_users: float | None = None,
    retained_users: float | None = None,
    revenue: Decimal | float | str | None = None,
    cost_savings: Decimal | float | str | None = None,
    currency: str = "USD",
    time_saved_s: float | None = None,
    time: TimeLike | None = None,
    **labels: object,
) -> None:
    """Record what was counted, earned or saved. Each is a metric of the category `business`.

    Rates are not recorded: they are worked out from the sums of these. What comes very often is
    cheaper through a handle: `tg.metric("business:impressions", aggregate="10s")`.

    Args:
        impressions: How often something was shown.
        clicks: How often what was shown was clicked.
        visits: Visits that could have led to a conversion.
        conversions: Visits that did.
        cohort_users: Users of a cohort of which it is known who came back; recorded once for each
            cohort, together with the next.
        retained_users: Those who came back.
        revenue: An amount; below 0 if it was paid back. A float counts as what it is printed as.
        cost_savings: An amount that was saved, as `saved` and the like tell it.
        currency: Of the amounts, ISO 4217. Each currency has a metric of its own:
            `business:revenue_eur`.
        time_saved_s: Working time saved, seconds.
        time: When; now if None.
        labels: Dimensions and labels, such as `model`, `model_version`, `feature` or `basis`.

    Raises:
        MetricValidationError: In strict mode, if something cannot be recorded. In lenient mode it
            is dropped, counted and logged.

    Example:
        >>> import tidegauge as tg
        >>> tg.log_business(impressions=1000, clicks=23, model="ranker", model_version="2")
        >>> tg.log_business(revenue="19.99", currency="EUR")
    """
    counted = {
        "impressions": impressions,
        "clicks": clicks,
        "visits": visits,
        "conversions": conversions,
        "cohort_users": cohort_users,
        "retained_users": retained_users,
        "time_saved_seconds": time_saved_s,
    }
    for name, value in counted.items():
        if value is not None:
            log_metric(f"business:{name}", value, step=None, time=time, **labels)
    for name, amount in (("revenue", revenue), ("cost_savings", cost_savings)):
        if amount is not None:
            _log_money(name, amount, currency, time, labels)


def business_metrics(
    *,
    by: Literal["day"] | None = None,
    users: float | None = None,
    margin: float | None = None,
    discount: float = 0.0,
    confidence: float = 0.95,
    hours: float | None = None,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> list[BusinessMetric]:
    """Tell what it was worth: rates, revenue, users, savings; each with what it was made of.

    A rate is a ratio of sums over the range, never a mean of rates. From eight days on its interval
    knows how much days differ; with fewer, trials are taken as independent, and `method` says so.
    Currencies are never added: each has rows of its own.

    Users are those who used a feature with a user id (the table `feature_usage`). Users of days do
    not add up to users of a range, since somebody may come on both; they are counted anew.

    Args:
        by: `day` for a row for each day, UTC, after those of the whole range. What is of users is
            told of the whole range only.
        users: Distinct users of the range, if the store does not know them.
        margin: Share of revenue that is kept, above 0 and up to 1; without it no lifetime value.
        discount: Discount rate per period, for the lifetime value; a period is the range.
        confidence: Of all intervals, 0 to 1, exclusive.
        hours: Length of the range up to now, or up to `end`.
        days: The same in days; 30 if there is no range.
        start: Beginning of the range.
        end: End of the range, not in it.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by.

    Returns:
        For each metric of the catalogue with a `ratio` a row, and rows of totals, of revenue per
        user and of lifetime value. What cannot be told is None with a `reason`.

    Raises:
        QueryError: The question makes no sense.
        StoreError: The store cannot be read.

    Example:
        >>> import tidegauge as tg
        >>> rate = tg.business_metrics(days=30)[0]
        >>> rate.metric, rate.estimate.reason
        ('business:click_through_rate', 'no business:impressions')
    """
    if hours is None and days is None and start is None:
        days = 30
    return parts().query.business.metrics(
        by=by,
        users=users,
        margin=margin,
        discount=discount,
        confidence=confidence,
        hours=hours,
        days=days,
        start=start,
        end=end,
        labels=labels,
        **more_labels,
    )


def customer_lifetime_value(
    revenue_per_user: Estimate, retention: Estimate, *, margin: float, discount: float = 0.0
) -> Estimate:
    """What a customer brings from the next period on: `margin * a * r / (1 + discount - r)`.

    `a` is revenue per user and period, `r` the share of users who are still there a period later;
    both of the same length of period. Assumes that `r` is the same for all and for ever.

    Args:
        revenue_per_user: With its interval, from `business_metrics`, `mean_per_unit` or elsewhere.
        retention: The same.
        margin: Share of revenue that is kept, above 0 and up to 1.
        discount: Discount rate per period, 0 or more.

    Returns:
        None with a reason where nobody leaves and nothing is discounted, or a part is not known.

    Raises:
        QueryError: `margin` or `discount` is outside its bounds.
    """
    from tidegauge.statistics.business import check_worth, lifetime_value

    check_worth(margin, discount)
    return lifetime_value(revenue_per_user, retention, margin=margin, discount=discount)


def saved(before: Estimate, after: Estimate, units: float) -> Estimate:
    """What is saved in all where each of some units costs less than before: money, or time.

    Args:
        before: Cost of a unit before, in one currency or in seconds; such as from `mean_per_unit`.
        after: Cost of a unit now, in the same.
        units: How many units there were since, 0 or more.

    Returns:
        In the unit of a unit's cost; below 0 if they cost more. To keep it, pass its `value` to
        `log_business`.

    Raises:
        QueryError: `units` is outside its bounds.
    """
    from tidegauge.statistics.bounds import check_number
    from tidegauge.statistics.business import saved as saved_in_all

    count = check_number("a number of units cannot be this", units, "0 or more", least=0)
    return saved_in_all(before, after, count)


def mean_per_unit(values: Iterable[float | Decimal], *, confidence: float = 0.95) -> Estimate:
    """The mean of some units, such as seconds of tasks, with Student's interval.

    Args:
        values: One for each unit; units that were chosen by chance, or all of a time.
        confidence: Of the interval, 0 to 1, exclusive.

    Raises:
        QueryError: A value is no finite number, or `confidence` is outside its bounds.
    """
    from tidegauge.statistics.bounds import check_confidence, check_number
    from tidegauge.statistics.ratios import Sums, ratio

    check_confidence(confidence)
    if not isinstance(values, Iterable):
        raise QueryError("these are no values", got=values, allowed="a list of numbers")
    numbers = [
        check_number("a value of a unit cannot be this", each, "a finite number") for each in values
    ]
    return ratio(Sums.of((each, 1.0) for each in numbers), confidence=confidence, what="values")


def ratio_by_user(
    frame: Frame | Mapping[str, Any],
    of: str,
    per: str,
    *,
    user: str = "user",
    confidence: float = 0.95,
) -> Estimate:
    """A ratio of sums whose interval knows that what one user does resembles itself.

    Args:
        frame: A data frame with any number of rows for each user.
        of: The column on top, such as `clicks` or `revenue`.
        per: The column below, such as `impressions`; 0 or more.
        user: The column that tells users apart.
        confidence: Of the interval, 0 to 1, exclusive.

    Returns:
        A share with Wilson's interval where both columns count, in whole numbers, no user has more
        on top than below, and nothing is negative; else a ratio with that of the delta method.
        With one user there is no interval.

    Raises:
        QueryError: A column is missing or holds no numbers, or `confidence` is outside its bounds.
    """
    from tidegauge.query.user_sums import user_sums
    from tidegauge.statistics.bounds import check_confidence
    from tidegauge.statistics.ratios import ratio, share

    check_confidence(confidence)
    sums, is_share = user_sums(frame, of, per, user)
    if is_share:
        return share(sums.top, sums.bottom, clusters=sums, confidence=confidence, what=per)
    return ratio(sums, confidence=confidence, what=per)


def _log_money(
    name: str, amount: object, currency: object, time: TimeLike | None, labels: Mapping[str, object]
) -> None:
    metric = f"business:{name}_{str(currency).lower()}"
    try:
        value = float(read_amount(amount))
        if not isinstance(currency, str) or currency not in CURRENCIES:
            raise _no_currency(currency)
        if metric not in recorder.catalog.metrics:
            recorder.declare(_spec(metric, _MONEY[name], currency))
    except MetricValidationError as error:
        recorder.refuse(error, metric)
    except CatalogError as error:
        recorder.refuse(_not_declared(error), metric)
    except ValueError:
        recorder.refuse(_no_amount(amount), metric)
    else:
        log_metric(metric, value, step=None, time=time, **labels)


def _spec(metric: str, description: str, currency: str) -> MetricSpec:
    return MetricSpec(
        name=metric,
        description=description,
        unit=currency,
        direction=Direction.HIGHER,
        combine=Combine.SUM,
        # OTLP leaves the unit out of names, and that of dollars has the short one.
        names=NamesAbroad(otlp=metric.replace(":", ".")),
    )


def _no_currency(currency: object) -> MetricValidationError:
    return MetricValidationError(
        "this is no currency",
        reason="bad_unit",
        got=currency,
        allowed="a code of ISO 4217 such as USD, EUR, JPY",
    )


def _no_amount(amount: object) -> MetricValidationError:
    return MetricValidationError(
        "this is no amount of money",
        reason="bad_value",
        got=amount,
        allowed="a Decimal, a number, or a text such as '19.99'",
    )


def _not_declared(error: CatalogError) -> MetricValidationError:
    return MetricValidationError(
        error.what, reason="bad_unit", got=error.got, allowed=error.allowed, fix=error.fix
    )
