# SPDX-License-Identifier: Apache-2.0
"""The live metrics of one store, as any of its processes can read them.

Each process folds for itself, from the state file and the journals' tails, and then keeps the
totals in memory and folds what has come since. Whoever carries facts to the tables writes the file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future

from tidegauge.catalog import Catalog
from tidegauge.live.collectors import Collectors
from tidegauge.live.expiry import without_labels
from tidegauge.live.families import Labels, Reading
from tidegauge.live.fold import Fold, SegmentsGone
from tidegauge.live.history import count_anew
from tidegauge.live.place import FOLLOWER
from tidegauge.live.reading import families_of, without_conflicts
from tidegauge.live.saved import SavedTotals, new_epoch
from tidegauge.live.self_metrics import self_metrics
from tidegauge.live.state_file import Head
from tidegauge.live.totals import NO_TIME
from tidegauge.live.vocabulary import StoreCatalog
from tidegauge.model.errors import StoreError, StorePermissionError
from tidegauge.store.store import Store

__all__ = ["Live"]

_log = logging.getLogger("tidegauge")

#: Most seconds to wait for another process that counts everything anew.
_WAIT_S = 60.0
#: Most seconds to wait for another process before a full family is agreed on.
_AGREE_S = 1.0
#: How often to try again where others were faster.
_ATTEMPTS = 3
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
        self._catalog = StoreCatalog(catalog, store.state)
        self._gauge_ttl_ns = int(gauge_ttl_s * 1e9)
        self._collectors = collectors or Collectors()
        self._series_ttl_s = series_ttl_s
        self.forget()
        _alive.add(self)

    def forget(self) -> None:
        """Begin again without what is in memory, locks included: for a forked child."""
        self._saved = SavedTotals(self._store, self._catalog, series_ttl_s=self._series_ttl_s)
        self._lock = threading.RLock()
        self._fold: Fold | None = None
        self._epoch = 0
        # Families that had more label sets than their cap already when the file was written.
        self._full: frozenset[tuple[str, str]] = frozenset()
        # Whether the totals are in memory alone, because the file cannot be written.
        self._is_unsaved = False
        self._has_counted = False
        self._sharing = threading.Lock()
        self._shared: Future[Reading] | None = None
        self._reading = _Here()

    def read(self, *, shared: bool = True) -> Reading:
        """All live metrics now. Whoever asks while they are being read gets the same reading.

        A collector that asks gets a reading without what collectors contribute.

        Args:
            shared: Whether a reading will do that was begun a moment ago. If not, everything is in
                it that was recorded before this was called.

        Raises:
            StoreError: The store cannot be read.
        """
        if self._reading.is_mine:  # a collector
            return self._read(Collectors())
        if not shared:
            return self._read(self._collectors)
        mine: Future[Reading] = Future()
        with self._sharing:
            other = self._shared
            if other is None:
                self._shared = mine
        if other is not None:
            return other.result()
        try:
            mine.set_result(self._read(self._collectors))
        except BaseException as error:
            # What ends this thread is not meant for those that wait for it.
            is_ours = isinstance(error, Exception)
            mine.set_exception(error if is_ours else _interrupted())
            raise
        finally:
            with self._sharing:
                self._shared = None
        return mine.result()

    def save(self) -> bool:
        """Bring the file up to date; False if another process is doing so.

        Raises:
            StoreError: The store cannot be read or written.
            OSError: The file cannot be written.
        """
        with self._lock, self._saved.alone() as alone:
            if alone:
                fold = self._catch_up()
                if fold.journal_id:
                    epoch = new_epoch() if self._is_unsaved else self._epoch
                    self._keep(*self._saved.save(fold, epoch))
                    self._is_unsaved = False
            return alone

    def drop(self, is_gone: Callable[[Labels], bool]) -> int:
        """Drop series for all processes that read live metrics of the store, and from its disk.

        Args:
            is_gone: Tells by its labels whether a series is to go.

        Returns:
            How many series it was.

        Raises:
            StoreError: The store cannot be read or written, or another process keeps the file.
            OSError: The file cannot be written.
        """
        if not self._saved.path.exists():  # nobody has read live metrics of this store
            return 0
        with self._lock, self._saved.alone(_WAIT_S) as alone:
            if not alone:
                raise _busy()
            fold = self._catch_up()
            kept = without_labels(fold.totals, is_gone)
            # Saved in any case: the file on the disk may still have what memory has dropped.
            self._keep(*self._saved.save(fold.with_totals(kept), new_epoch()))
            return fold.totals.n_cells - kept.n_cells

    def is_saved(self) -> bool:
        """Whether the file has every fact that was in the journals when this was called."""
        with self._lock:
            fold = self._catch_up()
            head = self._saved.head()
            return not fold.journal_id or (head is not None and _reaches(head, fold))

    def _read(self, collectors: Collectors) -> Reading:
        with self._lock:
            fold = self._catch_up()
            now_ns = self._store.clock.wall_ns()
            families = [
                *families_of(fold, now_ns, self._gauge_ttl_ns),
                *self_metrics(self._store, fold),
            ]
            start_ns = self._saved.start_ns(fold.totals.first_ns)
        # Outside of the lock: a collector may take its time.
        self._reading.is_mine, before = True, self._reading.is_mine
        try:
            shown = without_conflicts([*families, *collectors.collect()])
        finally:
            self._reading.is_mine = before
        return Reading(shown, now_ns, now_ns if start_ns == NO_TIME else start_ns)

    def _catch_up(self) -> Fold:
        """The totals up to now."""
        for _ in range(_ATTEMPTS):
            fold = self._to_go_on_from()
            if self._can_advance(fold):
                break
        else:
            fold = self._count_anew()
        if not _full(fold) <= self._full and not self._is_unsaved:
            fold = self._agree(fold)
        return fold

    def _can_advance(self, fold: Fold) -> bool:
        """Fold what has come since; False if that is gone, and the totals are of no use any more.

        Others were faster then, and the file has it, or the journal was begun anew.
        """
        try:
            journal_id, slots = self._store.slots()
            if journal_id != fold.journal_id:
                return False
            fold.advance(slots)
        except BaseException as error:
            # Half of it may have been counted.
            if fold is self._fold:
                self._fold = None
            if isinstance(error, SegmentsGone):
                return False
            raise
        return True

    def _to_go_on_from(self) -> Fold:
        """The totals in memory, or those of the file if that is to be preferred, or new ones."""
        fold, head = self._fold, self._saved.head()
        if fold is not None and fold.journal_id == self._store.journal.id:
            if head is None and (self._is_unsaved or not fold.journal_id):
                return fold
            is_same = head is not None and head.epoch == self._epoch
            if head is not None and is_same and _distance(head, fold) < _FAR_AHEAD:
                return fold
        if head is not None and (found := self._load()) is not None:
            return found
        return self._count_anew()

    def _load(self) -> Fold | None:
        # Of two processes with different catalogues the one that came last has its way.
        found = self._saved.load(as_it_is=self._has_counted)
        return None if found is None else self._keep(found[0].epoch, found[1])

    def _keep(self, epoch: int, fold: Fold) -> Fold:
        self._epoch, self._fold, self._full = epoch, fold, _full(fold)
        self._has_counted = True
        return fold

    def _count_anew(self) -> Fold:
        """Begin again, for all processes: from totals in memory, or else from the tables."""
        before = self._fold
        if not self._store.slots()[0]:
            # There is nothing to be kept yet; what was counted before a journal was deleted holds.
            return self._keep(self._epoch, self._carried_on(before) or self._from_tables())
        try:
            with self._saved.alone(_WAIT_S) as alone:
                if not alone:
                    raise _busy()
                # Another process may have done it while this one waited.
                found = self._load()
                if found is not None and self._saved.head() is not None:
                    if self._can_advance(found):
                        return found
                elif found is not None:  # of the journal before: whoever has counted more
                    before = max(before or found, found, key=_recorded)
                elif self._saved.problem:
                    text = "live metrics are counted anew, for %s cannot be used: %s"
                    _log.warning(text, self._saved.path, self._saved.problem)
                # Without its old positions, so that the journals keep what is counted meanwhile.
                self._store.state.forget_follower(FOLLOWER)
                self._store.state.register_follower(FOLLOWER)
                fold = self._carried_on(before) or self._from_tables()
                return self._keep(*self._saved.save(fold, new_epoch()))
        except OSError as error:  # may look and not write, or cannot write
            if not self._is_unsaved and not isinstance(error, StorePermissionError):
                _log.warning("live metrics are not kept: %s", error)
            self._is_unsaved = True
            return self._keep(self._epoch, self._carried_on(before) or self._from_tables())

    def _carried_on(self, fold: Fold | None) -> Fold | None:
        """Totals that were good a moment ago, up to now; None if they are not any more."""
        journal_id = self._store.journal.id
        if fold is not None and fold.journal_id != journal_id:
            fold = fold.of_journal(journal_id)
        return fold if fold is not None and self._can_advance(fold) else None

    def _from_tables(self) -> Fold:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(SegmentsGone):
                fold = count_anew(self._store, self._catalog)
                if self._can_advance(fold):
                    return fold
        raise _overtaken()

    def _agree(self, fold: Fold) -> Fold:
        """Settle with all processes which label sets a full family has."""
        try:
            with self._saved.alone(_AGREE_S) as alone:
                if not alone:
                    return fold  # and try again at the next reading
                found = self._load()
                if found is not None and self._can_advance(found):
                    fold = found
                if _full(fold) <= self._full:
                    return fold
                return self._keep(*self._saved.save(fold, new_epoch()))
        except OSError:  # may look and not write, or cannot write: there is nobody to agree with
            self._is_unsaved = True
            return self._keep(self._epoch, fold)


class _Here(threading.local):
    """Whether this thread is reading."""

    is_mine = False


def _recorded(fold: Fold) -> int:
    return fold.totals.recorded


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


def _reaches(head: Head, fold: Fold) -> bool:
    """Whether the file has everything that is folded."""
    return all(
        (theirs := head.positions.get(name)) is not None
        and theirs.points >= ours.points
        and theirs.events >= ours.events
        for name, ours in fold.positions.items()
    )


def _after_fork_in_child() -> None:
    # A thread of the parent may hold the locks, and will never let go of them here.
    for live in _alive:
        live.forget()


_alive: weakref.WeakSet[Live] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork_in_child)


def _interrupted() -> StoreError:
    return StoreError(
        "the reading of live metrics was interrupted",
        got="a thread that ended while it read for others, too",
        fix="Ask again.",
    )


def _overtaken() -> StoreError:
    return StoreError(
        "the live metrics cannot be counted anew",
        got=f"journals whose segments were deleted meanwhile, {_ATTEMPTS} times",
        fix="Ask again when less is being stored.",
    )


def _busy() -> StoreError:
    return StoreError(
        "another process is counting the live metrics anew",
        got=f"nothing after {_WAIT_S:.0f} s",
        fix="Ask again in a while: it has to read all tables.",
    )
