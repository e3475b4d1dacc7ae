# SPDX-License-Identifier: Apache-2.0
"""Corrections of what was recorded: other values for rows, or rows taken back."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegauge.amend.assignments import read_set
from tidegauge.amend.conditions import (
    HIDDEN,
    Where,
    is_hidden,
    read_where,
    shown_range,
    target_table,
)
from tidegauge.amend.trail import Action, Entry, Trail, checked_text
from tidegauge.amend.waiting import store_everything
from tidegauge.live.vocabulary import StoreCatalog
from tidegauge.model.columns import Table
from tidegauge.model.errors import QueryError
from tidegauge.model.tables import POINTS
from tidegauge.model.times import TimeRange
from tidegauge.record import aggregate
from tidegauge.record.recorder import Recorder
from tidegauge.store.delta_log import check_usable
from tidegauge.store.drain import DrainFollower
from tidegauge.store.edit import Draft, Edit, Removal, draft_edit
from tidegauge.store.leader import locked
from tidegauge.store.rollup import finish_leaving
from tidegauge.store.store import Store
from tidegauge.store.stored_table import Overtaken

__all__ = ["WAIT_S", "Amender", "Correction"]

#: Most seconds to wait for other processes that drain or maintain the store.
WAIT_S = 60.0

_ATTEMPTS = 3
_MOST_CHARS = 10_000


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What a correction did, or would do.

    Attributes:
        action: `correct` or `retract`.
        table: The table.
        rows: How many rows were changed or taken back.
        days: The days that they are of, in order.
        correction_id: What the trail calls it; None if nothing was changed.
        dry_run: Whether this is only what would be done.
    """

    action: Action
    table: str
    rows: int
    days: tuple[dt.date, ...]
    correction_id: str | None
    dry_run: bool


class Amender:
    """Changes what a store holds. Used by one thread at a time.

    Args:
        store: The store.
        recorder: Records the trail, into the same store.
        drain: Stores what is still in the journal.
        wait_s: Most seconds to wait for other processes.
    """

    def __init__(
        self, store: Store, recorder: Recorder, drain: DrainFollower, *, wait_s: float = WAIT_S
    ) -> None:
        self.store = store
        self.recorder = recorder
        self.trail = Trail(store, recorder)
        self._drain = drain
        self._wait_s = wait_s

    def correct(
        self,
        table: str,
        where: Where | None,
        time_range: TimeRange,
        *,
        changes: Mapping[str, object] | None,
        retract: bool,
        reason: str | None = None,
        author: str | None = None,
        dry_run: bool = False,
    ) -> Correction:
        """See `tidegauge.correct`.

        Raises:
            QueryError: What is asked for contradicts itself, or is not of the table.
            MetricValidationError: A value does not fit. Nothing was changed.
            StoreError: The store cannot be used, or others kept it busy. Nothing was changed.
        """
        if retract == bool(changes):
            raise QueryError(
                "a correction either sets values or takes rows back",
                got={"set": changes, "retract": retract},
                allowed="set={column: value, …}, or retract=True",
            )
        target = target_table(table)
        self.recorder.get_ready()
        catalog, privacy = (
            StoreCatalog(self.recorder.catalog, self.store.state),
            self.recorder.privacy,
        )
        selection = read_where(target, where, time_range, catalog=catalog, privacy=privacy)
        edit: Edit = Removal(selection)
        shown: dict[str, object] | None = None
        if changes:
            overwrite = read_set(target, changes, selection, catalog=catalog, privacy=privacy)
            edit, shown = overwrite, _shown(overwrite.values)
        entry = Entry(
            action="retract" if retract else "correct",
            target=target.name,
            conditions=_json("where", {"where": _shown(where or {}), **shown_range(time_range)}),
            changes=None if shown is None else _json("set", shown),
            reason=checked_text("reason", reason),
            author=checked_text("author", author),
            correction_id=uuid.uuid4().hex,
            time_ns=self.store.clock.wall_ns(),
        )
        deadline_s = time.monotonic() + self._wait_s
        self.store_recorded(deadline_s)
        with locked(self.store.maintain, "maintaining", deadline_s):
            self.trail.settle()
            finish_leaving(self.store)
            draft = self.change(target, edit, entry, dry_run=dry_run)
        rows, days = (0, ()) if draft is None else (draft.rows, draft.days)
        return Correction(
            action=entry.action,
            table=target.name,
            rows=rows,
            days=days,
            correction_id=entry.correction_id if rows and not dry_run else None,
            dry_run=dry_run,
        )

    def store_recorded(self, deadline_s: float) -> None:
        """Have everything stored that was recorded before this call.

        Raises:
            StoreError: It took too long, or tables cannot be used in this process.
        """
        check_usable(POINTS.name)  # waiting for others would be in vain
        aggregate.flush_intervals()
        self.recorder.writer.tick()
        store_everything(self.store, self._drain, deadline_s)

    def change(self, table: Table, edit: Edit, entry: Entry, *, dry_run: bool) -> Draft | None:
        """Change a table, with its row in the trail; None if it does not exist.

        For whoever maintains the store.
        """
        for attempt in range(_ATTEMPTS):
            stored = self.store.tables.open(table.name)
            if stored is None:
                return None
            counted = [] if dry_run else [self.trail.transaction]
            draft = draft_edit(stored, table, edit, transactions=counted, dry_run=dry_run)
            if dry_run or not draft.rows:
                return draft
            try:
                self.trail.make(draft, entry)
            except Overtaken:  # another host maintains the same tables
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return draft
        raise AssertionError("the last attempt returns or raises")


def _shown(pairs: Mapping[str, Any]) -> dict[str, object]:
    """What the trail may show: no user, and nothing that one wrote."""
    return {
        name: HIDDEN if is_hidden(name) and value is not None else value
        for name, value in pairs.items()
    }


def _json(name: str, shown: object) -> str:
    text = msgspec.json.encode(shown, enc_hook=_plain).decode()
    if len(text) > _MOST_CHARS:
        raise QueryError(
            f"`{name}` is too long for the trail of corrections",
            got=f"{len(text)} characters",
            allowed=f"{_MOST_CHARS} as JSON",
            fix="Make several corrections of it.",
        )
    return text


def _plain(value: object) -> object:
    """The number of a NumPy or PyTorch scalar."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
