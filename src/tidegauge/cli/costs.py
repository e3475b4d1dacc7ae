# SPDX-License-Identifier: Apache-2.0
"""What clouds cost: `tidegauge cost show`, `cost sync aws`, `cost import focus`."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.llm import money_text
from tidegauge.cli.output import Block, Column, Lines, Table
from tidegauge.cli.progress import progress
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    from tidegauge.collect.cost_sync import LastSync
    from tidegauge.collect.focus import FocusImport, FocusSum
    from tidegauge.parts import Parts

__all__ = ["commands", "import_focus", "show", "sync_aws"]

commands = Commands("Costs")


class By(enum.StrEnum):
    """What costs are told apart by."""

    SERVICE = "service"
    ACCOUNT = "account"
    DAY = "day"
    MONTH = "month"
    CATEGORY = "category"
    MODEL = "model"
    REGION = "region"


class Basis(enum.StrEnum):
    """Which amounts."""

    BILLED = "billed"
    EFFECTIVE = "effective"


SourceOption = Annotated[
    str | None, typer.Option("--source", help="Where costs are from, such as aws-ce or focus:AWS.")
]


@commands.add(
    "cost show",
    examples=[
        "cost show",
        "cost show --by day --days 7",
        "cost show --by account --source focus:AWS --basis effective",
        "cost show --start 2026-10-01 --end 2026-11-01 --json",
    ],
)
def show(
    session: Session,
    by: Annotated[By, typer.Option("--by", "-b", help="What to tell apart.")] = By.SERVICE,
    days: Annotated[
        int | None, typer.Option(help="The last so many complete days, UTC; 30 if not given.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="From this day on, such as 2026-11-01.")] = None,
    end: Annotated[str | None, typer.Option(help="Until this day, exclusive.")] = None,
    source: SourceOption = None,
    basis: Annotated[
        Basis,
        typer.Option(help="What is on the bill, or the same with what was paid ahead spread out."),
    ] = Basis.BILLED,
) -> int:
    """Show what clouds have billed, and what language models cost by the price list.

    Sources tell of the same money in different ways, and are never added; nor are currencies. Exit
    code 1 if nothing is stored of these days.
    """
    parts = session.existing
    documents = parts.query.costs.show(
        by.value, days=days, start=start, end=end, source=source, basis=basis.value
    )
    asked = _cost_explorer(parts)
    first, last = parts.query.costs.complete_days(days, start, end)
    models = parts.query.llm.spend(start=str(first), end=str(last))
    session.output.show(
        {"clouds": documents, "cost_explorer": asked, "language_models": models},
        *_cloud_blocks(documents, asked),
        *_model_blocks(models),
    )
    is_any = models["totals"] or any(each["rows"] for each in documents)
    return ExitCode.OK if is_any else ExitCode.PROBLEM


@commands.add("cost sync aws", examples=["cost sync aws", "cost sync aws --start 2025-11-01"])
def sync_aws(
    session: Session,
    start: Annotated[
        str | None,
        typer.Option(
            help="From this day on; AWS knows 13 months. The previous month, if not given."
        ),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", help="What to call it: one name for each account that pays.")
    ] = "aws-ce",
) -> None:
    """Read the bill of AWS from Cost Explorer now: complete days, from the previous month on.

    AWS charges 0.01 USD for each request, and this takes three or more: once a day is enough, which
    the setting [bold]aws_costs[/] does. What was read before is replaced, for bills change until
    they are final. Needs the extra [bold]aws[/] and the right ce:GetCostAndUsage.
    """
    from tidegauge import config
    from tidegauge.collect.cost_sync import CostSync
    from tidegauge.record.front import recorder

    first = None if start is None else _read_day(start)
    config.configure(**session.given, follower="off", pushing=False)
    try:
        parts = config.parts()
        reading = CostSync(parts.store, parts.query.costs, recorder, source=source)
        done = reading.sync(start=first)
        shown = reading.publish()
    finally:
        config.shutdown()
    if done is None:
        session.output.show(
            {"synced": False, "reason": "another process is reading the bill"},
            Lines("Another process is reading the bill."),
        )
        return
    session.output.show(
        {"synced": True, "source": source, **msgspec.to_builtins(done), "shown": shown},
        *_sync_blocks(source, done),
    )


@commands.add(
    "cost import focus",
    examples=[
        "cost import focus october.parquet",
        "cost import focus export/BILLING_PERIOD=2026-10/ --check",
        "cost import focus part-1.csv.gz part-2.csv.gz --source azure-shop --currency EUR",
    ],
)
def import_focus(
    session: Session,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="CSV or Parquet files, or a directory of them: all of a period."
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--source", help="What to call what they are of; focus:<provider> if not given."
        ),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Only rows of this currency, if there are several.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check; store nothing.")] = False,
) -> None:
    """Store what AWS, Azure, Google and others billed, from files in the FOCUS format, 1.0 to 1.3.

    Whole billing periods are replaced, of a source, billing account and currency: give all files of
    a period at once. The same files once more change nothing. An import that was interrupted or
    killed has stored all of them or none.
    """
    from tidegauge.collect import focus

    with progress(session.output, "Checking" if check else "Importing") as advance:
        done = focus.import_focus(
            session.parts.store,
            files,
            source=source,
            currency=currency,
            check=check,
            advance=advance,
        )
    session.output.show(msgspec.structs.asdict(done), *_import_blocks(done))


def _cost_explorer(parts: Parts) -> dict[str, Any] | None:
    """How often AWS was asked, and what that has cost; None if it never was."""
    from tidegauge.collect.aws_costs import REQUEST_USD
    from tidegauge.collect.cost_sync import COST_EXPLORER, CostSync
    from tidegauge.query.costs import AWS
    from tidegauge.record.front import recorder

    requests = parts.store.state.counters(COST_EXPLORER).get("requests", 0)
    if not requests:
        return None
    last = CostSync(parts.store, parts.query.costs, recorder).last
    return {
        "requests": requests,
        "cost_usd": requests * REQUEST_USD,
        "source": AWS,
        **msgspec.to_builtins(last),
    }


def _cloud_blocks(documents: list[dict[str, Any]], asked: dict[str, Any] | None) -> Iterator[Block]:
    if not documents:
        yield Lines(
            "No costs are stored. Read them with [bold]tidegauge cost sync aws[/], or from files "
            "with [bold]tidegauge cost import focus[/]."
        )
    for each in documents:
        last = dt.date.fromisoformat(each["end"]) - dt.timedelta(days=1)
        yield Table(
            [
                Column("name", each["by"]),
                Column("text", each["currency"] or "cost", "number"),
                Column("share", kind="share"),
                Column("note", ""),
            ],
            [
                {
                    "name": row["name"] or "(none)",
                    "text": _money(row["cost"]),
                    "share": _share(row["cost"], each["total"]),
                    "note": "estimated" if row["is_estimated"] else "",
                }
                for row in each["rows"]
            ],
            title=f"{each['source']}: {each['basis']} by {each['by']}, {each['start']} to {last}",
            empty=f"Nothing: {each['reason']}.",
        )
        if each["total"] is not None:
            note = ", estimated: the provider may still change it" if each["is_estimated"] else ""
            yield Lines(f"Total {_money(each['total'])} {each['currency']}{note}.")
    if len(documents) > 1:
        yield Lines("These are different accounts of what may be the same money: do not add them.")
    if asked is not None:
        yield Lines(
            f"Cost Explorer was asked {asked['requests']:,} times, for "
            f"{_money(asked['cost_usd'])} USD."
        )


def _model_blocks(models: dict[str, Any]) -> Iterator[Block]:
    rows = models["totals"]
    if not rows:
        return
    yield Table(
        [
            Column("cost", kind="number"),
            Column("currency"),
            Column("calls", kind="count"),
            Column("unpriced", "without a price", "count"),
            Column("said", "as providers said", "number"),
        ],
        [
            {
                **row,
                "cost": money_text(row["cost"], is_floor=row["is_floor"]),
                "said": money_text(row["provider_cost"]),
            }
            for row in rows
        ],
        title="Language models, by the price list",
    )
    yield Lines(
        "Part of it may be on the bills above as well. Who spends it: [bold]tidegauge llm top[/]."
    )


def _sync_blocks(source: str, done: LastSync) -> Iterator[Block]:
    from tidegauge.collect.aws_costs import REQUEST_USD

    last = dt.date.fromisoformat(done.end) - dt.timedelta(days=1)
    price = _money(done.requests * REQUEST_USD)
    yield Lines(
        f"{escape(source)}: {done.rows:,} rows of {done.start} to {last}; {done.days_changed:,} "
        f"changes of days. {done.requests} requests, for {price} USD."
    )
    for name, reason in done.missing.items():
        yield Lines(f"Not split by {name}: {escape(reason)}.")


def _import_blocks(done: FocusImport) -> Iterator[Block]:
    verb = "would be stored as" if done.checked_only else "stored as"
    yield Lines(f"{done.rows:,} rows {verb} {escape(done.source)}, in {done.currency}.")
    if not done.checked_only:
        yield Lines(
            f"In the place of {done.rows_before:,} rows; {done.days_changed:,} days changed."
        )
    for name, rows in done.other_currencies.items():
        yield Lines(f"Left out: {rows:,} rows in {escape(name)}.")
    yield _sums("period", done.periods)
    yield _sums("provider", done.providers)
    yield _sums("category", done.categories)
    yield Lines(
        f"Total: {_money(done.billed_cost)} billed, {_money(done.effective_cost)} effective."
    )


def _sums(title: str, sums: list[FocusSum]) -> Table:
    return Table(
        [
            Column("name", title),
            Column("rows", kind="count"),
            Column("billed", kind="number"),
            Column("effective", kind="number"),
        ],
        [
            {
                "name": each.name or "(none)",
                "rows": each.rows,
                "billed": _money(each.billed_cost),
                "effective": _money(each.effective_cost),
            }
            for each in sums
        ],
    )


def _money(amount: Decimal | None) -> str:
    return money_text(amount) or "-"


def _share(cost: Decimal | None, total: Decimal | None) -> float | None:
    return None if cost is None or not total or total < 0 else float(cost / total)


def _read_day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day such as 2026-11-01") from error
