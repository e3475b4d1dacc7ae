# SPDX-License-Identifier: Apache-2.0
"""Live metrics as a process reads them: what is shown of which facts."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.catalog import builtin_catalog
from tidegauge.config import live_reading
from tidegauge.live.collectors import Collectors
from tidegauge.live.families import Numbers, gauge
from tidegauge.model.errors import StoreError
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.testing import capture

Show = Callable[..., Any]
SECOND_NS = 10**9
REQUESTS, DURATION, REQUEST_BYTES, RESPONSE_BYTES = (
    builtin_catalog().exported(f"api:{name}").prometheus
    for name in (
        "requests",
        "request_duration_seconds",
        "request_size_bytes",
        "response_size_bytes",
    )
)


def summary(*values: float) -> dict[str, object]:
    """The columns of an interval with these values."""
    accumulator = Accumulator()
    accumulator.add_many(values)
    return accumulator.columns(10.0)


def test_no_store(bench: Any, show: Show) -> None:
    """Where nothing was ever recorded, a reading tells that, and creates nothing."""
    shown = show(bench.reader())
    assert shown.families() == {}
    assert shown.value("tidegauge_recorded_total") == 0
    assert not bench.root.exists()


def test_first_fact_after_a_first_look(
    bench: Any, show: Show, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that is looked at before it exists is nothing to warn about later."""
    reader = bench.reader()
    show(reader)
    bench.record("custom:jobs", 2.0)
    assert show(reader).value("custom_jobs_total") == 2
    assert show(bench.reader()).value("custom_jobs_total") == 2
    assert caplog.messages == []


def test_counters_add_up_over_processes(bench: Any, show: Show) -> None:
    """A counter is the sum of its facts, whoever recorded them, points and events alike."""
    other = bench.new_writer()
    bench.record("custom:jobs", 1.0, 2.0, kind="a")
    bench.record("custom:jobs", 4.0, writer=other, kind="a")
    bench.record_event("points", {"value": 8.0}, "custom:jobs", kind="a")
    bench.record("custom:jobs", 16.0, kind="b")
    shown = show(bench.reader())
    assert shown.values("custom_jobs_total") == {
        (("kind", "a"),): 15.0,
        (("kind", "b"),): 16.0,
    }
    assert shown.value("tidegauge_recorded_total") == 5
    other.close()


def test_bounds_of_buckets_are_inclusive(bench: Any, show: Show) -> None:
    """A value that equals an upper bound is in that bucket."""
    bench.record("custom:wait", 0.1, 0.1000001, 1.0, 10.0, 11.0, -1.0)
    family = show(bench.reader()).family("custom_wait_seconds")
    assert family.bounds == (0.1, 1.0, 10.0)
    assert family.counts == [[2, 2, 1, 1]]
    assert family.sums == [math.fsum((0.1, 0.1000001, 1.0, 10.0, 11.0, -1.0))]


def test_last_value_by_time(bench: Any, show: Show) -> None:
    """Of a gauge the latest value by time counts, whoever recorded it and whenever it came."""
    other = bench.new_writer()
    now_ns = bench.clock.wall_ns()
    bench.record("custom:level", 1.0, time_ns=now_ns)
    bench.record("custom:level", 2.0, time_ns=now_ns - SECOND_NS)
    bench.record("custom:level", 3.0, time_ns=now_ns - 2 * SECOND_NS, writer=other)
    assert show(bench.reader()).value("custom_level") == 1
    bench.record_event("points", {"value": 4.0}, "custom:level", writer=other)
    assert show(bench.reader()).value("custom_level") == 4
    other.close()


@pytest.mark.parametrize(
    ("metric", "both", "one"),
    [("custom:workers", 8.0, 3.0), ("custom:share", 4.0, 3.0), ("custom:peak", 5.0, 3.0)],
)
def test_gauges_are_combined_over_living_processes(
    bench: Any, show: Show, metric: str, both: float, one: float
) -> None:
    """Sum, mean and maximum take the last value of each process, for as long as it lives."""
    other = bench.new_writer()
    bench.record(metric, 9.0, 3.0)
    bench.record(metric, 5.0, writer=other)
    reader, name = bench.reader(), metric.replace(":", "_")
    assert show(reader).value(name) == both
    other.close()
    assert show(reader).value(name) == one
    assert show(bench.reader()).value(name) == one


def test_later_of_two_lanes(bench: Any, show: Show) -> None:
    """A value recorded later counts, though facts of its kind are read first."""
    bench.record_event("points", {"value": 1.0}, "custom:workers")
    bench.clock.advance(1)
    bench.record("custom:workers", 2.0)
    assert show(bench.reader()).value("custom_workers") == 2
    bench.clock.advance(1)
    bench.record_event("points", {"value": 3.0}, "custom:workers")
    assert show(bench.reader()).value("custom_workers") == 3


def test_later_of_interval_and_fact(bench: Any, show: Show) -> None:
    """Of an interval and a single fact in one lane the one counts that was written later."""
    bench.record_event("intervals", summary(1.0), "custom:workers")
    bench.record_event("points", {"value": 2.0}, "custom:workers")
    bench.record_event("intervals", summary(1.0), "custom:level")
    bench.record_event("points", {"value": 2.0}, "custom:level")
    shown = show(bench.reader())
    assert (shown.value("custom_workers"), shown.value("custom_level")) == (2, 2)


def test_gauge_of_an_earlier_owner(bench: Any, show: Show) -> None:
    """What a process recorded does not hold for the next one that gets its slot."""
    bench.record("custom:workers", 3.0)
    bench.writer.close()
    bench.record("custom:jobs", 1.0)
    assert show(bench.reader()).values("custom_workers") == {}


def test_gauge_outlives_its_process_for_a_while(bench: Any, show: Show) -> None:
    """A gauge is shown while its process lives, and for the gauge's time after its last fact."""
    bench.record("custom:level", 1.0)
    reader = bench.reader()
    bench.clock.advance(1000)
    assert show(reader).value("custom_level") == 1
    bench.writer.close()
    assert show(reader).values("custom_level") == {}
    bench.record("custom:level", 2.0)
    bench.writer.close()
    bench.clock.advance(299)
    assert show(reader).value("custom_level") == 2
    bench.clock.advance(2)
    assert show(reader).values("custom_level") == {}


def test_intervals(bench: Any, show: Show) -> None:
    """An interval adds its sum, counts and buckets; of a gauge it is the last value."""
    bench.record_event("intervals", summary(0.05, 0.5, 0.5, 50.0), "custom:wait")
    bench.record_event("intervals", summary(1.0, 2.0), "custom:jobs")
    bench.record_event("intervals", summary(7.0, 5.0), "custom:level")
    bench.record_event("intervals", summary(3.0, 4.0), "custom:workers")
    shown = show(bench.reader())
    family = shown.family("custom_wait_seconds")
    assert family.counts == [[1, 2, 0, 1]]
    assert family.sums == [51.05]
    assert family.exponential(0).count == 4
    assert shown.value("custom_jobs_total") == 3
    assert shown.value("custom_level") == 5
    assert shown.value("custom_workers") == 4


def test_interval_gauge_holds_while_its_process_lives(bench: Any, show: Show) -> None:
    """A gauge in intervals is as current as one in points."""
    bench.record_event("intervals", summary(5.0), "custom:level")
    bench.clock.advance(1000)
    assert show(bench.reader()).value("custom_level") == 5


@pytest.mark.parametrize(
    ("table", "columns", "reason"),
    [
        ("points", {"value": "many"}, "not_finite"),
        ("points", {"value": math.nan}, "not_finite"),
        ("points", {}, "not_finite"),
        ("points", {"metadata": '["trace_id"]', "value": math.inf}, "not_finite"),
        ("intervals", {"count": 1}, "unfit"),
        ("intervals", {**summary(1.0), "sum": math.inf}, "unfit"),
        ("intervals", {**summary(1.0), "positive_counts": [-1]}, "unfit"),
        ("requests", {"duration_s": "long"}, "unfit"),
        ("requests", {"duration_s": 1.0, "route": ["a"]}, "unfit"),
        ("predictions", {"status": "success", "prefix": 7}, "unfit"),
        ("predictions", {"status": "success", "confidence": "high"}, "unfit"),
    ],
)
def test_events_that_do_not_fit(
    bench: Any, show: Show, table: str, columns: dict[str, Any], reason: str
) -> None:
    """An event that does not fit its table is left out and counted, and stops nothing."""
    bench.record_event(table, columns, "custom:jobs")
    bench.record("custom:jobs", 1.0)
    reader = bench.reader()
    shown = show(reader)
    assert shown.value("custom_jobs_total") == 1
    skipped = shown.values("tidegauge_live_skipped_total")
    assert skipped[("reason", reason),] == 1
    assert sum(skipped.values()) == 1
    assert shown.value("tidegauge_recorded_total") == 2
    assert show(reader).values("tidegauge_live_skipped_total") == skipped


@pytest.mark.parametrize(
    "metadata", ['["trace_id"]', '"trace_id"', '{"trace_id"', '{"trace_id": 1}']
)
def test_metadata_without_a_trace(bench: Any, show: Show, metadata: str) -> None:
    """Metadata that only looks as if it led to a trace makes no exemplar."""
    bench.record_event("points", {"value": 1.0, "metadata": metadata}, "custom:jobs")
    assert show(bench.reader()).family("custom_jobs_total").exemplars == {}


def test_exemplars(bench: Any, show: Show) -> None:
    """The latest fact with a trace is the exemplar of its series, and of its bucket."""
    metadata = '{"trace_id": "ab", "span_id": "cd", "user": "x"}'
    for value in (0.5, 0.7, 5.0):
        columns = {"value": value, "metadata": metadata}
        bench.record_event("points", columns, "custom:wait")
    family = show(bench.reader()).family("custom_wait_seconds")
    assert {at: each.value for at, each in family.exemplars.items()} == {(0, 1): 0.7, (0, 2): 5.0}
    assert family.exemplars[0, 1].labels == (("span_id", "cd"), ("trace_id", "ab"))


def test_negative_increments(bench: Any, show: Show) -> None:
    """A counter never goes down; what would make it is counted."""
    bench.record("custom:jobs", 5.0, -3.0)
    shown = show(bench.reader())
    assert shown.value("custom_jobs_total") == 5
    assert shown.values("tidegauge_live_skipped_total")[("reason", "negative"),] == 1


def test_metric_that_nobody_declared(bench: Any, show: Show) -> None:
    """A metric without declaration is a gauge; one that no catalogue can name is left out."""
    bench.record("custom:unheard", 5.0)
    bench.record("strange:thing", 1.0)
    shown = show(bench.reader())
    assert shown.value("custom_unheard") == 5
    assert shown.values("tidegauge_live_skipped_total")[("reason", "unknown"),] == 1


def test_two_metrics_of_one_name(bench: Any, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    """Of two metrics that Prometheus would mix up one is shown, which is logged once."""
    bench.record("custom:same.name", 1.0)
    bench.record("custom:same_name", 2.0)
    reader = bench.reader()
    assert show(reader).value("custom_same_name") == show(reader).value("custom_same_name")
    (message,) = caplog.messages
    assert "is called" in message


def test_requests(bench: Any, show: Show) -> None:
    """A request feeds what its table declares, and an empty column nothing."""
    row = {"method": "GET", "route": "/a", "status": 200, "duration_s": 0.2, "scheme": "http"}
    reader = bench.reader(catalog=builtin_catalog())
    bench.record_event("requests", {**row, "response_bytes": 10, "trace_id": "f" * 32})
    bench.record_event("requests", row)
    shown = show(reader)
    labels = (("endpoint", "/a"), ("method", "GET"), ("status", "200"))
    assert shown.values(REQUESTS) == {labels: 2.0}
    assert sum(shown.family(DURATION).counts[0]) == 2
    assert sum(shown.family(RESPONSE_BYTES).counts[0]) == 1
    assert REQUEST_BYTES not in shown.families()
    assert shown.family(REQUESTS).exemplars[0].labels == (("trace_id", "f" * 32),)


def test_predictions(bench: Any, show: Show) -> None:
    """A prediction feeds by its prefix and status; counters of what did not happen are 0."""
    row = {"status": "success", "confidence": 0.95, "latency_s": 0.1, "prefix": "shop"}
    bench.record_event("predictions", row, model="m")
    bench.record_event("predictions", {"status": "error", "error_type": "E"}, model="m")
    shown = show(bench.reader(catalog=builtin_catalog()))
    labels = (("model_name", "m"),)
    assert shown.values("shop_high_confidence_total") == {labels: 1.0}
    assert shown.values("shop_low_confidence_total") == {labels: 0.0}
    assert sum(shown.values("ml_model_predictions_total").values()) == 2
    assert len(shown.values("ml_model_prediction_errors_total")) == 1


def test_run_is_no_label(bench: Any, show: Show) -> None:
    """Series that differ by their run alone are one, and the model is `model_name`."""
    bench.record("custom:jobs", 1.0, run_id="1", model="m", service="s")
    bench.record("custom:jobs", 1.0, run_id="2", model="m", service="s")
    labels = (("model_name", "m"), ("service", "s"))
    assert show(bench.reader()).values("custom_jobs_total") == {labels: 2.0}


def test_threads_share_a_reading(bench: Any) -> None:
    """Those who ask while somebody reads get that reading, collected once."""
    begun, release, calls = threading.Event(), threading.Event(), []

    def slow() -> list[Any]:
        calls.append(1)
        begun.set()
        assert release.wait(10)
        return [gauge("slow", "", 1.0)]

    collectors = Collectors()
    collectors.register(slow)
    reader = bench.reader(collectors=collectors)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(reader.read())) for _ in range(8)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    release.set()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(each) for each in found}) == len(calls)


def test_collector_that_reads(bench: Any) -> None:
    """A collector may read live metrics itself, and gets them without those of collectors."""
    collectors = Collectors()
    reader = bench.reader(collectors=collectors)
    seen: list[int] = []

    def count() -> list[Any]:
        seen.append(len(reader.read().families))
        return [gauge("families", "", seen[-1])]

    collectors.register(count)
    bench.record("custom:jobs", 1.0)
    assert "families" in {each.name for each in reader.read().families}
    assert len(seen) == 1


def test_reader_that_fails_does_not_poison_the_next(bench: Any, show: Show) -> None:
    """After an error in the middle of a reading nothing is lost or counted twice."""
    bench.record("custom:jobs", 1.0)
    reader = bench.reader()
    assert show(reader).value("custom_jobs_total") == 1
    bench.record("custom:jobs", 1.0)
    bench.record_event("points", {"value": 5.0}, "custom:unheard")
    aside = bench.root / "aside"
    aside.mkdir()
    for path in bench.root.glob("state.db*"):
        path.rename(aside / path.name)
    (bench.root / "state.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="state cannot be used"):
        reader.read()  # after the points were folded: what is the event's metric?
    for path in bench.root.glob("state.db*"):
        path.unlink()
    for path in aside.iterdir():
        path.rename(bench.root / path.name)
    shown = show(reader)
    assert shown.value("custom_jobs_total") == 2
    assert shown.value("custom_unheard") == 5


def test_journal_without_identity(bench: Any, show: Show) -> None:
    """Nobody can tell which journal it is: an error says so until it is repaired."""
    bench.record("custom:jobs", 1.0)
    reader = bench.reader()
    assert show(reader).value("custom_jobs_total") == 1
    bench.writer.close()
    (bench.root / "journal" / "id").rename(bench.root / "id")
    (bench.root / "journal" / "000.state").rename(bench.root / "page")
    with pytest.raises(StoreError, match="lost its identity"):
        reader.read()
    (bench.root / "id").rename(bench.root / "journal" / "id")
    assert show(reader).value("custom_jobs_total") == 1


def test_empty_journal(bench: Any, show: Show) -> None:
    """A journal with an identity and no facts has no families, and keeps a file."""
    bench.writer.open()
    assert show(bench.reader()).families() == {}
    assert (bench.root / "live.state").exists()


def test_gauge_sum_beyond_all_floats(bench: Any, show: Show) -> None:
    """Where values are too large to add, the sum is infinite and not an error."""
    other = bench.new_writer()
    bench.record("custom:workers", 1.7e308)
    bench.record("custom:workers", 1.7e308, writer=other)
    assert show(bench.reader()).value("custom_workers") == math.inf
    other.close()


def test_dead_slot_that_is_taken_again(bench: Any, show: Show) -> None:
    """A slot that ended is not looked at, until somebody takes it."""
    bench.record("custom:jobs", 1.0)
    bench.writer.close()
    reader = bench.reader()
    for total in (1, 2, 3):
        assert show(reader).value("custom_jobs_total") == total
        bench.record("custom:jobs", 1.0)
        bench.writer.close()


def test_refused_facts(bench: Any, show: Show) -> None:
    """Drops and fixed names of living and of ended processes are shown."""
    other = bench.new_writer()
    bench.record("custom:jobs", 1.0)
    bench.record("custom:jobs", 1.0, writer=other)
    bench.writer.count_drop("budget", 2)
    other.count_drop("budget", 3)
    other.count_fixed(4)
    reader = bench.reader()
    other.close()
    for _ in range(2):
        shown = show(reader)
        assert shown.values("tidegauge_dropped_total")[("reason", "budget"),] == 5
        assert shown.value("tidegauge_fixed_names_total") == 4
        assert shown.value("tidegauge_journal_processes") == 1


def test_start_is_the_earliest_fact(bench: Any) -> None:
    """Cumulative numbers count since the earliest fact; since now if there is none."""
    reader = bench.reader()
    assert reader.read().start_ns == bench.clock.wall_ns()
    bench.record("custom:jobs", 1.0, time_ns=123)
    assert reader.read().start_ns == 123


def test_a_percentage_that_is_a_ratio_elsewhere() -> None:
    """A family says what it is in each system; its values are as they were recorded."""
    with capture() as captured:
        tg.log_metric("resource:cpu_percent", 45.0)
        tg.log_metric("resource:memory_percent", 60.0)
        memory, cpu = (
            each for each in live_reading().families if each.otlp_name.startswith("system.")
        )
        assert captured.dropped == {}
    assert isinstance(cpu, Numbers)
    assert (memory.name, memory.scale, memory.unit) == ("resource_memory_ratio", 0.01, "ratio")
    assert (cpu.name, cpu.scale, cpu.values) == ("system_cpu_usage_percent", 1.0, [45.0])
    for family in (cpu, memory):
        assert (family.otlp_unit, family.otlp_scale, family.recorded_unit) == ("1", 0.01, "%")
