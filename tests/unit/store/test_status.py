# SPDX-License-Identifier: Apache-2.0
"""recorded = stored + pending + dropped."""

from __future__ import annotations

import os
from typing import Any

from deltalake import CommitProperties, DeltaTable, Transaction

from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.lag import Lag
from tidegauge.store.status import Balance, status_of
from tidegauge.store.store import Store


def test_a_store_that_does_not_exist_has_nothing(bench: Any) -> None:
    """All zero, balanced, and nothing is created."""
    status = bench.status()
    assert status.balance == Balance(0, 0, 0, {})
    assert status.is_balanced
    assert (status.slots, status.tables, status.journal_id) == ([], [], "")
    assert not bench.root.exists()


def test_every_fact_is_in_one_place(bench: Any) -> None:
    """Points and events, stored and pending, and refused ones by their reason."""
    bench.record(1.0, 2.0, 3.0)
    bench.record_event(value=4.0)
    bench.record_interval(count=1)
    bench.drain()
    bench.record(5.0, 6.0)
    bench.record_event(value=7.0, at="2026-01-01T09:00:00Z")
    bench.writer.count_drop("not_finite", 2)
    bench.writer.count_drop("bad_name")
    bench.writer.tick()
    status = bench.status()
    assert status.balance == Balance(11, 5, 3, {"not_finite": 2, "bad_name": 1})
    assert status.is_balanced
    (slot,) = status.slots
    assert (slot.name, slot.owner_alive, slot.balance) == ("000", True, status.balance)
    assert slot.oldest_pending_ns == 1_767_268_800_000_000_000
    assert slot.size_bytes > 0
    tables = [(table.name, table.rows, table.files) for table in status.tables]
    assert tables == [("points", 4, 1), ("intervals", 1, 1)]


def test_slots_are_counted_apart_and_together(bench: Any) -> None:
    """The total is the sum of the slots."""
    other = bench.new_writer()
    bench.record(1.0)
    bench.drain()
    bench.record(2.0, 3.0, writer=other)
    other.close()
    status = bench.status()
    assert [(slot.name, slot.owner_alive) for slot in status.slots] == [
        ("000", True),
        ("001", False),
    ]
    assert [slot.balance for slot in status.slots] == [Balance(1, 1, 0, {}), Balance(2, 0, 2, {})]
    assert status.balance == Balance(3, 1, 2, {})


def test_damaged_facts_are_dropped_facts(bench: Any) -> None:
    """Found in the journal now or by the drain later, they are counted once."""
    bench.record(1.0, 2.0, 3.0)
    bench.writer.close()
    (segment,) = (bench.root / "journal/000").glob("points-*.seg")
    data = bytearray(segment.read_bytes())
    data[4096 + 40] ^= 1
    segment.write_bytes(data)
    for _ in range(2):
        balance = bench.status().balance
        assert balance.dropped == {"damaged": 1}
        assert (balance.recorded, balance.stored + balance.pending) == (3, 2)
        bench.drain()
    assert bench.status().is_balanced


def test_facts_without_a_series_are_dropped_before_and_after_the_drain(bench: Any) -> None:
    """They wait for nothing: their series cannot be read, and the drain delivers none of them."""
    bench.record(1.0, 2.0, 3.0)
    bench.record_event(value=4.0)
    bench.writer.close()
    follower = DrainFollower(bench.store)
    log = bench.root / "journal/000/series.log"
    whole = log.read_bytes()
    log.write_bytes(whole[:5])
    status = bench.status()
    assert status.balance == Balance(4, 0, 0, {"damaged": 4})
    assert (status.slots[0].unreadable, status.slots[0].oldest_pending_ns) == (4, None)
    assert status.followers[0].lag == follower.lag() == Lag(0, None)
    (finding,) = examine(bench.store)
    assert (finding.severity, finding.code, finding.subject, finding.rows) == (
        "error",
        "series_damaged",
        str(log),
        4,
    )
    log.write_bytes(whole)
    again = status_of(Store(bench.root, clock=bench.clock))
    assert again.balance == Balance(4, 0, 4, {})
    log.write_bytes(whole[:5])
    bench.drain()
    status = bench.status()
    assert status.balance == Balance(4, 0, 0, {"damaged": 4})
    assert status.slots[0].unreadable == 0
    assert [each.code for each in examine(bench.store)] == ["facts_damaged"]


def test_how_long_facts_wait_is_not_told_by_their_time(bench: Any) -> None:
    """Not longer than there is the file they are in, nor than since all was stored last."""
    bench.record(1.0, at="2025-12-30T12:00:00Z")
    bench.record_event(value=2.0, at="2025-12-30T12:00:00Z")
    bench.store.state.register_follower("other")
    noon_ns = 1_767_268_800_000_000_000
    assert bench.status().slots[0].oldest_pending_ns == noon_ns
    assert [each.lag.oldest_ns for each in bench.status().followers] == [noon_ns, noon_ns]
    assert examine(bench.store) == []
    bench.clock.advance(7_200)
    assert [each.code for each in examine(bench.store)] == ["behind", "behind"]
    bench.drain()
    bench.record(3.0, at="2025-12-30T12:00:00Z")
    bench.record_event(value=4.0, at="2026-01-01T14:00:05Z")
    two_hours_ns = 7_200 * 10**9
    store, other = bench.status().followers
    assert (store.lag.oldest_ns, other.lag.oldest_ns) == (noon_ns + two_hours_ns, noon_ns)
    assert [each.subject for each in examine(bench.store)] == ["other"]


def test_a_letter_that_stands_for_many_facts_does_not_count_as_one(bench: Any) -> None:
    """An examination tells how many facts a follower gave up on."""
    bench.record(1.0)
    bench.store.state.register_follower("mlflow")
    with bench.store.state.transaction() as transaction:
        transaction.add_dead_letter("mlflow", "run_not_found", "no such run", "{}")
        transaction.count("mlflow", "refused/run_not_found", 5)
    (finding,) = examine(bench.store)
    assert finding.what == "5 facts could not be delivered"


def test_followers_and_their_lag(bench: Any) -> None:
    """The store's is what is pending; others have cursors of their own."""
    bench.store.state.register_follower("mlflow")
    bench.record(1.0, 2.0, 3.0)
    bench.record_event(value=4.0)
    with bench.store.state.transaction() as transaction:
        transaction.set_cursor("mlflow", "000", "points", 1)
        transaction.count("mlflow", "delivered", 1)
    bench.drain()
    status = bench.status()
    found = [(each.name, each.lag.facts, each.counters) for each in status.followers]
    assert found == [("store", 0, {}), ("mlflow", 3, {"delivered": 1})]


def test_who_is_draining_is_shown(bench: Any) -> None:
    """While it lasts."""
    bench.record(1.0)
    with bench.store.lead():
        assert bench.status().draining == f"pid {os.getpid()}"
    assert bench.status().draining is None


def test_a_sum_that_does_not_hold_is_not_hidden(bench: Any) -> None:
    """If the tables claim less than they took from the journal, facts are missing, and it shows."""
    bench.record(1.0, 2.0, 3.0)
    bench.drain()
    table = DeltaTable(bench.root / "tables/points")
    claim = Transaction(f"{bench.store.journal.id}/000/points/rows", 1)
    table.create_write_transaction(
        [],
        mode="append",
        schema=table.schema(),
        partition_by=["date"],
        commit_properties=CommitProperties(app_transactions=[claim]),
    )
    status = bench.status()
    assert not status.is_balanced
    assert status.balance.missing == 2
