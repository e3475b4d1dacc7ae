# SPDX-License-Identifier: Apache-2.0
"""Windows of the journal: which facts are in one, and that a second look finds the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegauge.catalog import Catalog
from tidegauge.export.mlflow_batch import Fact
from tidegauge.export.mlflow_window import WindowReader
from tidegauge.journal.frames import scan_frames
from tidegauge.journal.layout import HEADER_BYTES
from tidegauge.journal.reader import Journal
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Kind, MetricSpec
from tidegauge.statistics.accumulator import Accumulator

IN_RUN = SeriesKey.of("model:accuracy", {"run_id": "r1"})
IN_OTHER_RUN = SeriesKey.of("model:accuracy", {"run_id": "r2"})
IN_NO_RUN = SeriesKey.of("model:accuracy", {"model": "fraud"})
CATALOG = Catalog(
    [
        MetricSpec(
            name="model:latency_ms", description="Latency", kind=Kind.DISTRIBUTION, unit="ms"
        ),
        MetricSpec(name="usage:replies", description="Replies", kind=Kind.COUNTER),
        MetricSpec(name="model:accuracy", description="Accuracy", kind=Kind.GAUGE),
    ]
)


def everyone(run_id: str) -> bool:
    """Ask for the facts of all runs."""
    return True


@pytest.fixture
def writers(store_dir: Path) -> Iterator[list[JournalWriter]]:
    """Two processes that record."""
    writers = [JournalWriter(store_dir / "journal") for _ in range(2)]
    yield writers
    for writer in writers:
        writer.close()


@pytest.fixture
def reader(store_dir: Path) -> WindowReader:
    """Reads windows of about ten facts."""
    return WindowReader(Journal(store_dir / "journal"), CATALOG, wanted_facts=10)


def values(facts: list[Fact]) -> list[float]:
    """The values of some facts, sorted."""
    return sorted(fact.value for fact in facts)


def test_a_store_without_a_journal_has_an_empty_window(store_dir: Path) -> None:
    """There is nothing to read yet, and that is all."""
    window = WindowReader(Journal(store_dir / "journal"), CATALOG, wanted_facts=10).next(
        {}, everyone
    )
    assert (window.end, window.facts, window.is_last) == ({}, [], True)


def test_only_facts_of_runs_are_in_a_window(
    writers: list[JournalWriter], reader: WindowReader
) -> None:
    """Of both lanes and all slots; the others are passed."""
    writers[0].put_point(IN_RUN, 1.0, time_ns=10, step=3)
    writers[0].put_point(IN_NO_RUN, 2.0)
    writers[1].put_event("points", IN_OTHER_RUN, 20, {"value": 3.0, "step": None, "metadata": "{}"})
    writers[1].put_event("requests", IN_OTHER_RUN, 20, {"status": 200})
    window = reader.next({}, everyone)
    assert sorted(window.facts, key=lambda fact: fact.value) == [
        Fact("r1", 10, "000/points", 0, IN_RUN, 1.0, 3, None),
        Fact("r2", 20, "001/events", 0, IN_OTHER_RUN, 3.0, None, "{}"),
    ]
    assert window.end["000/points"] == 2
    assert window.is_last


def test_a_batch_is_one_fact_for_each_value(
    writers: list[JournalWriter], reader: WindowReader
) -> None:
    """What was recorded with one call arrives with one time and one step."""
    vector = writers[0].vector_id([IN_RUN, IN_NO_RUN, IN_OTHER_RUN])
    assert writers[0].put_batch(vector, writers[0].generation, [1.0, 2.0, 3.0], 50, 4)
    facts = reader.next({}, everyone).facts
    assert [(fact.run_id, fact.value, fact.time_ns, fact.step) for fact in facts] == [
        ("r1", 1.0, 50, 4),
        ("r2", 3.0, 50, 4),
    ]


@pytest.mark.parametrize(
    ("metric", "value"),
    [("model:latency_ms", 2.0), ("usage:replies", 6.0), ("model:accuracy", 1.0)],
)
def test_an_interval_is_one_fact_at_its_end(
    writers: list[JournalWriter], reader: WindowReader, metric: str, value: float
) -> None:
    """The value is what the metric's kind says: the mean, the sum, or the last."""
    accumulator = Accumulator()
    accumulator.add_many([2.0, 3.0, 1.0])
    key = SeriesKey.of(metric, {"run_id": "r1"})
    writers[0].put_event("intervals", key, 5_000_000_000, accumulator.columns(10.0))
    (fact,) = reader.next({}, everyone).facts
    assert (fact.value, fact.time_ns, fact.step) == (value, 15_000_000_000, None)


def test_windows_follow_each_other_without_gap_or_overlap(
    writers: list[JournalWriter], reader: WindowReader
) -> None:
    """Each fact is in exactly one of them."""
    for number in range(200):
        writers[number % 2].put_point(IN_RUN if number % 5 else IN_NO_RUN, float(number))
    at, found, windows = {}, [], 0
    while not (window := reader.next(at, everyone)).is_last:
        at, windows = window.end, windows + 1
        found += window.facts
    found += window.facts
    assert values(found) == [float(number) for number in range(200) if number % 5]
    assert windows >= 4


def test_a_window_read_again_is_the_same_window(
    writers: list[JournalWriter], reader: WindowReader
) -> None:
    """Also when more was recorded since: its end was fixed before."""
    for number in range(60):
        writers[number % 2].put_point(IN_RUN, float(number), time_ns=10 + number)
        writers[number % 2].put_event("points", IN_RUN, 10 + number, {"value": -float(number)})
    first = reader.next({}, everyone)
    for writer in writers:
        writer.put_point(IN_RUN, 1e6)
        writer.put_event("points", IN_RUN, 10, {"value": 1e6})
    again = reader.again({}, first.end, everyone)
    assert again is not None

    def as_sent(facts: list[Fact]) -> list[Fact]:
        return sorted(facts, key=lambda fact: (fact.time_ns, fact.lane, fact.order))

    assert as_sent(again.facts) == as_sent(first.facts)


def damage_event(store_dir: Path, number: int) -> None:
    """Change a byte in the payload of one event of the first slot."""
    (path,) = (store_dir / "journal" / "000").glob("events-*.seg")
    data = bytearray(path.read_bytes())
    offset = [frame.offset for frame in scan_frames(bytes(data), HEADER_BYTES)][number]
    data[offset + 30] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("when", ["before", "between"])
@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_window_read_again_ends_where_it_did_although_an_event_is_damaged(
    writers: list[JournalWriter], reader: WindowReader, store_dir: Path, number: int, when: str
) -> None:
    """What comes after is in the next window, and in no other: it would be doubled in MLflow."""
    for value in range(5):
        writers[0].put_event("points", IN_RUN, 10, {"value": float(value)})
    if when == "before":
        damage_event(store_dir, number)
    first = reader.next({}, everyone)
    if when == "between":
        damage_event(store_dir, number)
    for value in range(5, 8):
        writers[0].put_event("points", IN_RUN, 10, {"value": float(value)})
    again = reader.again({}, first.end, everyone)
    assert again is not None
    assert values(again.facts) == [float(each) for each in range(5) if each != number]
    rest = reader.next(again.end, everyone)
    assert values(rest.facts) == [5.0, 6.0, 7.0]
    aside = reader.next({}, "r1".__eq__, limit=first.end)
    assert values(aside.facts) == [float(each) for each in range(5) if each != number]


def test_a_window_whose_last_event_is_lost_holds_up_nothing(
    writers: list[JournalWriter], reader: WindowReader, store_dir: Path
) -> None:
    """Even if nothing comes after it."""
    for value in range(3):
        writers[0].put_event("points", IN_RUN, 10, {"value": float(value)})
    first = reader.next({}, everyone)
    damage_event(store_dir, 2)
    again = reader.again({}, first.end, everyone)
    assert again is not None
    assert (values(again.facts), again.end) == ([0.0, 1.0], first.end)


def test_a_window_can_be_read_for_some_runs_up_to_a_limit(
    writers: list[JournalWriter], reader: WindowReader
) -> None:
    """A run that was set aside is read by itself, not past where the others are."""
    for number in range(8):
        writers[0].put_point(IN_RUN if number % 2 else IN_OTHER_RUN, float(number))
    window = reader.next({}, "r1".__eq__, limit={"000/points": 6})
    assert values(window.facts) == [1.0, 3.0, 5.0]
    assert window.end["000/points"] == 6
    assert window.is_last


def test_a_fact_that_lost_its_series_is_counted(store_dir: Path, reader: WindowReader) -> None:
    """Its entry in series.log is damaged, so nobody can tell what it was."""
    writer = JournalWriter(store_dir / "journal")
    writer.put_point(IN_RUN, 1.0)
    writer.put_event("points", IN_RUN, 10, {"value": 2.0})
    writer.close()
    log = store_dir / "journal" / "000" / "series.log"
    damaged = bytearray(log.read_bytes())
    damaged[-9] ^= 0xFF
    log.write_bytes(damaged)
    window = reader.next({}, everyone)
    assert (window.facts, window.unknown) == ([], 2)
