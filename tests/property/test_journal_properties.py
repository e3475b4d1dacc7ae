# SPDX-License-Identifier: Apache-2.0
"""Whatever is recorded is read back bit for bit; whatever is damaged is missing, never wrong."""

from __future__ import annotations

import struct
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidegauge.journal.layout import NO_STEP
from tidegauge.journal.reader import SlotReader
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey

KEYS = [
    SeriesKey.of("custom:a", {}),
    SeriesKey.of("custom:b", {"model": "m", "x": "ü"}),
    SeriesKey.of("custom:c", {"run_id": "1"}),
]

finite = st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(0, 2**63 - 1)
steps = st.none() | st.integers(-(2**47), 2**47 - 1)
keys = st.sampled_from(KEYS)
points = st.tuples(st.just("point"), keys, finite, times, steps)
columns = st.dictionaries(st.text(max_size=5), st.none() | st.text() | finite, max_size=3)
events = st.tuples(st.just("event"), keys, times, columns)
batches = st.tuples(
    st.just("batch"), st.lists(st.tuples(keys, finite), min_size=1, max_size=4), times, steps
)
ticks = st.sampled_from([("tick",), ("close",), ("hole",)])
calls = st.lists(st.one_of(points, points, events, batches, ticks), max_size=40)

Fact = tuple[Any, ...]


class Recorded:
    """A journal into which calls were made, and the facts that it must hold, in order."""

    def __init__(self, root: Path, made: list[Any], slots: int) -> None:
        self.root = root
        self.points: list[Fact] = []
        self.events: list[Fact] = []
        self.holes = 0
        self.writer = JournalWriter(root, segment_slots=slots)
        for call in made:
            self.make(*call)

    def make(self, kind: str, *given: Any) -> None:
        """Make one call and note what comes of it."""
        writer = self.writer
        if kind == "point":
            key, value, time_ns, step = given
            writer.put_point(key, value, time_ns=time_ns, step=step)
            self.points.append((key, bits(value), time_ns, NO_STEP if step is None else step))
        elif kind == "event":
            key, time_ns, own = given
            writer.put_event("errors", key, time_ns, own)
            self.events.append(("errors", key, time_ns, repr(own)))
        elif kind == "batch":
            members, time_ns, step = given
            vector = writer.vector_id([key for key, _ in members])
            values = [value for _, value in members]
            assert writer.put_batch(vector, writer.generation, values, time_ns, step)
            self.events += [
                ("points", key, time_ns, repr({"value": value, "step": step}))
                for key, value in members
            ]
        elif kind == "close":
            writer.close()
        elif kind == "hole":
            for _ in writer.here[0]:
                self.holes += 1
                break
        else:
            writer.tick()


def bits(value: float) -> bytes:
    """The bytes of a float, which tell -0.0 from 0.0."""
    return struct.pack("<d", value)


def read(slot: SlotReader, limit: int) -> Iterator[tuple[list[Fact], int, int]]:
    """All points, in batches of `limit` positions; each batch accounts for its positions."""
    position = 0
    while (batch := slot.points(position, limit)).end > position:
        assert batch.start == position
        assert batch.end - batch.start <= limit
        assert batch.end - batch.start == len(batch.value) + batch.unacknowledged + batch.damaged
        position = batch.end
        arrays = (batch.series, batch.value, batch.time_ns, batch.step)
        rows = zip(*(array.tolist() for array in arrays), strict=True)
        facts = [
            (slot.series(series), bits(value), time_ns, step)
            for series, value, time_ns, step in rows
        ]
        yield facts, batch.unacknowledged, batch.damaged


def read_events(slot: SlotReader, limit_bytes: int) -> tuple[list[Fact], int]:
    """All events in batches, and how many were damaged."""
    position, ordinal, damaged, facts = 0, 0, 0, list[Fact]()
    while True:
        batch = slot.events(position, facts_before=ordinal, limit_bytes=limit_bytes)
        if batch.end == position:
            return facts, damaged
        position, ordinal = batch.end, batch.ordinal or 0
        damaged += batch.damaged
        facts += [
            (event.table, slot.series(event.series), event.time_ns, repr(event.columns))
            for event in batch.records
        ]


A_POINT = ("point", SeriesKey("custom:a"), 0.5, 7, None)


@settings(deadline=None, max_examples=60)
@given(made=calls, slots=st.integers(1, 7), limit=st.integers(1, 50))
@example(made=[A_POINT, ("hole",), A_POINT], slots=3, limit=1)
def test_what_is_recorded_is_read(made: list[Any], slots: int, limit: int) -> None:
    """Each fact is read once, in order, with all it had, through any batches.

    Slots that were given up are counted, and nothing is damaged.
    """
    with tempfile.TemporaryDirectory() as directory:
        recorded = Recorded(Path(directory) / "journal", made, slots)
        recorded.writer.close()
        slot = SlotReader(recorded.root / "000")
        batches = list(read(slot, limit))
        assert [fact for facts, _, _ in batches for fact in facts] == recorded.points
        assert sum(lost for _, lost, _ in batches) <= recorded.holes
        assert sum(damaged for _, _, damaged in batches) == 0
        assert read_events(slot, limit * 20) == (recorded.events, 0)


damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "flip", "flip", "cut", "zero", "garbage", "delete"]),
        st.integers(0, 30),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=4,
)


def damage(root: Path, how: str, which: int, where: float, what: int) -> None:
    """Do one damage to one file of a journal, whichever files there are."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)
    if not files:
        return
    path = files[which % len(files)]
    data = bytearray(path.read_bytes())
    # Most of an event segment is empty; damage what is in use.
    used = max(len(data.rstrip(b"\0")), 1)
    at = int(where * used)
    if how == "flip":
        data[at] ^= what
    elif how == "cut":
        del data[at:]
    elif how == "zero":
        data[at : at + what] = bytes(len(data[at : at + what]))
    elif how == "garbage":
        data[at : at + what] = bytes((what * n * n) % 256 for n in range(len(data[at : at + what])))
    if how == "delete":
        path.unlink()
    else:
        path.write_bytes(data)


@settings(deadline=None, max_examples=150)
@given(made=calls, later=calls, slots=st.integers(1, 7), damaged=damages)
def test_survivors_are_never_wrong(
    made: list[Any], later: list[Any], slots: int, damaged: list[Any]
) -> None:
    """After any damage, and after another owner went on, every fact read is one that was written.

    None is read more often than it was written; none of the new ones is missing for a follower
    that had read everything before.
    """
    with tempfile.TemporaryDirectory() as directory:
        recorded = Recorded(Path(directory) / "journal", made, slots)
        recorded.writer.close()
        root = recorded.root
        slot = SlotReader(root / "000")
        points_end, events_end = slot.points(0, 1 << 40).end, slot.events(0).end
        for each in damaged:
            damage(root, *each)
        compare(root, recorded)

        points_before, events_before = len(recorded.points), len(recorded.events)
        for call in later:
            recorded.make(*call)
        recorded.writer.tick()
        compare(root, recorded)
        if all(how == "flip" for how, *_ in damaged) and len(damaged) == 1:
            # More may take away the last thing that tells how far the lane had come.
            slot = SlotReader(root / "000")
            new = slot.points(points_end, 1 << 40).value.tolist()
            expected = [value for _, value, _, _ in recorded.points[points_before:]]
            assert list(map(bits, new)) == expected
            assert len(slot.events(events_end).records) == len(recorded.events) - events_before
        recorded.writer.close()


def compare(root: Path, recorded: Recorded) -> None:
    """Check that what can be read, and has a series, was written."""
    slot = SlotReader(root / "000")
    found = Counter(fact for facts, _, _ in read(slot, 1 << 40) for fact in facts if fact[0])
    assert not found - Counter(recorded.points)
    seen = Counter(fact for fact in read_events(slot, 1 << 20)[0] if fact[1])
    assert not seen - Counter(recorded.events)
