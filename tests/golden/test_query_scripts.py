# SPDX-License-Identifier: Apache-2.0
"""Runs the scripts in `queries/`: facts, questions, and the answers written out.

A script is read line by line; `#` begins a comment.

    record METRIC{label="value", …} at TIME every DURATION: VALUE VALUE …
    intervals METRIC{…} at TIME every DURATION: VALUE VALUE … | VALUE …     (one row for each `|`)
    now TIME                                                   what `hours` and `days` count from
    ask stats("…", by="model")                                 any method of `Query`
        column | column | …                                    the columns that matter, and rows
        value | value | …
    fail stats("…")                                            the question is refused
        text of the error, or a part of it

Every script runs three times: with all facts still in journals, with all of them in the tables,
and with each line of facts after the first half still in the journal. The answers are the same.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tidegauge.catalog import Catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.errors import TidegaugeError
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Deprecation, Direction, Kind, LabelSpec, MetricSpec
from tidegauge.model.times import parse_duration_s, parse_time_ns
from tidegauge.query.query import Query
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

SCRIPTS = sorted((Path(__file__).parent / "queries").glob("*.txt"))
LINE = re.compile(
    r"(?P<metric>[\w:.]+)(?:\{(?P<labels>.*)\})? at (?P<time>\S+) every (?P<step>\S+)"
)
LABEL = re.compile(r'(\w+)="([^"]*)"')

CATALOG = Catalog(
    [
        MetricSpec(
            name="model:latency_ms",
            description="Time to answer",
            kind=Kind.DISTRIBUTION,
            unit="ms",
            direction=Direction.LOWER,
            labels={"region": LabelSpec(description="Where it ran")},
            aliases=("latency",),
        ),
        MetricSpec(
            name="model:delay_ms",
            description="The name of latency_ms before 2.0",
            kind=Kind.DISTRIBUTION,
            unit="ms",
            deprecated=Deprecation(since="2.0", renamed_to="model:latency_ms"),
        ),
        MetricSpec(
            name="model:accuracy", description="Share of right answers", direction=Direction.HIGHER
        ),
        MetricSpec(name="usage:requests", description="Requests served", kind=Kind.COUNTER),
        MetricSpec(
            name="custom:score",
            description="A score without a better side",
            kind=Kind.DISTRIBUTION,
        ),
    ]
)


class Script:
    """One script while it runs, over a store of its own."""

    def __init__(self, directory: Path, loads: int, drain_after: int) -> None:
        self.store = Store(directory)
        self.writer = JournalWriter(self.store.root / "journal")
        self.clock = FakeClock(parse_time_ns("2026-01-01T12:00:00Z"))
        self.query = Query(self.store, CATALOG, self.clock, threads=1)
        self.loads_left = drain_after
        self.drain_after_last = drain_after >= loads

    def load(self, command: str, text: str) -> None:
        """Record a line of facts."""
        head, _, values = text.partition(": ")
        found = LINE.fullmatch(head.strip())
        assert found, text
        key = SeriesKey.of(found["metric"], dict(LABEL.findall(found["labels"] or "")))
        time_ns = parse_time_ns(found["time"])
        step_ns = round(parse_duration_s(found["step"]) * 1e9)
        if command == "record":
            for index, value in enumerate(values.split()):
                self.writer.put_point(key, float(value), time_ns=time_ns + index * step_ns)
        else:
            for index, group in enumerate(values.split("|")):
                total = Accumulator()
                total.add_many([float(value) for value in group.split()])
                columns = total.columns(step_ns / 1e9)
                self.writer.put_event("intervals", key, time_ns + index * step_ns, columns)
        self.loads_left -= 1
        if self.loads_left == 0:
            while DrainFollower(self.store).advance(force=True):
                pass

    def ask(self, text: str) -> list[dict[str, Any]]:
        """The rows that a question is answered with."""
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        answer = getattr(self.query, call.func.id)(
            *(ast.literal_eval(argument) for argument in call.args),
            **{word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg},
        )
        if isinstance(answer, duckdb.DuckDBPyRelation):
            answer = answer.to_arrow_table()
        if isinstance(answer, dict):
            return [{"metric": name, "value": value} for name, value in sorted(answer.items())]
        rows: list[dict[str, Any]] = answer.to_pylist()
        return rows


def statements(path: Path) -> Iterator[tuple[int, str, str, list[list[str]]]]:
    """Line number, command, rest of the line, and the cells of the lines that belong to it."""
    current: tuple[int, str, str, list[list[str]]] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith(" "):
            assert current is not None
            current[3].append([cell.strip() for cell in line.split("|")])
            continue
        if current is not None:
            yield current
        command, _, rest = line.partition(" ")
        current = number, command, rest, []
    if current is not None:
        yield current


def shown(value: object) -> str:
    """A cell as scripts write it."""
    if value is None:
        return "null"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):
            return json.dumps(dict(value))
        return json.dumps(value)
    return str(value)


def agree(expected: str, value: object) -> bool:
    """Whether a cell says what was found; numbers to nine digits."""
    if isinstance(value, float):
        try:
            return math.isclose(float(expected), value, rel_tol=1e-9, abs_tol=1e-12)
        except ValueError:
            return False
    return expected == shown(value)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("facts_in", ["journals", "tables", "both"])
def test_script(path: Path, facts_in: str, store_dir: Path) -> None:
    """Every question of the script has the answer that stands below it."""
    lines = list(statements(path))
    loads = sum(1 for _, command, _, _ in lines if command in ("record", "intervals"))
    drain_after = {"journals": loads + 1, "tables": loads, "both": max(1, loads // 2)}[facts_in]
    script = Script(store_dir, loads, drain_after)
    for number, command, rest, cells in lines:
        where = f"{path.name}:{number}"
        if command in ("record", "intervals"):
            script.load(command, rest)
        elif command == "now":
            script.clock.set_wall(parse_time_ns(rest.strip()))
        elif command == "fail":
            with pytest.raises(TidegaugeError) as caught:
                script.ask(rest)
            for row in cells:
                assert " | ".join(row) in str(caught.value), where
        else:
            assert command == "ask", where
            rows = script.ask(rest)
            header, *expected = cells
            found = [[row[column] for column in header] for row in rows]
            assert len(found) == len(expected) and all(  # noqa: PT018  (one picture of both)
                agree(cell, value)
                for wanted, got in zip(expected, found, strict=True)
                for cell, value in zip(wanted, got, strict=True)
            ), where + "\n" + "\n".join(" | ".join(map(shown, row)) for row in found)
