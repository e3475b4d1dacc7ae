# SPDX-License-Identifier: Apache-2.0
"""Writes docs/performance.md from the reports in bench/results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BENCHMARKS = ("record", "imports", "ingest", "query", "peers")
HEAD = """\
<!-- Written by: python bench/publish.py, from the reports of `make bench`. -->

# Performance

Measured with `make bench`. Every ratio is one within a run: what is measured and what it is
compared with take turns, round by round, and the median of the ratios counts. Absolute times belong
to the machine they were taken on: {cpu}, {cpus} CPUs, {memory_gib} GiB, {system},
{python}{optimised}.
"""
MEANING = {
    "record": "What a call costs the program that records. The floor keeps a fact in the cheapest "
    "way there is, in a list, without a check and without a life beyond the process.",
    "imports": "What `import tidegauge` costs, beside `import json`.",
    "ingest": "From the record call to durable in the tables and counted by SQL, with the follower "
    "in a thread of the recording process.",
    "query": "Exact percentiles of 20 metrics, against the same SQL given to DuckDB on the same "
    "files; and a snapshot while four processes record.",
    "peers": "Side by side with others: the cost of a call, and how many of the calls that had "
    "returned are found after the process was killed with SIGKILL right behind the last.",
}


def main() -> int:
    """Write the page; 1 if a report is missing."""
    reports = {}
    for name in BENCHMARKS:
        path = ROOT / "bench" / "results" / f"{name}.json"
        if not path.exists():
            sys.stderr.write(f"{path} is missing: run make bench\n")
            return 1
        reports[name] = json.loads(path.read_text(encoding="utf-8"))
    machine = reports["record"]["machine"]
    optimised = "" if machine["python_optimised"] else ", built without optimisations"
    parts = [HEAD.format(optimised=optimised, **machine)]
    for name, report in reports.items():
        parts += [f"## {name}\n", f"{MEANING[name]}\n", *_tables(report)]
        parts.append(f"`{report['command']}`\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    return 0


def _tables(report: dict[str, Any]) -> list[str]:
    tables = []
    if report["limits"]:
        rows = [
            (limit["name"], f"{_text(limit['value'])} {limit['unit']}", limit["text"])
            for limit in report["limits"]
        ]
        tables.append(_table(("What", "Measured", "Wanted"), rows))
    if report["timings"]:
        rows = [
            (
                each["name"],
                f"{each['ns']:,.0f} ns",
                f"{each['ratio']:.2f}",
                f"{each['ratio_low']:.2f} to {each['ratio_high']:.2f}",
            )
            for each in report["timings"]
        ]
        columns = ("Call", "Time", "Times the floor", "Middle half of the rounds")
        tables.append(_table(columns, rows))
    if report["rows"]:
        columns = tuple(name.replace("_", " ") for name in report["rows"][0])
        tables.append(_table(columns, [tuple(map(_text, row.values())) for row in report["rows"]]))
    if report["values"]:
        rows = [(name, _text(value)) for name, value in report["values"].items()]
        tables.append(_table(("Also", ""), rows))
    tables += [f"- {note}" for note in report["notes"]]
    return [*tables, ""]


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "–" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
