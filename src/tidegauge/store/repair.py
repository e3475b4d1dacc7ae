# SPDX-License-Identifier: Apache-2.0
"""Mending what an examination has found. Nothing is deleted: what is broken is put aside."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from tidegauge.journal.permissions import create_directory, share
from tidegauge.model.errors import StoreError
from tidegauge.model.tables import TABLES
from tidegauge.store.cursors import moved, read_cursors, transaction_names
from tidegauge.store.doctor import examine
from tidegauge.store.findings import Finding
from tidegauge.store.log_check import damage_of
from tidegauge.store.rewrite import MAINTENANCE, RETIRED, drop_files
from tidegauge.store.store import Store
from tidegauge.store.table_check import damaged_files, rows_by_slot

__all__ = ["QUARANTINE", "Repaired", "repair"]

#: Directory below the store where broken files are put.
QUARANTINE = "quarantine"


class Repaired(msgspec.Struct, frozen=True):
    """What was done.

    Attributes:
        code: The code of the finding it was done about.
        subject: What it was done to.
        done: What was done, for people.
        rows: Rows that were given up.
    """

    code: str
    subject: str
    done: str
    rows: int = 0


def repair(store: Store, *, drop_missing: bool = False) -> list[Repaired]:
    """Mend what can be mended.

    Args:
        store: The store. Recording may go on.
        drop_missing: Also take files that cannot be read out of the tables, and so give up the
            rows in them; without it, nothing is done that loses anything.

    Returns:
        What was done, nothing if there was nothing to do.

    Raises:
        StoreError: Another process is draining or maintaining the store.
    """
    if not store.root.is_dir():
        return []
    with store.lead() as leading, store.maintain() as maintaining:
        if not (leading and maintaining):
            raise _busy(store.root)
        return list(_repair(store, drop_missing=drop_missing))


def _repair(store: Store, *, drop_missing: bool) -> Iterator[Repaired]:
    findings = {finding.code for finding in examine(store)}
    if "journal_id" in findings:
        yield from _restore_identity(store)
    if "state_damaged" in findings:
        yield from _renew_state(store)
    if "table_unreadable" in findings:
        for name in store.tables.names():
            yield from _mend_log(store, name)
    if drop_missing:
        for name in store.tables.names():
            yield from _drop_unreadable(store, name)
    # Last, because all of the above makes files.
    for finding in examine(store):
        if finding.code == "not_shared":
            yield from _share(finding)


def _restore_identity(store: Store) -> Iterator[Repaired]:
    journals = store.state.journals()
    if len(journals) != 1:
        return
    path = store.journal.root / "id"
    path.write_text(f"{journals[0]}\n", encoding="ascii")
    share(path)
    yield Repaired("journal_id", str(path), f"written again: {journals[0]}")


def _renew_state(store: Store) -> Iterator[Repaired]:
    store.state.close()
    for suffix in ("", "-wal", "-shm"):
        path = store.state.path.with_name(store.state.path.name + suffix)
        if path.exists():
            aside = _put_aside(store.root, path)
            yield Repaired("state_damaged", str(path), f"put aside as {aside}; a new one is begun")


def _mend_log(store: Store, name: str) -> Iterator[Repaired]:
    """Do without the broken files of a log, if the table can be opened without them."""
    directory = store.tables.location.child(name).directory
    if directory is None or _opens(store, name):
        return
    damage = damage_of(directory / "_delta_log")
    moved = [(path, _put_aside(store.root, path)) for path in damage.dispensable]
    if damage.commits or not _opens(store, name):
        for path, aside in moved:
            aside.rename(path)
        return
    for path, aside in moved:
        yield Repaired("table_unreadable", str(path), f"put aside as {aside}")


def _opens(store: Store, name: str) -> bool:
    with contextlib.suppress(StoreError):
        return store.tables.separate().open(name) is not None
    return False


def _drop_unreadable(store: Store, name: str) -> Iterator[Repaired]:
    stored = store.tables.open(name)
    if stored is None or name not in TABLES:
        return
    journal_id, slots = store.journal.id, [slot.name for slot in store.journal.slots()]
    view = stored.view([*transaction_names(journal_id, slots), MAINTENANCE, RETIRED])
    problems = damaged_files(stored, view, TABLES[name])
    if not problems:
        return
    bad = view.files.chosen(np.array([path in problems for path in view.files.paths], bool))
    given_up: dict[str, int] = {}
    whole = rows_by_slot(stored, [path for path in view.files.paths if path not in problems])
    lost = int(bad.rows.sum())
    for slot, cursor in read_cursors(view.transactions, journal_id, slots).items():
        kept = cursor.points_rows + cursor.events_rows - cursor.given_up
        # What was retired is missing, too. Then only the sum over the slots is certain.
        rows = min(lost, max(kept - whole[f"{journal_id}/{slot}"], 0))
        after = msgspec.structs.replace(cursor, given_up=cursor.given_up + rows)
        given_up |= moved(cursor, after, journal_id, slot)
        lost -= rows
    drop_files(stored, view, bad, given_up=given_up)
    for path, rows in zip(bad.paths, bad.rows, strict=True):
        done = f"taken out of the table: {problems[path]}"
        if stored.location.directory is not None:
            file = stored.location.directory / path
            if file.exists():
                done += f"; put aside as {_put_aside(store.root, file)}"
        yield Repaired("file_unreadable", stored.location.address(path), done, rows=int(rows))


def _share(finding: Finding) -> Iterator[Repaired]:
    path = Path(finding.subject)
    before = path.stat().st_mode
    share(path)
    if path.stat().st_mode != before:
        yield Repaired("not_shared", finding.subject, "opened to the store's group")


def _put_aside(root: Path, path: Path) -> Path:
    place = create_directory(root / QUARANTINE)
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = place / f"{stamp}-{path.parent.name}-{path.name}"
    return path.rename(aside)


def _busy(root: Path) -> StoreError:
    return StoreError(
        "the store cannot be repaired while another process drains or maintains it",
        got=str(root),
        fix="Try again in a moment, or stop the programs that use it.",
    )
