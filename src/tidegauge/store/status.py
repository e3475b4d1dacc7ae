# SPDX-License-Identifier: Apache-2.0
"""What a store holds and what it owes, added up from independent numbers.

`recorded = stored + pending + dropped`: what was recorded is counted from the journal's positions,
ordinals and drop counters; what is stored from the rows that each commit says it added; what is
pending by reading the journals. If the sums differ, the status says so.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from tidegauge.journal.reader import Event, SlotReader
from tidegauge.model.tables import POINTS, TABLES
from tidegauge.store.cursors import SlotCursor, read_cursors, transaction_names
from tidegauge.store.growth import Growth, Outlook, day_text, growth, outlook
from tidegauge.store.job_log import JobLog, JobState
from tidegauge.store.lag import Lag, lag_of
from tidegauge.store.leader import holder
from tidegauge.store.reading import are_known, consistently, event_batches, point_batches
from tidegauge.store.retention import Retention
from tidegauge.store.rows import Rows
from tidegauge.store.store import Store
from tidegauge.store.stored_table import NO_TABLE, TableView

__all__ = ["Balance", "FollowerStatus", "SlotStatus", "Status", "TableStatus", "status_of"]

_GROWTH_DAYS = (7, 30)


class Balance(msgspec.Struct, frozen=True):
    """Where facts are.

    Attributes:
        recorded: Facts handed over, refused ones included.
        stored: Rows committed to tables, retired ones included, those that were given up not.
        pending: Facts that are in the journal only.
        dropped: Facts that will never be stored, by reason; see `tidegauge.model.reasons`.
    """

    recorded: int = 0
    stored: int = 0
    pending: int = 0
    dropped: dict[str, int] = {}

    @property
    def missing(self) -> int:
        """Facts that are nowhere, or, if negative, somewhere without having been recorded."""
        return self.recorded - self.stored - self.pending - sum(self.dropped.values())

    def __add__(self, other: Balance) -> Balance:
        return Balance(
            self.recorded + other.recorded,
            self.stored + other.stored,
            self.pending + other.pending,
            dict(Counter(self.dropped) + Counter(other.dropped)),
        )


class SlotStatus(msgspec.Struct, frozen=True):
    """One slot of the journal.

    Attributes:
        name: Its name.
        owner_alive: Whether a living process records into it.
        balance: Where its facts are.
        unacknowledged: Records that were begun and never finished, because the process died.
        fixed_names: Facts recorded under another name than was given, because that one did not fit.
        given_up: Rows, counted as dropped, that were stored in files that were taken out of the
            tables since, because they were damaged or lost.
        unreadable: Facts, counted as dropped, whose series cannot be read now and that no drain
            has passed yet.
        oldest_pending_ns: Since when the oldest pending fact waits, as in `Lag`; None if all are
            stored.
        size_bytes: Room on the disk.
    """

    name: str
    owner_alive: bool
    balance: Balance
    unacknowledged: int
    fixed_names: int
    given_up: int
    unreadable: int
    oldest_pending_ns: int | None
    size_bytes: int


class TableStatus(msgspec.Struct, frozen=True):
    """One table.

    Attributes:
        name: Its name.
        version: Number of its newest commit.
        rows: Rows in it.
        files: Files they are in.
        size_bytes: Size of those.
        oldest_day: The first day, UTC, that rows are of, such as 2026-01-31; None without rows.
        newest_day: The last one.
        growth: How fast it grew in the last 7 and in the last 30 days.
        outlook: What retention will do to it.
    """

    name: str
    version: int
    rows: int
    files: int
    size_bytes: int
    oldest_day: str | None
    newest_day: str | None
    growth: list[Growth]
    outlook: Outlook


class FollowerStatus(msgspec.Struct, frozen=True):
    """One follower of the journal.

    Attributes:
        name: Its name; `store` is the drain.
        lag: What waits for it.
        counters: What it counted.
    """

    name: str
    lag: Lag
    counters: dict[str, int]


class Status(msgspec.Struct, frozen=True):
    """The state of a store at one moment.

    Attributes:
        root: Its directory.
        journal_id: Identity of its journal; empty while there is none.
        balance: The sum over its slots.
        slots: Each slot.
        tables: Each table.
        followers: Each follower.
        pushes: What was counted by those that send live metrics, by name; the journal does not
            wait for them.
        jobs: What is known of each job.
        draining: Who is draining at this moment.
        disk_free_bytes: Free room on the disk of the journal.
    """

    root: str
    journal_id: str
    balance: Balance
    slots: list[SlotStatus]
    tables: list[TableStatus]
    followers: list[FollowerStatus]
    pushes: dict[str, dict[str, int]]
    jobs: list[JobState]
    draining: str | None
    disk_free_bytes: int

    @property
    def is_balanced(self) -> bool:
        """Whether every fact is accounted for, in each slot."""
        return all(slot.balance.missing == 0 for slot in self.slots)


def status_of(store: Store, retention: Mapping[str, Retention] | None = None) -> Status:
    """Look at a store. Reads whatever is pending; creates and changes nothing.

    Args:
        store: The store.
        retention: How long rows are kept, by table; for ever where nothing is said.

    Raises:
        StoreError: A table or the state cannot be read, or the store changed all the time.
    """
    return consistently(lambda: _look(store, retention or {}))


def _look(store: Store, retention: Mapping[str, Retention]) -> tuple[Status, bool, int]:
    journal_id, slots = store.slots()
    names = [slot.name for slot in slots]
    wanted = transaction_names(journal_id, names)
    views, cursors = dict[str, TableView](), dict[str, dict[str, SlotCursor]]()
    # The anchor first; see `snapshot`.
    for table in sorted(TABLES, key=POINTS.name.__ne__):
        stored = store.tables.open(table)
        views[table] = NO_TABLE if stored is None else stored.view(wanted)
        cursors[table] = read_cursors(views[table].transactions, journal_id, names)
    caught_up_ns = store.state.caught_up_ns("store")
    seen = [
        _slot(slot, {table: each[slot.name] for table, each in cursors.items()}, caught_up_ns)
        for slot in slots
    ]
    anchor = cursors[POINTS.name]
    is_whole = all(
        slot.first_points() <= anchor[slot.name].points
        and slot.first_events() <= anchor[slot.name].events
        for slot in slots
    )
    disk = store.root if store.root.exists() else store.root.anchor
    status = Status(
        root=str(store.root),
        journal_id=journal_id,
        balance=sum((slot.balance for slot in seen), Balance()),
        slots=seen,
        tables=[
            _table(name, views[name], retention.get(name, Retention()), store.clock.wall_ns())
            for name in TABLES
            if views[name].version >= 0
        ],
        followers=_followers(store, slots, seen),
        pushes={
            name: store.state.counters(name)
            for name in store.state.counting()
            if name not in {"store", *store.state.followers()}
        },
        jobs=JobLog(store.root, store.state).states(),
        draining=holder(store.root / "leader.lock"),
        disk_free_bytes=shutil.disk_usage(disk).free,
    )
    return status, is_whole, views[POINTS.name].version


def _slot(slot: SlotReader, cursors: Mapping[str, SlotCursor], caught_up_ns: int) -> SlotStatus:
    anchor = cursors[POINTS.name]
    end, unacknowledged = anchor.points, anchor.unacknowledged
    given_up = sum(each.given_up for each in cursors.values())
    facts, damaged = anchor.events_facts, anchor.points_damaged + anchor.events_damaged + given_up
    pending, unreadable, since_ns = 0, 0, list[int]()
    least_ns = max(caught_up_ns, slot.created_ns("points", anchor.points))
    for points in point_batches(slot, anchor.points):
        end, unacknowledged = points.end, unacknowledged + points.unacknowledged
        damaged += points.damaged
        times_ns = points.time_ns[are_known(slot, points)]
        pending += len(times_ns)
        unreadable += len(points.time_ns) - len(times_ns)
        if len(times_ns):
            since_ns.append(max(least_ns, int(times_ns.min())))
    least_ns = max(caught_up_ns, slot.created_ns("events", anchor.events))
    for events in event_batches(slot, anchor.events, facts_before=anchor.events_facts):
        facts = facts if events.ordinal is None else events.ordinal
        damaged += events.damaged
        waiting = [event for event in events.records if not _is_stored(slot, event, cursors)]
        known = [event for event in waiting if slot.series(event.series) is not None]
        pending += len(known)
        unreadable += len(waiting) - len(known)
        since_ns += [max(least_ns, event.time_ns) for event in known]
    refused = slot.drops()
    dropped = Counter(refused) + Counter({"damaged": damaged + unreadable})
    balance = Balance(
        recorded=end - unacknowledged + facts + refused.total(),
        stored=anchor.points_rows + sum(each.events_rows for each in cursors.values()) - given_up,
        pending=pending,
        dropped=dict(dropped),
    )
    return SlotStatus(
        name=slot.name,
        owner_alive=slot.owner_alive(),
        balance=balance,
        unacknowledged=unacknowledged,
        fixed_names=slot.fixed_names(),
        given_up=given_up,
        unreadable=unreadable,
        oldest_pending_ns=min(since_ns, default=None),
        size_bytes=slot.size_bytes(),
    )


def _is_stored(slot: SlotReader, event: Event, cursors: Mapping[str, SlotCursor]) -> bool:
    """Whether an event behind the anchor is stored, as after a crash between two commits."""
    if event.table not in cursors or event.ordinal >= cursors[event.table].events_facts:
        return False
    # Its table has passed it; what does not fit will be counted with the anchor.
    return bool(Rows(TABLES[event.table], "").add_events(slot.name, [event], slot.series))


def _table(name: str, view: TableView, retention: Retention, now_ns: int) -> TableStatus:
    files = view.files
    return TableStatus(
        name=name,
        version=view.version,
        rows=int(files.rows.sum()),
        files=len(files),
        size_bytes=int(files.sizes_bytes.sum()),
        oldest_day=day_text(int(files.dates.min())) if len(files) else None,
        newest_day=day_text(int(files.dates.max())) if len(files) else None,
        growth=[growth(files, now_ns, days) for days in _GROWTH_DAYS],
        outlook=outlook(files, retention, now_ns),
    )


def _followers(
    store: Store, slots: Sequence[SlotReader], seen: Sequence[SlotStatus]
) -> list[FollowerStatus]:
    pending = sum(slot.balance.pending for slot in seen)
    times_ns = [slot.oldest_pending_ns for slot in seen if slot.oldest_pending_ns is not None]
    lag = Lag(pending, min(times_ns, default=None))
    found = [FollowerStatus("store", lag, store.state.counters("store"))]
    for name in store.state.followers():
        if name != "store":
            lag = lag_of(slots, store.state.cursors(name), store.state.caught_up_ns(name))
            found.append(FollowerStatus(name, lag, store.state.counters(name)))
    return found
