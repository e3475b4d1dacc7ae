# SPDX-License-Identifier: Apache-2.0
"""The state file of a store and the lock of whoever writes it."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator

from tidegauge.catalog import Catalog
from tidegauge.live.expiry import without_series_before
from tidegauge.live.fold import Fold
from tidegauge.live.place import FOLLOWER, LIVE_FILE
from tidegauge.live.state_file import (
    Head,
    Unusable,
    decode_state,
    encode_state,
    read_head,
    write_state,
)
from tidegauge.live.totals import NO_TIME
from tidegauge.store.leader import exclusive
from tidegauge.store.state import Lane
from tidegauge.store.store import Store

__all__ = ["SavedTotals", "new_epoch"]

_LOCK_FILE = "live.lock"
_START = "start_ns"  # key in state.db
_LOOK_S = 0.02
_EPOCH_BITS = 63


class SavedTotals:
    """The totals of a store on its disk. Used by one thread at a time.

    Args:
        store: The store.
        catalog: The vocabulary.
        series_ttl_s: After how long without facts a series is dropped; never if None.

    Attributes:
        path: The file.
        problem: Why the file could not be used last; empty if there was none.
    """

    def __init__(self, store: Store, catalog: Catalog, *, series_ttl_s: float | None) -> None:
        self._store = store
        self._catalog = catalog
        self._series_ttl_s = series_ttl_s
        self.path = store.root / LIVE_FILE
        self.problem = ""
        self._head: tuple[tuple[int, int, int], Head] | None = None
        self._is_alone = False
        self._start_ns: int | None = None

    def head(self) -> Head | None:
        """The head of the file; None if there is no usable one of the present journal."""
        try:
            stat = self.path.stat()
            mark = stat.st_ino, stat.st_mtime_ns, stat.st_size
            if self._head is None or self._head[0] != mark:
                self._head = mark, read_head(self.path)
        except (FileNotFoundError, Unusable):
            return None
        head = self._head[1]
        return head if head.journal_id == self._store.journal.id else None

    def load(self, *, as_it_is: bool = False) -> tuple[Head, Fold] | None:
        """The totals of the file; None if they cannot be gone on from.

        If the store has begun its journal anew since, the file's positions mean nothing, and what
        it counted before still holds: a deleted journal takes nothing back.

        Args:
            as_it_is: See `decode_state`.
        """
        try:
            data = self.path.read_bytes()
            head, totals = decode_state(data, self._catalog, as_it_is=as_it_is)
        except FileNotFoundError:
            self.problem = ""
            return None
        except Unusable as error:
            self.problem = str(error)
            return None
        journal_id = self._store.journal.id
        positions = head.positions
        if head.journal_id != journal_id:
            if head.journal_id not in self._store.state.journals():
                self.problem = "it is of the journal of another store"
                return None
            positions = {}
        clock = self._store.clock
        fold = Fold(self._catalog, clock, journal_id=journal_id, totals=totals, positions=positions)
        return head, fold

    def save(self, fold: Fold, epoch: int) -> tuple[int, Fold]:
        """Write totals, less the series that are too old, and let the journal go up to there.

        Only for whoever is `alone`.

        Returns:
            The epoch and the totals of the file, which are others if series were dropped.

        Raises:
            StoreError: The state cannot be written.
            OSError: The file cannot be written.
        """
        now_ns = self._store.clock.wall_ns()
        if self._series_ttl_s is not None:
            kept = without_series_before(fold.totals, now_ns - int(self._series_ttl_s * 1e9))
            if kept is not fold.totals:
                fold, epoch = fold.with_totals(kept), new_epoch()
        journal_id, slots = self._store.slots()
        if journal_id != fold.journal_id:
            return epoch, fold  # begun anew in this moment
        before = self.head()
        if before is not None and (before.epoch, before.positions) == (epoch, fold.positions):
            return epoch, fold
        for slot in slots:
            # The file must not be ahead of the journal on the disk; see `SlotReader.sync`.
            position = fold.positions.get(slot.name)
            if position is not None and (
                before is None or before.positions.get(slot.name) != position
            ):
                slot.sync()
        head = Head(fold.journal_id, epoch, now_ns, fold.positions)
        write_state(self.path, encode_state(head, fold.totals))
        start_ns = self.start_ns(fold.totals.first_ns)
        with self._store.state.transaction() as transaction:
            if start_ns != NO_TIME:
                transaction.set_value(FOLLOWER, _START, str(start_ns))
            for name, position in fold.positions.items():
                lanes: dict[Lane, int] = {"points": position.points, "events": position.events}
                for lane, end in lanes.items():
                    transaction.set_cursor(FOLLOWER, name, lane, end)
            transaction.set_caught_up(FOLLOWER, now_ns)
        return epoch, fold

    def start_ns(self, first_ns: int) -> int:
        """Since when the totals count: once told it stays, for another one means a restart.

        Args:
            first_ns: Time of the earliest fact, which may move back when old facts are imported.
        """
        if self._start_ns is None and (kept := self._store.state.value(FOLLOWER, _START)):
            self._start_ns = int(kept)
        return first_ns if self._start_ns is None else self._start_ns

    @contextlib.contextmanager
    def alone(self, wait_s: float = 0.0) -> Iterator[bool]:
        """Be the one that writes, for the length of a `with` block; yields whether it is.

        Raises:
            StorePermissionError: The store does not admit this user.
        """
        if self._is_alone:
            yield True
            return
        deadline_s = time.monotonic() + wait_s
        while True:
            with exclusive(self._store.root / _LOCK_FILE) as alone:
                if alone or time.monotonic() >= deadline_s:
                    self._is_alone = alone
                    try:
                        yield alone
                    finally:
                        self._is_alone = False
                    return
            time.sleep(_LOOK_S)


def new_epoch() -> int:
    """An epoch that no file had: clocks can be set back, and files be damaged, so it is random."""
    return secrets.randbits(_EPOCH_BITS)
