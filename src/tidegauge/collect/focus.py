# SPDX-License-Identifier: Apache-2.0
"""Taking in FOCUS files: what AWS, Azure and Google write of their bills, in versions 1.0 to 1.3.

Whole billing periods are replaced, for exports overwrite. Of the columns that FOCUS calls
mandatory, few are needed here: vendors leave others empty.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from tidegauge.model.amounts import from_units
from tidegauge.model.errors import ConfigError, QueryError
from tidegauge.store.costs import Replaced, Scope, groupings_of, replace_costs
from tidegauge.store.focus_rows import FOCUS_GROUPING, FocusPart, is_csv, open_focus
from tidegauge.store.store import Store

__all__ = ["FOCUS_COLUMNS", "FocusImport", "FocusSum", "import_focus"]

#: What is read, with the columns in which it is, the first one that is not empty. The names of the
#: provider differ by version: 1.3 has the first, which 1.0 to 1.2 have under the second.
FOCUS_COLUMNS: dict[str, tuple[str, ...]] = {
    "BilledCost": ("BilledCost",),
    "EffectiveCost": ("EffectiveCost",),
    "ListCost": ("ListCost",),
    "BillingAccountId": ("BillingAccountId",),
    "BillingCurrency": ("BillingCurrency",),
    "BillingPeriodStart": ("BillingPeriodStart",),
    "BillingPeriodEnd": ("BillingPeriodEnd",),
    "ChargeCategory": ("ChargeCategory",),
    "ChargeDescription": ("ChargeDescription",),
    "ChargePeriodStart": ("ChargePeriodStart",),
    "ChargePeriodEnd": ("ChargePeriodEnd",),
    "ConsumedQuantity": ("ConsumedQuantity",),
    "ConsumedUnit": ("ConsumedUnit",),
    "InvoiceId": ("InvoiceId",),
    "RegionId": ("RegionId", "RegionName"),
    "ResourceId": ("ResourceId",),
    "ServiceCategory": ("ServiceCategory",),
    "ServiceName": ("ServiceName",),
    "ServiceProviderName": ("ServiceProviderName", "ProviderName", "InvoiceIssuerName"),
    "SkuId": ("SkuId",),
    "SkuMeter": ("SkuMeter",),
    "SubAccountId": ("SubAccountId",),
    "SubAccountName": ("SubAccountName",),
    "Tags": ("Tags",),
}

_NEEDED = ("ChargePeriodStart", "ServiceName", "BillingCurrency")
_COSTS = ("BilledCost", "EffectiveCost")
_ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".parquet")
_MOST_NAMES = 80


class FocusSum(msgspec.Struct, frozen=True):
    """Part of what files hold.

    Attributes:
        name: What it is of.
        rows: How many rows.
        billed_cost: What was billed; None if no row says.
        effective_cost: The effective cost, likewise.
    """

    name: str
    rows: int
    billed_cost: Decimal | None
    effective_cost: Decimal | None


class FocusImport(msgspec.Struct, frozen=True):
    """What became of files.

    Attributes:
        files: The files.
        source: What the table's column `source` says.
        currency: The currency of the amounts.
        checked_only: Whether nothing was stored.
        rows: Rows of that currency.
        rows_before: Rows that were there in their place.
        days_changed: Days of which the table has other rows than before.
        other_currencies: Rows that were left out, by currency.
        billed_cost: Sum of what was billed.
        effective_cost: Sum of the effective cost.
        periods: By billing period.
        providers: By provider.
        categories: By category of the charge.
    """

    files: list[str]
    source: str
    currency: str
    checked_only: bool
    rows: int
    rows_before: int
    days_changed: int
    other_currencies: dict[str, int]
    billed_cost: Decimal | None
    effective_cost: Decimal | None
    periods: list[FocusSum]
    providers: list[FocusSum]
    categories: list[FocusSum]


def import_focus(
    store: Store,
    paths: Iterable[str | Path],
    *,
    source: str | None = None,
    currency: str | None = None,
    check: bool = False,
    advance: Callable[[float, float | None], object] | None = None,
) -> FocusImport:
    """Put the charges of FOCUS files into the table `costs`; see `tidegauge.costs.import_focus`.

    Args:
        store: The store.
        paths: Files, or directories with them.
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
    files = _files(paths)
    with open_focus(files) as opened:
        mapping = _mapping(list(opened.columns))
        parts = opened.parts(mapping)
        chosen = _currency(parts, currency)
        mine = [each for each in parts if (each.currency or chosen) == chosen]
        _check_readable(mine)
        named = source or f"focus:{_provider(mine)}"
        if others := set(groupings_of(store, named)) - {FOCUS_GROUPING}:
            raise _other_kind(named, others)
        total = sum(each.rows for each in mine)
        done = Replaced(rows=total)
        if not check:
            scope = Scope(
                source=named,
                groupings=(FOCUS_GROUPING,),
                parts=tuple({(p.account, p.period or "", chosen): None for p in mine}),
            )
            now = dt.datetime.fromtimestamp(store.clock.wall_ns() / 1e9, dt.UTC)
            days = opened.days(
                mapping,
                source=named,
                currency=chosen,
                now=now,
                advance=lambda rows: advance(rows, total) if advance else None,
            )
            done = replace_costs(store, scope, days)
    left_out: Counter[str] = Counter()
    for each in parts:
        if each.currency not in (None, chosen):
            left_out[each.currency] += each.rows
    whole = _sum_of("", mine)
    return FocusImport(
        files=[str(path) for path in files],
        source=named,
        currency=chosen,
        checked_only=check,
        rows=whole.rows,
        rows_before=done.rows_before,
        days_changed=done.days,
        other_currencies=dict(left_out),
        billed_cost=whole.billed_cost,
        effective_cost=whole.effective_cost,
        periods=_sums(mine, lambda each: each.period),
        providers=_sums(mine, lambda each: each.cloud),
        categories=_sums(mine, lambda each: each.category),
    )


def _files(paths: Iterable[str | Path]) -> list[Path]:
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = (each for each in path.rglob("*") if each.is_file())
            found += sorted(each for each in inside if each.name.lower().endswith(_ENDINGS))
        elif path.exists():
            found.append(path)
        else:
            raise ConfigError("there is no such file", got=str(path))
    # A file may be given by itself, in its directory, and through a link.
    # What it is, the name by which it was given says.
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(path.resolve(), path)
    found = list(once.values())
    if not found:
        raise ConfigError("there are no FOCUS files", allowed=f"files named {', '.join(_ENDINGS)}")
    if len({is_csv(path) for path in found}) > 1:
        raise ConfigError(
            "some files are CSV and others Parquet",
            got=[path.name for path in found[:5]],
            fix="Import the files of one export at a time.",
        )
    return found


def _mapping(columns: Sequence[str]) -> dict[str, list[str]]:
    """The columns of files in which things are, whatever case their names are in."""
    present = {_plain(name): name for name in columns if not name.lower().startswith("x_")}
    mapping = {
        name: [present[_plain(each)] for each in candidates if _plain(each) in present]
        for name, candidates in FOCUS_COLUMNS.items()
    }
    missing = [name for name in _NEEDED if not mapping[name]]
    if not any(mapping[name] for name in _COSTS):
        missing.append(" or ".join(_COSTS))
    if missing:
        raise QueryError(
            f"these files are no FOCUS data: there is no column {', no '.join(missing)}",
            got=", ".join(list(columns)[:_MOST_NAMES]),
            allowed=f"{', '.join(_NEEDED)}, and one of {', '.join(_COSTS)}",
            fix="Export costs in the format FOCUS 1.0 or later.",
        )
    return mapping


def _currency(parts: Sequence[FocusPart], wanted: str | None) -> str:
    rows: Counter[str] = Counter()
    for each in parts:
        if each.currency is not None:
            rows[each.currency] += each.rows
    told = ", ".join(f"{name} ({count:,} rows)" for name, count in rows.items())
    if wanted is not None:
        if wanted not in rows:
            raise QueryError("no row is in this currency", got=wanted, allowed=told or "none")
        if len(rows) > 1 and any(each.currency is None for each in parts):
            raise QueryError("some rows do not say their currency, and there are several", got=told)
        return wanted
    if len(rows) > 1:
        raise QueryError(
            "the files have amounts in several currencies, which have no sum",
            got=told,
            fix=f"Import one of them at a time, such as with --currency {next(iter(rows))}.",
        )
    if not rows:
        raise QueryError("no row says its currency", allowed="a BillingCurrency such as USD")
    return next(iter(rows))


def _check_readable(parts: Sequence[FocusPart]) -> None:
    times = sum(each.bad_times for each in parts)
    amounts = sum(each.bad_amounts for each in parts)
    if times:
        raise QueryError(
            "some rows have a ChargePeriodStart that cannot be read",
            got=f"{times:,} rows",
            allowed="a time such as 2026-11-01T00:00:00Z",
        )
    if amounts:
        raise QueryError(
            "some costs cannot be read",
            got=f"{amounts:,} amounts",
            allowed="numbers such as -12.345, with twenty digits before the point at most",
        )


def _provider(parts: Sequence[FocusPart]) -> str:
    names = sorted({each.cloud for each in parts if each.cloud is not None})
    if len(names) == 1:
        return names[0]
    raise QueryError(
        "the files do not say which one provider they are of",
        got=", ".join(names) or "no provider",
        fix="Give what they are of a name: --source NAME. What is imported under it again replaces "
        "the same billing periods.",
    )


def _sums(parts: Sequence[FocusPart], key: Callable[[FocusPart], str | None]) -> list[FocusSum]:
    groups: dict[str, list[FocusPart]] = {}
    for each in parts:
        groups.setdefault(key(each) or "", []).append(each)
    return [_sum_of(name, groups[name]) for name in sorted(groups)]


def _sum_of(name: str, parts: Sequence[FocusPart]) -> FocusSum:
    return FocusSum(
        name=name,
        rows=sum(each.rows for each in parts),
        billed_cost=_amount(each.billed for each in parts),
        effective_cost=_amount(each.effective for each in parts),
    )


def _amount(units: Iterable[int | None]) -> Decimal | None:
    known = [each for each in units if each is not None]
    return from_units(sum(known)) if known else None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _other_kind(source: str, groupings: Iterable[str]) -> ConfigError:
    return ConfigError(
        "this source has what Cost Explorer says, and files tell of the same money",
        got=f"{source}, split by {', '.join(sorted(groupings))}",
        fix="Give the files another name: --source NAME.",
    )
