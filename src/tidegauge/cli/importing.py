# SPDX-License-Identifier: Apache-2.0
"""Bringing facts into a store: `tidegauge import`."""

from __future__ import annotations

import contextlib
import csv
import enum
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.arguments import parse_pairs, read_time
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Block, Column, Lines, Table
from tidegauge.cli.progress import progress
from tidegauge.cli.session import Session
from tidegauge.model.errors import QueryError, StoreError

if TYPE_CHECKING:
    from tidegauge.query.foreign import ForeignTable, RowBatch
    from tidegauge.record.bulk import BulkRecorder, Fact, Refusal
    from tidegauge.record.columns import ColumnMap, Layout
    from tidegauge.record.imports import ImportMark

__all__ = ["commands", "import_file"]

commands = Commands("Move data")

_EXAMPLES = 10
_DRAIN_ROWS = 250_000
_MAPPING = "What the columns are"


class Form(enum.StrEnum):
    """The format of the file."""

    CSV = "csv"
    PARQUET = "parquet"


class TimeUnit(enum.StrEnum):
    """The unit of times that are numbers."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


@commands.add(
    "import",
    examples=[
        "import points.csv",
        "import requests.csv -c time=ts -c value=took --set metric=model:latency_ms -l region",
        "import training.csv -m model:train_loss=loss -m model:val_accuracy=acc -c step=epoch",
        "import points.parquet --check",
    ],
)
def import_file(
    session: Session,
    file: Annotated[Path, typer.Argument(help="A CSV (.csv, .csv.gz, .tsv) or Parquet file.")],
    form: Annotated[
        Form | None,
        typer.Option("--format", "-f", help="The format, if the file's name does not tell it."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            "-c",
            metavar="TARGET=COLUMN",
            help="Which column is time, metric, value, step, labels (a JSON object), metadata or a "
            "dimension, if its name is another. May be repeated.",
            rich_help_panel=_MAPPING,
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="NAME[=COLUMN]",
            help="A column that is a label. May be repeated.",
            rich_help_panel=_MAPPING,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            "-m",
            metavar="METRIC=COLUMN",
            help="A column that has the values of one metric, in a wide table. May be repeated.",
            rich_help_panel=_MAPPING,
        ),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="TARGET=VALUE",
            help="What is the same for all rows: metric, a dimension, a label, … May be repeated.",
            rich_help_panel=_MAPPING,
        ),
    ] = None,
    time_unit: Annotated[
        TimeUnit,
        typer.Option(help="Unit of times that are numbers since 1970.", rich_help_panel=_MAPPING),
    ] = TimeUnit.S,
    fix_names: Annotated[
        bool,
        typer.Option(
            "--fix-names", help="Make metric names fit the grammar where that is possible."
        ),
    ] = False,
    delimiter: Annotated[
        str | None, typer.Option(help="Between the cells of CSV; told by the first line.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of CSV.")] = "utf-8-sig",
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="Write refused rows to this CSV file: row number, reason, what is wrong."
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check; record nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Import a file that was imported before once more.")
    ] = False,
) -> int:
    """Record the rows of a file, each through the checks of a record call.

    A row that is not allowed is refused, counted by reason and shown; exit code 1 if there are any.
    A file is imported once: content and column options together are remembered in the store, and an
    import that was interrupted or killed goes on where it ended when it is repeated.
    """
    from tidegauge.query.foreign import ForeignTable
    from tidegauge.record.columns import ColumnMap, Layout

    if str(file) == "-":
        raise typer.BadParameter("standard input cannot be imported: a file is read twice")
    labels = {name: name for name in label or () if "=" not in name}
    labels |= parse_pairs((text for text in label or () if "=" in text), option="--label")
    meaning = ColumnMap(
        columns=parse_pairs(column or (), option="--column"),
        labels=labels,
        constants=_constants(constant or ()),
        metrics=parse_pairs(metric or (), option="--metric"),
    )
    table = ForeignTable(
        file,
        form=None if form is None else form.value,
        delimiter=delimiter,
        encoding=encoding,
    )
    if not (meaning.metrics or "value" in meaning.columns) and _is_intervals(table.columns):
        raise _intervals(file)
    layout = Layout.of(table.columns, meaning)
    with _rejected(rejects) as reject:
        job = _Job(session, table, layout, unit=time_unit.value, fix=fix_names, reject=reject)
        result = job.check() if check else job.record(meaning, again=again)
    result["ignored_columns"] = list(layout.ignored)
    session.output.show(result, *_blocks(result, job.examples))
    return ExitCode.PROBLEM if result["refused"] else ExitCode.OK


class _Job:
    """One run of the command."""

    def __init__(
        self,
        session: Session,
        table: ForeignTable,
        layout: Layout,
        *,
        unit: str,
        fix: bool,
        reject: Callable[[Refusal], None],
    ) -> None:
        self._session = session
        self._parts = session.parts
        self._table = table
        self._layout = layout
        self._unit: Any = unit
        self._fix = fix
        self._reject = reject
        self.examples: list[Refusal] = []

    def check(self) -> dict[str, Any]:
        """Check all rows and record none."""
        bulk, rows = self._bulk(record=False), 0
        with progress(self._session.output, "Checking") as advance:
            for batch in self._read():
                bulk.record(batch.rows, batch.first_row)
                rows += len(batch.rows)
                advance(batch.done, batch.total)
        return self._result(rows, bulk.recorded, bulk.refused, recorded=0)

    def record(self, meaning: ColumnMap, *, again: bool) -> dict[str, Any]:
        """Record all rows that are not recorded yet."""
        from tidegauge.record.imports import ImportLedger, fingerprint, import_rows

        ledger = ImportLedger(self._parts.store.state)
        key = fingerprint(self._table.path, meaning)
        before = self._mark(ledger.find(key), again=again)
        bulk = self._bulk(record=True)
        writer = bulk.recorder.writer
        writer.open()
        slot = f"{self._parts.store.journal.id}/{writer.slot_name}"
        mark = before.through(slot)
        drain = self._parts.drain()
        drained = 0
        with progress(self._session.output, "Importing") as advance:

            def after(batch: RowBatch) -> None:
                nonlocal drained
                if bulk.recorded - drained >= _DRAIN_ROWS:
                    writer.tick()
                    drain.advance(force=True)
                    drained = bulk.recorded
                advance(batch.done, batch.total)

            try:
                mark = import_rows(
                    self._read,
                    bulk,
                    mark,
                    note=lambda each: ledger.note(key, each),
                    stored=self._stored,
                    after=after,
                )
            finally:
                writer.close()
            while drain.advance(force=True):
                pass
        result = self._result(mark.rows, mark.recorded, mark.refused, recorded=mark.recorded)
        return {**result, "resumed_after_row": before.rows or None}

    def _mark(self, found: ImportMark | None, *, again: bool) -> ImportMark:
        from tidegauge.record.imports import ImportMark

        if found is not None and not found.finished:
            return found
        if found is not None and not again:
            raise _imported(self._table.path, found)
        return ImportMark(file=self._table.path.name)

    def _read(self) -> Iterator[RowBatch]:
        from tidegauge.record.imports import BATCH_ROWS

        return self._table.read(self._layout.columns, batch_rows=BATCH_ROWS)

    def _bulk(self, *, record: bool) -> BulkRecorder:
        from tidegauge.record.bulk import BulkRecorder
        from tidegauge.record.recorder import Recorder

        settings = self._parts.settings
        recorder = Recorder(
            self._parts.root / "journal",
            catalog=self._parts.catalog,
            strict=not self._fix,
            budget_bytes=settings.journal_budget_bytes,
            segment_slots=settings.segment_slots,
        )
        return BulkRecorder(
            recorder,
            self._layout,
            time_unit=self._unit,
            record=record,
            on_refused=self._refused,
        )

    def _refused(self, refusal: Refusal) -> None:
        if len(self.examples) < _EXAMPLES:
            self.examples.append(refusal)
        self._reject(refusal)

    def _stored(self, slots: tuple[str, ...], facts: list[Fact]) -> Counter[Fact]:
        from tidegauge.model.times import TimeRange
        from tidegauge.query.dump import facts_of_slots
        from tidegauge.record.bulk import Fact

        if not facts or not slots:
            return Counter()
        wanted = set(facts)
        times_ns = [fact.time_ns for fact in facts]
        found = facts_of_slots(
            self._parts.store,
            self._parts.catalog,
            slots=slots,
            time_range=TimeRange(min(times_ns), max(times_ns) + 1000),
        )
        return Counter(fact for each in found if (fact := Fact(*each)) in wanted)

    def _result(
        self, rows: int, accepted: int, refused: dict[str, int] | Counter[str], *, recorded: int
    ) -> dict[str, Any]:
        return {
            "file": str(self._table.path),
            "rows": rows,
            "accepted": accepted,
            "recorded": recorded,
            "refused": dict(refused),
        }


@contextlib.contextmanager
def _rejected(path: Path | None) -> Iterator[Callable[[Refusal], None]]:
    """What to call with each refusal to have it written to a file."""
    if path is None:
        yield lambda _: None
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "reason", "problem"])
        yield lambda refusal: writer.writerow([refusal.row, refusal.reason, refusal.text]) and None


def _blocks(result: dict[str, Any], examples: list[Refusal]) -> Iterator[Block]:
    refused = sum(result["refused"].values())
    done = f"{result['recorded']:,} recorded" if result["recorded"] else "none recorded"
    if not result["recorded"] and result["accepted"]:
        done = f"{result['accepted']:,} would be recorded"
    yield Lines(f"{escape(result['file'])}: {result['rows']:,} rows, {done}, {refused:,} refused.")
    if result.get("resumed_after_row"):
        yield Lines(
            f"Went on after row {result['resumed_after_row']:,}, where an import had ended."
        )
    if result["ignored_columns"]:
        yield Lines(f"Columns not used: {escape(', '.join(result['ignored_columns']))}.")
    if refused:
        from tidegauge.model.reasons import REASONS

        rows = [
            {"reason": reason, "count": count, "meaning": REASONS.get(reason, "it is no whole row")}
            for reason, count in sorted(result["refused"].items(), key=lambda item: -item[1])
        ]
        yield Table(
            [Column("reason", "refused"), Column("count", kind="count"), Column("meaning")], rows
        )
    if examples:
        yield Table(
            [Column("row", kind="count"), Column("reason"), Column("text", "problem")],
            [{"row": e.row, "reason": e.reason, "text": e.text} for e in examples],
            title="The first of them",
        )


def _constants(texts: Sequence[str]) -> dict[str, str]:
    constants = parse_pairs(texts, option="--set")
    if "time" in constants and isinstance(time := read_time(constants["time"]), str):
        from tidegauge.model.times import isoformat, parse_time_ns

        # Written out, for a number would be taken as one since 1970: 20250101 is a date.
        constants["time"] = isoformat(parse_time_ns(time))
    return constants


def _is_intervals(columns: Sequence[str]) -> bool:
    from tidegauge.model.tables import INTERVALS

    return {column.name for column in INTERVALS.columns} <= {*columns}


def _intervals(path: Path) -> QueryError:
    return QueryError(
        "the file has interval summaries, and only single values can be imported",
        got=str(path),
        fix="Export --table points; or say which column is the value, such as --column value=sum.",
    )


def _imported(path: Path, found: ImportMark) -> StoreError:
    from tidegauge.model.times import isoformat

    return StoreError(
        "this file was imported before, with the same columns",
        got=f"{path}, imported as {found.file} at {isoformat(found.updated_ns)}: "
        f"{found.recorded:,} facts",
        fix="To record all of it a second time: --again.",
    )
