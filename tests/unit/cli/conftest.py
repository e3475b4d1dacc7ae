# SPDX-License-Identifier: Apache-2.0
"""Runs commands in this process, on a store of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from tidegauge.cli.app import app
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.statistics.accumulator import Accumulator


class Done(msgspec.Struct):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines of standard output that have something on them."""
        return [line for line in self.out.splitlines() if line.strip()]


class Cli:
    """Runs commands on the store at `store`."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def __call__(self, *arguments: object, stdin: str | None = None) -> Done:
        """Run a command; an exception that is no exit of the program fails the test."""
        words = [str(each) for each in arguments]
        result = CliRunner().invoke(
            app,
            words,
            input=stdin,
            env={"TIDEGAUGE_STORE": str(self.store), "NO_COLOR": "1"},
            catch_exceptions=False,
        )
        return Done(result.exit_code, result.stdout, result.stderr)

    def record(
        self, metric: str, *values: float, at: str, every_s: float = 1, **labels: str
    ) -> None:
        """Put points into the journal, the first at `at`."""
        writer = JournalWriter(self.store / "journal")
        for index, value in enumerate(values):
            time_ns = parse_time_ns(at) + round(index * every_s * 1e9)
            writer.put_point(SeriesKey.of(metric, labels), value, time_ns=time_ns)
        writer.close()

    def record_row(self, table: str, columns: dict[str, object], at: str) -> None:
        """Put a row of a table that is of no metric into the journal."""
        writer = JournalWriter(self.store / "journal")
        given = {name: value for name, value in columns.items() if value is not None}
        writer.put_event(table, SeriesKey("", (), ()), parse_time_ns(at), given)
        writer.close()

    def record_interval(self, metric: str, *values: float, at: str, **labels: str) -> None:
        """Put the summary of ten seconds into the journal."""
        writer, total = JournalWriter(self.store / "journal"), Accumulator()
        total.add_many(values)
        key = SeriesKey.of(metric, labels)
        writer.put_event("intervals", key, parse_time_ns(at), total.columns(10.0))
        writer.close()


@pytest.fixture
def cli(store_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """A program whose store does not exist yet, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDEGAUGE_CATALOG", raising=False)
    return Cli(store_dir)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file and return its path."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return written
