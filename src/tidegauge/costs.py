# SPDX-License-Identifier: Apache-2.0
"""What the cloud costs: read from AWS or from FOCUS files, and set against what it was for.

`collect/` and `query/` bound to the process's store.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from tidegauge.config import parts
from tidegauge.model.loading import loading
from tidegauge.model.times import parse_duration_s
from tidegauge.record.front import recorder

if TYPE_CHECKING:
    from tidegauge.collect.baselines import Baseline, Baselines
    from tidegauge.collect.cost_sync import CostSync, LastSync
    from tidegauge.collect.focus import FocusImport
    from tidegauge.query.costs import Costs

__all__ = ["CostTracker", "import_focus"]

#: A dictionary ready to be written as JSON but for its amounts, which are decimals.
Document = dict[str, Any]

_AWS = "aws-ce"


class CostTracker:
    """Reads the bill of AWS once a day, shows it in live metrics, and tells its statistics.

    AWS charges 0.01 USD for each request to Cost Explorer, and one reading takes three or more. So
    `update_metrics` may be called as often as somebody likes, hourly or with every page: it asks
    AWS when the store's last reading is older than `every`, whichever process made it, and never
    because monitoring looks. How many requests there were, and what they cost, are metrics, too.

    The questions have this in common:

    - They look at the last `days` complete days, UTC, 30 if nothing is said; or from the day
      `start` to before `end`, each a date or a text such as 2026-11-01.
    - `basis="effective"` spreads out what was paid ahead; `billed` is what is on the bill.
    - `services` and `accounts` choose by the provider's names and numbers.
    - Every sum is of one source, one way of splitting and one currency. Two sources tell of the
      same money, and are never added.
    - A number that cannot be told is None, and `reason` says why.
    - They raise `QueryError` for a question that makes no sense, and `StoreError` if the store
      cannot be read.

    Args:
        source: Where the costs are from: what Cost Explorer says, or the name of imported files,
            such as `focus:AWS`, for which nobody is asked.
        every: For how long a reading is good enough: seconds, or a text such as `12h`.
        client: A client of boto3 for `ce` instead of one of its own.

    Raises:
        QueryError: `every` is no duration.

    Example:
        >>> from tidegauge import CostTracker
        >>> tracker = CostTracker()
        >>> tracker.cost_per_prediction(days=30)["reason"]
        'no costs of these days are stored'
    """

    def __init__(
        self, *, source: str = _AWS, every: str | float = "24h", client: Any = None
    ) -> None:
        self._source = source
        self._every_s = parse_duration_s(every)
        self._client = client

    def update_metrics(self) -> LastSync:
        """Read the bill if that is due, and record what live metrics show of it.

        These are `aws_daily_cost_usd` of the last complete day, `aws_monthly_cost_usd` of its month
        so far, `aws_cost_by_service_usd` and `aws_cost_per_prediction_usd` of the last 30 complete
        days. If the bill cannot be read, this is logged, told and tried again an hour later; what
        is stored is shown all the same.

        Returns:
            What is known of the last reading.

        Raises:
            MissingExtraError: boto3 is not installed.
            StoreError: The store cannot be used.
        """
        return self._sync().update()

    def sync(self, *, start: dt.date | None = None) -> LastSync | None:
        """Read the bill now, due or not: complete days from the first of the previous month on.

        Args:
            start: The first day, if another one; AWS knows 13 months.

        Returns:
            What was done; None if another process is reading it.

        Raises:
            ConfigError: The source is of files.
            QueryError: No day from `start` on is over.
            MissingExtraError: boto3 is not installed.
            DeliveryError: AWS cannot be asked, or refuses.
            StoreError: The store cannot be used.
        """
        return self._sync().sync(start=start)

    def daily_cost(self, **asked: Any) -> Document:
        """What each day has cost; a day without rows is None.

        Args:
            asked: A range, `basis`, `services`, `accounts`.
        """
        with loading():
            from tidegauge.query.cost_trends import daily_document

        return daily_document(_costs().daily(self._source, **asked), asked.get("basis", "billed"))

    def monthly_cost(self, month: str | dt.date | None = None, **asked: Any) -> Document:
        """What a month has cost so far, and what it will come to, as the last 7 days were.

        Args:
            month: Such as 2026-11; the month of yesterday if None.
            asked: `basis`, `services`, `accounts`.
        """
        with loading():
            from tidegauge.query.cost_trends import monthly_document

        return monthly_document(_costs(), self._source, month, **asked)

    def cost_by_service(self, **asked: Any) -> Document:
        """What each service has cost, the dearest first.

        Args:
            asked: A range, `basis`, `services`, `accounts`.
        """
        return self.costs_by("service", **asked)

    def costs_by(self, by: str, *, currency: str | None = None, **asked: Any) -> Document:
        """What was paid for what.

        Args:
            by: day, month, service, account, category, model or region, as far as the source tells.
            currency: Which one, if the source has several.
            asked: A range, `basis`, `services`, `accounts`.
        """
        return _costs().split(self._source, by, currency=currency, **asked)

    def cost_per_prediction(self, **asked: Any) -> Document:
        """The sum of costs over the number of predictions recorded in the same days.

        Args:
            asked: A range, `basis`, `services`, `accounts`.
        """
        with loading():
            from tidegauge.query.cost_ratios import per_prediction

        return per_prediction(_costs(), self._source, **asked)

    def trend(self, **asked: Any) -> Document:
        """The days, and the last 7 of them against the 7 before.

        Args:
            asked: A range, `basis`, `services`, `accounts`.
        """
        with loading():
            from tidegauge.query.cost_trends import trend_document

        return trend_document(_costs(), self._source, **asked)

    def capture_rate(self, **asked: Any) -> Document:
        """The cost of recorded calls to Bedrock, by the price list, over what AWS billed for them.

        Below 1 there are calls that nobody records, or prices are wrong.

        Args:
            asked: A range, `basis`.
        """
        with loading():
            from tidegauge.query.cost_ratios import capture

        return capture(_costs(), self._source, **asked)

    def set_baseline(
        self,
        name: str,
        *,
        unit: Literal["day", "month", "prediction"] = "day",
        amount: object = None,
        currency: str = "USD",
        **asked: Any,
    ) -> Baseline:
        """Keep what something cost, with the date, to tell later what was saved.

        Args:
            name: What it is called. One of that name becomes history, and is not lost.
            unit: What it is the cost of.
            amount: How much; if None, it is measured.
            currency: Of an amount that is given.
            asked: Over which days it is measured; `basis`, `services`, `accounts`.

        Raises:
            ConfigError: The name, the unit or the amount cannot be used.
            QueryError: There is nothing to measure.
        """
        given = {"amount": amount, "currency": currency, **asked}
        return _baselines().set(name, unit=unit, source=self._source, **given)

    def baselines(self) -> list[Baseline]:
        """The baselines in force."""
        return _baselines().listed()

    def baseline_history(self, name: str) -> list[Baseline]:
        """All that a baseline has been, the newest last."""
        return _baselines().history(name)

    def savings(self, name: str, **asked: Any) -> Document:
        """An estimate of what was saved: (baseline - cost of a unit) x units.

        Args:
            name: The baseline.
            asked: Over which days; `basis`, `services`, `accounts` as when it was measured.
        """
        return _baselines().savings(name, **asked)

    def _sync(self) -> CostSync:
        with loading():
            from tidegauge.collect.cost_sync import CostSync

        return CostSync(
            parts().store,
            _costs(),
            recorder,
            source=self._source,
            every_s=self._every_s,
            client=self._client,
        )


def import_focus(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    source: str | None = None,
    currency: str | None = None,
    check: bool = False,
    advance: Callable[[float, float | None], object] | None = None,
) -> FocusImport:
    """Store the charges of FOCUS files: what AWS, Azure, Google and others write of their bills.

    CSV or Parquet, FOCUS 1.0 to 1.3. Whole billing periods are replaced, of a source, billing
    account and currency, for exports overwrite: give all files of a period at once. Importing the
    same files again changes nothing; a process that is killed has stored all of them or none.

    Args:
        paths: A file, a directory, or several.
        source: What to call them; `focus:<provider>` if None.
        currency: Only rows of this currency.
        check: Only look; store nothing.
        advance: Told how many rows are done, and of how many.

    Raises:
        ConfigError: There is no such file, some are CSV and others Parquet, or the source is one
            that Cost Explorer tells of.
        QueryError: They lack a column, have several currencies or providers, or times or amounts
            that cannot be read.
        StoreError: A file cannot be read, or the store cannot be used.
    """
    with loading():
        from tidegauge.collect import focus

    given = [paths] if isinstance(paths, str | PathLike) else list(paths)
    return focus.import_focus(
        parts().store,
        [str(each) for each in given],
        source=source,
        currency=currency,
        check=check,
        advance=advance,
    )


def _baselines() -> Baselines:
    with loading():
        from tidegauge.collect.baselines import Baselines

    return Baselines(parts().store, _costs())


def _costs() -> Costs:
    return parts().query.costs
