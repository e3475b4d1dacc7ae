# SPDX-License-Identifier: Apache-2.0
"""Examining a store: every file there and readable, every number in agreement. Changes nothing."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from tidegauge.journal.layout import EVENTS_MAGIC, POINTS_MAGIC
from tidegauge.journal.permissions import is_shared
from tidegauge.journal.segment import lane_segments
from tidegauge.journal.series import SERIES_FILE
from tidegauge.journal.slot import slot_directories
from tidegauge.model.errors import StoreError
from tidegauge.store.findings import Finding
from tidegauge.store.intents import open_intents
from tidegauge.store.status import Status, status_of
from tidegauge.store.store import Store
from tidegauge.store.table_check import check_tables

__all__ = ["examine"]

_LOW_DISK_BYTES = 1 << 30
_BEHIND_S = 3600.0
_SEVERITIES = ("error", "warning", "info")


def examine(store: Store, *, deep: bool = False) -> list[Finding]:
    """Look for everything that is wrong with a store.

    Recording, draining and reading may go on meanwhile.

    Args:
        store: The store.
        deep: Read every row of every file, instead of the files' sizes and ends.

    Returns:
        What was found, worst first; nothing if all is well.
    """
    if not store.root.is_dir():
        return [_no_store(store.root)]
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _check_disk(store.root),
        lambda: _check_permissions(store.root),
        lambda: _check_state(store),
        lambda: _check_journal(store),
        lambda: check_tables(store, deep=deep),
        lambda: _check_balance(store),
        lambda: _check_intents(store.root),
    )
    found = [finding for check in checks for finding in check()]
    return sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity))


def _check_intents(root: Path) -> Iterator[Finding]:
    for path in open_intents(root):
        yield Finding(
            "info",
            "correction_open",
            str(path),
            "a change of a table is being made, or was cut short: the trail may lack its row",
            "Nothing: whoever drains next, or corrects, finds out whether it was made and says so.",
        )


def _check_disk(root: Path) -> Iterator[Finding]:
    free_bytes = shutil.disk_usage(root).free
    if free_bytes < _LOW_DISK_BYTES:
        yield Finding(
            "warning",
            "disk_space",
            str(root),
            f"{free_bytes / 1e6:.0f} MB are free on the disk of the store",
            "Free some space. Once the disk is full, new facts are refused and counted.",
        )


def _check_permissions(root: Path) -> Iterator[Finding]:
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "error",
            "permission",
            str(root),
            f"user id {os.geteuid()} may not read and write the store",
            "Let the users share a group and run `chmod g+rwxs` on the store's directory, or give "
            "this program a store of its own.",
        )
        return
    if not is_shared(root):
        return
    for path in _entries(root):
        status = path.lstat()
        wanted = 0o2070 if stat.S_ISDIR(status.st_mode) else 0o060
        if status.st_mode & wanted != wanted or status.st_gid != root.stat().st_gid:
            yield Finding(
                "warning",
                "not_shared",
                str(path),
                "the store belongs to a group, and this does not admit it",
                "Run `tidegauge doctor --repair` as the owner of the file.",
                repair="safe",
            )


def _entries(root: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            yield Path(directory) / name


def _check_state(store: Store) -> Iterator[Finding]:
    if (damage := store.state.damage()) is not None:
        yield Finding(
            "error",
            "state_damaged",
            str(store.state.path),
            f"the state cannot be read: {damage}",
            "Run `tidegauge doctor --repair`, which puts the file aside and begins a new one. What "
            "is stored is not affected; a follower other than the store's begins with the oldest "
            "facts in the journal and may deliver some again.",
            repair="safe",
        )
        return
    for name in ("store", *store.state.followers()):
        counted = store.state.counters(name).items()
        # A letter may stand for many facts, which are counted where that is so.
        refused, letters = (
            sum(count for reason, count in counted if reason.startswith(kind))
            for kind in ("refused/", "dead_letters/")
        )
        if letters:
            yield Finding(
                "warning",
                "dead_letters",
                name,
                f"{max(refused, letters)} facts could not be delivered",
                "See them with `tidegauge status --dead-letters`; the newest are kept.",
            )


def _check_journal(store: Store) -> Iterator[Finding]:
    slots = slot_directories(store.journal.root)
    if slots and not store.journal.id:
        yield Finding(
            "error",
            "journal_id",
            str(store.journal.root / "id"),
            "the journal has lost its identity, so nobody knows what of it is stored",
            "Run `tidegauge doctor --repair` before anything records into this store: it takes the "
            "identity from the state.",
            repair="safe",
        )
    for directory in slots:
        for lane, magic in (("points", POINTS_MAGIC), ("events", EVENTS_MAGIC)):
            for file in lane_segments(directory, lane, magic):
                if not file.intact:
                    yield Finding(
                        "warning",
                        "segment_damaged",
                        str(file.path),
                        "a file of the journal is cut or its first page is damaged",
                        "Nothing. What can be read of it is stored. The rest is counted as "
                        "damaged, as far as the page of the slot tells how much there was; what "
                        "was recorded in the second before a process was killed it may not tell. "
                        "Check the disk.",
                    )


def _check_balance(store: Store) -> Iterator[Finding]:
    try:
        status = status_of(store)
    except StoreError:  # found by another check
        return
    for slot in status.slots:
        if slot.unreadable:
            yield Finding(
                "error",
                "series_damaged",
                str(store.journal.root / slot.name / SERIES_FILE),
                f"{slot.unreadable} facts that are not stored yet have no series any more: the "
                "file that describes it is damaged or gone",
                "Stop the programs that record or drain and restore the file from a backup. The "
                "next drain passes these facts for good.",
                rows=slot.unreadable,
            )
        damaged = slot.balance.dropped.get("damaged", 0) - slot.given_up - slot.unreadable
        if damaged:
            yield Finding(
                "warning",
                "facts_damaged",
                slot.name,
                f"{damaged} facts were changed on the disk, or their series was, and are lost",
                "Check the disk.",
                rows=damaged,
            )
        if missing := slot.balance.missing:
            yield Finding(
                "error",
                "unbalanced",
                slot.name,
                f"recorded - stored - pending - dropped is {missing}, not 0",
                "If the tables or the journal were restored from a backup, this is why. Otherwise "
                "please report it, with the output of `tidegauge status --json`.",
                rows=max(missing, 0),
            )
    yield from _check_lag(status, store.clock.wall_ns())


def _check_lag(status: Status, now_ns: int) -> Iterator[Finding]:
    for follower in status.followers:
        oldest_ns = follower.lag.oldest_ns
        if oldest_ns is not None and (now_ns - oldest_ns) / 1e9 > _BEHIND_S:
            yield Finding(
                "warning",
                "behind",
                follower.name,
                f"{follower.lag.facts} facts wait, the oldest for about "
                f"{(now_ns - oldest_ns) / 3.6e12:.1f} hours",
                "Run `tidegauge drain`. If the follower is not wanted any more, forget it, so that "
                "the journal need not wait for it.",
            )


def _no_store(root: Path) -> Finding:
    return Finding(
        "info",
        "no_store",
        str(root),
        "there is no store here yet",
        "Nothing. The first recorded fact creates it.",
    )
