# SPDX-License-Identifier: Apache-2.0
"""Imports that can be interrupted, killed and repeated: every row of a file is recorded once.

A file is known by its content together with what its columns are taken to mean. How far its import
has come is noted in the store's state after every few thousand rows. A process killed in between
leaves at most these rows in doubt; the next import of the same file asks the store which of them
are there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.record.bulk import BulkRecorder, Fact, Row
from tidegauge.record.columns import ColumnMap
from tidegauge.store.state import State

__all__ = ["BATCH_ROWS", "Batch", "ImportLedger", "ImportMark", "fingerprint", "import_rows"]

#: Rows between two notes of how far an import has come.
BATCH_ROWS = 5_000

B = TypeVar("B", bound="Batch")

_NAMESPACE = "import"
_HASHED_BYTES = 1 << 20


class Batch(Protocol):
    """Some rows of a file, in their order."""

    @property
    def first_row(self) -> int:
        """Number of the first row, 1 being the first of the file."""

    @property
    def rows(self) -> Sequence[Row]:
        """Their cells."""


class ImportMark(msgspec.Struct, frozen=True, kw_only=True):
    """How far the import of a file has come.

    Attributes:
        file: Its name when it was imported.
        rows: Rows that are done: recorded, or refused.
        recorded: Facts recorded.
        refused: Facts refused, by reason.
        slots: The slots that facts went through, as `<journal>/<slot>`.
        updated_ns: When this was noted.
        finished: Whether that was all.
    """

    file: str
    rows: int = 0
    recorded: int = 0
    refused: dict[str, int] = {}
    slots: tuple[str, ...] = ()
    updated_ns: int = 0
    finished: bool = False

    def through(self, slot: str) -> ImportMark:
        """The same, going on through another slot."""
        slots = tuple(dict.fromkeys((*self.slots, slot)))
        return msgspec.structs.replace(self, slots=slots)


class ImportLedger:
    """The marks of all imports of a store.

    Args:
        state: Where they are kept.
        clock: Where the time comes from.
    """

    def __init__(self, state: State, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._state = state
        self._clock = clock

    def find(self, key: str) -> ImportMark | None:
        """The mark of the file with this `fingerprint`; None if it was never imported."""
        text = self._state.value(_NAMESPACE, key)
        return None if text is None else msgspec.json.decode(text, type=ImportMark)

    def note(self, key: str, mark: ImportMark) -> None:
        """Replace the mark of a file."""
        mark = msgspec.structs.replace(mark, updated_ns=self._clock.wall_ns())
        with self._state.transaction() as transaction:
            transaction.set_value(_NAMESPACE, key, msgspec.json.encode(mark).decode())


def fingerprint(path: Path, meaning: ColumnMap) -> str:
    """Identify what a file would record: a hash of its content and of what its columns mean."""
    digest = hashlib.blake2b(digest_size=20)
    with path.open("rb") as file:
        while block := file.read(_HASHED_BYTES):
            digest.update(block)
    digest.update(msgspec.json.encode(meaning, order="sorted"))
    return digest.hexdigest()


def import_rows(
    read: Callable[[], Iterable[B]],
    bulk: BulkRecorder,
    mark: ImportMark,
    *,
    note: Callable[[ImportMark], None],
    stored: Callable[[tuple[str, ...], list[Fact]], Counter[Fact]],
    after: Callable[[B], None] = lambda _: None,
) -> ImportMark:
    """Record the rows of a file that are not done yet.

    Whatever ends it, it can be called again with the mark that was noted last.

    Args:
        read: Reads the file from its beginning, the same batches each time.
        bulk: Records the rows. What it counted before does not matter.
        mark: How far the file's import has come; its last slot is the one that `bulk` writes to.
        note: Keeps a mark durably.
        stored: Tells which of some facts came through some slots and are in the store, and how many
            of each.
        after: Called after every batch.

    Returns:
        The last mark.

    Raises:
        StoreError: The journal takes no more.
    """
    in_doubt = mark.updated_ns != 0
    note(mark)
    start, refused = mark, Counter(mark.refused)
    for batch in read():
        rows = batch.rows[max(0, start.rows + 1 - batch.first_row) :]
        if rows:
            first_row = batch.first_row + len(batch.rows) - len(rows)
            without = None
            if in_doubt:
                without = _recorded_before(read, bulk, start, stored)
                in_doubt = False
            bulk.record(rows, first_row, without=without)
            mark = msgspec.structs.replace(
                mark,
                rows=batch.first_row + len(batch.rows) - 1,
                recorded=start.recorded + bulk.recorded,
                refused=dict(refused + bulk.refused),
            )
            note(mark)
        after(batch)
    mark = msgspec.structs.replace(mark, finished=True)
    note(mark)
    return mark


def _recorded_before(
    read: Callable[[], Iterable[B]],
    bulk: BulkRecorder,
    mark: ImportMark,
    stored: Callable[[tuple[str, ...], list[Fact]], Counter[Fact]],
) -> Callable[[list[Fact]], Counter[Fact]]:
    """What of the rows in doubt was recorded: what is stored, less equal facts of rows before."""

    def without(facts: list[Fact]) -> Counter[Fact]:
        present = stored(mark.slots, facts)
        for batch in read():
            rows = batch.rows[: max(0, mark.rows + 1 - batch.first_row)]
            if not rows:
                break
            for fact in bulk.facts(rows):
                if fact in present:
                    present[fact] -= 1
        return present

    return without
