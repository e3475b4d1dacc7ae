# SPDX-License-Identifier: Apache-2.0
"""Writes docs/performance.md from the reports in bench/recorded.

With `--take`, the reports of the last `make bench` become the recorded ones first; those must be of
full size. Without, only the page is written anew. A test holds the page to the reports.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
PAGE = BENCH.parent / "docs" / "performance.md"
RECORDED = BENCH / "recorded"
RESULTS = BENCH / "results"
BENCHMARKS = (
    "record",
    "imports",
    "ingest",
    "query",
    "live",
    "features",
    "llm",
    "costs",
    "quality",
    "ranking",
    "correlation",
    "detection",
    "peers",
)

#: What a published run must have measured at least.
FULL_SIZES = {
    "ingest": {"points": 20_000_000},
    "query": {"points": 20_000_000},
    "features": {"facts": 5_000_000},
    "costs": {"charges": 2_000_000},
}

HEAD = """\
<!-- Written by: python bench/publish.py, from the reports in bench/recorded. -->

# Performance

{verdict}

Every ratio is one within a run: what is measured and what it is compared with take turns, round by
round, and the median of the ratios counts. Absolute times belong to the machine they were taken on:

- {cpu}, {cpus} CPUs, {memory_gib} GiB of memory, {system}
- {python}{optimised}
- {packages}
- other programs were running on it; load average before each benchmark: {loads}

To measure your own: `make bench` (a few minutes), or `make bench BENCH_SCALE=4` for the sizes
below. A single benchmark is `python bench/<name>.py`; with `--check` it fails if a limit is missed.
"""
MEANING = {
    "record": "What a call costs the program that records. The floor keeps a fact in the cheapest "
    "way there is: a tuple appended to a list, in warm memory, "
    "without a check and only for as long as the process lives. A recorded fact was checked "
    "against its metric and is in a file that survives the process. What a handle costs beyond the "
    "floor is a Python function's call, the checks, the context, one `struct.pack_into` of eight "
    "fields, and its share of making the file. The garbage collector is on, as in any program: it "
    "has the floor's tuples to look through, and nothing of ours.",
    "imports": "What `import tidegauge` costs a program, beside `import json`, in fresh "
    "interpreters by turns.",
    "ingest": "From the record call until a fact is in the tables and counted by SQL, everything "
    "included, with the follower in a thread of the recording process.",
    "query": "Exact percentiles of 20 metrics, against the same SQL given to DuckDB by hand on the "
    "same files; and a snapshot while four processes record.",
    "live": "What live metrics cost: a request through the middleware, on FastAPI with twenty "
    "routes and without a network; a scrape of 10,000 counters of which 1,000 have moved; the same "
    "series from a store of 208 processes of which 200 are dead; recording a prediction; folding a "
    "point.",
    "features": "What statistics of features cost: recording a use; a day's aggregates, exact to "
    "the last bit whatever the order of the facts, beside DuckDB's sums, which are not; and the "
    "dashboard of 30 days, asked for again and again, over facts that were rolled up, and over ten "
    "times as many.",
    "costs": "Importing a FOCUS file in a process of its own, and the memory that takes; beside "
    "DuckDB alone, which reads the same columns, sorts them by day and writes them to one file.",
    "llm": "What a call to a language model costs the program, beside the call itself: the answer "
    "is read, priced by the list of its day and on disk when the wrapper returns. Beside it, what "
    "the price list takes for its own calculation, which is made once per model and day.",
    "quality": "All metrics of a classifier's predictions, with curves and calibration, beside the "
    "sum of the calls to scikit-learn that give seven of them.",
    "ranking": "Metrics of many rankings at once, ties included, beside ranx, whose objects are "
    "ready, and beside pytrec_eval with the dictionaries that it wants.",
    "correlation": "Every pair of two sets of daily series, adjusted, prewhitened, over all lags and "
    "with bootstrapped intervals, beside a loop of scipy's naive coefficients.",
    "detection": "Baselines and detectors over many series at once and over one long one, in points "
    "a second, beside the least that numpy does with as many, and beside detectors of river.",
    "peers": "Side by side with others: what a call costs, and how many of the calls that had "
    "returned are found after the process was killed with SIGKILL right behind the last.",
}


def main(arguments: Sequence[str]) -> int:
    """Write the page; 1 if a report is missing or too small."""
    reports = {}
    for name in BENCHMARKS:
        path = (RESULTS if "--take" in arguments else RECORDED) / f"{name}.json"
        if not path.exists():
            sys.stderr.write(f"{path} is missing: run make bench\n")
            return 1
        reports[name] = json.loads(path.read_text(encoding="utf-8"))
        for size, least in FULL_SIZES.get(name, {}).items():
            if reports[name]["sizes"][size] < least:
                sys.stderr.write(f"{path} has fewer than {least:,} {size}: use BENCH_SCALE=4\n")
                return 1
    RECORDED.mkdir(exist_ok=True)
    for name, report in reports.items():
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (RECORDED / f"{name}.json").write_text(text, encoding="utf-8")
    PAGE.write_text(page(reports), encoding="utf-8")
    return 0


def page(reports: dict[str, dict[str, Any]]) -> str:
    """The page that says what the reports say."""
    machine = reports["record"]["machine"]
    optimised = "" if machine["python_optimised"] else " built without optimisations"
    packages = [f"{name} {version}" for name, version in sorted(machine["packages"].items())]
    loads = [f"{name} {report['machine']['load_before']:g}" for name, report in reports.items()]
    head = HEAD.format(
        **{**machine, "packages": _listed(packages)},
        verdict=_verdict(reports),
        optimised=optimised,
        loads=", ".join(loads),
    )
    parts = [head]
    for name, report in reports.items():
        sizes = ", ".join(f"{size:,g} {what}" for what, size in report["sizes"].items())
        parts += [f"## {name}\n", f"{MEANING[name]}\n", *_tables(report)]
        parts.append(f"`{report['command']}` ({sizes.replace('_', ' ')})\n")
    return "\n".join(parts)


def _verdict(reports: dict[str, dict[str, Any]]) -> str:
    limits = [limit for report in reports.values() for limit in report["limits"]]
    missed = [limit for limit in limits if not limit["is_met"]]
    if not missed:
        return f"All {len(limits)} limits that this project has set itself are met."
    misses = [
        f"- {limit['name']}: {_text(limit['value'])} {limit['unit']}, wanted {limit['text']}"
        for limit in missed
    ]
    met = len(limits) - len(missed)
    return "\n".join(
        [
            f"Of {len(limits)} limits that this project has set itself, {met} are met. Missed:",
            "",
            *misses,
        ]
    )


def _tables(report: dict[str, Any]) -> list[str]:
    tables = []
    if report["limits"]:
        rows: list[Sequence[str]] = [
            (
                limit["name"],
                f"{_text(limit['value'])} {limit['unit']}",
                limit["text"],
                "yes" if limit["is_met"] else "**no**",
            )
            for limit in report["limits"]
        ]
        tables.append(_table(("What", "Measured", "Wanted", "Met"), rows))
    if report["timings"]:
        rows = [
            (
                each["name"],
                _time(each["ns"]),
                f"{each['ratio']:.2f}",
                f"{each['ratio_low']:.2f} to {each['ratio_high']:.2f}",
            )
            for each in report["timings"]
        ]
        columns = ("Call", "Time", "Times the floor", "Middle half of the rounds")
        tables.append(_table(columns, rows))
    if report["rows"]:
        names = [name.replace("_", " ") for name in report["rows"][0]]
        tables.append(_table(names, [[_text(v) for v in row.values()] for row in report["rows"]]))
    if report["values"]:
        rows = [(name, _text(value)) for name, value in report["values"].items()]
        tables.append(_table(("Also", ""), rows))
    if report["notes"]:
        tables.append("\n".join(f"- {note}" for note in report["notes"]) + "\n")
    return tables


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _time(ns: float) -> str:
    if ns >= 1e7:
        return f"{ns / 1e6:,.0f} ms"
    return f"{ns:,.0f} ns"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "–" if value is None else str(value)


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
