# SPDX-License-Identifier: Apache-2.0
"""recorded = stored + pending + dropped."""

from __future__ import annotations

import os
from typing import Any

from deltalake import CommitProperties, DeltaTable, Transaction

from tidegauge.store.status import Balance


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
    assert slot.oldest_pending_ns == 1_767_258_000_000_000_000
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
