# SPDX-License-Identifier: Apache-2.0
"""A store with a recorder of its own, and what changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import duckdb
import pytest

from tidegauge.amend.amender import Amender, Correction
from tidegauge.amend.eraser import Eraser, Forgotten
from tidegauge.catalog import builtin_catalog
from tidegauge.live.live import Live
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import TABLES
from tidegauge.model.times import TimeLike, parse_time_ns, time_range
from tidegauge.record.context import current
from tidegauge.record.privacy import PRIVACY_KEY, Privacy
from tidegauge.record.recorder import Recorder
from tidegauge.record.rows import RowWriter
from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store

Kept = Literal["keep", "hash", "drop"]


class Desk:
    """A store, a recorder into it, and ways to change and to ask.

    Attributes:
        root: Where the store is.
        store: The store.
        recorder: Records into it, strictly.
        live: Its live metrics.
    """

    def __init__(
        self,
        root: Path,
        *,
        free_text: Kept = "keep",
        user_ids: Kept = "keep",
        tables_uri: str | None = None,
    ) -> None:
        self.root = root
        self.store = Store(root, tables_uri=tables_uri)
        self.recorder = Recorder(root / "journal")
        self.recorder.configure(
            root / "journal",
            catalog=builtin_catalog(),
            strict=True,
            defaults={},
            budget_bytes=1 << 30,
            segment_slots=64,
            context=current,
            privacy=Privacy(free_text, user_ids, root / PRIVACY_KEY),
        )
        self.live = Live(self.store, builtin_catalog())
        self.amender = Amender(self.store, self.recorder, DrainFollower(self.store), wait_s=5)
        self.eraser = Eraser(self.amender, self.live.drop, wait_s=5)

    def row(self, table: str, at: TimeLike = "2026-01-01T11:00:00Z", **given: Any) -> None:
        """Record a row of a typed table; `metadata` and labels that end in `_label` are such."""
        labels = {name[:-6]: given.pop(name) for name in list(given) if name.endswith("_label")}
        metadata = given.pop("metadata", None)
        values = tuple(given.pop(column.name, None) for column in TABLES[table].columns)
        assert not given, f"{table} has no {given}"
        put = RowWriter(self.recorder, TABLES[table]).bind(tuple(labels.items()))
        assert put(values, parse_time_ns(at), metadata)

    def point(
        self,
        value: float,
        metric: str = "model:accuracy",
        at: TimeLike = "2026-01-01T11:00:00Z",
        **labels: str,
    ) -> None:
        """Record a point."""
        key = SeriesKey.of(metric, labels)
        self.recorder.writer.put_point(key, value, time_ns=parse_time_ns(at))

    def opinion(self, score: float = 4.0, **given: Any) -> None:
        """Record an opinion on the scale 1-5."""
        self.row(
            "user_satisfaction",
            **{
                "feature": "search",
                "satisfaction_type": "overall",
                "score": score,
                "score_scale": "1-5",
                "normalized_score": (score - 1) / 4,
                "rating": round(score),
                **given,
            },
        )

    def correct(self, table: str, **asked: Any) -> Correction:
        """Correct, as `tidegauge.correct`."""
        names = ("start", "end", "hours", "days")
        times = {name: asked.pop(name) for name in names if name in asked}
        chosen = time_range(now_ns=self.store.clock.wall_ns(), **times)
        changes = asked.pop("set", None)
        where, retract = asked.pop("where", None), asked.pop("retract", False)
        return self.amender.correct(table, where, chosen, changes=changes, retract=retract, **asked)

    def forget(self, user: str, **asked: Any) -> Forgotten:
        """Forget, as `tidegauge.forget`."""
        return self.eraser.forget(user, **asked)

    def ask(self, sql: str, table: str) -> list[tuple[Any, ...]]:
        """Ask a snapshot, through an object of the store that knows nothing yet."""
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        snapshot(Store(self.root), table).register(connection, table)
        return connection.execute(sql).fetchall()

    def drain(self) -> None:
        """Store all that can be stored."""
        follower = DrainFollower(self.store)
        while follower.advance(force=True):
            pass

    def check(self) -> None:
        """Every number agrees, and nothing is wrong."""
        self.recorder.writer.tick()
        status = status_of(Store(self.root))
        assert status.is_balanced
        assert status.balance.dropped == {}
        assert [
            each for each in examine(Store(self.root), deep=True) if each.code != "behind"
        ] == []

    def files_with(self, *texts: str) -> list[str]:
        """The files of the store in which one of these texts is, columns of tables unpacked."""
        found = []
        for path in sorted(self.root.rglob("*")):
            if not path.is_file():
                continue
            data = path.read_bytes()
            if path.suffix == ".parquet":
                rows = duckdb.connect().execute(f"FROM '{path}'").fetchall()
                data += repr(rows).encode()
            if any(text.encode() in data for text in texts):
                found.append(str(path.relative_to(self.root)))
        return found


@pytest.fixture
def new_desk(store_dir: Path) -> type[Desk]:
    """Makes a desk, for tests with settings of their own."""
    return Desk


@pytest.fixture
def desk(store_dir: Path) -> Desk:
    """A store that does not exist yet."""
    return Desk(store_dir)
