# SPDX-License-Identifier: Apache-2.0
"""Working prices of calls out anew: `tidegauge cost reprice`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tidegauge.cli.amending import recording
from tidegauge.cli.arguments import DaysOption, EndOption, HoursOption, StartOption
from tidegauge.cli.command import Commands
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.llm import WhereOption, asked_of, money_text
from tidegauge.cli.output import Column, Lines, Table
from tidegauge.cli.progress import progress
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    from tidegauge.spending import Repriced

__all__ = ["commands", "reprice"]

commands = Commands("Language models and cost")


@commands.add(
    "cost reprice",
    examples=[
        "cost reprice --days 30 --unpriced",
        "cost reprice --start 2026-11-01 --where model=o3 --dry-run",
    ],
)
def reprice(
    session: Session,
    unpriced: Annotated[
        bool, typer.Option("--unpriced", help="Only calls that have no price.")
    ] = False,
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
) -> int:
    """Price calls to language models anew, each for its own time, by the price lists as they are.

    A price that has changed becomes the next version and holds from now on; the call keeps the one
    it was recorded with ([bold]tidegauge llm show --first-prices[/]). Looks at the last 30 days if
    no range is given. Exit code 1 if prices were lost that had been known.
    """
    from tidegauge.spending import reprice_llm_calls

    asked = asked_of(session, where, hours, days, start, end)
    with recording(session), progress(session.output, "Pricing") as advance:
        done = reprice_llm_calls(
            unpriced=unpriced,
            dry_run=dry_run,
            advance=lambda calls: advance(calls, None),
            **asked,
        )
    document = {**msgspec.structs.asdict(done), "dry_run": dry_run}
    session.output.show(document, *_blocks(done, dry_run))
    return ExitCode.PROBLEM if done.lost else ExitCode.OK


def _blocks(done: Repriced, dry_run: bool) -> tuple[Lines, Table]:
    verb = "would be priced" if dry_run else "were priced"
    said = (
        f"{done.calls:,} calls looked at: {done.changed:,} {verb} anew, "
        f"of which {done.found:,} had no price."
    )
    if done.lost:
        said += f" {done.lost:,} have no known price any more."
    currencies = sorted(done.before.keys() | done.after.keys())
    rows = [
        {
            "currency": currency,
            "before": money_text(done.before.get(currency)),
            "after": money_text(done.after.get(currency)),
        }
        for currency in currencies
    ]
    return Lines(said), Table(
        [Column("currency"), Column("before", kind="number"), Column("after", kind="number")],
        rows,
        empty="No call has a price.",
    )
