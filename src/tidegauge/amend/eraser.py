# SPDX-License-Identifier: Apache-2.0
"""Forgetting a user: everything in a store that says who they are goes, from every file of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection
from typing import Literal

import msgspec

from tidegauge.amend.amender import Amender
from tidegauge.amend.conditions import HIDDEN
from tidegauge.amend.trail import Entry, checked_text
from tidegauge.journal.redaction import redact_slot
from tidegauge.live.families import Labels
from tidegauge.model.errors import MetricValidationError, QueryError
from tidegauge.model.personal import USER_LABELS
from tidegauge.model.tables import CORRECTIONS, POINTS, TABLES, Table
from tidegauge.store.budgets import BudgetBook
from tidegauge.store.cursors import Cursors
from tidegauge.store.erasure import Erasure
from tidegauge.store.leader import locked
from tidegauge.store.maintenance import purge
from tidegauge.store.repair import QUARANTINE
from tidegauge.store.rollup import finish_leaving
from tidegauge.store.state import DeadLetter

__all__ = ["Eraser", "Forgotten", "ForgottenRows"]

#: What becomes of rows about a user.
ForgottenRows = Literal["anonymize", "delete"]

_MOST_CHARS = 10_000


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What forgetting a user did, or would do.

    Attributes:
        rows: How many rows were changed or deleted, by table; tables without any are absent.
        live_series: Series dropped from live metrics.
        journal_frames: Places in the journal's files that were blanked.
        dead_letters: Facts that could not be delivered, and were deleted.
        files_deleted: Data files that no longer belonged to a table, and were deleted.
        correction_id: What the trail calls it; None if no row was changed.
        dry_run: Whether this is only what would be done; only rows are counted then.
        remaining: What is left where, and until when, a sentence each.
    """

    rows: dict[str, int]
    live_series: int
    journal_frames: int
    dead_letters: int
    files_deleted: int
    correction_id: str | None
    dry_run: bool
    remaining: tuple[str, ...]


class Eraser:
    """Forgets users of a store. Used by one thread at a time.

    Args:
        amender: Changes the store's tables.
        drop_live: Drops those series of live metrics whose labels are such; returns how many.
        wait_s: Most seconds to wait for other processes.
    """

    def __init__(
        self,
        amender: Amender,
        drop_live: Callable[[Callable[[Labels], bool]], int],
        *,
        wait_s: float = 60.0,
    ) -> None:
        self._amender = amender
        self._store = amender.store
        self._drop_live = drop_live
        self._wait_s = wait_s

    def forget(
        self,
        user: str,
        *,
        rows: ForgottenRows = "anonymize",
        reason: str | None = None,
        author: str | None = None,
        dry_run: bool = False,
    ) -> Forgotten:
        """See `tidegauge.forget`.

        Raises:
            QueryError: `rows` is neither.
            MetricValidationError: The user, the reason or the author is no fitting text.
            StoreError: The store cannot be used, or others kept it busy. What was done stays done,
                and another call does the rest.
        """
        if rows not in ("anonymize", "delete"):
            raise QueryError(
                "what is to become of the rows is not known",
                got=rows,
                allowed="anonymize, delete",
            )
        _check_user(user)
        entry = Entry(
            action="forget",
            target="",
            conditions=f'{{"user":"{HIDDEN}"}}',
            changes=f'{{"rows":"{rows}"}}',
            reason=checked_text("reason", reason),
            author=checked_text("author", author),
            correction_id=uuid.uuid4().hex,
            time_ns=self._store.clock.wall_ns(),
        )
        recorder, store = self._amender.recorder, self._store
        recorder.get_ready()
        forms = frozenset(recorder.privacy.forms(user))
        deadline_s = time.monotonic() + self._wait_s
        self._amender.store_recorded(deadline_s)
        with (
            locked(store.lead, "draining", deadline_s),
            locked(store.maintain, "maintaining", deadline_s),
        ):
            self._amender.trail.settle()
            finish_leaving(store)
            changed = self._change_tables(entry, forms, deletes=rows == "delete", dry_run=dry_run)
            if dry_run:
                return Forgotten(
                    rows=changed,
                    live_series=0,
                    journal_frames=0,
                    dead_letters=0,
                    files_deleted=0,
                    correction_id=None,
                    dry_run=True,
                    remaining=(),
                )
            live_series = self._drop_live(lambda labels: _has_user(labels, forms))
            frames = self._blank_journal(forms)
            letters = store.state.drop_dead_letters(lambda letter: _tells_of(letter, forms))
            BudgetBook(store.state).forget_user(forms)
            is_clean = store.state.scrub()
            files = self._purge()
        return Forgotten(
            rows=changed,
            live_series=live_series,
            journal_frames=frames,
            dead_letters=letters,
            files_deleted=files,
            correction_id=entry.correction_id if changed else None,
            dry_run=False,
            remaining=tuple(self._remaining(is_clean=is_clean)),
        )

    def _change_tables(
        self, entry: Entry, forms: Collection[str], *, deletes: bool, dry_run: bool
    ) -> dict[str, int]:
        changed: dict[str, int] = {}
        for name in self._store.tables.names():
            if name not in TABLES:
                continue
            table = TABLES[name]
            edit = Erasure(table, forms, deletes=_is_deleted(table, deletes=deletes))
            of_table = msgspec.structs.replace(entry, target=name)
            draft = self._amender.change(table, edit, of_table, dry_run=dry_run)
            if draft is not None and draft.rows:
                changed[name] = draft.rows
        return changed

    def _blank_journal(self, forms: Collection[str]) -> int:
        # Ids that this process has handed out may be of series that are about to lose their label.
        self._amender.recorder.writer.close()
        journal_id, slots = self._store.slots()
        stored = Cursors(self._store.tables, journal_id, [slot.name for slot in slots])
        cursors = stored.of(POINTS.name)
        return sum(
            redact_slot(slot.directory, forms, stored_events=cursors[slot.name].events)
            for slot in slots
        )

    def _purge(self) -> int:
        count = 0
        for name in self._store.tables.names():
            stored = self._store.tables.open(name) if name in TABLES else None
            if stored is not None:
                count += purge(stored, is_full=self._owns_tables)
        return count

    @property
    def _owns_tables(self) -> bool:
        """Whether no other store drains to the same tables."""
        return self._store.tables.location.directory == self._store.root / "tables"

    def _remaining(self, *, is_clean: bool) -> list[str]:
        found = []
        if not is_clean:
            found.append(
                "state.db-wal may hold what state.db no longer does, until the last process that "
                "uses the store has ended."
            )
        if not self._owns_tables:
            found.append(
                "The tables are not in the store: files that a drain has written and never "
                "committed are deleted 24 hours after that; versions and backups that the place "
                "keeps are its own."
            )
        strangers = [name for name in self._store.tables.names() if name not in TABLES]
        if strangers:
            found.append(
                f"Tables of a newer version were left as they are: {', '.join(strangers)}. Run it "
                "again with that version."
            )
        quarantine = self._store.root / QUARANTINE
        if quarantine.is_dir() and any(quarantine.iterdir()):
            found.append(
                f"{quarantine} has damaged files that a repair put aside, which cannot be read. "
                "Delete it."
            )
        outward = [name for name in self._store.state.followers() if name not in {"store", "live"}]
        outward += [name for name in self._store.state.counting() if name in {"otlp", "cloudwatch"}]
        if outward:
            found.append(
                f"What was sent elsewhere is there: {', '.join(sorted(set(outward)))}. Their "
                "notes of what was sent last are replaced when they send next."
            )
        return found


def _is_deleted(table: Table, *, deletes: bool) -> bool:
    """Whether rows go as a whole: those made of others always do, those of the trail never."""
    return table is not CORRECTIONS and (deletes or not table.recorded)


def _has_user(labels: Labels, forms: Collection[str]) -> bool:
    return any(name in USER_LABELS and value in forms for name, value in labels)


def _tells_of(letter: DeadLetter, forms: Collection[str]) -> bool:
    """Whether a user is named as a whole text anywhere in a dead letter."""
    try:
        payload = msgspec.json.decode(letter.payload_json)
    except msgspec.DecodeError:
        return any(form in letter.payload_json for form in forms)
    return _mentions(payload, forms) or any(form in letter.detail for form in forms)


def _mentions(value: object, forms: Collection[str]) -> bool:
    if isinstance(value, dict):
        return any(_mentions(each, forms) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(_mentions(each, forms) for each in value)
    if isinstance(value, str) and value.startswith("{"):  # metadata
        try:
            return _mentions(msgspec.json.decode(value), forms)
        except msgspec.DecodeError:
            return value in forms
    return not isinstance(value, bool) and value is not None and str(value) in forms


def _check_user(user: object) -> None:
    if not isinstance(user, str) or not 0 < len(user) <= _MOST_CHARS:
        raise MetricValidationError(
            "the user cannot be told from others",
            reason="bad_value",
            got=user,
            allowed="the text by which they were recorded",
        )
