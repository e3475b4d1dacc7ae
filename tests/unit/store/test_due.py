# SPDX-License-Identifier: Apache-2.0
"""When a drain is worth its commit."""

from __future__ import annotations

from typing import Any

from tidegauge.store.drain import DrainFollower


def test_nothing_waiting_is_not_due(bench: Any) -> None:
    """Neither before the first fact nor long after everything was stored."""
    follower = DrainFollower(bench.store)
    assert follower.advance() is False
    bench.record(1.0)
    bench.drain()
    bench.clock.advance(3600)
    follower.advance()
    assert bench.store.tables.open("points").view().version == 1


def test_enough_points_are_due_at_once(bench: Any) -> None:
    """As many as asked for, and not one fewer."""
    follower = DrainFollower(bench.store, due_points=100)
    bench.record(*range(99), at="2026-01-01T12:00:00Z")
    follower.advance()
    assert bench.stored() == 0
    bench.record(99.0, at="2026-01-01T12:00:00Z")
    follower.advance()
    assert bench.stored() == 100


def test_many_events_are_due_at_once(bench: Any) -> None:
    """More than two megabytes of them."""
    follower = DrainFollower(bench.store)
    bench.record_event(value=1.0, metadata='"' + "x" * 500_000 + '"', at="2026-01-01T12:00:00Z")
    follower.advance()
    assert bench.stored() == 0
    for _ in range(5):
        bench.record_event(value=1.0, metadata='"' + "x" * 500_000 + '"')
    follower.advance()
    assert bench.stored() == 6


def test_a_fact_is_due_a_minute_after_it_was_first_seen(bench: Any) -> None:
    """However new its time says it is."""
    follower = DrainFollower(bench.store, due_s=60)
    bench.record(1.0, at="2030-01-01T00:00:00Z")
    follower.advance()
    bench.clock.advance(59)
    follower.advance()
    assert bench.stored() == 0
    bench.clock.advance(1)
    follower.advance()
    assert bench.stored() == 1


def test_a_wall_clock_that_goes_back_delays_nothing(bench: Any) -> None:
    """Waiting is measured by the clock that never jumps."""
    follower = DrainFollower(bench.store, due_s=60)
    bench.record(1.0, at="2026-01-01T12:00:00Z")
    follower.advance()
    bench.clock.set_wall(0)
    bench.clock.advance(60)
    follower.advance()
    assert bench.stored() == 1


def test_what_an_earlier_process_left_is_due_by_its_own_time(bench: Any) -> None:
    """A program that starts finds facts of yesterday and does not wait another minute."""
    bench.record(1.0, at="2026-01-01T12:00:00Z")
    bench.clock.advance(60)
    DrainFollower(bench.store, due_s=60).advance()
    assert bench.stored() == 1


def test_facts_of_the_past_have_not_waited_since_then(bench: Any) -> None:
    """Recorded a second ago with a time of last year, they wait for a minute like others."""
    follower = DrainFollower(bench.store, due_s=60)
    bench.record(1.0, at="2025-01-01T12:00:00Z")
    bench.record_event(value=1.0, at="2025-01-01T12:00:00Z")
    follower.advance()
    assert bench.stored() == 0
    bench.clock.advance(60)
    follower.advance()
    assert bench.stored() == 2


def test_facts_of_the_past_do_not_cause_a_commit_each(bench: Any) -> None:
    """After the first pass the time a fact carries does not count."""
    follower = DrainFollower(bench.store, due_s=60)
    bench.record(-1.0)
    bench.clock.advance(60)
    for value in range(5):
        bench.record(float(value), at="2020-01-01T00:00:00Z")
        follower.advance()
        bench.clock.advance(1)
    assert bench.store.tables.open("points").view().version == 1
    bench.clock.advance(60)
    follower.advance()
    assert bench.stored() == 6


def test_a_dead_slot_that_is_taken_again_is_seen(bench: Any) -> None:
    """A slot without an owner is looked at once; a new owner makes it worth a look again."""
    follower = DrainFollower(bench.store, due_s=60)
    bench.record(1.0)
    bench.writer.close()
    bench.drain()
    follower.advance()
    follower.advance()
    bench.record(2.0)
    bench.writer.close()
    follower.advance()
    bench.clock.advance(60)
    follower.advance()
    assert bench.stored() == 2


def test_lag_counts_what_waits(bench: Any) -> None:
    """In both lanes, with the time of the oldest."""
    follower = DrainFollower(bench.store)
    bench.record(1.0, 2.0, at="2026-01-01T12:00:07Z")
    bench.record_event(value=3.0, at="2026-01-01T12:00:05Z")
    lag = follower.lag()
    assert (lag.facts, lag.oldest_ns) == (3, 1_767_268_805_000_000_000)
    bench.drain()
    assert (follower.lag().facts, follower.lag().oldest_ns) == (0, None)
