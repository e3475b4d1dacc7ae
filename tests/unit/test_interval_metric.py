# SPDX-License-Identifier: Apache-2.0
"""Handles with `aggregate=…`: one summary per interval instead of every value."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

import pytest

import tidegauge as tg
from tidegauge.model.errors import ConfigError, MetricValidationError
from tidegauge.record.aggregate import IntervalMetric
from tidegauge.record.context import Context, current
from tidegauge.record.front import recorder
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
        assert handle.record(0.5, time=0) is None  # type: ignore[func-returns-value]
        assert captured.dropped["bad_time"] == 1
    with capture(), pytest.raises(MetricValidationError, match="out of range"):
        tg.metric("model:accuracy", aggregate=60).record(7)
    with capture(), pytest.raises(MetricValidationError, match="has no step or time of its own"):
        tg.metric("model:accuracy", aggregate=60).record(0.5, 3)


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


def test_values_recorded_while_intervals_are_written_are_kept() -> None:
    """Four threads record under changing labels while a fifth flushes all the time."""
    with capture() as captured:
        handle = tg.metric("custom:x", aggregate=3600)
        done = threading.Event()

        def work() -> None:
            for n in range(5000):
                with tg.context(model=str(n % 7)):
                    handle.record(1)

        def flush() -> None:
            while not done.is_set():
                handle.flush()

        flusher = threading.Thread(target=flush)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in (flusher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        flusher.join()
        assert sum(fact.columns["count"] for fact in captured.facts) == 20_000  # type: ignore[misc]


def test_contexts_that_are_one_series_share_one_record() -> None:
    """Labels of the handle replace those of the context, however many contexts there are."""
    with capture() as captured:
        handle = tg.metric("custom:x", aggregate=3600, model="fixed")
        for n in range(2500):
            with tg.context(model=f"m{n}"):
                handle.record(n)
        (fact,) = captured.facts
    assert fact.labels == {"model": "fixed"}
    assert (fact.columns["count"], fact.columns["sum"]) == (2500, 3123750.0)
    assert (fact.columns["first"], fact.columns["last"]) == (0.0, 2499.0)


def test_beyond_the_cap_is_one_record(tmp_path: Path) -> None:
    """Label sets past the metric's cap are one series, and so one record per interval."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("metrics:\n  custom:x: {description: Capped., series_cap: 3}\n")
    with capture(catalog=catalog) as captured:
        handle = tg.metric("custom:x", aggregate=3600)
        for n in range(10):
            with tg.context(request=f"r{n}"):
                handle.record(1)
        counted = {next(iter(f.labels.values())): f.columns["count"] for f in captured.facts}
        assert len(captured.facts) == 4
    assert counted == {"r0": 1, "r1": 1, "r2": 1, "true": 7}


def contexts_used(handle: IntervalMetric, n: int) -> list[weakref.ref[Context]]:
    """Record once in each of `n` contexts that nobody keeps."""
    used = []
    for number in range(n):
        with tg.context(request=f"{n}-{number}"):
            handle.record(1)
            here = current()
            assert here is not None
            used.append(weakref.ref(here))
            del here
    return used


def test_contexts_are_let_go_with_the_interval() -> None:
    """A context per request, for ever, takes no memory beyond the interval it was used in."""
    with capture():
        handle = tg.metric("custom:x", aggregate=3600)
        used = contexts_used(handle, 20)
        assert None not in [ref() for ref in used]
        handle.flush()
        gc.collect()
        assert [ref() for ref in used] == [None] * 20


def test_contexts_are_let_go_within_a_long_interval() -> None:
    """A thousand contexts at most are remembered, even while the interval is open."""
    with capture():
        handle = tg.metric("custom:x", aggregate=3600, request="fixed")
        used = contexts_used(handle, 2500)
        gc.collect()
        assert sum(ref() is not None for ref in used) <= 1000


def test_handle_follows_the_settings(tmp_path: Path) -> None:
    """Bounds and labels are those in force, also in the middle of an interval."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("metrics:\n  custom:x: {description: Bounded., min: 0, max: 1}\n")
    handle = tg.metric("custom:x", aggregate=3600)
    with capture(service="before") as before:
        handle.record(5)
        handle.record(6)
    with capture(strict=False, service="after", catalog=catalog) as after:
        handle.record(5)
        handle.record(0.5)
        tg.shutdown()
        handle.record(7)
        handle.record(1)
    assert [(f.labels, f.columns["sum"]) for f in before.facts] == [({"service": "before"}, 11.0)]
    assert [(f.labels, f.columns["sum"]) for f in after.facts] == [
        ({"service": "after"}, 0.5),
        ({"service": "after"}, 1.0),
    ]
    assert after.dropped == {"out_of_range": 2}


@pytest.mark.parametrize(
    "length", ["soon", "", [], True, 0, -1, 1e-10, 1e300, float("nan"), "0.5ms", "366d"]
)
def test_interval_must_be_a_duration(length: object) -> None:
    """A length that cannot be used is an error when the handle is made, in either mode."""
    with capture(strict=False), pytest.raises(ConfigError) as caught:
        IntervalMetric(recorder, "custom:x", {}, length)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"the length of an interval cannot be used; got {length!r}; allowed: a number of seconds, "
        "or a text such as '250ms', '10s', '5m', '1h'; from 1 ms to 365 days. Write for example "
        "aggregate='10s'."
    )


def test_front_refuses_a_length_that_is_no_duration() -> None:
    """`tg.metric` tells it, rather than the first value."""
    with pytest.raises(ConfigError, match="got 'soon'"):
        tg.metric("custom:x", aggregate="soon")


def test_timer_of_an_interval_handle() -> None:
    """Timers work on interval handles too."""
    with capture() as captured:
        handle = tg.metric("model:latency_ms", aggregate=60)
        with handle.timer():
            pass
        assert [fact.columns["count"] for fact in captured.facts] == [1]
