# SPDX-License-Identifier: Apache-2.0
"""Recording the rows of a SQLite file, each once, whatever ends it and however often it is done.

Which rows are done is known row by row (`tidegauge.store.imported_rows`), so the file may have
grown, or lost old rows, since. Of rows that a killed import left in doubt, and of all rows of a
file that was exported from a store, the store itself is asked whether it has them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from tidegauge.journal.segment import Refused
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.series import RowContent
from tidegauge.model.tables import TABLES
from tidegauge.record.sqlite_rows import RowReader
from tidegauge.record.sqlite_source import Page, SqliteSource
from tidegauge.store.imported_rows import CONTENT_BYTES, ImportedRows, row_key

__all__ = ["Progress", "RefusedRow", "RowImport", "Stored", "check_rows"]

_EXAMPLES = 10
#: What the journal says of a row that will never fit.
_TOO_LARGE = "bad_metadata"


class RefusedRow(msgspec.Struct, frozen=True):
    """A row that is not allowed.

    Attributes:
        table: Its table.
        id: Its id.
        reason: A reason of `tidegauge.model.reasons`.
        text: What is wrong.
    """

    table: str
    id: object
    reason: str
    text: str


class Progress(msgspec.Struct):
    """How far an import is.

    Attributes:
        rows: Rows read, by table.
        recorded: Rows recorded.
        present: Rows that were recorded before, by an earlier import or by who exported them.
        refused: Rows refused, by reason.
        examples: The first of the rows refused.
    """

    rows: dict[str, int] = msgspec.field(default_factory=dict)
    recorded: int = 0
    present: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    examples: list[RefusedRow] = msgspec.field(default_factory=list)

    def count(self, table: str, page: Page) -> None:
        """Count the rows of a page as read."""
        self.rows[table] = self.rows.get(table, 0) + len(page.ids)

    def refuse(self, table: str, row_id: object, error: MetricValidationError | Refused) -> None:
        """Count a row that is refused."""
        self.refused[error.reason] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(RefusedRow(table, row_id, error.reason, str(error)))


class Stored(Protocol):
    """What a store has; see `tidegauge.query.stored_rows.StoredRows`."""

    def count(
        self, table: str, rows: Collection[RowContent], *, as_before: bool
    ) -> Counter[RowContent]:
        """How many of each of some rows are in a table, now or at the first call for it."""


def check_rows(
    source: SqliteSource,
    readers: Mapping[str, RowReader],
    *,
    after: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Count the rows of a file that would be refused, and record none.

    Args:
        source: The file.
        readers: What reads each table.
        after: Called after every page.
    """
    progress = Progress()
    for table, reader in readers.items():
        for page in source.pages(table, reader.columns):
            for row_id, cells in zip(page.ids, page.cells, strict=True):
                try:
                    reader.read(cells)
                except MetricValidationError as error:
                    progress.refuse(table, row_id, error)
            progress.count(table, page)
            after(progress)
    return progress


class RowImport:
    """One run over a file.

    Args:
        source: The file.
        done: The rows that are done.
        writer: The journal.
        stored: What the store has.
        after: Called after every page.

    Attributes:
        progress: How far it is.
    """

    def __init__(
        self,
        source: SqliteSource,
        done: ImportedRows,
        writer: JournalWriter,
        *,
        stored: Stored,
        after: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._done = done
        self._writer = writer
        self._stored = stored
        self._after = after
        self.progress = Progress()
        # How many rows of each content there were so far, of an export with the present timestamp.
        self._passed: Counter[bytes] = Counter()
        self._passed_time: object = None

    def run(self, readers: Mapping[str, RowReader]) -> None:
        """Record the rows of some tables that are not recorded yet.

        Args:
            readers: What reads each table.

        Raises:
            QueryError: The file cannot be read to its end.
            StoreError: The journal takes no more, or the state cannot be written.
        """
        for table, reader in readers.items():
            for page in self._source.pages(table, reader.columns):
                self._page(table, reader, page)
                self.progress.count(table, page)
                self._after(self.progress)

    def _page(self, table: str, reader: RowReader, page: Page) -> None:
        keys = _keys(table, reader, page)
        known = self._done.find(keys)
        facts: dict[bytes, RowContent] = {}
        ids: dict[bytes, object] = {}
        for key, row_id, cells in zip(keys, page.ids, page.cells, strict=True):
            if known.get(key) is False:
                self.progress.present += 1
                continue
            try:
                facts[key] = reader.read(cells)
                ids[key] = row_id
            except MetricValidationError as error:
                self.progress.refuse(table, row_id, error)
        present = self._present(table, reader, page, keys, facts, known)
        self._done.settle(present)
        self.progress.present += len(present)
        new = [key for key in facts if key not in present]
        self._done.doubt(new)
        self._done.settle([key for key in new if self._put(table, ids[key], facts[key])])

    def _present(
        self,
        table: str,
        reader: RowReader,
        page: Page,
        keys: Sequence[bytes],
        facts: Mapping[bytes, RowContent],
        known: Collection[bytes],
    ) -> set[bytes]:
        """Those of a page's rows that the store has and that are not known to be settled.

        Of equal rows in the file, the first ones are those that the store has.
        """
        is_export = self._source.is_export
        asked = {key for key in facts if is_export or key in known}
        found = self._stored.count(table, {facts[key] for key in asked}, as_before=is_export)
        if is_export:
            found = self._as_written(table, reader, page, keys, facts, found)
        else:
            contents = {key[:CONTENT_BYTES] for key in asked if found[facts[key]]}
            if not contents:
                return set()
            self._passed = self._count_before(table, reader, page, contents)
        passed = self._passed
        present = set()
        for key, cells in zip(keys, page.cells, strict=True):
            if is_export and cells[0] != self._passed_time:
                # An export is in the order of time, so equal rows are together.
                self._passed_time = cells[0]
                passed.clear()
            content = key[:CONTENT_BYTES]
            if key in asked and found[facts[key]] > passed[content]:
                present.add(key)
            passed[content] += 1
        return present

    def _as_written(
        self,
        table: str,
        reader: RowReader,
        page: Page,
        keys: Sequence[bytes],
        facts: Mapping[bytes, RowContent],
        found: Counter[RowContent],
    ) -> Counter[RowContent]:
        """The same with rows that the store has from before texts and users were to be hidden."""
        originals: dict[RowContent, RowContent] = {}
        for key, cells in zip(keys, page.cells, strict=True) if reader.hides else ():
            if key in facts and not found[facts[key]]:
                # A text that is too long now was then, too.
                with contextlib.suppress(MetricValidationError):
                    originals[facts[key]] = reader.read(cells, as_written=True)
        if not originals:
            return found
        before = self._stored.count(table, set(originals.values()), as_before=True)
        return found + Counter({fact: before[row] for fact, row in originals.items()})

    def _count_before(
        self, table: str, reader: RowReader, page: Page, contents: Collection[bytes]
    ) -> Counter[bytes]:
        """How many rows with some contents come before a page. Rare, so the file is read again."""
        counts: Counter[bytes] = Counter()
        for earlier in self._source.pages(table, reader.columns):
            if earlier.ids == page.ids:
                break
            keys = (key[:CONTENT_BYTES] for key in _keys(table, reader, earlier))
            counts.update(content for content in keys if content in contents)
        return counts

    def _put(self, table: str, row_id: object, fact: RowContent) -> bool:
        named = zip(TABLES[table].columns, fact.values, strict=True)
        columns = {column.name: value for column, value in named if value is not None}
        if fact.metadata is not None:
            columns["metadata"] = fact.metadata
        try:
            self._writer.put_event(table, fact.key, fact.time_us * 1000, columns)
        except Refused as error:
            if error.reason != _TOO_LARGE:
                raise
            self.progress.refuse(table, row_id, error)
            return False
        self.progress.recorded += 1
        return True


def _keys(table: str, reader: RowReader, page: Page) -> list[bytes]:
    return [
        row_key(table, (row_id, created), cells[: reader.n_content])
        for row_id, created, cells in zip(page.ids, page.created, page.cells, strict=True)
    ]
