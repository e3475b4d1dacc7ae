# SPDX-License-Identifier: Apache-2.0
"""Handles with `aggregate=…`: one summary per interval instead of every value."""

from __future__ import annotations

import threading

import pytest

import tidegauge as tg
from tidegauge.model.errors import MetricValidationError, QueryError
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.testing import capture


def test_interval_holds_count_sum_extremes_and_buckets() -> None:
    """What was recorded in an interval can be summed up from its one record."""
    with capture() as captured:
        handle = tg.metric("model:latency_ms", aggregate="1h", model="fraud")
        for value in (3, 1.0, 4.0, 1.5):
            handle.record(value)
        (fact,) = captured.facts
    assert (fact.table, fact.metric, fact.labels) == (
        "intervals",
        "model:latency_ms",
        {"model": "fraud"},
    )
    assert fact.time_ns % 3_600_000_000_000 == 0
    assert fact.columns["interval_s"] == 3600.0
    total = Accumulator.from_columns(fact.columns)
    assert (total.count, total.sum, total.sum_squares) == (4, 9.5, 28.25)
    assert (total.first, total.last) == (3.0, 1.5)
    assert (total.histogram.min, total.histogram.max) == (1.0, 4.0)


def test_flush_in_the_middle_keeps_every_value_once() -> None:
    """An interval flushed early is continued in a second record; together they are the whole."""
    with capture() as captured:
        handle = tg.metric("custom:x", aggregate=3600)
        handle.record(1)
        handle.flush()
        handle.record(2)
        handle.flush()
        handle.flush()
        assert [fact.columns["sum"] for fact in captured.facts] == [1.0, 2.0]
        assert len({fact.time_ns for fact in captured.facts}) == 1


def test_values_are_checked_one_by_one() -> None:
    """The checks are those of `log_metric`; a step has no place in an interval."""
    with capture(strict=False) as captured:
        handle = tg.metric("model:accuracy", aggregate=60)
        for value in (0.5, 7, True, float("nan")):
            handle.record(value)
        handle.record(0.5, step=3)
        (fact,) = captured.facts
        assert fact.columns["count"] == 1
        assert captured.dropped == {
            "out_of_range": 1,
            "bad_value": 1,
            "not_finite": 1,
            "bad_step": 1,
        }
    with capture(), pytest.raises(MetricValidationError, match="out of range"):
        tg.metric("model:accuracy", aggregate=60).record(7)


def test_threads_share_a_handle() -> None:
    """Values of eight threads, more than are kept waiting, are all counted."""
    with capture() as captured:
        handle = tg.metric("custom:x", aggregate=3600)

        def work() -> None:
            for _ in range(5000):
                handle.record(1.0)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(fact.columns["count"] for fact in captured.facts) == 40_000  # type: ignore[misc]


def test_shutdown_records_the_open_interval() -> None:
    """Only a kill loses the open interval, never an orderly end."""
    with capture() as captured:
        tg.metric("custom:x", aggregate=3600).record(1)
        tg.shutdown()
        assert [fact.columns["count"] for fact in captured.facts] == [1]


def test_interval_must_be_a_duration() -> None:
    """A length that cannot be read is an error when the handle is made."""
    with pytest.raises(QueryError, match="duration"):
        tg.metric("custom:x", aggregate="soon")


def test_timer_of_an_interval_handle() -> None:
    """Timers work on interval handles too."""
    with capture() as captured:
        handle = tg.metric("model:latency_ms", aggregate=60)
        with handle.timer():
            pass
        assert [fact.columns["count"] for fact in captured.facts] == [1]
