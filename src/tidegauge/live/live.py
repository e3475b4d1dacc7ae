# SPDX-License-Identifier: Apache-2.0
"""The live metrics of one store, as any of its processes can read them.

Each process folds for itself, from the state file and the journals' tails, and then keeps the
totals in memory and folds what has come since. Whoever carries facts to the tables writes the file.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from tidegauge.catalog import Catalog
from tidegauge.journal.reader import SlotReader
from tidegauge.live.collectors import Collectors
from tidegauge.live.families import Reading
from tidegauge.live.fold import Fold, SegmentsGone
from tidegauge.live.history import count_anew
from tidegauge.live.place import FOLLOWER
from tidegauge.live.reading import families_of, without_conflicts
from tidegauge.live.saved import SavedTotals
from tidegauge.live.self_metrics import self_metrics
from tidegauge.live.state_file import Head
from tidegauge.live.totals import NO_TIME
from tidegauge.model.errors import StoreError, StorePermissionError
from tidegauge.store.store import Store

__all__ = ["Live"]

_log = logging.getLogger("tidegauge")

#: Most seconds to wait for another process that counts everything anew.
_WAIT_S = 60.0
#: So many facts more in the file than here: reading the file costs less than folding them.
_FAR_AHEAD = 20_000
#: Bytes of an event, about.
_EVENT_BYTES = 150


class Live:
    """The live metrics of a store. Thread-safe; readings that overlap are one.

    Args:
        store: The store.
        catalog: The vocabulary.
        gauge_ttl_s: How long a gauge is shown after its latest fact once its process has ended.
        series_ttl_s: After how long without facts a series is dropped; never if None.
        collectors: What this process contributes besides.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        *,
        gauge_ttl_s: float = 300.0,
        series_ttl_s: float | None = None,
        collectors: Collectors | None = None,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._gauge_ttl_ns = int(gauge_ttl_s * 1e9)
        self._collectors = collectors or Collectors()
        self._series_ttl_s = series_ttl_s
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._saved = SavedTotals(self._store, self._catalog, series_ttl_s=self._series_ttl_s)
        self._lock = threading.RLock()
        self._fold: Fold | None = None
        self._epoch = 0
        # Families that had more label sets than their cap already when the file was written.
        self._full: frozenset[tuple[str, str]] = frozenset()
        self._is_read_only = False
        self._sharing = threading.Lock()
        self._shared: Future[Reading] | None = None

    def read(self) -> Reading:
        """All live metrics now. Whoever asks while they are being read gets the same reading.

        Raises:
            StoreError: The store cannot be read.
        """
        if self._pid != os.getpid():  # the parent may hold the locks for ever
            self._begin()
        mine: Future[Reading] = Future()
        with self._sharing:
            shared = self._shared
            if shared is None:
                self._shared = mine
        if shared is not None:
            return shared.result()
        try:
            mine.set_result(self._read())
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._sharing:
                self._shared = None
        return mine.result()

    def save(self) -> bool:
        """Bring the file up to date; False if another process is doing so.

        Raises:
            StoreError: The store cannot be read or written.
        """
        with self._lock, self._saved.alone() as alone:
            if alone:
                fold = self._catch_up()
                self._keep(*self._saved.save(fold, self._epoch))
            return alone

    def is_saved(self) -> bool:
        """Whether the file has every fact that was in the journals when this was called."""
        with self._lock:
            fold = self._catch_up()
            head = self._saved.head()
            return head is not None and _distance(head, fold) >= 0

    def _read(self) -> Reading:
        with self._lock:
            fold = self._catch_up()
            now_ns = self._store.clock.wall_ns()
            families = [
                *families_of(fold, now_ns, self._gauge_ttl_ns),
                *self_metrics(self._store, fold, self._slots()),
            ]
            first_ns = fold.totals.first_ns
        # Outside of the lock: a collector may read something itself.
        shown = without_conflicts([*families, *self._collectors.collect()])
        return Reading(shown, now_ns, now_ns if first_ns == NO_TIME else first_ns)

    def _catch_up(self) -> Fold:
        """The totals up to now."""
        for _ in range(2):
            fold = self._to_go_on_from()
            try:
                fold.advance(self._slots())
            except SegmentsGone:  # the file has what they held
                self._fold = None
            else:
                break
        else:
            fold = self._count_anew()
        full = _full(fold)
        if not full <= self._full and not self._is_read_only:
            fold = self._agree(fold)
        return fold

    def _slots(self) -> Sequence[SlotReader]:
        return self._store.slots()[1]

    def _to_go_on_from(self) -> Fold:
        """The totals in memory, or those of the file if that is to be preferred, or new ones."""
        head = self._saved.head()
        if self._fold is not None:
            if head is None and self._is_read_only:
                return self._fold
            is_same = head is not None and head.epoch == self._epoch
            if head is not None and is_same and _distance(head, self._fold) < _FAR_AHEAD:
                return self._fold
        return self._load() or self._count_anew()

    def _load(self) -> Fold | None:
        found = self._saved.load()
        return None if found is None else self._keep(found[0].epoch, found[1])

    def _keep(self, epoch: int, fold: Fold) -> Fold:
        self._epoch, self._fold, self._full = epoch, fold, _full(fold)
        return fold

    def _count_anew(self) -> Fold:
        """Begin again from the tables, for all processes."""
        try:
            self._store.state.register_follower(FOLLOWER)
            with self._saved.alone(_WAIT_S) as alone:
                if not alone:
                    raise _busy()
                # Another process may have done it while this one waited.
                found = self._load()
                if found is not None and self._can_advance(found):
                    return found
                if self._saved.exists:
                    text = (
                        "live metrics are counted anew from the tables, for %s cannot be used: %s"
                    )
                    problem = self._saved.problem or "it is of another journal, or behind this one"
                    _log.warning(text, self._saved.path, problem)
                fold = count_anew(self._store, self._catalog)
                fold.advance(self._slots())
                return self._keep(*self._saved.save(fold, self._saved.new_epoch(self._epoch)))
        except StorePermissionError:  # may look and not write
            self._is_read_only = True
            fold = count_anew(self._store, self._catalog)
            fold.advance(self._slots())
            return self._keep(self._epoch, fold)

    def _can_advance(self, fold: Fold) -> bool:
        try:
            fold.advance(self._slots())
        except SegmentsGone:
            return False
        return True

    def _agree(self, fold: Fold) -> Fold:
        """Settle with all processes which label sets a full family has."""
        with self._saved.alone(_WAIT_S) as alone:
            if not alone:
                return fold
            found = self._load()
            if found is not None and self._can_advance(found):
                fold = found
            return self._keep(*self._saved.save(fold, self._saved.new_epoch(self._epoch)))


def _full(fold: Fold) -> frozenset[tuple[str, str]]:
    return frozenset(key for key, family in fold.totals.families.items() if family.is_full)


def _distance(head: Head, fold: Fold) -> int:
    """How many facts the file has that are not folded, about; negative if it is behind."""
    ahead = 0
    for name in head.positions.keys() | fold.positions.keys():
        theirs, ours = head.positions.get(name), fold.positions.get(name)
        for position, sign in ((theirs, 1), (ours, -1)):
            if position is not None:
                ahead += sign * (position.points + position.events // _EVENT_BYTES)
    return ahead


def _busy() -> StoreError:
    return StoreError(
        "another process is counting the live metrics anew",
        got=f"nothing after {_WAIT_S:.0f} s",
        fix="Ask again in a while: it has to read all tables.",
    )
