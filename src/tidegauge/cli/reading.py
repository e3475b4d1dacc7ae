# SPDX-License-Identifier: Apache-2.0
"""Questions about recorded facts: `tidegauge stats`, `history`, `compare`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tidegauge.cli.arguments import (
    DaysOption,
    EndOption,
    HoursOption,
    StartOption,
    complete_metric,
    parse_pairs,
    read_time,
)
from tidegauge.cli.command import Commands
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Column, Kind, Lines, Table
from tidegauge.cli.rows import rows_of, write_json_rows
from tidegauge.cli.session import Session

__all__ = ["commands", "compare", "comparison", "history", "statistics", "stats"]

commands = Commands("Record and read")

WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="KEY=VALUE",
        help="Only facts with this dimension or label. May be repeated.",
    ),
]
NameArgument = Annotated[
    str,
    typer.Argument(
        help="Metric name, or a pattern such as 'model:*'.", autocompletion=complete_metric
    ),
]

_STATS: tuple[tuple[str, Kind], ...] = (
    ("count", "count"),
    ("mean", "number"),
    ("std", "number"),
    ("min", "number"),
    ("p50", "number"),
    ("p95", "number"),
    ("p99", "number"),
    ("max", "number"),
    ("first", "number"),
    ("last", "number"),
)


@commands.add(
    "stats",
    examples=[
        "stats model:latency_ms --hours 24",
        "stats model:latency_ms --by model_version --where model=fraud",
        "stats 'usage:*' --days 7 --by day --json",
    ],
)
def stats(
    session: Session,
    name: NameArgument,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            "-b",
            help="Group by a dimension or label, or by hour or day. May be repeated.",
        ),
    ] = None,
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Count, mean, spread and percentiles of a metric, over all time if no range is given.

    Percentiles are exact, except over metrics recorded per interval. Exit code 1 if there is no
    fact.
    """
    from tidegauge.store.arrays import to_rows

    found = session.existing.query.stats(
        name,
        by=by or (),
        labels=parse_pairs(where or (), option="--where"),
        **_range(hours, days, start, end),
    )
    rows = to_rows(found)
    session.output.show(rows, statistics(rows), *_notes_on(rows))
    return ExitCode.OK if any(row["count"] for row in rows) else ExitCode.PROBLEM


@commands.add(
    "history",
    examples=[
        "history model:accuracy --where run_id=0a1b2c --json",
        "history usage:reply_rate --days 7 --limit 20",
    ],
)
def history(
    session: Session,
    name: NameArgument,
    where: WhereOption = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Only the newest so many; 0 for all of them.")
    ] = 1000,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Every single value of a metric, oldest first.

    Exit code 1 if there is none. What was recorded per interval is not kept singly: see
    [bold]stats[/], or the table intervals in [bold]sql[/].
    """
    query = session.existing.query
    chosen = {
        "labels": parse_pairs(where or (), option="--where"),
        **_range(hours, days, start, end),
    }
    relation = query.history(name, limit=limit or None, **chosen)
    count = len(relation)
    if session.output.as_json:
        write_json_rows(session.output, rows_of(relation))
    else:
        session.output.tell(_values(list(rows_of(relation))))
    if limit and count == limit:
        session.output.note(f"[dim]The newest {limit}; --limit 0 shows all.[/]")
    if not count:
        summed_up = sum(query.stats(name, **chosen)["count"].to_pylist())
        if summed_up:
            session.output.note(
                f"{summed_up:,} values are kept in intervals, not singly: see tidegauge stats."
            )
    return ExitCode.OK if count else ExitCode.PROBLEM


@commands.add(
    "compare",
    examples=[
        "compare 1.0 2.0 --by model_version --where model=fraud",
        "compare RUN_A RUN_B --metric model:accuracy --metric 'usage:*'",
    ],
)
def compare(
    session: Session,
    a: Annotated[str, typer.Argument(help="What is compared with: a run, a version, …")],
    b: Annotated[str, typer.Argument(help="What is compared.")],
    by: Annotated[
        str, typer.Option("--by", "-b", help="The dimension or label that both are values of.")
    ] = "run_id",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            "-m",
            help="Only this metric. May be repeated.",
            autocompletion=complete_metric,
        ),
    ] = None,
    where: WhereOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 if B is worse in some metric.")
    ] = False,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Put two runs, versions or models side by side, with the uncertainty of the difference.

    The interval of a mean's difference holds for all rows together with 95 %. 'unclear' means that
    it covers zero, or that there are too few values to say.
    """
    rows = session.existing.query.compare(
        a,
        b,
        by=by,
        metrics=metric,
        labels=parse_pairs(where or (), option="--where"),
        **_range(hours, days, start, end),
    ).to_pylist()
    session.output.show(rows, comparison(rows, a, b), *_reasons(rows))
    worse = any(row["verdict"] == "worse" for row in rows)
    return ExitCode.PROBLEM if check and worse else ExitCode.OK


def statistics(rows: list[dict[str, Any]]) -> Table:
    """The table of some statistics, with the metric above it if it is only one."""
    keys = [key for key in rows[0] if key not in _STATS_COLUMNS] if rows else ["metric"]
    if len({row["metric"] for row in rows}) == 1 and len(keys) > 1:
        keys.remove("metric")
    return Table(
        [*(Column(key) for key in keys), *(Column(key, kind=kind) for key, kind in _STATS)],
        rows,
        title=rows[0]["metric"] if rows and "metric" not in keys else "",
        empty="No fact is like that.",
    )


def _values(rows: list[dict[str, Any]]) -> Table:
    """The table of single values; columns in which there is nothing are left out."""
    keys = rows[0] if rows else ()
    shown = [key for key in keys if any(row[key] not in (None, {}) for row in rows)]
    return Table(
        [Column(key, kind="number" if key in ("value", "step") else "text") for key in shown],
        rows,
        empty="No fact is like that.",
    )


def comparison(rows: list[dict[str, Any]], a: str, b: str) -> Table:
    """The table of a comparison."""
    marked = [{**row, "interval": _interval(row)} for row in rows]
    return Table(
        [
            Column("metric"),
            Column("statistic", "of"),
            Column("n_a", f"n {a}", "count"),
            Column("n_b", f"n {b}", "count"),
            Column("a", a, "number"),
            Column("b", b, "number"),
            Column("relative", "change", "share"),
            Column("interval", "difference, 95 %", "number"),
            Column("verdict", f"{b} is"),
        ],
        marked,
        empty="There is nothing to compare.",
    )


_STATS_COLUMNS = {
    *(key for key, _ in _STATS),
    "sum",
    "rate_per_s",
    "percentiles",
    "percentile_error",
}


def _range(
    hours: float | None, days: float | None, start: str | None, end: str | None
) -> dict[str, Any]:
    return {"hours": hours, "days": days, "start": read_time(start), "end": read_time(end)}


def _interval(row: dict[str, Any]) -> str | None:
    from tidegauge.cli.output import number_text

    if row["difference"] is None:
        return None
    if row["low"] is None:
        return f"{row['difference']:+.4g}"
    return f"{number_text(row['low'])} … {number_text(row['high'])}"


def _notes_on(rows: list[dict[str, Any]]) -> list[Lines]:
    errors = [row["percentile_error"] for row in rows if row["percentile_error"]]
    if not errors:
        return []
    worst = max(errors) * 100
    return [Lines(f"[dim]Percentiles from histograms are exact to within {worst:.2g} %.[/]")]


def _reasons(rows: list[dict[str, Any]]) -> list[Lines]:
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["verdict"] == "unclear" and row["reason"]:
            reasons.setdefault(row["reason"], []).append(row["metric"])
    return [
        Lines(f"[dim]{', '.join(metrics)}: {reason}.[/]") for reason, metrics in reasons.items()
    ]
