# SPDX-License-Identifier: Apache-2.0
"""Bringing the bill of AWS into the store once a day, and showing it in live metrics.

Asking costs money, so nothing here asks because somebody looks: not a scrape, and not the hourly
loop of a program. When a source was asked last is known to the store, for all of its processes.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from tidegauge.collect.aws_costs import GROUPINGS, REQUEST_USD, Bill, Charge, CostExplorer
from tidegauge.model.errors import ConfigError, DeliveryError, QueryError, TidegaugeError
from tidegauge.model.series import SeriesKey
from tidegauge.query.cost_ratios import capture, per_prediction, services_of
from tidegauge.query.cost_trends import monthly_document
from tidegauge.query.costs import AWS, Costs
from tidegauge.record.recorder import FAULTS, Recorder
from tidegauge.store.costs import groupings_of, replace_cost_days
from tidegauge.store.leader import exclusive
from tidegauge.store.store import Store

__all__ = ["COST_EXPLORER", "CostSync", "LastSync", "read_bill"]

#: Under which requests are counted in the store's state.
COST_EXPLORER = "cost_explorer"

_CLOUD = "AWS"
_NAMESPACE = "cost_sync"
# What the keys of each way of splitting are.
_COLUMNS = {
    "service-account": ("cloud_service", "account_id"),
    "service-record-type": ("cloud_service", "charge_category"),
    "bedrock-model": ("model", "usage_type"),
}
#: After a failure, nobody asks again for so long: some failed requests are charged, too.
_RETRY_NS = 3600 * 10**9
_DAYS_SHOWN = 30
_MONTHS_KNOWN = 13
_DAY = dt.timedelta(days=1)
_log = logging.getLogger("tidegauge")


class LastSync(msgspec.Struct, frozen=True):
    """What is known of the last time that a source was asked.

    Attributes:
        tried_ns: When it was tried last.
        succeeded_ns: When it succeeded last; 0 if never.
        start: The first day that was asked for, ISO 8601.
        end: The day after the last one.
        requests: Requests that it took.
        rows: Rows that the source had.
        days_changed: Days of which something is other than before.
        missing: Why a way of splitting is not there, by its name.
        error: What went wrong, if it did not succeed.
        begun_ns: When one was begun that has not ended; 0 if none was.
    """

    tried_ns: int = 0
    succeeded_ns: int = 0
    start: str = ""
    end: str = ""
    requests: int = 0
    rows: int = 0
    days_changed: int = 0
    missing: dict[str, str] = {}
    error: str | None = None
    begun_ns: int = 0


class CostSync:
    """Reads the bill of AWS, stores it, and records what monitoring shows of it.

    Of several processes of a store one does it at a time.

    Args:
        store: The store.
        costs: Its read side.
        recorder: Records what live metrics show.
        source: What the rows are called. Only sources that are no files are asked.
        every_s: For how long what was read is good enough.
        client: A client of boto3 for `ce`, instead of one of its own.
        sleep: Waits for so many seconds, where AWS wants fewer requests.
    """

    def __init__(
        self,
        store: Store,
        costs: Costs,
        recorder: Recorder,
        *,
        source: str = AWS,
        every_s: float = 86_400.0,
        client: Any = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._costs = costs
        self._recorder = recorder
        self._source = source
        self._every_ns = round(every_s * 1e9)
        self._client = client
        self._sleep = sleep
        self._lock = store.root / "cost_sync.lock"

    @property
    def last(self) -> LastSync:
        """What is known of the last time."""
        kept = self._store.state.value(_NAMESPACE, self._source)
        return LastSync() if kept is None else msgspec.json.decode(kept, type=LastSync)

    def is_due(self) -> bool:
        """Whether it is time to ask: what was read is too old, and no failure just before."""
        now_ns, last = self._store.clock.wall_ns(), self.last
        failed_ns = max(last.tried_ns if last.error is not None else 0, last.begun_ns)
        return (
            not 0 <= now_ns - last.succeeded_ns < self._every_ns
            and not 0 <= now_ns - failed_ns < _RETRY_NS
            and not self._is_of_files()
        )

    def update(self) -> LastSync:
        """Ask if it is time to, and record what monitoring shows.

        What cannot be read is noted, logged and told, not raised: what is stored is shown.

        Raises:
            MissingExtraError: boto3 is not installed.
            StoreError: The store cannot be used.
        """
        if self.is_due():
            try:
                with exclusive(self._lock) as alone:
                    # Another process may have been faster.
                    if alone and self.is_due():
                        self._sync(None)
            except DeliveryError as error:
                _log.warning("the bill of AWS could not be read: %s", error)
        self.publish()
        return self.last

    def sync(self, *, start: dt.date | None = None) -> LastSync | None:
        """Ask now, for the complete days from the first of the previous month on.

        Bills change until they are final, so what was read before is read again and replaced.

        Args:
            start: The first day, if another one. AWS knows 13 months.

        Returns:
            What was done; None if another process was doing it.

        Raises:
            ConfigError: The source is of files.
            QueryError: No day from `start` on is over.
            MissingExtraError: boto3 is not installed.
            DeliveryError: AWS cannot be asked, or refuses.
            StoreError: The store cannot be used.
        """
        if self._is_of_files():
            raise _of_files(self._source)
        if start is not None and start >= self._costs.today:
            raise QueryError(
                "no day from this one on is over", got=str(start), allowed="a day before today, UTC"
            )
        with exclusive(self._lock) as alone:
            return self._sync(start) if alone else None

    def publish(self) -> dict[str, Decimal]:
        """Record what is stored as the metrics that monitoring shows.

        That is the last complete day which its provider does not fill any more; the last 30
        complete days by service and per prediction, and the month so far; with the age of the last
        successful reading. Nothing is recorded of
        amounts that are not in USD, nor of a source other than that of `Costs.shown_source`: a
        gauge is of one source.

        Returns:
            What was recorded, by metric; of services their sum.

        Raises:
            StoreError: The store cannot be read.
        """
        if self._costs.shown_source() != self._source:
            return {}
        if succeeded_ns := self.last.succeeded_ns:
            age_ns = max(0, self._store.clock.wall_ns() - succeeded_ns)
            self._put("cost:bill_age_seconds", {}, Decimal(age_ns) / 10**9)
        asked: dict[str, Any] = {"currency": "USD"}
        found = self._costs.daily(self._source, days=_DAYS_SHOWN, **asked)
        found = found.without_partial(self._costs.today)
        if not found.costs:
            return {}
        day = max(found.costs)
        shown: dict[str, Decimal] = {"cost:daily_usd": found.costs[day]}
        month = monthly_document(self._costs, self._source, day, **asked)
        ratio = per_prediction(self._costs, self._source, days=_DAYS_SHOWN, **asked)
        if month["cost"] is not None:
            shown["cost:monthly_usd"] = month["cost"]
        # Below 0 there were more credits than costs: that says nothing of a prediction.
        if (each := ratio["cost_per_prediction"]) is not None and each >= 0:
            shown["cost:per_prediction_usd"] = each
        for name, amount in shown.items():
            self._put(name, {}, amount)
        services = services_of(self._costs, self._source, days=_DAYS_SHOWN, **asked)
        for service, amount in services.items():
            self._put("cost:by_service_usd", {"cloud_service": service}, amount)
        captured = capture(self._costs, self._source, days=_DAYS_SHOWN, **asked)
        if captured["ratio"] is not None:
            labels = {"provider": captured["provider"]}
            self._put("cost:llm_capture_ratio", labels, captured["ratio"])
            shown["cost:llm_capture_ratio"] = captured["ratio"]
        return shown | {"cost:by_service_usd": sum(services.values(), Decimal())}

    def _is_of_files(self) -> bool:
        """Whether the source is what files say, beside which nothing else is to be written."""
        if self._source.startswith("focus:"):
            return True
        return not set(groupings_of(self._store, self._source)) <= set(GROUPINGS)

    def _sync(self, start: dt.date | None) -> LastSync:
        before = self.last
        end = self._costs.today
        first = start or max(_first_of_previous(_earlier(before, end)), _first_known(end))
        told = LastSync(
            tried_ns=self._store.clock.wall_ns(),
            succeeded_ns=before.succeeded_ns,
            start=first.isoformat(),
            end=end.isoformat(),
        )
        # Who is killed in the middle has paid all the same.
        self._note(msgspec.structs.replace(before, begun_ns=told.tried_ns))
        requests = 0

        def on_request() -> None:
            nonlocal requests
            requests += 1
            self._count_request()

        try:
            explorer = CostExplorer(client=self._client, on_request=on_request, sleep=self._sleep)
            bills = {name: explorer.fetch(name, first, end) for name in GROUPINGS}
            done = [self._keep(name, bill) for name, bill in bills.items()]
        except TidegaugeError as error:
            self._note(msgspec.structs.replace(told, requests=requests, error=str(error)))
            raise
        told = msgspec.structs.replace(
            told,
            succeeded_ns=told.tried_ns,
            requests=requests,
            rows=sum(rows for rows, _ in done),
            days_changed=sum(days for _, days in done),
            missing={name: bill.missing for name, bill in bills.items() if bill.missing},
        )
        self._note(told)
        return told

    def _keep(self, grouping: str, bill: Bill) -> tuple[int, int]:
        """Store what AWS said, day by day. A day of which it says nothing stays as it is."""
        rows = [_row(self._source, grouping, charge) for charge in bill.charges]
        done = replace_cost_days(self._store, self._source, grouping, rows)
        return done.rows, done.days

    def _count_request(self) -> None:
        with self._store.state.transaction() as transaction:
            transaction.count(COST_EXPLORER, "requests")
        self._put("cost:cost_explorer_requests", {}, Decimal(1))
        self._put("cost:cost_explorer_usd", {}, REQUEST_USD)

    def _note(self, told: LastSync) -> None:
        with self._store.state.transaction() as transaction:
            transaction.set_value(_NAMESPACE, self._source, msgspec.json.encode(told).decode())

    def _put(self, metric: str, labels: dict[str, str], amount: Decimal) -> None:
        """Record a value, or log why it cannot be: what was paid for is kept all the same."""
        time_ns = self._store.clock.wall_ns()
        # Without the labels of this process: a bill is not of the program that reads it.
        key = SeriesKey.of(metric, labels)
        try:
            self._recorder.get_ready()
            self._recorder.writer.put_point(key, float(amount), time_ns=time_ns)
        except FAULTS as error:
            _log.warning("%s could not be recorded: %s", metric, error)


def read_bill(store: Store, costs: Costs, recorder: Recorder) -> str:
    """Read the bill of AWS if that was a day ago, and show what is known of it.

    Returns:
        What was read last, for people.

    Raises:
        DeliveryError: The last reading did not succeed.
        MissingExtraError: boto3 is not installed.
        StoreError: The store cannot be used.
    """
    last = CostSync(store, costs, recorder).update()
    if last.error is not None:
        raise DeliveryError(last.error)
    return f"{last.rows:,} rows of {last.start} to {last.end}, {last.requests} requests"


def _row(source: str, grouping: str, charge: Charge) -> dict[str, Any]:
    """A row of the table `costs`."""
    first, second = charge.keys
    day = dt.datetime.combine(charge.day, dt.time(), dt.UTC)
    columns = dict(zip(_COLUMNS[grouping], (first, second), strict=True))
    if grouping == "bedrock-model":
        columns["cloud_service"] = "Amazon Bedrock"
    return {
        "time": day,
        "source": source,
        "grouping": grouping,
        "billing_period": f"{charge.day:%Y-%m}",
        "period_s": 86_400.0,
        "cloud": _CLOUD,
        **columns,
        "billed_cost": charge.billed,
        "effective_cost": charge.effective,
        "currency": charge.currency,
        "is_estimated": charge.is_estimated,
    }


def _earlier(before: LastSync, today: dt.date) -> dt.date:
    """The day of the last success, if there was one: what came since may have changed, too."""
    if not before.succeeded_ns:
        return today
    last = dt.datetime.fromtimestamp(before.succeeded_ns / 1e9, dt.UTC).date()
    return min(last, today)


def _first_of_previous(day: dt.date) -> dt.date:
    """The first day of the month before."""
    return (day.replace(day=1) - _DAY).replace(day=1)


def _first_known(today: dt.date) -> dt.date:
    """The first day of which AWS knows the costs: that of the month 13 months ago."""
    months = 12 * today.year + today.month - 1 - _MONTHS_KNOWN
    return dt.date(months // 12, months % 12 + 1, 1)


def _of_files(source: str) -> ConfigError:
    return ConfigError(
        "this source is of imported files, and what Cost Explorer says tells of the same money",
        got=source,
        allowed=f"{AWS}, or another name that no files have",
    )
