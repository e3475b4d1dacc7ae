# SPDX-License-Identifier: Apache-2.0
"""What language models are used for and cost: `tidegauge llm top` and `tidegauge llm show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer

from tidegauge.cli.arguments import (
    DaysOption,
    EndOption,
    HoursOption,
    StartOption,
    parse_pairs,
    read_time,
)
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Block, Column, Lines, Pairs, Table
from tidegauge.cli.session import Session

__all__ = ["WhereOption", "asked_of", "commands", "llm_show", "llm_top", "money_text"]

commands = Commands("Language models and cost")

_USUAL_DAYS = 30.0

WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="NAME=VALUE",
        help="Only calls with this: model, provider, feature, user, key, operation, a dimension or "
        "a label. May be repeated: all must hold.",
    ),
]
FirstPricesOption = Annotated[
    bool,
    typer.Option(
        "--first-prices", help="Cost as it was recorded, whatever was worked out anew later."
    ),
]


@commands.add(
    "llm top",
    examples=[
        "llm top",
        "llm top --by user --days 7",
        "llm top --by feature --where model=o3 --sort tokens --limit 5 --json",
    ],
)
def llm_top(
    session: Session,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            "-b",
            help="Told apart by this: model, provider, feature, user, key, operation, a dimension, "
            "label.NAME, hour, day, week or month.",
        ),
    ] = "model",
    sort: Annotated[
        str, typer.Option(help="Most in what: cost, tokens, calls, latency or errors.")
    ] = "cost",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most rows.")] = 10,
    where: WhereOption = None,
    first_prices: FirstPricesOption = False,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Show which models, features or users cost most, or are most in something else.

    Looks at the last 30 days if no range is given. A cost with ≥ is the least that it can be, for
    some calls have no price. Exit code 1 if there are no calls.
    """
    found = session.existing.query.llm.top(
        by,
        limit=limit,
        sort=sort,
        prices="first" if first_prices else "latest",
        **asked_of(session, where, hours, days, start, end),
    )
    session.output.show(found, *_top_blocks(found, by, sort))
    return ExitCode.OK if found["totals"] else ExitCode.PROBLEM


@commands.add(
    "llm show",
    examples=["llm show", "llm show --days 1 --where feature=search", "llm show --json"],
)
def llm_show(
    session: Session,
    where: WhereOption = None,
    first_prices: FirstPricesOption = False,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Show calls, errors, tokens, cost and times of all calls together.

    Looks at the last 30 days if no range is given. Exit code 1 if there are no calls.
    """
    found = session.existing.query.llm.spend(
        prices="first" if first_prices else "latest",
        **asked_of(session, where, hours, days, start, end),
    )
    session.output.show(found, *_show_blocks(found))
    return ExitCode.OK if found["totals"] else ExitCode.PROBLEM


def money_text(amount: Decimal | None, *, is_floor: bool = False) -> str | None:
    """An amount as people read it: cents, or four digits of less than one.

    Args:
        amount: The amount; None if it is not known.
        is_floor: Whether it is the least that it can be.
    """
    if amount is None:
        return None
    text = f"{amount:,.2f}"
    if 0 < abs(amount) < 1:
        places = max(2, 3 - amount.adjusted())
        text = f"{amount:.{places}f}".rstrip("0")
        whole, _, decimals = text.partition(".")
        text = f"{whole}.{decimals:0<2}"
    return f"≥ {text}" if is_floor else text


def asked_of(
    session: Session,
    where: Sequence[str] | None,
    hours: float | None,
    days: float | None,
    start: str | None,
    end: str | None,
) -> dict[str, Any]:
    """What the options of a command choose; the last 30 days if they say no range."""
    from tidegauge.query.llm import chosen_by

    asked = chosen_by(parse_pairs(where or (), option="--where"))
    if "user" in asked:
        asked["user"] = list(session.parts.privacy.forms(asked["user"]))
    if hours is None and days is None and start is None:
        days = _USUAL_DAYS
    return {
        **asked,
        "hours": hours,
        "days": days,
        "start": read_time(start),
        "end": read_time(end),
    }


def _top_blocks(found: Mapping[str, Any], by: str, sort: str) -> Iterator[Block]:
    rows = found["groups"]
    yield Table(
        [
            Column("key", by),
            Column("calls", kind="count"),
            Column("tokens", kind="count"),
            Column("shown_cost", "cost", "number"),
            Column("currency"),
            Column("share", kind="share"),
            Column("mean", "per call", "number"),
            Column("failures", "errors", "count"),
            Column("latency_p95_s", "p95 s", "number"),
            *([Column("unpriced", "unpriced", "count")] if _has_unpriced(rows) else []),
        ],
        [
            {
                **row,
                "key": "-" if row[by] is None else row[by],
                "tokens": _sum_known(row["input_tokens"], row["output_tokens"]),
                "shown_cost": money_text(row["cost"], is_floor=row["is_floor"]),
                "mean": money_text(row["mean_cost"]),
            }
            for row in rows
        ],
        title=f"Most in {sort}, by {by}",
        empty="No call is like that.",
    )
    if found["left_out"]:
        yield Lines(f"[dim]{found['left_out']:,} more; --limit shows them.[/]")
    yield from _doubts(found)


def _sum_known(*counts: int | None) -> int | None:
    """Their sum; None if none of them is known."""
    known = [each for each in counts if each is not None]
    return sum(known) if known else None


def _show_blocks(found: Mapping[str, Any]) -> Iterator[Block]:
    if not found["totals"]:
        yield Lines("No call is like that.")
    for row in found["totals"]:
        tokens = {name: count for name, count in row["tokens"].items() if count}
        pairs: list[tuple[str, object]] = [
            ("calls", row["calls"]),
            ("requests", row["requests"]),
            ("errors", row["errors"] or row["failures"]),
            ("input tokens", row["input_tokens"]),
            ("output tokens", row["output_tokens"]),
            *((f"  {name.replace('_', ' ')}", count) for name, count in tokens.items()),
            ("cache hit ratio", row["cache_hit_ratio"]),
            ("cost", _with_currency(row["cost"], row["currency"], is_floor=row["is_floor"])),
            ("per call with a price", _with_currency(row["mean_cost"], row["currency"])),
            ("share of calls with a price", row["coverage"]),
            (
                "cost as providers said",
                _with_currency(row["provider_cost"], row["provider_currency"]),
            ),
            ("latency p50, p95 (s)", _both(row, "latency")),
            ("time to first token p50, p95 (s)", _both(row, "ttft")),
            ("output tokens per s", row["output_tokens_per_s"]),
        ]
        yield Pairs([(name, "-" if value is None else value) for name, value in pairs])
    yield from _doubts(found)


def _both(row: Mapping[str, Any], name: str) -> str | None:
    p50, p95 = row[f"{name}_p50_s"], row[f"{name}_p95_s"]
    return None if p50 is None else f"{p50:.3g}, {p95:.3g}"


def _with_currency(
    amount: Decimal | None, currency: str | None, *, is_floor: bool = False
) -> str | None:
    shown = money_text(amount, is_floor=is_floor)
    return shown if shown is None or currency is None else f"{shown} {currency}"


def _has_unpriced(rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(row["unpriced"] for row in rows)


def _doubts(found: Mapping[str, Any]) -> Iterator[Block]:
    """What is not in the numbers."""
    reasons: dict[str, int] = {}
    for row in found["totals"]:
        for reason, count in row["unpriced_reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    if reasons:
        told = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
        yield Lines(f"[dim]Calls without a price: {escape(told)}. They are in no cost.[/]")
    if not found["is_complete"]:
        yield Lines(f"[yellow]Not everything is there: {escape(found['reason'])}.[/]")
