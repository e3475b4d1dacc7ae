# SPDX-License-Identifier: Apache-2.0
"""Daily aggregates: exact while the facts are there, and never worse than they were after."""

from __future__ import annotations

import datetime as dt
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tidegauge.amend.amender import Amender
from tidegauge.model.errors import ConfigError, QueryError, StoreError
from tidegauge.model.times import TimeRange
from tidegauge.model.zones import zone_of
from tidegauge.record.recorder import Recorder
from tidegauge.store import daily, leader
from tidegauge.store.daily import aggregate_day, aggregate_stale_days, day_of
from tidegauge.store.drain import DrainFollower
from tidegauge.store.imported_aggregates import keep_aggregates
from tidegauge.store.maintenance import Retention, compact, retire
from tidegauge.store.rollup import roll_up
from tidegauge.store.store import Store

UTC = ZoneInfo("UTC")
DATE = dt.date(2025, 12, 30)
KEY = ("feature", "metric_type", "metric_name")
NUMBERS = (
    "avg_value", "min_value", "max_value", "stddev", "count",
    "percentile_50", "percentile_95", "percentile_99", "sum",
)  # fmt: skip


def use(bench: Any, at: str, ms: float, *, feature: str = "find", action: str = "run") -> None:
    """Record one use of a feature; not stored yet."""
    bench.record_row("feature_usage", at, feature=feature, action=action, duration_ms=ms)


def rows(bench: Any, columns: Iterable[str] = (), where: str = "true") -> list[Any]:
    """Rows of the table as dicts, in order; of one column its values."""
    names = ", ".join(columns) or "*"
    sql = f"SELECT {names} FROM daily_aggregates WHERE {where} ORDER BY date, feature, "
    sql += "metric_type, metric_name"
    found = bench.ask(f"SELECT to_json(each)::VARCHAR FROM ({sql}) each", table="daily_aggregates")
    return [json.loads(text) for (text,) in found]


def durations(bench: Any, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of the rows about durations."""
    found = rows(bench, columns, "metric_name = 'run.duration_ms'")
    return [tuple(row.values()) for row in found]


def version(bench: Any) -> int:
    """How often the table was changed."""
    stored = Store(bench.root).tables.open("daily_aggregates")
    assert stored is not None
    return stored.view().version


def plain(values: list[float]) -> dict[str, Any]:
    """The numbers of a row in plain Python."""
    ordered = sorted(values)

    def quantile(share: float) -> float:
        place = share * (len(values) - 1)
        at = int(place)
        above = ordered[min(at + 1, len(values) - 1)]
        return ordered[at] * (1 - (place - at)) + above * (place - at)

    return {
        "avg_value": statistics.fmean(values),
        "min_value": ordered[0],
        "max_value": ordered[-1],
        "stddev": statistics.stdev(values) if len(values) > 1 else None,
        "count": len(values),
        "percentile_50": quantile(0.5),
        "percentile_95": quantile(0.95),
        "percentile_99": quantile(0.99),
        "sum": float(sum(values)),
    }


def correct(bench: Any, **asked: Any) -> int:
    """Correct uses of the feature; how many."""
    recorder, follower = Recorder(bench.root / "journal"), DrainFollower(bench.store)
    asked = {"changes": None, "retract": False} | asked
    within = asked.pop("within", TimeRange())
    amender = Amender(bench.store, recorder, follower)
    done = amender.correct("feature_usage", {"feature": "find"}, within, **asked)
    recorder.writer.close()
    return done.rows


def retire_before(bench: Any, date: str) -> None:
    """Retire uses of all days, UTC, before one; the clock says noon of 2026-01-01."""
    days = (dt.date(2026, 1, 1) - dt.date.fromisoformat(date)).days + 0.5
    assert retire(bench.store, "feature_usage", Retention(days=days)).rows_retired > 0


def test_every_number_is_exact(bench: Any) -> None:
    """Of all seven tables: counts, sums, deviations and percentiles as in plain Python."""
    expected: dict[tuple[str, str, str], list[float]] = defaultdict(list)

    def put(table: str, at: int, kind: str, name: str, numbers: dict[str, Any], **row: Any) -> None:
        feature = f"f{at % 2}" if table != "resource_utilization" else ""
        about = {"feature": feature} if feature else {}
        bench.record_row(table, f"{DATE}T{at % 24:02}:00:{at % 60:02}Z", **about, **row)
        for measure, value in numbers.items():
            expected[feature, kind, f"{name}{measure}"].append(float(value))

    for at in range(75):
        x = (at * 29 % 75) / 16
        put(
            "system_performance", at, "performance", "latency.p", {"": x}, value=x,
            metric_category="latency", metric_name="p", unit="ms",
        )  # fmt: skip
        put(
            "user_satisfaction", at, "satisfaction", "answer", {"": x / 5}, score=x, rating=int(x),
            satisfaction_type="answer", score_scale="0-10", normalized_score=x / 5,
        )  # fmt: skip
        usage = {".duration_ms": x, ".success": at % 3 == 0} if at % 5 else {}
        put(
            "feature_usage", at, "usage", f"a{at % 3}", {".uses": 1} | usage, action=f"a{at % 3}",
            duration_ms=usage.get(".duration_ms"), success=usage.get(".success"),
        )  # fmt: skip
        put(
            "learning_effectiveness", at, "learning", "pattern", {".records": 1, ".accuracy": x},
            learning_type="pattern", accuracy=x,
        )  # fmt: skip
        put(
            "optimization_impact", at, "optimization", "time",
            {".records": 1, ".before_value": x, ".after_value": 1}, optimization_id="o",
            impact_category="time", before_value=x, after_value=1.0,
        )  # fmt: skip
        put(
            "resource_utilization", at, "resource", "cpu.0", {".utilization_percent": x},
            resource_type="cpu", resource_name="0", utilization_percent=x,
        )  # fmt: skip
        put(
            "errors", at, "error", "E", {".errors": 1, ".recovery_attempted": at % 2},
            error_type="E", error_severity="error", recovery_attempted=bool(at % 2),
        )  # fmt: skip
    assert aggregate_day(bench.store, DATE, UTC) == len(expected)
    for drained in (False, True):
        if drained:
            bench.drain()
            aggregate_day(bench.store, DATE, UTC)
        found = {tuple(row[name] for name in KEY): row for row in rows(bench)}
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            numbers = {name: found[key][name] for name in NUMBERS}
            assert numbers == pytest.approx(plain(values), rel=1e-12), key
            assert (numbers["sum"], numbers["count"]) == (sum(values), len(values))
            assert found[key]["percentile_error"] == 0.0
            assert (found[key]["date"], found[key]["time_zone"]) == (str(DATE), "UTC")


def test_a_day_has_each_number_once(bench: Any) -> None:
    """However the rows differ in labels, units and scales, and however often it is aggregated."""
    for unit in ("ms", "s", None):
        for product in ("a", "b"):
            row = {"feature": "f", "metric_category": "c", "metric_name": "n", "unit": unit}
            labels = {"product": product, "service": product}
            bench.record_row(
                "system_performance", f"{DATE}T01:00:00Z", **row, value=1.0, labels=labels
            )
    for _ in range(3):
        aggregate_day(bench.store, DATE, UTC)
        bench.drain()
        aggregate_stale_days(bench.store, UTC)
    assert [tuple(row.values()) for row in rows(bench, [*KEY, "count"])] == [
        ("f", "performance", "c.n", 6)
    ]


def test_nothing_changes_when_nothing_changed(bench: Any) -> None:
    """The same rows make no commit, also from merged files; only stale days are done."""
    for day in (29, 30, 31):
        for hour in range(4):
            use(bench, f"2025-12-{day}T{hour:02}:00:00Z", hour * 1.25)
            bench.drain()
    assert aggregate_stale_days(bench.store, UTC) == 3
    before = version(bench)
    assert aggregate_stale_days(bench.store, UTC) == 0
    assert aggregate_stale_days(Store(bench.root), UTC) == 0
    assert aggregate_day(bench.store, DATE, UTC) == 2
    assert compact(bench.store, "feature_usage").files_before == 12
    roll_up(bench.store)
    assert aggregate_stale_days(bench.store, UTC) == 3
    assert version(bench) == before


def test_late_and_corrected_facts(bench: Any) -> None:
    """Change the row of their day and of no other."""
    for day in (29, 30, 31):
        use(bench, f"2025-12-{day}T10:00:00Z", 100.0)
    bench.drain()
    aggregate_stale_days(bench.store, UTC)
    use(bench, f"{DATE}T09:00:00Z", 300.0)
    bench.drain()
    assert aggregate_stale_days(bench.store, UTC) == 1
    columns = ("date", "count", "avg_value", "percentile_50")
    days = [("2025-12-29", 1, 100.0, 100.0), ("2025-12-30", 2, 200.0, 200.0)]
    assert durations(bench, *columns) == [*days, ("2025-12-31", 1, 100.0, 100.0)]
    since = TimeRange(start_ns=1767139200 * 10**9)  # 2025-12-31
    assert correct(bench, changes={"duration_ms": 5.0}, within=since) == 1
    assert aggregate_stale_days(bench.store, UTC) == 1
    assert durations(bench, *columns) == [*days, ("2025-12-31", 1, 5.0, 5.0)]


@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_facts_that_are_taken_back(bench: Any, is_rolled_up: bool) -> None:
    """Have no aggregates any more, once nothing of their kind is left, and rollups say so."""
    use(bench, f"{DATE}T10:00:00Z", 100.0)
    use(bench, f"{DATE}T11:00:00Z", 5.0, feature="other")
    bench.drain()
    if is_rolled_up:
        roll_up(bench.store)
    aggregate_stale_days(bench.store, UTC)
    assert correct(bench, retract=True) == 1
    assert aggregate_stale_days(bench.store, UTC) == 1
    assert {row["feature"] for row in rows(bench)} == {"other"}


def test_all_facts_of_a_day_taken_back(bench: Any) -> None:
    """Leave a day without rows, and it is looked at no more."""
    use(bench, f"{DATE}T10:00:00Z", 100.0)
    bench.drain()
    roll_up(bench.store)
    aggregate_stale_days(bench.store, UTC)
    assert correct(bench, retract=True) == 1
    assert aggregate_stale_days(bench.store, UTC) == 1
    assert rows(bench) == []
    assert aggregate_stale_days(bench.store, UTC) == 0


def test_the_journal_counts(bench: Any) -> None:
    """A day that is asked for has the facts of this moment."""
    use(bench, f"{DATE}T10:00:00Z", 1.0)
    assert aggregate_day(bench.store, DATE, UTC) == 2
    use(bench, f"{DATE}T10:00:00Z", 3.0)
    aggregate_day(bench.store, DATE, UTC)
    assert durations(bench, "count", "sum") == [(2, 4.0)]


def test_a_day_without_facts(bench: Any) -> None:
    """Has no rows."""
    assert aggregate_day(bench.store, DATE, UTC) == 0
    assert aggregate_stale_days(bench.store, UTC) == 0


def test_what_was_exact_stays_after_the_facts_are_gone(bench: Any) -> None:
    """Retired rows leave sums; the row that was made of them is better and stays."""
    values = [float(each) for each in (1, 2, 3, 50, 1000)]
    for hour, value in enumerate(values):
        use(bench, f"{DATE}T{hour:02}:30:00Z", value)
    bench.drain()
    aggregate_stale_days(bench.store, UTC)
    before, changes = rows(bench), version(bench)
    retire_before(bench, "2025-12-31")
    roll_up(bench.store)
    assert aggregate_stale_days(bench.store, UTC) == 1
    assert aggregate_day(bench.store, DATE, UTC) == 2
    assert rows(bench) == before
    assert version(bench) == changes
    assert aggregate_stale_days(bench.store, UTC) == 0


def test_facts_that_come_late_to_a_retired_day(bench: Any) -> None:
    """Are in, with the sums of those that are gone; percentiles have the error that is told."""
    values = [1.5**each for each in range(24)]
    for hour, value in enumerate(values):
        use(bench, f"{DATE}T{hour:02}:30:00Z", value)
    bench.drain()
    aggregate_stale_days(bench.store, UTC)
    retire_before(bench, "2025-12-31")
    use(bench, f"{DATE}T05:00:00Z", 0.25)
    bench.drain()
    assert aggregate_stale_days(bench.store, UTC) == 1
    (row,) = rows(bench, where="metric_name = 'run.duration_ms'")
    expected = plain([*values, 0.25])
    assert row["percentile_error"] == pytest.approx(2 ** (1 / 64) - 1)
    for name in ("count", "min_value", "max_value"):
        assert row[name] == expected[name]
    for name in ("sum", "avg_value", "stddev"):
        assert row[name] == pytest.approx(expected[name], rel=1e-12)
    for name in ("percentile_50", "percentile_95", "percentile_99"):
        assert row[name] == pytest.approx(expected[name], rel=row["percentile_error"])


def test_a_day_that_is_gone_before_it_was_aggregated(bench: Any) -> None:
    """Is aggregated from its sums."""
    for hour in range(24):
        use(bench, f"{DATE}T{hour:02}:30:00Z", 100.0)
    bench.drain()
    retire_before(bench, "2025-12-31")
    assert aggregate_day(bench.store, DATE, UTC) == 2
    ((count, total, error),) = durations(bench, "count", "sum", "percentile_error")
    assert (count, total) == (24, 2400.0)
    assert error > 0


def test_a_correction_beside_facts_that_are_gone(bench: Any) -> None:
    """A day of another zone may be half gone; what was corrected in the other half is seen."""
    zone = ZoneInfo("Europe/Amsterdam")
    use(bench, "2025-12-30T23:30:00Z", 8.0)
    use(bench, "2025-12-31T10:00:00Z", 16.0)
    bench.drain()
    aggregate_stale_days(bench.store, zone)
    retire_before(bench, "2025-12-31")
    aggregate_stale_days(bench.store, zone)
    assert durations(bench, "date", "count", "sum", "percentile_error") == [
        ("2025-12-31", 2, 24.0, 0.0)
    ]
    assert correct(bench, changes={"duration_ms": 32.0}) == 1
    aggregate_stale_days(bench.store, zone)
    ((count, total, error),) = durations(bench, "count", "sum", "percentile_error")
    assert (count, total) == (2, 40.0)
    assert error > 0


def test_a_zone_that_cuts_the_hours_of_rollups(bench: Any) -> None:
    """Half gone, a day of India keeps the exact row: its sums are told by whole hours only."""
    zone = ZoneInfo("Asia/Kolkata")
    for at in ("30T18:10", "30T18:20", "30T18:40", "30T23:00", "31T01:00"):
        use(bench, f"2025-12-{at}:00Z", 2.0)
    bench.drain()
    aggregate_stale_days(bench.store, zone)
    columns = ("date", "count", "sum", "percentile_error")
    exact = [("2025-12-30", 2, 4.0, 0.0), ("2025-12-31", 3, 6.0, 0.0)]
    assert durations(bench, *columns) == exact
    retire_before(bench, "2025-12-31")
    assert aggregate_stale_days(bench.store, zone) == 2
    assert durations(bench, *columns)[1] == exact[1]


def test_kinds_of_which_nothing_is_known_any_more(bench: Any) -> None:
    """Without rows and rollups, the aggregates are all there is, and they stay."""
    use(bench, f"{DATE}T10:00:00Z", 1.0)
    bench.record_row(
        "errors", f"{DATE}T10:00:00Z",
        feature="find", error_type="E", error_severity="error", recovery_attempted=False,
    )  # fmt: skip
    bench.drain()
    aggregate_stale_days(bench.store, UTC)
    before = rows(bench)
    retire_before(bench, "2025-12-31")
    assert retire(bench.store, "rollups", Retention(days=0.5)).files_before == 1
    aggregate_stale_days(bench.store, UTC)
    aggregate_day(bench.store, DATE, UTC)
    assert rows(bench) == before


def test_imported_aggregates_stay(bench: Any) -> None:
    """Beside those that are computed; where there are facts, what is computed takes their place."""
    common = {"date": DATE, "metric_type": "usage", "time_zone": "UTC", "count": 9, "sum": 9.0}
    old = [{"feature": "find", "metric_name": "run.uses"}, {"feature": "x", "metric_name": "y"}]
    keep_aggregates(bench.store, [common | each for each in old])
    use(bench, f"{DATE}T10:00:00Z", 1.0)
    bench.drain()
    for _ in range(2):
        aggregate_stale_days(bench.store, UTC)
        aggregate_day(bench.store, DATE, UTC)
    found = [
        tuple(row.values()) for row in rows(bench, ["feature", "metric_name", "count", "slot"])
    ]
    assert found == [
        ("find", "run.duration_ms", 1, ""),
        ("find", "run.uses", 1, ""),
        ("x", "y", 9, "import"),
    ]


DAYS = {
    # name: (zone, day, first moment, last microsecond)
    "23 hours": (
        "Europe/Amsterdam", "2025-03-30", "2025-03-29T23:00:00Z", "2025-03-30T21:59:59.999999Z",
    ),
    "25 hours": (
        "Europe/Amsterdam", "2025-10-26", "2025-10-25T22:00:00Z", "2025-10-26T22:59:59.999999Z",
    ),
    "half an hour off": (
        "Asia/Kolkata", "2025-12-14", "2025-12-13T18:30:00Z", "2025-12-14T18:29:59.999999Z",
    ),
    "no midnight": (
        "America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T01:59:59.999999Z",
    ),
    "no midnight after": (
        "America/Sao_Paulo", "2018-11-03", "2018-11-03T03:00:00Z", "2018-11-04T02:59:59.999999Z",
    ),
    "midnight twice": (
        "America/Havana", "2025-11-02", "2025-11-02T04:00:00Z", "2025-11-03T04:59:59.999999Z",
    ),
    "UTC": ("UTC", "2025-12-14", "2025-12-14T00:00:00Z", "2025-12-14T23:59:59.999999Z"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAYS)
def test_a_day_is_from_midnight_to_midnight(bench: Any, name: str) -> None:
    """Of its zone, whatever happens to clocks on it; neighbours are in no other day or in two."""
    zone_name, date, first, last = DAYS[name]
    zone = ZoneInfo(zone_name)
    moment = dt.datetime.fromisoformat
    before = (moment(first) - dt.timedelta(microseconds=1)).isoformat()
    after = (moment(last) + dt.timedelta(microseconds=1)).isoformat()
    for at, value in ((before, 1.0), (first, 2.0), (last, 4.0), (after, 8.0)):
        use(bench, at, value)
    bench.drain()
    assert aggregate_day(bench.store, dt.date.fromisoformat(date), zone) == 2
    assert durations(bench, "date", "count", "sum", "time_zone") == [(date, 2, 6.0, zone_name)]
    aggregate_stale_days(bench.store, zone)
    assert [sums for _, sums in durations(bench, "date", "sum")] == [1.0, 6.0, 8.0]


def test_another_zone(bench: Any) -> None:
    """All days are aggregated anew, as days of that zone."""
    use(bench, f"{DATE}T23:30:00Z", 1.0)
    bench.drain()
    aggregate_stale_days(bench.store, UTC)
    assert aggregate_stale_days(bench.store, ZoneInfo("Europe/Amsterdam")) == 2
    assert durations(bench, "date", "time_zone") == [("2025-12-31", "Europe/Amsterdam")]


def test_one_maintains_at_a_time(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stale days are left to the other; a day that is asked for waits, and not for ever."""
    monkeypatch.setattr(daily, "_WAIT_S", 0.0)
    with bench.store.maintain():
        assert aggregate_stale_days(bench.store, UTC) is None
        with pytest.raises(StoreError) as caught:
            aggregate_day(bench.store, DATE, UTC)
    assert str(caught.value) == (
        "another process was maintaining the store all the time, and nothing was changed. "
        "Wait for it to finish, then try again."
    )


def test_others_get_a_turn(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Much is rolled up and aggregated in pieces, and comes to the same."""
    days = ["2025-12-29", "2025-12-30", "2025-12-31"]
    for day in days:
        use(bench, f"{day}T10:00:00Z", 100.0)
    bench.drain()
    turns = []
    maintain = Store.maintain

    def counted(store: Store) -> Any:
        turns.append(store)
        return maintain(store)

    monkeypatch.setattr(Store, "maintain", counted)
    monkeypatch.setattr(leader, "_PIECE_S", 0.0)
    for work in (
        lambda: roll_up(bench.store).days,
        lambda: aggregate_stale_days(bench.store, UTC),
    ):
        turns.clear()
        assert work() == 3
        assert len(turns) == 3
        assert work() == 0
        assert len(turns) == 4
    assert sorted({row["date"] for row in rows(bench)}) == days
    assert {row["count"] for row in rows(bench)} == {1}


def test_days_as_people_write_them(bench: Any) -> None:
    """A date, a datetime, a text, or today, which depends on the zone."""
    bench.clock.set_wall(1767222000 * 10**9)  # 2025-12-31T23:00:00Z
    amsterdam = zone_of("Europe/Amsterdam")
    assert day_of(None, amsterdam, bench.clock) == dt.date(2026, 1, 1)
    assert day_of(None, UTC, bench.clock) == dt.date(2025, 12, 31)
    assert day_of("2025-12-14", UTC, bench.clock) == dt.date(2025, 12, 14)
    assert day_of(DATE, UTC, bench.clock) == DATE
    late = dt.datetime(2025, 12, 14, 23, 30, tzinfo=dt.UTC)
    assert day_of(late, amsterdam, bench.clock) == dt.date(2025, 12, 15)
    assert day_of(late.replace(tzinfo=None), amsterdam, bench.clock) == dt.date(2025, 12, 14)


@pytest.mark.parametrize("date", ["14-12-2025", "2025-02-30", "yesterday", "", 20251214])
def test_what_is_no_day(bench: Any, date: Any) -> None:
    """The error shows what was given, and how a day is written."""
    with pytest.raises(QueryError) as caught:
        day_of(date, UTC, bench.clock)
    expected = f"this is no day; got {date!r}; allowed: a date, or a text such as '2025-12-14'"
    assert str(caught.value).rstrip(".") == expected


@pytest.mark.parametrize("name", ["Middle/Earth", "", "../UTC", "Europe", "CET+9x"])
def test_what_is_no_zone(name: str) -> None:
    """The error shows what was given, and where names of zones come from."""
    with pytest.raises(ConfigError) as caught:
        zone_of(name)
    assert str(caught.value) == (
        f"there is no such time zone; got {name!r}; allowed: a name of the IANA database, such as "
        "Europe/Amsterdam or UTC. Where the system has no time zones, install the package tzdata."
    )


def test_sums_beyond_the_largest_float(bench: Any) -> None:
    """Are empty; the rest of the row is there."""
    for _ in range(2):
        use(bench, f"{DATE}T10:00:00Z", 1.7e308)
    aggregate_day(bench.store, DATE, UTC)
    ((count, total, mean, middle),) = durations(bench, "count", "sum", "avg_value", "percentile_50")
    assert (count, total, mean, middle) == (2, None, None, 1.7e308)
    assert np.isfinite(middle)
