# SPDX-License-Identifier: Apache-2.0
"""The trail of changes: no change of a table is without a trace, wherever it is cut short.

Before a change is committed, an intent is on the disk, a file in `<store>/corrections`. The commit
itself moves an application transaction of the table, whose version the intent names. Then the row
of the table `corrections` is recorded, and the file deleted. Of an intent that was left behind the
table tells whether the change was made: if so its row is recorded, and if not there was no change.
"""

from __future__ import annotations

import logging
from typing import Literal

import msgspec

from tidegauge.journal.permissions import create_directory
from tidegauge.journal.slot import journal_id
from tidegauge.model.errors import MetricValidationError, StoreError
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import CORRECTIONS
from tidegauge.record.recorder import Recorder
from tidegauge.store.edit import Draft
from tidegauge.store.files import read_file
from tidegauge.store.intents import INTENTS, open_intents
from tidegauge.store.location import Location
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store

__all__ = ["Action", "Entry", "Trail", "checked_text"]

Action = Literal["correct", "retract", "forget"]

_MOST_CHARS = 10_000
_log = logging.getLogger("tidegauge")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one table, as the trail has it; see the columns of the table `corrections`."""

    action: Action
    target: str
    conditions: str
    changes: str | None
    reason: str | None
    author: str | None
    correction_id: str
    time_ns: int
    rows: int = 0
    days: int = 0


class _Intent(msgspec.Struct, frozen=True):
    """What is on the disk while a change is made.

    Attributes:
        entry: The change.
        transaction: Application transaction of the table that the commit moves.
        number: To which version.
    """

    entry: Entry
    transaction: str
    number: int


class Trail:
    """The trail of a store. For whoever maintains the store.

    Args:
        store: The store.
        recorder: Records into it.
    """

    def __init__(self, store: Store, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._location = Location(str(store.root / INTENTS))

    @property
    def transaction(self) -> str:
        """The application transaction that counts the changes which this store has made."""
        identity = journal_id(create_directory(self._store.root / "journal"), create=True)
        return f"{identity}/corrections"

    def make(self, draft: Draft, entry: Entry) -> None:
        """Make a change, with its trace.

        Args:
            draft: The change, drafted with `transaction`.
            entry: What the trail says of it; its rows and days are taken from the draft.

        Raises:
            Overtaken: Another host has removed files since. Nothing was changed.
            StoreError: The table cannot be used.
            OSError: The intent cannot be written. Nothing was changed.
        """
        entry = msgspec.structs.replace(entry, rows=draft.rows, days=len(draft.days))
        number = draft.transaction(self.transaction) + 1
        name = f"{entry.correction_id}-{entry.target}.json"
        intent = _Intent(entry, self.transaction, number)
        try:
            self._location.create_directory("")
            self._location.write(name, memoryview(msgspec.json.encode(intent)))
        except OSError:
            draft.discard()
            raise
        try:
            draft.commit({self.transaction: number})
        except StoreError:
            if not self._took_place(intent):
                self._location.delete(name)
                raise
        self._finish(name, entry)

    def settle(self) -> int:
        """Finish what was cut short.

        Returns:
            For how many changes a row was recorded.

        Raises:
            StoreError: A table cannot be used.
        """
        count = 0
        for path in open_intents(self._store.root):
            try:
                intent = msgspec.json.decode(path.read_bytes(), type=_Intent)
            except msgspec.DecodeError:  # cut short before the change was made
                path.unlink()
                continue
            if not self._took_place(intent) or self._is_recorded(intent.entry):
                path.unlink()
            else:
                self._finish(path.name, intent.entry)
                count += 1
        return count

    def _took_place(self, intent: _Intent) -> bool:
        stored = self._store.tables.open(intent.entry.target)
        if stored is None:
            return False
        return stored.transactions([intent.transaction]).get(intent.transaction, 0) >= intent.number

    def _is_recorded(self, entry: Entry) -> bool:
        trail = snapshot(self._store, CORRECTIONS.name)
        columns = ["correction_id", "target"]
        tail = trail.tail.select(columns)
        stored = (read_file(trail.location, path, tail.schema) for path in trail.files.paths)
        return any(
            row == {"correction_id": entry.correction_id, "target": entry.target}
            for part in (tail, *stored)
            for row in part.to_pylist()
        )

    def _finish(self, name: str, entry: Entry) -> None:
        given = {column.name: getattr(entry, column.name) for column in CORRECTIONS.columns}
        columns = {column: value for column, value in given.items() if value is not None}
        # Without the labels in force: one of them may be the user that is to be forgotten.
        key, writer = SeriesKey.of("", self._recorder.defaults), self._recorder.writer
        try:
            writer.put_event(CORRECTIONS.name, key, entry.time_ns, columns)
            writer.sync()  # so that a loss of power cannot take the row, and leave no file
        except (StoreError, OSError) as error:  # the file stays, and somebody will settle it
            _log.warning("the row of a change in the trail has to wait: %s", error)
        else:
            self._location.delete(name)


def checked_text(name: str, text: object) -> str | None:
    """A reason or author as the trail can have it.

    Raises:
        MetricValidationError: It is no text, too long, or cannot be written as UTF-8.
    """
    if text is None:
        return None
    if isinstance(text, str) and len(text) <= _MOST_CHARS and _is_unicode(text):
        return text
    raise MetricValidationError(
        f"the {name} cannot be kept",
        reason="bad_value",
        got=text,
        allowed=f"text of at most {_MOST_CHARS} characters",
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
