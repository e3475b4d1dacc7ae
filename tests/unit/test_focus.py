# SPDX-License-Identifier: Apache-2.0
"""FOCUS files of several versions and vendors, and what becomes of their rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tidegauge.collect.focus import import_focus
from tidegauge.model.errors import ConfigError, QueryError, StoreError
from tidegauge.model.times import parse_time_ns
from tidegauge.store.costs import replace_cost_days
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

HEADER = (
    "BilledCost,EffectiveCost,BillingAccountId,BillingCurrency,BillingPeriodStart,"
    "ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ProviderName,ServiceName"
)

Write = Callable[..., Path]
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def store(store_dir: Path) -> Store:
    """A store in the middle of November."""
    return Store(store_dir, clock=FakeClock(parse_time_ns("2026-11-15T12:00:00Z")))


@pytest.fixture
def ask(store_dir: Path) -> Ask:
    """Asks the table of costs, through an object of the store that knows nothing yet."""

    def answer(sql: str) -> list[tuple[Any, ...]]:
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        snapshot(Store(store_dir), "costs").register(connection, "costs")
        return connection.execute(sql).fetchall()

    return answer


@pytest.fixture
def csv(tmp_path: Path) -> Write:
    """Writes a CSV file of lines."""

    def write(*lines: str, header: str = HEADER, name: str = "focus.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Write:
    """Writes a Parquet file of what a SELECT finds."""

    def write(sql: str, name: str = "focus.parquet") -> Path:
        path = tmp_path / name
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
        return path

    return write


def line(
    billed: str,
    effective: str = "",
    *,
    account: str = "1",
    currency: str = "USD",
    month: str = "2026-10",
    day: str = "01",
    category: str = "Usage",
    provider: str = "AWS",
    service: str = "Amazon EC2",
) -> str:
    """A row of a file of version 1.0."""
    start = f"{month}-{day}T00:00:00Z"
    return (
        f"{billed},{effective},{account},{currency},{month}-01T00:00:00Z,{start},"
        f"{month}-{day}T01:00:00Z,{category},{provider},{service}"
    )


def test_a_file_of_version_1_0_becomes_rows(store: Store, ask: Ask, csv: Write) -> None:
    """With exact amounts, credits below 0, and sums by period, provider and category."""
    done = import_focus(
        store,
        [csv(line("0.12345678", "0.1"), line("-2", "-2", day="31", category="Credit"))],
    )
    assert (done.source, done.currency, done.rows, done.days_changed) == (
        "focus:AWS",
        "USD",
        2,
        2,
    )
    assert (done.billed_cost, done.effective_cost) == (Decimal("-1.87654322"), Decimal("-1.9"))
    assert [(each.name, each.rows) for each in done.categories] == [("Credit", 1), ("Usage", 1)]
    assert [(each.name, each.billed_cost) for each in done.periods] == [
        ("2026-10", Decimal("-1.87654322"))
    ]
    assert ask(
        "SELECT time::VARCHAR, source, grouping, billing_period, period_s, cloud, cloud_service, "
        "billing_account_id, charge_category, billed_cost, effective_cost, currency, is_estimated, "
        "slot FROM costs ORDER BY time"
    ) == [
        (
            "2026-10-01 00:00:00+00",
            "focus:AWS",
            "charge",
            "2026-10",
            3600.0,
            "AWS",
            "Amazon EC2",
            "1",
            "Usage",
            Decimal("0.12345678"),
            Decimal("0.10000000"),
            "USD",
            False,
            "cost/focus:AWS",
        ),
        (
            "2026-10-31 00:00:00+00",
            "focus:AWS",
            "charge",
            "2026-10",
            3600.0,
            "AWS",
            "Amazon EC2",
            "1",
            "Credit",
            Decimal("-2.00000000"),
            Decimal("-2.00000000"),
            "USD",
            False,
            "cost/focus:AWS",
        ),
    ]


def test_version_1_2_has_invoices_tags_and_meters(store: Store, ask: Ask, csv: Write) -> None:
    """Azure writes times without seconds, and tags as JSON."""
    path = csv(
        '5.5,2026-11-01T00:00Z,2026-11-01T00:00Z,Microsoft,EUR,Storage,inv-1,Hot LRS,"{""team"": '
        '""a"", ""gone"": null}",0.25,GB,weu',
        "1,2026-11-02T00:00Z,2026-11-01T00:00Z,Microsoft,EUR,Storage,,Hot LRS,not json,,,",
        header="BilledCost,ChargePeriodStart,BillingPeriodStart,ProviderName,BillingCurrency,"
        "ServiceName,InvoiceId,SkuMeter,Tags,ConsumedQuantity,ConsumedUnit,RegionId",
    )
    done = import_focus(store, [path])
    assert (done.source, done.currency, done.effective_cost) == ("focus:Microsoft", "EUR", None)
    assert ask(
        "SELECT invoice_id, usage_type, labels, quantity, quantity_unit, region, is_estimated, "
        "effective_cost FROM costs ORDER BY time"
    ) == [
        ("inv-1", "Hot LRS", {"team": "a"}, 0.25, "GB", "weu", False, None),
        (None, "Hot LRS", {"tags": "not json"}, None, None, None, True, None),
    ]


def test_version_1_3_names_the_provider_anew(store: Store, ask: Ask, parquet: Write) -> None:
    """Its own types, tags as a map or a list, columns of vendors, and nulls in mandatory ones."""
    path = parquet(
        "SELECT 0.1::DOUBLE AS BilledCost, NULL::DECIMAL(38, 9) AS EffectiveCost, "
        "TIMESTAMP '2026-10-05 01:00:00' AS ChargePeriodStart, 'Google Cloud' AS "
        "ServiceProviderName, NULL AS ProviderName, 'USD' AS BillingCurrency, NULL::VARCHAR AS "
        "ServiceName, 'sub' AS SubAccountId, [{'key': 'env', 'value': 'prod'}] AS Tags, 7 AS "
        "x_Credits"
    )
    done = import_focus(store, [path])
    assert (done.source, [each.name for each in done.periods]) == (
        "focus:Google Cloud",
        ["2026-10"],
    )
    assert ask(
        "SELECT billed_cost, effective_cost, cloud_service, account_id, labels, billing_period "
        "FROM costs"
    ) == [(Decimal("0.10000000"), None, None, "sub", {"env": "prod"}, "2026-10")]


def test_the_issuer_names_the_provider_where_nobody_else_does(store: Store, csv: Write) -> None:
    """And names of columns may be in another case."""
    path = csv(
        "1,2026-10-01,Oracle,USD,Compute",
        header="billed_cost,charge_period_start,invoice_issuer_name,billing_currency,service_name",
    )
    assert import_focus(store, [path]).source == "focus:Oracle"


@pytest.mark.parametrize(
    "start",
    [
        "2026-10-01",
        "2026-10-01T00:00Z",
        "2026-10-01T00:00:00.000Z",
        "2026-10-01 00:00:00 UTC",
        "2026-10-01T02:00:00+02:00",
        "10/01/2026",
    ],
)
def test_times_are_read_as_vendors_write_them(
    store: Store, ask: Ask, csv: Write, start: str
) -> None:
    """All of them mean the same moment."""
    header = "BilledCost,ChargePeriodStart,ProviderName,BillingCurrency,ServiceName"
    import_focus(store, [csv(f"1,{start},AWS,USD,S3", header=header)])
    assert ask("SELECT epoch(time) FROM costs") == [(1790812800.0,)]


def test_the_same_file_again_changes_nothing(store: Store, ask: Ask, csv: Write) -> None:
    """Not even the version of the table."""
    path = csv(line("1"), line("2", day="02"))
    import_focus(store, [path])
    stored = store.tables.open("costs")
    assert stored is not None
    version = stored.view().version
    again = import_focus(store, [path])
    assert (again.rows, again.rows_before, again.days_changed) == (2, 2, 0)
    stored.load()
    assert stored.view().version == version
    assert ask("SELECT count(*), sum(billed_cost) FROM costs") == [(2, Decimal("3.00000000"))]


def test_a_period_is_replaced_as_a_whole(store: Store, ask: Ask, csv: Write) -> None:
    """What is not in the new file goes; other periods, accounts and sources stay."""
    import_focus(store, [csv(line("1"), line("2", day="02"), line("4", month="2026-09"))])
    import_focus(store, [csv(line("8", account="2"))])
    import_focus(store, [csv(line("16"))], source="other")
    done = import_focus(store, [csv(line("32", day="02"))])
    assert (done.rows, done.rows_before, done.days_changed) == (1, 2, 2)
    assert ask(
        "SELECT source, billing_period, billing_account_id, billed_cost::INT FROM costs "
        "ORDER BY ALL"
    ) == [
        ("focus:AWS", "2026-09", "1", 4),
        ("focus:AWS", "2026-10", "1", 32),
        ("focus:AWS", "2026-10", "2", 8),
        ("other", "2026-10", "1", 16),
    ]


def test_rows_of_a_period_may_be_of_any_day(store: Store, ask: Ask, csv: Write) -> None:
    """A refund of August that is on October's bill is replaced with October's bill."""
    refund = (
        "-9,,1,USD,2026-10-01T00:00:00Z,2026-08-03T00:00:00Z,2026-08-03T01:00:00Z,Credit,AWS,EC2"
    )
    import_focus(store, [csv(line("1"), refund)])
    import_focus(store, [csv(line("1"))])
    assert ask("SELECT billed_cost::INT FROM costs") == [(1,)]


def test_several_files_of_a_period_go_in_together(
    store: Store, ask: Ask, csv: Write, tmp_path: Path
) -> None:
    """A directory stands for the files in it."""
    csv(line("1"), name="part-1.csv")
    csv(line("2"), name="part-2.csv")
    (tmp_path / "manifest.json").write_text("{}")
    done = import_focus(store, [tmp_path])
    assert [Path(each).name for each in done.files] == ["part-1.csv", "part-2.csv"]
    assert ask("SELECT sum(billed_cost)::INT FROM costs") == [(3,)]


def test_checking_stores_nothing(store: Store, csv: Write) -> None:
    """And tells the same sums."""
    done = import_focus(store, [csv(line("1"))], check=True)
    assert (done.checked_only, done.rows, done.billed_cost) == (True, 1, Decimal(1))
    assert store.tables.open("costs") is None


def test_two_currencies_are_refused_with_the_rows_of_each(store: Store, csv: Write) -> None:
    """They have no sum."""
    path = csv(line("1"), line("2", currency="EUR"), line("3", currency="EUR"))
    with pytest.raises(QueryError) as caught:
        import_focus(store, [path])
    assert str(caught.value) == (
        "the files have amounts in several currencies, which have no sum; got 'EUR (2 rows), USD "
        "(1 rows)'. Import one of them at a time, such as with --currency EUR."
    )


def test_one_of_several_currencies_can_be_imported(store: Store, ask: Ask, csv: Write) -> None:
    """And then the other one, which leaves the first as it is."""
    path = csv(line("1"), line("2", currency="EUR"))
    done = import_focus(store, [path], currency="USD")
    assert (done.rows, done.billed_cost, done.other_currencies) == (1, Decimal(1), {"EUR": 1})
    import_focus(store, [path], currency="EUR")
    assert ask("SELECT currency, billed_cost::INT FROM costs ORDER BY ALL") == [
        ("EUR", 2),
        ("USD", 1),
    ]
    with pytest.raises(QueryError, match="no row is in this currency"):
        import_focus(store, [path], currency="GBP")


def test_a_file_without_what_is_needed_is_refused_with_what_it_has(
    store: Store, csv: Write
) -> None:
    """One of the costs is enough, and none is not."""
    path = csv("1,2", header="ChargePeriodStart,ListCost")
    with pytest.raises(QueryError) as caught:
        import_focus(store, [path])
    assert str(caught.value) == (
        "these files are no FOCUS data: there is no column ServiceName, no BillingCurrency, no "
        "BilledCost or EffectiveCost; got 'ChargePeriodStart, ListCost'; allowed: "
        "ChargePeriodStart, ServiceName, BillingCurrency, and one of BilledCost, EffectiveCost. "
        "Export costs in the format FOCUS 1.0 or later."
    )


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (line("a lot"), "some costs cannot be read; got '1 amounts'"),
        (line("1").replace("2026-10-01T00:00:00Z,2026-10", "2026-10-01T00:00:00Z,soon"), "1 rows"),
        (line("1", provider=""), "got 'no provider'"),
        (line("1", currency=""), "no row says its currency"),
    ],
)
def test_rows_that_cannot_be_read_are_refused(
    store: Store, csv: Write, row: str, problem: str
) -> None:
    """All or nothing: half a bill is none."""
    with pytest.raises(QueryError, match=problem):
        import_focus(store, [csv(row)])
    assert store.tables.open("costs") is None


def test_files_of_several_providers_need_a_name(store: Store, csv: Write) -> None:
    """What they are of is what is replaced."""
    path = csv(line("1"), line("2", provider="Datadog"))
    with pytest.raises(QueryError, match="got 'AWS, Datadog'"):
        import_focus(store, [path])
    assert import_focus(store, [path], source="marketplace").source == "marketplace"


def test_what_is_no_file_is_refused(store: Store, csv: Write, tmp_path: Path) -> None:
    """Missing, mixed, or not what its name says."""
    with pytest.raises(ConfigError, match="there is no such file"):
        import_focus(store, [tmp_path / "gone.csv"])
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(ConfigError, match="some files are CSV and others Parquet"):
        import_focus(store, [csv(line("1")), tmp_path / "bad.parquet"])
    with pytest.raises(StoreError, match=r"a FOCUS file cannot be read; got 'bad.parquet'"):
        import_focus(store, [tmp_path / "bad.parquet"])


def test_a_name_with_signs_that_stand_for_others_is_one_file(
    store: Store, ask: Ask, csv: Write
) -> None:
    """`*` and `[1]` are in file names as well."""
    csv(line("4"), name="a1.csv")
    import_focus(store, [csv(line("1"), name="a[1].csv")])
    import_focus(store, [csv(line("2", month="2026-09"), name="a*.csv")])
    assert ask("SELECT sum(billed_cost)::INT FROM costs") == [(3,)]


def test_files_do_not_take_the_name_of_what_cost_explorer_says(store: Store, csv: Write) -> None:
    """One source would tell of the same money twice."""
    told = {
        "time": dt.datetime(2026, 10, 1, tzinfo=dt.UTC),
        "source": "aws-ce",
        "grouping": "service-account",
        "billing_period": "2026-10",
        "billed_cost": Decimal(3),
        "currency": "USD",
        "is_estimated": False,
    }
    replace_cost_days(store, "aws-ce", "service-account", [told])
    path = csv("1,1,1,USD,2026-10-01T00:00:00Z,2026-10-01T00:00:00Z,,Usage,AWS,EC2")
    with pytest.raises(ConfigError, match="aws-ce, split by service-account"):
        import_focus(store, [path], source="aws-ce")


def test_a_file_that_is_given_twice_counts_once(store: Store, csv: Write, ask: Ask) -> None:
    """By itself, through a link and in its directory: charges are not doubled."""
    path = csv("1,1,1,USD,2026-10-01T00:00:00Z,2026-10-01T00:00:00Z,,Usage,AWS,EC2")
    links = path.parent / "links"
    links.mkdir()
    (links / "link.csv").symlink_to(path)
    done = import_focus(store, [path, links, links / ".." / path.name])
    assert (done.rows, done.files) == (1, [str(path)])
    assert ask("SELECT billed_cost FROM costs") == [(Decimal(1),)]


def test_quotes_count_wherever_they_come_first(store: Store, csv: Write, ask: Ask) -> None:
    """After thousands of rows without any, too."""
    plain = "1,1,1,USD,2026-10-01T00:00:00Z,2026-10-01T00:00:00Z,,Usage,AWS,EC2,"
    quoted = (
        '2,2,1,USD,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,,Usage,AWS,"E,C2","{""a"":""x,y""}"'
    )
    import_focus(store, [csv(*[plain] * 30_000, quoted, header=HEADER + ",Tags")])
    assert ask("SELECT cloud_service, labels FROM costs WHERE billed_cost = 2") == [
        ("E,C2", {"a": "x,y"})
    ]


@pytest.mark.parametrize(
    ("tags", "labels"),
    [
        ("{'team': 'a', 'env': NULL}", {"team": "a"}),
        ("[{'key': 'a', 'value': 'b'}, {'key': 'a', 'value': 'c'}]", {"a": "b"}),
        ("[{'key': NULL, 'value': 'b'}, {'key': 'c', 'value': 'd'}]", {"c": "d"}),
        ("[{'Key': 'a', 'Value': 'b'}]", {"a": "b"}),
        ("[{'k': 'a', 'v': 'b'}]", {"a": "b"}),
        ("{'list': [{'element': {'key': 'a', 'value': 'b'}}]}", {"a": "b"}),
        ("['a:b']", {"tags": '["a:b"]'}),
        ("MAP {'a': 'b'}", {"a": "b"}),
        ("NULL::VARCHAR[]", {}),
        ("'{}'", {}),
        ("""'{"a": "b", "a": "c"}'""", {"a": "b"}),
        ("""'{"a.b/c$": 1}'""", {"a.b/c$": "1"}),
        ("""'"env": "prod","team": "x"'""", {"env": "prod", "team": "x"}),
        ("'env=prod'", {"tags": "env=prod"}),
        ("'17'", {"tags": "17"}),
    ],
)
def test_tags_are_labels_however_they_are_written(
    store: Store, tmp_path: Path, ask: Ask, tags: str, labels: dict[str, str]
) -> None:
    """What nobody understands is kept as it is, and is no reason to import nothing."""
    duckdb.sql(
        f"COPY (SELECT 1.5 AS BilledCost, 'USD' AS BillingCurrency, 'EC2' AS ServiceName, "
        f"TIMESTAMP '2026-10-01' AS ChargePeriodStart, 'AWS' AS ProviderName, {tags} AS Tags) "
        f"TO '{tmp_path / 'f.parquet'}' (FORMAT parquet)"
    )
    import_focus(store, [tmp_path / "f.parquet"])
    assert ask("SELECT labels FROM costs") == [(labels,)]


@pytest.mark.parametrize(
    ("invoice", "end", "is_estimated"),
    [
        (None, "2026-11-01", False),
        (None, "2026-11-06", True),
        ("", "2026-10-01", True),
        ("17", "2026-12-01", False),
    ],
)
def test_what_may_still_change(
    store: Store, csv: Write, ask: Ask, invoice: str | None, end: str, *, is_estimated: bool
) -> None:
    """What has no invoice yet; without such a column, a period of which ten days are not over."""
    line = f"1,1,1,USD,2026-10-01T00:00:00Z,2026-10-01T00:00:00Z,,Usage,AWS,EC2,{end}"
    more = ",BillingPeriodEnd"
    if invoice is not None:
        line, more = f"{line},{invoice}", f"{more},InvoiceId"
    import_focus(store, [csv(line, header=HEADER + more)])
    assert ask("SELECT is_estimated FROM costs") == [(is_estimated,)]


def test_files_are_read_while_others_may_maintain_the_store(store: Store, csv: Write) -> None:
    """Only comparing and committing keeps them waiting."""
    seen: list[bool] = []

    def advance(rows: float, total: float | None) -> None:
        with store.maintain() as mine:
            seen.append(mine)

    path = csv("1,1,1,USD,2026-10-01T00:00:00Z,2026-10-01T00:00:00Z,,Usage,AWS,EC2")
    assert import_focus(store, [path], advance=advance).rows == 1
    assert seen == [True]
