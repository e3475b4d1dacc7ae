# SPDX-License-Identifier: Apache-2.0
"""The public test kit: a clock of one's own, captured facts, and a suite for followers."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidegauge.config import configure, start_over
from tidegauge.journal.follow import Follower
from tidegauge.journal.layout import NO_STEP
from tidegauge.journal.reader import Journal
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import POINTS
from tidegauge.record.aggregate import flush_intervals
from tidegauge.store.store import Store

__all__ = ["Captured", "FakeClock", "FollowerSuite", "RecordedFact", "capture"]


class FakeClock:
    """A clock that moves only when told to.

    Args:
        wall_ns: Where the wall clock starts, nanoseconds since 1970.

    Example:
        >>> clock = FakeClock(wall_ns=1_000)
        >>> clock.advance(0.5)
        >>> clock.wall_ns(), clock.monotonic_s()
        (500001000, 0.5)
    """

    def __init__(self, wall_ns: int = 1_700_000_000_000_000_000) -> None:
        self._wall_ns = wall_ns
        self._monotonic_s = 0.0

    def wall_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._wall_ns

    def monotonic_s(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._wall_ns += round(seconds * 1e9)
        self._monotonic_s += seconds

    def set_wall(self, wall_ns: int) -> None:
        """Set the wall clock, back as well as forth; the monotonic one stays as it is."""
        self._wall_ns = wall_ns


class RecordedFact(msgspec.Struct, frozen=True):
    """One fact as it lies in the journal.

    Attributes:
        table: `points` or `intervals`.
        metric: Full name.
        time_ns: When it happened.
        labels: Dimensions and labels together.
        columns: The table's columns; `value`, `step` and `metadata` for points.
    """

    table: str
    metric: str
    time_ns: int
    labels: dict[str, str]
    columns: dict[str, object]


class Captured:
    """What was recorded inside `capture`; still there after the block has ended."""

    def __init__(self, root: Path) -> None:
        self._journal = Journal(root / "journal")
        self._final: tuple[list[RecordedFact], dict[str, int]] | None = None

    @property
    def facts(self) -> list[RecordedFact]:
        """Every fact so far; points first, then whatever came with metadata or in batches."""
        return self._final[0] if self._final else self._read()

    @property
    def dropped(self) -> dict[str, int]:
        """Facts refused, by reason."""
        if self._final:
            return self._final[1]
        total: Counter[str] = Counter()
        for slot in self._journal.slots():
            total.update(slot.drops())
        return dict(total)

    def values(self, metric: str) -> list[object]:
        """The recorded values of one metric, by its full name."""
        return [fact.columns["value"] for fact in self.facts if fact.metric == metric]

    def freeze(self) -> None:
        """Keep what there is now. Called at the end of the block."""
        self._final = (self.facts, self.dropped)

    def _read(self) -> list[RecordedFact]:
        flush_intervals()
        points, events = [], []
        for slot in self._journal.slots():
            batch = slot.points(0, 1 << 40, settled=False)
            for series, time_ns, value, step in zip(
                batch.series.tolist(),
                batch.time_ns.tolist(),
                batch.value.tolist(),
                batch.step.tolist(),
                strict=True,
            ):
                columns = {"value": value, "step": None if step == NO_STEP else step}
                points.append(_fact(POINTS.name, slot.series(series), time_ns, columns))
            for event in slot.events(0, limit_bytes=1 << 40).records:
                series_key = slot.series(event.series)
                events.append(_fact(event.table, series_key, event.time_ns, event.columns))
        return points + events


@contextlib.contextmanager
def capture(*, strict: bool = True, **settings: object) -> Iterator[Captured]:
    """Record into a store of its own for the length of a block, and see what was recorded.

    Afterwards the process is as if nothing had been configured.

    Example:
        >>> import tidegauge as tg
        >>> with capture() as captured:
        ...     tg.log_metric("reply_rate", 0.25)
        >>> captured.values("usage:reply_rate")
        [0.25]
    """
    with tempfile.TemporaryDirectory(prefix="tidegauge-capture-") as directory:
        configure(store=directory, strict=strict, follower="off", **settings)
        captured = Captured(Path(directory))
        try:
            yield captured
        finally:
            captured.freeze()
            start_over()


class FollowerSuite:
    """What every follower must pass. Subclass it under pytest and fill in the first two methods.

    The facts are points of the metric `custom:conformance`, each with a value of its own.
    """

    def make_follower(self, store: Store) -> Follower:
        """A follower of the store that delivers to a destination beside it."""
        raise NotImplementedError

    def delivered(self, store: Store) -> Counter[float]:
        """The values that have arrived at the destination, with how often."""
        raise NotImplementedError

    def labels(self, store: Store) -> dict[str, str]:  # noqa: ARG002  (for those who need it)
        """Labels that make a fact one for this follower."""
        return {}

    def test_delivers_what_was_recorded(self, tmp_path: Path) -> None:
        """Everything recorded before a forced advance arrives, each fact once."""
        store, writer = self._begin(tmp_path)
        self._record(store, writer, 0, 100)
        self._deliver(self.make_follower(store))
        assert self.delivered(store) == Counter(map(float, range(100)))

    def test_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        """Another follower of the same name delivers only what is new."""
        store, writer = self._begin(tmp_path)
        self._record(store, writer, 0, 10)
        self._deliver(self.make_follower(store))
        self._record(store, writer, 10, 25)
        self._deliver(self.make_follower(store))
        assert self.delivered(store) == Counter(map(float, range(25)))

    def test_knows_when_it_is_caught_up(self, tmp_path: Path) -> None:
        """A follower is behind exactly while something recorded has not arrived."""
        store, writer = self._begin(tmp_path)
        follower = self.make_follower(store)
        assert follower.is_caught_up()
        self._record(store, writer, 0, 1)
        assert not follower.is_caught_up()
        self._deliver(follower)
        assert follower.is_caught_up()

    def test_nothing_recorded_is_nothing_delivered(self, tmp_path: Path) -> None:
        """On a store that does not exist yet there is no work, and no error."""
        store = Store(tmp_path / "never")
        follower = self.make_follower(store)
        assert follower.advance(force=True) is False
        assert follower.is_caught_up()

    def test_delivers_events_too(self, tmp_path: Path) -> None:
        """Facts with metadata and batches arrive like plain points."""
        store, writer = self._begin(tmp_path)
        key = self._key(store)
        writer.put_event(POINTS.name, key, 10**18, {"value": 1.0, "step": 3, "metadata": "{}"})
        vector = writer.vector_id([key])
        writer.put_batch(vector, writer.generation, [2.0], 10**18, None)
        self._deliver(self.make_follower(store))
        assert self.delivered(store) == Counter([1.0, 2.0])

    def _begin(self, tmp_path: Path) -> tuple[Store, JournalWriter]:
        store = Store(tmp_path / "store")
        return store, JournalWriter(store.root / "journal", segment_slots=64)

    def _key(self, store: Store) -> SeriesKey:
        return SeriesKey.of("custom:conformance", self.labels(store))

    def _record(self, store: Store, writer: JournalWriter, start: int, stop: int) -> None:
        for value in range(start, stop):
            writer.put_point(self._key(store), float(value), time_ns=10**18 + value * 10**6)

    def _deliver(self, follower: Follower) -> None:
        while follower.advance(force=True):
            pass


def _fact(
    table: str, key: SeriesKey | None, time_ns: int, columns: dict[str, object]
) -> RecordedFact:
    if key is None:
        return RecordedFact(table, "", time_ns, {}, columns)
    return RecordedFact(table, key.metric, time_ns, dict(key.dimensions + key.labels), columns)
