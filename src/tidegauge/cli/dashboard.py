# SPDX-License-Identifier: Apache-2.0
"""The dashboard of a feature as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegauge.cli.command import escape
from tidegauge.cli.output import Block, Column, Lines, Table, number_text

__all__ = ["dashboard_blocks"]

#: A dictionary of `tidegauge.query.features`.
Document = Mapping[str, Any]

_ALL = "all"
_SPREAD = ("avg", "p50", "p95", "p99", "max")


def dashboard_blocks(document: Document) -> Iterator[Block]:
    """A dashboard as people read it.

    Args:
        document: From `Features.dashboard`.
    """
    feature = "All features" if document["feature"] is None else document["feature"]
    start, end = (_moment(document[key]) for key in ("start", "end"))
    yield Lines(f"[bold]{escape(feature)}[/], {start or 'the beginning'} to {end or 'now'} UTC")
    yield from _performance(document["performance"])
    yield from _satisfaction(document["satisfaction"])
    yield from _usage(document["usage"])
    yield from _errors(document["errors"])
    yield from _learning(document["learning"])
    yield from _optimization(document["optimization"])
    yield from _resources(document["resources"])
    yield Lines(f"[dim]{_sources(document)}[/]")


def _performance(section: Document) -> Iterator[Block]:
    rows: list[dict[str, Any]] = []
    notes: dict[str, str | None] = {}
    for category, numbers in section["categories"].items():
        metrics = [each for each in section["metrics"] if each["metric_category"] == category]
        if len(metrics) > 1:
            units = ", ".join(numbers["units"])
            rows.append({"category": category, "name": _ALL, "unit": units, **numbers})
            notes[category] = numbers["reason"] if numbers["avg"] is None else None
        rows += [
            {"category": category, "name": each["metric_name"], **each, "unit": each["unit"]}
            for each in metrics
        ]
    yield Table(
        [
            Column("category"),
            Column("name", "metric"),
            Column("unit"),
            Column("count", kind="count"),
            *(Column(name, kind="number") for name in _SPREAD),
        ],
        rows,
        title="Performance",
        empty="Nothing was measured.",
    )
    yield from _reasons(notes)


def _satisfaction(section: Document) -> Iterator[Block]:
    rows = [{"type": name, **each} for name, each in section["by_type"].items()]
    if len(rows) != 1 and section["response_count"]:
        rows.insert(0, {"type": _ALL, **section})
    shown = [name for name in ("csat", "nps") if any(row[name] is not None for row in rows)]
    kinds: dict[str, Column] = {
        "csat": Column("csat", "CSAT", "share"),
        "nps": Column("nps", "NPS", "number"),
    }
    yield Table(
        [
            Column("type"),
            Column("response_count", "opinions", "count"),
            Column("avg_score", "mean, 0 to 1", "number"),
            Column("satisfaction_rate", "satisfied", "share"),
            Column("interval", "95 % interval", "number"),
            *(kinds[name] for name in shown),
        ],
        [{**row, "interval": _interval(row, "satisfaction_rate")} for row in rows],
        title="Satisfaction",
        empty="Nobody gave an opinion.",
    )


def _usage(section: Document) -> Iterator[Block]:
    rows = [{"action": name, **each} for name, each in section["actions"].items()]
    if len(rows) > 1:
        rows.insert(0, {"action": _ALL, **section})
    yield Table(
        [
            Column("action"),
            Column("total_usage", "uses", "count"),
            Column("success_rate", "success", "share"),
            Column("interval", "95 % interval", "number"),
            *(
                Column(f"{name}_duration_ms", f"{name} ms", "number")
                for name in ("avg", "p50", "p95", "p99", "max")
            ),
        ],
        [{**row, "interval": _interval(row, "success_rate")} for row in rows],
        title="Usage",
        empty="It was not used.",
    )
    if section["total_usage"]:
        users = _distinct(section, "unique_users", "users")
        yield Lines(f"{users}, {_distinct(section, 'unique_contexts', 'contexts')}")
        reasons = section["reason"] or {}
        shown = {"success_rate": "success_rate", "duration_ms": "avg_duration_ms"}
        yield from _reasons(
            {name: reasons.get(name) for name, key in shown.items() if section[key] is None}
        )


def _errors(section: Document) -> Iterator[Block]:
    yield Table(
        [
            Column("type"),
            Column("count", kind="count"),
            Column("recovery_rate", "recovered", "share"),
        ],
        [{"type": name, **each} for name, each in section["types"].items()],
        title="Errors",
        empty="There were none.",
    )
    if not section["total_errors"]:
        return
    lines = [f"{section['total_errors']:,} in all"]
    if section["errors_per_use"] is not None:
        lines[0] += f", {number_text(section['errors_per_use'])} for each use"
    lines[0] += f", {_distinct(section, 'affected_users', 'users')}"
    lines += [
        f"by {name}: {', '.join(f'{key} {count:,}' for key, count in section[key_of].items())}"
        for name, key_of in (("severity", "by_severity"), ("impact", "by_impact"))
    ]
    if section["recovery_rate"] is not None:
        share = f"{section['recovery_rate'] * 100:.4g} %"
        interval = _interval(section, "recovery_rate")
        lines.append(f"recovered: {share} of {section['recovery_attempts']:,} tried ({interval})")
    yield Lines(escape("\n".join(lines)))
    yield from _reasons(section["reason"] or {})


def _learning(section: Document) -> Iterator[Block]:
    measures = {
        "accuracy": "accuracy",
        "confidence": "confidence",
        "improvement_rate": "improvement",
        "sample_size": "samples",
    }
    yield _means("Learning", "type", section["by_type"], measures)


def _optimization(section: Document) -> Iterator[Block]:
    measures = {
        "before_value": "before",
        "after_value": "after",
        "relative_change": "change",
        "user_impact_score": "impact on users",
    }
    table = _means("Optimization", "category", section["categories"], measures, "relative_change")
    yield table._replace(columns=[*table.columns, Column("better")])


def _means(
    title: str, key: str, groups: Document, measures: Mapping[str, str], share: str = ""
) -> Table:
    """One row for each group, with the mean of each measure."""
    columns = [
        Column(name, heading, "share" if name == share else "number")
        for name, heading in measures.items()
    ]
    rows = [
        {key: name, **each, **{measure: each[measure]["avg"] for measure in measures}}
        for name, each in groups.items()
    ]
    return Table(
        [Column(key), Column("count", kind="count"), *columns],
        rows,
        title=title,
        empty="Nothing was recorded.",
    )


def _resources(section: Document) -> Iterator[Block]:
    rows = [
        {
            **each,
            "avg": each["utilization_percent"]["avg"],
            "p95": each["utilization_percent"]["p95"],
            "max": each["utilization_percent"]["max"],
            "allocated": each["allocated"]["avg"],
            "used": each["used"]["avg"],
        }
        for each in section["resources"]
    ]
    yield Table(
        [
            Column("resource_type", "type"),
            Column("resource_name", "name"),
            *(Column(name, f"{name} %", "number") for name in ("avg", "p95", "max")),
            Column("used", kind="number"),
            Column("allocated", kind="number"),
            Column("unit"),
        ],
        rows,
        title="Resources",
        empty="Nobody looked at any.",
    )


def _reasons(reasons: Mapping[str, str | None]) -> Iterator[Block]:
    lines = [f"{name}: {why}" for name, why in reasons.items() if why]
    if lines:
        yield Lines(f"[dim]{escape('; '.join(lines))}[/]")


def _interval(row: Document, name: str) -> str | None:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if low is None else f"{low * 100:.3g} … {high * 100:.3g} %"


def _distinct(section: Document, name: str, what: str) -> str:
    error = section[f"{name}_error"]
    about = f" (standard error {error * 100:.2g} %)" if error else ""
    return f"{section[name]:,} {what.removesuffix('s') if section[name] == 1 else what}{about}"


def _sources(document: Document) -> str:
    """What the numbers were made of, in a sentence."""
    sections = {name: each for name, each in document.items() if isinstance(each, Mapping)}
    rolled = [name for name, each in sections.items() if each["source"] != "raw"]
    if not rolled:
        return "All of it from the rows themselves; percentiles are exact."
    hours = _moments_of(sections[rolled[0]])
    return (
        f"From rollups, {hours}: {', '.join(rolled)}; "
        f"percentiles there are exact to within {_worst(sections, rolled) * 100:.2g} %. "
        "Everything else is from the rows themselves."
    )


def _moments_of(section: Document) -> str:
    start, end = (_moment(section[key]) for key in ("start", "end"))
    return f"{start or 'the beginning'} to {end or 'now'}"


def _worst(sections: Mapping[str, Document], names: Sequence[str]) -> float:
    return max((_errors_in(sections[name]) for name in names), default=0.0)


def _errors_in(value: object) -> float:
    if isinstance(value, Mapping):
        own = value.get("percentile_error") or 0.0
        return max([own, *map(_errors_in, value.values())])
    if isinstance(value, list):
        return max(map(_errors_in, value), default=0.0)
    return 0.0


def _moment(time: str | None) -> str | None:
    return None if time is None else time[:16].replace("T", " ")
