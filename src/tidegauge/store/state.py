# SPDX-License-Identifier: Apache-2.0
"""The store's small transactional state: followers, their cursors, counters and dead letters.

One SQLite file in WAL mode. What a follower must never lose is in one transaction with the cursor
that says so. Nothing here knows what a follower delivers.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from tidegauge.journal.permissions import create_directory, create_file, permission_error
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import StoreError

__all__ = ["DeadLetter", "Lane", "State", "StateTransaction"]

#: The two lanes of a slot, each with a cursor of its own.
Lane = Literal["points", "events"]

#: Most dead letters kept per follower; of older ones only the count remains.
DEAD_LETTERS_KEPT = 10_000

_BUSY_TIMEOUT_S = 10.0
_LOOK_S = 0.005

_CAUGHT_UP = "caught_up_ns"

#: Name and statements of each migration, in order. Append, never change.
_MIGRATIONS = {
    "followers": """
        create table followers (name text primary key) strict, without rowid;
        create table cursors (
            journal text not null, follower text not null, slot text not null, lane text not null,
            position integer not null,
            primary key (journal, follower, slot, lane)
        ) strict, without rowid;
        create table counters (
            follower text not null, name text not null, count integer not null,
            primary key (follower, name)
        ) strict, without rowid;
        create table dead_letters (
            id integer primary key, time_ns integer not null, follower text not null,
            reason text not null, detail text not null, payload text not null, key text,
            unique (follower, key)
        ) strict;
        create table settings (
            namespace text not null, key text not null, value text not null,
            primary key (namespace, key)
        ) strict, without rowid;
    """,
    "imported_rows": """
        create table imported_rows (
            key blob primary key, in_doubt integer not null
        ) strict, without rowid;
    """,
    "jobs": """
        create table jobs (
            name text primary key, schedule text not null, lock text not null,
            due_ns integer not null, started_ns integer, ended_ns integer, took_s real,
            succeeded_ns integer, outcome text, result text, runs integer not null,
            failures integer not null, failures_in_a_row integer not null
        ) strict, without rowid;
    """,
    "budgets": """
        create table budgets (
            name text primary key, definition text not null
        ) strict, without rowid;
        create table budget_warnings (
            budget text not null, value text not null, period text not null,
            percent integer not null, time_ns integer not null,
            primary key (budget, value, period, percent)
        ) strict, without rowid;
    """,
}


class DeadLetter(msgspec.Struct, frozen=True):
    """A fact, or a group of facts, that a follower gave up on.

    Attributes:
        id: Ascending number.
        time_ns: When it was given up.
        follower: Who gave it up.
        reason: A short code; counted under `dead_letters/<reason>`.
        detail: What went wrong, for people.
        payload_json: The fact, as JSON.
    """

    id: int
    time_ns: int
    follower: str
    reason: str
    detail: str
    payload_json: str


class State:
    """The state at `path`, `<store>/state.db`; created by the first write.

    Safe for threads, processes and forks. A process killed in a transaction leaves what was before.

    Args:
        path: The SQLite file.
        journal_id: Tells the identity of the journal that positions refer to. Cursors of another
            journal are kept, and not shown.
        clock: Where the time comes from.
    """

    def __init__(
        self,
        path: Path,
        *,
        journal_id: Callable[[], str] = str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.path = path
        self._journal_id = journal_id
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._pid = os.getpid()

    def register_follower(self, name: str) -> None:
        """Make segments wait for a follower. Has no effect if it is registered."""
        with self.transaction() as transaction:
            transaction.execute("insert or ignore into followers values (?)", (name,))

    def forget_follower(self, name: str) -> None:
        """Let segments go without a follower, and drop its cursors."""
        with self.transaction() as transaction:
            transaction.execute("delete from followers where name = ?", (name,))
            transaction.execute("delete from cursors where follower = ?", (name,))

    def followers(self) -> list[str]:
        """The registered followers, sorted."""
        return [name for (name,) in self._read("select name from followers order by name")]

    def cursors(self, follower: str) -> dict[tuple[str, Lane], int]:
        """The next position for each slot and lane, in the present journal."""
        rows = self._read(
            "select slot, lane, position from cursors where journal = ? and follower = ?",
            (self._journal_id(), follower),
        )
        return {(slot, lane): position for slot, lane, position in rows}

    def journals(self) -> list[str]:
        """The identities of all journals that cursors refer to, sorted."""
        return [name for (name,) in self._read("select distinct journal from cursors order by 1")]

    def counters(self, follower: str) -> dict[str, int]:
        """What a follower counted, by name."""
        return dict(self._read("select name, count from counters where follower = ?", (follower,)))

    def counting(self) -> list[str]:
        """The names under which something was counted, sorted."""
        rows = self._read("select distinct follower from counters order by follower")
        return [name for (name,) in rows]

    def dead_letters(self, follower: str | None = None, *, limit: int = 1000) -> list[DeadLetter]:
        """The newest dead letters, of one follower or of all, newest first."""
        rows = self._read(
            "select id, time_ns, follower, reason, detail, payload from dead_letters"
            " where follower = coalesce(?, follower) order by id desc limit ?",
            (follower, limit),
        )
        return [DeadLetter(*row) for row in rows]

    def drop_dead_letters(self, is_gone: Callable[[DeadLetter], bool]) -> int:
        """Take out dead letters; they stay counted.

        Args:
            is_gone: Whether a letter is to go.

        Returns:
            How many it was.
        """
        gone = [letter.id for letter in self.dead_letters(limit=-1) if is_gone(letter)]
        if gone:
            with self.transaction() as transaction:
                for identifier in gone:
                    transaction.execute("delete from dead_letters where id = ?", (identifier,))
        return len(gone)

    def scrub(self) -> bool:
        """Write the file anew, so that nothing that was deleted is left in it or beside it.

        Returns:
            False if another process was using it: the file of what was written last stays then,
            until whoever uses the state last closes it.
        """
        with _using, _explained(self.path):
            connection = self._open(create=False)
            if connection is None:
                return True
            connection.execute("vacuum")
            (busy, _, _) = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
            return not busy

    def value(self, namespace: str, key: str) -> str | None:
        """A text kept by `StateTransaction.set_value`; None if there is none."""
        rows = self._read(
            "select value from settings where namespace = ? and key = ?", (namespace, key)
        )
        return rows[0][0] if rows else None

    def values(self, namespace: str) -> dict[str, str]:
        """All texts kept by `StateTransaction.set_value` in a namespace, by key."""
        rows = self._read("select key, value from settings where namespace = ?", (namespace,))
        return dict(rows)

    def caught_up_ns(self, follower: str) -> int:
        """When everything recorded so far had arrived at a follower last; 0 if it never had."""
        return int(self.value(follower, _CAUGHT_UP) or 0)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a `select` finds; nothing if there is no file yet.

        Raises:
            StoreError: The file is damaged, or has no such table.
        """
        return self._read(sql)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[StateTransaction]:
        """Change something: all of it when the block ends, nothing if it raises.

        Raises:
            StoreError: The file is damaged, or another process kept it locked for 10 s.
            StorePermissionError: The store does not admit this user.
        """
        with _using, _explained(self.path):
            if self.path.exists() and not os.access(self.path, os.W_OK):
                raise permission_error(self.path)
            connection = self._open(create=True)
            assert connection is not None
            connection.execute("begin immediate")
            try:
                yield StateTransaction(connection, self._journal_id, self._clock)
            except BaseException:
                connection.rollback()
                raise
            connection.execute("commit")

    def damage(self) -> str | None:
        """What SQLite finds wrong with the file; None if nothing, or if there is no file."""
        try:
            rows = self._read("pragma integrity_check")
        except StoreError as error:
            return error.what
        texts = [text for (text,) in rows if text != "ok"]
        return "; ".join(texts) or None

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with _using:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    def before_fork(self) -> None:
        """Close the file, unless this very thread is in a transaction. Nobody is using it."""
        if self._connection is not None and not self._connection.in_transaction:
            self.close()

    def _read(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with _using, _explained(self.path):
            connection = self._open(create=False)
            return [] if connection is None else connection.execute(sql, parameters).fetchall()

    def _open(self, *, create: bool) -> sqlite3.Connection | None:
        if self._pid != os.getpid():
            # SQLite forbids the use of a connection after a fork, closing it included. There is one
            # only if the fork was in the middle of a transaction.
            if self._connection is not None:
                _inherited.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        inode = self.path.stat().st_ino if self.path.exists() else 0
        if self._connection is not None and inode == self._inode:
            return self._connection
        self.close()  # deleted or replaced under us
        if not inode:
            if not create:
                return None
            create_directory(self.path.parent)
        if not create and not os.access(self.path, os.W_OK):
            self._connection = _connect_to_read(self.path)
        else:
            if not inode:
                # SQLite gives its other two files the rights of the first. Never where it is there:
                # closing a file lets go of all locks that this process has on it, and with them of
                # those of SQLite, for another connection. Another process would then delete the
                # log that is still in use here.
                os.close(create_file(self.path))
            self._connection = _connect(self.path, self._clock)
        self._inode = self.path.stat().st_ino
        _opened.add(self)
        return self._connection


class StateTransaction:
    """Changes that happen together or not at all. Valid inside `State.transaction`."""

    __slots__ = ("_clock", "_connection", "_journal_id")

    def __init__(
        self, connection: sqlite3.Connection, journal_id: Callable[[], str], clock: Clock
    ) -> None:
        self._connection = connection
        self._journal_id = journal_id
        self._clock = clock

    def execute(self, sql: str, parameters: tuple[object, ...] = ()) -> None:
        """Run one statement."""
        self._connection.execute(sql, parameters)

    def execute_many(self, sql: str, parameters: Iterable[tuple[object, ...]]) -> None:
        """Run one statement for each of many parameters."""
        self._connection.executemany(sql, parameters)

    def fetch(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows that a question has for an answer."""
        return self._connection.execute(sql, parameters).fetchall()

    def set_cursor(self, follower: str, slot: str, lane: Lane, position: int) -> None:
        """Note that everything before `position` has arrived at the follower's destination."""
        self.execute(
            "insert or replace into cursors values (?, ?, ?, ?, ?)",
            (self._journal_id(), follower, slot, lane, position),
        )

    def count(self, follower: str, name: str, n: int = 1) -> None:
        """Add to a counter of a follower."""
        self.execute(
            "insert into counters values (?, ?, ?)"
            " on conflict do update set count = count + excluded.count",
            (follower, name, n),
        )

    def add_dead_letter(
        self,
        follower: str,
        reason: str,
        detail: str,
        payload_json: str,
        *,
        key: str | None = None,
    ) -> None:
        """Keep what could not be delivered, and count it.

        Args:
            follower: Who gave it up.
            reason: A short code.
            detail: What went wrong, for people.
            payload_json: The fact, as JSON.
            key: Identifies the fact; a second letter of the same key changes nothing.
        """
        cursor = self._connection.execute(
            "insert or ignore into dead_letters (time_ns, follower, reason, detail, payload, key)"
            " values (?, ?, ?, ?, ?, ?)",
            (self._clock.wall_ns(), follower, reason, detail, payload_json, key),
        )
        if cursor.rowcount:
            self.count(follower, f"dead_letters/{reason}")
            self.execute(
                "delete from dead_letters where id = (select id from dead_letters"
                " where follower = ? order by id desc limit 1 offset ?)",
                (follower, DEAD_LETTERS_KEPT),
            )

    def set_caught_up(self, follower: str, time_ns: int) -> None:
        """Note that everything recorded before that time has arrived at a follower."""
        self.set_value(follower, _CAUGHT_UP, str(time_ns))

    def set_value(self, namespace: str, key: str, text: str) -> None:
        """Keep a text."""
        self.execute("insert or replace into settings values (?, ?, ?)", (namespace, key, text))


# SQLite keeps account of its locks in memory, per process and file. A forked child inherits the
# account and not the locks: it would believe for ever that somebody is writing, or that it holds
# the lock which keeps others from deleting the log under it. So a fork waits for whoever uses a
# state, and closes the file first; the next use opens it again.
_using = threading.RLock()
_opened: weakref.WeakSet[State] = weakref.WeakSet()
_inherited: list[object] = []


def _before_fork() -> None:
    _using.acquire()
    for state in list(_opened):
        with contextlib.suppress(sqlite3.Error):  # it is inherited then, as said there
            state.before_fork()


os.register_at_fork(
    before=_before_fork, after_in_parent=_using.release, after_in_child=_using.release
)


def _connect(path: Path, clock: Clock) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        _use_wal(connection)
        # In WAL mode this survives a killed process always, and a loss of power but for the newest
        # transactions, which every follower can repeat.
        connection.execute("pragma synchronous = normal")
        _migrate(connection, clock)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL mode; where several processes do, SQLite does not wait by itself."""
    deadline_s = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            # The lowest byte; the others tell it more exactly.
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline_s:
                raise
        else:
            return
        time.sleep(_LOOK_S)


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """For a user who may look and not write, which also rules out SQLite's usual locks."""
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


def _migrate(connection: sqlite3.Connection, clock: Clock) -> None:
    present = connection.execute(
        "select count(*) from sqlite_master where name = 'migrations'"
    ).fetchone()
    if present[0] and _applied(connection) >= _MIGRATIONS.keys():
        return
    connection.execute("begin immediate")
    try:
        connection.execute(
            "create table if not exists migrations"
            " (name text primary key, applied_ns integer not null) strict, without rowid"
        )
        applied = _applied(connection)
        for name, script in _MIGRATIONS.items():
            if name not in applied:
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute("insert into migrations values (?, ?)", (name, clock.wall_ns()))
    except BaseException:
        connection.rollback()
        raise
    connection.execute("commit")


def _applied(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select name from migrations")}


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the store's state cannot be used ({error})",
            got=str(path),
            fix="If it is damaged, run `tidegauge doctor --repair`.",
        ) from error
