# SPDX-License-Identifier: Apache-2.0
"""Budgets for language models: `tidegauge cost budget`, `… set`, `… list` and `… remove`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.llm import money_text
from tidegauge.cli.output import Block, Column, Lines, Table
from tidegauge.cli.session import Session
from tidegauge.cli.trends import bar

__all__ = ["budget", "budget_list", "commands", "remove_budget", "set_budget"]

commands = Commands("Language models and cost")

_BAR_WIDTH = 10

NameArgument = Annotated[str, typer.Argument(help="The budget's name.")]
LimitOption = Annotated[
    int,
    typer.Option("--limit", "-n", min=1, help="Most values of a budget that each has for itself."),
]


@commands.add("cost budget", examples=["cost budget", "cost budget --json"])
def budget(session: Session, limit: LimitOption = 10) -> int:
    """Show budgets: what they allow, what is spent, and what it will be when the period ends.

    The forecast is of the days before, with an interval that holds with 95 %. An amount with ≥ is
    the least that it can be, for some calls have no price. Exit code 1 if a budget is spent.
    """
    return _show(session, limit)


@commands.add("cost budget list", examples=["cost budget list", "cost budget list --json"])
def budget_list(session: Session, limit: LimitOption = 10) -> int:
    """The same as [bold]tidegauge cost budget[/]."""
    return _show(session, limit)


@commands.add(
    "cost budget set",
    examples=[
        "cost budget set all --amount 1000",
        "cost budget set search --amount 250 --feature search --period week",
        "cost budget set per-user --amount 5 --each user --period day",
    ],
)
def set_budget(
    session: Session,
    name: NameArgument,
    amount: Annotated[str, typer.Option(help="How much may be spent in each period.")],
    period: Annotated[str, typer.Option(help="day, week, month, quarter or year.")] = "month",
    model: Annotated[str | None, typer.Option(help="Only calls of this model.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only calls of this provider.")] = None,
    feature: Annotated[str | None, typer.Option(help="Only calls of this feature.")] = None,
    user: Annotated[str | None, typer.Option(help="Only calls for this user.")] = None,
    key: Annotated[str | None, typer.Option(help="Only calls with the key of this name.")] = None,
    each: Annotated[
        str | None,
        typer.Option(
            help="model, provider, feature, user or key: every value of it has the amount."
        ),
    ] = None,
    currency: Annotated[str, typer.Option(help="Of the amount; cost in others is not counted.")] = (
        "USD"
    ),
    source: Annotated[
        str, typer.Option(help="Whose cost counts: price_list, or what the provider said.")
    ] = "price_list",
) -> None:
    """Set what may be spent on language models in each period. Nothing is stopped by it.

    Whoever runs the store's jobs warns at 50, 80, 95 and 100 %, once per period. Setting a budget
    again replaces it.
    """
    kept = session.parts.budgets().put(
        name,
        amount,
        period=period,  # type: ignore[arg-type]  # what is none is refused there, like the others
        model=model,
        provider=provider,
        feature=feature,
        user=user,
        key=key,
        each=each,  # type: ignore[arg-type]
        currency=currency,
        source=source,  # type: ignore[arg-type]
    )
    of_what = _of_what(kept.scope, kept.each)
    lines = [f"Budget {name}: {money_text(kept.amount)} {kept.currency} a {kept.period}{of_what}."]
    if kept.currency != "USD":
        lines.append("It has no live metrics, which are in USD.")
    session.output.show(kept, Lines(escape("\n".join(lines))))


@commands.add("cost budget remove", examples=["cost budget remove search"])
def remove_budget(session: Session, name: NameArgument) -> int:
    """Remove a budget. Exit code 1 if there is none of that name."""
    removed = session.parts.budgets().remove(name)
    told = f"Removed {name}." if removed else f"There is no budget {name}."
    session.output.show({"removed": removed}, Lines(escape(told)))
    return ExitCode.OK if removed else ExitCode.PROBLEM


def _show(session: Session, limit: int) -> int:
    rows = session.parts.budgets().rows()
    names = session.parts.budgets().names()
    session.output.show(rows, *_blocks(rows, names, limit))
    is_spent = any(row["spent"] is not None and row["spent"] >= row["max"] for row in rows)
    return ExitCode.PROBLEM if is_spent else ExitCode.OK


def _blocks(rows: Sequence[Mapping[str, Any]], names: Sequence[str], limit: int) -> Iterator[Block]:
    shown: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["budget"]] = counts.get(row["budget"], 0) + 1
        if counts[row["budget"]] <= limit:
            shown.append(_cells(row))
    yield Table(
        [
            Column("name", "budget"),
            Column("period"),
            Column("max", kind="number"),
            Column("spent", kind="number"),
            Column("currency"),
            Column("share", kind="share"),
            Column("bar", " "),
            Column("expected", "at the end", "number"),
            Column("interval", "95 %"),
        ],
        shown,
        empty="No budget is set, or nothing was spent."
        if names
        else "No budget is set. Set one with tidegauge cost budget set.",
    )
    left_out = sum(max(0, count - limit) for count in counts.values())
    if left_out:
        yield Lines(f"[dim]{left_out:,} more; --limit shows them.[/]")
    if quiet := [name for name in names if name not in counts]:
        yield Lines(f"[dim]Nothing was spent of: {escape(', '.join(quiet))}.[/]")
    for row in rows:
        for reason in (row["reason"], row["forecast_reason"]):
            if reason and counts[row["budget"]] == 1:
                yield Lines(f"[dim]{escape(row['budget'])}: {escape(reason)}.[/]")


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    name = row["budget"] if row["value"] is None else f"{row['budget']}/{row['value']}"
    forecast = row["forecast"]
    return {
        "name": name,
        "period": row["period"],
        "max": money_text(row["max"]),
        "spent": money_text(row["spent"], is_floor=row["is_floor"]),
        "currency": row["currency"],
        "share": row["share"],
        "bar": bar(min(row["share"] or 0.0, 1.0), 1.0, _BAR_WIDTH),
        "expected": None if forecast is None else money_text(forecast["expected"]),
        "interval": None
        if forecast is None
        else f"{money_text(forecast['low'])} to {money_text(forecast['high'])}",
    }


def _of_what(scope: Mapping[str, str], each: str | None) -> str:
    parts = [f"{what} {value}" for what, value in scope.items()]
    text = f" for {', '.join(parts)}" if parts else ""
    return f"{text}, for each {each}" if each else text
