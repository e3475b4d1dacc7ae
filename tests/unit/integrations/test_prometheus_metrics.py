# SPDX-License-Identifier: Apache-2.0
"""Metrics under the names of prometheus_client: what a call records, and under which labels."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import prometheus_client
import pytest

import tidegauge as tg
from tidegauge.config import live_reading
from tidegauge.model.errors import CatalogError, ConfigError, MetricValidationError
from tidegauge.model.spec import Combine
from tidegauge.prometheus import (
    Counter,
    Gauge,
    Histogram,
    Summary,
    TidegaugeCollector,
    include_registry,
    make_asgi_app,
    make_wsgi_app,
    unregister_collector,
)
from tidegauge.record.front import recorder
from tidegauge.record.sampling import sample_gauges
from tidegauge.testing import Captured, RecordedFact, capture


@pytest.fixture
def facts(captured: Captured) -> Callable[[str], list[RecordedFact]]:
    """Reads the facts of a metric by its full name, in the order in which they were recorded."""
    return lambda metric: [fact for fact in captured.facts if fact.metric == metric]


def test_a_counter_records_its_increments(captured: Captured) -> None:
    """Each call is a fact with what was added; `_total` is added to the name."""
    counter = Counter("t_jobs", "Jobs")
    counter.inc()
    counter.inc(2.5)
    counter.inc(np.float32(0.5))
    assert captured.values("custom:t_jobs_total") == [1.0, 2.5, 0.5]


def test_a_counter_does_not_go_down(captured: Captured) -> None:
    """A negative amount is refused as any value that is not allowed."""
    counter = Counter("t_up", "Up")
    with pytest.raises(MetricValidationError, match="out of range"):
        counter.inc(-1)
    assert captured.values("custom:t_up_total") == []


def test_lenient_mode_raises_for_no_value() -> None:
    """What is not allowed is dropped and counted, and the program goes on."""
    with capture(strict=False) as lenient:
        Counter("t_lenient", "x").inc(-1)
        Gauge("t_lenient_gauge", "x").set("much")  # type: ignore[arg-type]
        Gauge("system_cpu_usage_percent", "x").set(float("nan"))
        Histogram("model_latency_seconds", "x").observe(None)  # type: ignore[arg-type]
        Histogram("t_lenient_traced", "x").observe("x", {"trace_id": "t"})  # type: ignore[arg-type]
    assert lenient.facts == []
    assert lenient.dropped["out_of_range"] == 1
    assert sum(lenient.dropped.values()) == 5


def test_labels_by_position_and_by_name(facts: Callable[[str], list[RecordedFact]]) -> None:
    """Both ways give the same series, whose values are texts; an empty one is no label."""
    counter = Counter("t_labelled", "x", ["method", "status"])
    counter.labels("GET", 200).inc()
    counter.labels(status=200, method="GET").inc()
    counter.labels("GET", "").inc()
    assert counter.labels("GET", 200) is counter.labels(method="GET", status="200")
    assert [fact.labels for fact in facts("custom:t_labelled_total")] == [
        {"method": "GET", "status": "200"},
        {"method": "GET", "status": "200"},
        {"method": "GET"},
    ]


@pytest.mark.parametrize(
    "use",
    [
        lambda metric: metric.labels("GET"),
        lambda metric: metric.labels("GET", "200", "more"),
        lambda metric: metric.labels(method="GET"),
        lambda metric: metric.labels(method="GET", code="200"),
        lambda metric: metric.labels("GET", status="200"),
        lambda metric: metric.observe(1),
        lambda metric: metric.observe(1, {"trace_id": "t"}),
        lambda metric: metric.time(),
        lambda metric: metric.labels("GET", "200").labels("GET", "200"),
    ],
    ids=[
        "too few",
        "too many",
        "too few by name",
        "another name",
        "mixed",
        "none",
        "none and an exemplar",
        "none and a timer",
        "of a series",
    ],
)
def test_wrong_labels_are_an_error(captured: Captured, use: Callable[[Any], object]) -> None:
    """Too few, too many, others, mixed, none at all, or labels of what is a series already."""
    with pytest.raises(MetricValidationError, match="used with other labels"):
        use(Histogram("t_wrong_labels", "x", ["method", "status"]))
    assert captured.facts == []


def test_what_the_error_about_labels_says() -> None:
    """It names what was declared and how to write it."""
    with pytest.raises(MetricValidationError) as caught:
        Counter("t_told", "x", ["method", "status"]).inc()
    assert str(caught.value) == (
        "metric 'custom:t_told_total' is used with other labels than it was declared with; "
        "allowed: a value for each of: method, status. Write .labels(method=…, status=…) first."
    )


def test_forgetting_series_changes_nothing_that_was_recorded(captured: Captured) -> None:
    """After `remove` and `clear` there are new objects, and a gauge begins at 0 again."""
    gauge = Gauge("t_forgotten", "x", ["queue"])
    first = gauge.labels("a")
    first.inc(5)
    gauge.remove("a")
    assert gauge.labels("a") is not first
    gauge.labels("a").inc()
    gauge.clear()
    gauge.labels("a").inc(2)
    assert captured.values("custom:t_forgotten") == [5.0, 1.0, 2.0]


def test_a_gauge_records_the_value_it_has(captured: Captured) -> None:
    """`set`, `inc` and `dec` each record where that leads."""
    gauge = Gauge("t_depth", "x")
    gauge.inc()
    gauge.set(10)
    gauge.dec(2.5)
    gauge.inc(np.int64(3))
    assert captured.values("custom:t_depth") == [1.0, 10.0, 7.5, 10.5]


def test_threads_share_the_value_of_a_gauge(captured: Captured) -> None:
    """Every change counts, and the last fact is the last value."""
    gauge = Gauge("t_threads", "x")

    def change() -> None:
        for _ in range(200):
            gauge.inc(2)
            gauge.dec()

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = captured.values("custom:t_threads")
    assert (len(values), values[-1]) == (1600, 800.0)


def test_a_forked_child_begins_at_zero(captured: Captured) -> None:
    """What the parent counted is the parent's; the values of both can be summed."""
    gauge = Gauge("t_forked", "x", multiprocess_mode="livesum")
    gauge.inc(5)
    child = os.fork()
    if child == 0:
        try:
            gauge.inc()
            tg.shutdown()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert sorted(captured.values("custom:t_forked")) == [1.0, 5.0]


def test_a_gauge_may_ask_a_function(captured: Captured) -> None:
    """It is asked with the other sampled gauges; if it fails, that is a fact less."""
    answers: list[float] = [7]
    gauge = Gauge("t_asked", "x", ["queue"])
    gauge.labels("a").set_function(lambda: answers[0])
    sample_gauges()
    sample_gauges()
    answers[0] = 8
    sample_gauges()
    assert captured.values("custom:t_asked") == [7.0, 8.0]
    answers.clear()
    sample_gauges()
    assert captured.dropped == {"internal": 1}
    gauge.clear()


def test_seconds_since_1970(captured: Captured) -> None:
    """`set_to_current_time` records the wall clock in seconds."""
    Gauge("t_finished_seconds", "x").set_to_current_time()
    (value,) = captured.values("custom:t_finished_seconds")
    assert isinstance(value, float)
    assert 1.7e9 < value < 1e11


@pytest.mark.parametrize(
    ("mode", "combine"),
    [
        ("all", Combine.LAST),
        ("mostrecent", Combine.LAST),
        ("sum", Combine.SUM),
        ("livesum", Combine.SUM),
        ("max", Combine.MAX),
        ("livemax", Combine.MAX),
    ],
)
def test_how_a_gauge_combines_over_processes(mode: str, combine: Combine) -> None:
    """The modes of prometheus_client say it."""
    Gauge(f"t_mode_{mode}", "x", multiprocess_mode=mode)
    assert recorder.catalog.resolve(f"custom:t_mode_{mode}").combined_by is combine


def test_the_smallest_over_processes_is_not_to_be_had() -> None:
    """The mode `min`, and one that does not exist, are errors that say what there is."""
    with pytest.raises(ConfigError, match="smallest value over processes cannot be shown"):
        Gauge("t_min", "x", multiprocess_mode="livemin")
    with pytest.raises(ConfigError, match="multiprocess_mode is not known; got 'avg'"):
        Gauge("t_avg", "x", multiprocess_mode="avg")


def test_what_is_in_progress(captured: Captured) -> None:
    """The gauge goes up for the length of a block, a call or a coroutine, raising or not."""
    gauge = Gauge("t_progress", "x")

    @gauge.track_inprogress()
    async def work() -> None:
        await asyncio.sleep(0)
        raise KeyError

    with gauge.track_inprogress(), pytest.raises(KeyError):
        asyncio.run(work())
    assert captured.values("custom:t_progress") == [1.0, 2.0, 1.0, 0.0]


def test_exceptions_are_counted(captured: Captured) -> None:
    """Those of the given class, from blocks and calls; they pass unchanged."""
    counter = Counter("t_failures", "x")

    @counter.count_exceptions(LookupError)
    def fail(error: type[Exception]) -> None:
        raise error

    for error in (KeyError, ValueError):
        with pytest.raises(error):
            fail(error)
    with pytest.raises(OSError, match="disk"), counter.count_exceptions():
        raise OSError("disk")
    with counter.count_exceptions():
        pass
    assert captured.values("custom:t_failures_total") == [1.0, 1.0]


def test_a_coroutine_is_timed_to_its_end(captured: Captured) -> None:
    """Making it takes no time; awaiting it does."""
    histogram = Histogram("t_async_seconds", "x")

    @histogram.time()
    async def work() -> int:
        assert captured.values("custom:t_async_seconds") == []
        await asyncio.sleep(0.02)
        return 3

    assert asyncio.run(work()) == 3
    (value,) = captured.values("custom:t_async_seconds")
    assert isinstance(value, float)
    assert 0.02 <= value < 5


def test_seconds_are_recorded_whatever_the_name_says(captured: Captured) -> None:
    """A name without a unit gets seconds as well; so do summaries and gauges."""
    with Histogram("t_took", "x").time():
        pass
    with Summary("t_took_summary", "x").time():
        pass
    with Gauge("t_took_last", "x").time():
        pass
    for name in ("t_took", "t_took_summary", "t_took_last"):
        (value,) = captured.values(f"custom:{name}")
        assert isinstance(value, float)
        assert 0 <= value < 5


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"name": "t_a", "namespace": "ns", "subsystem": "sub"}, "ns_sub_t_a_total"),
        ({"name": "t_b_total", "unit": "bytes"}, "t_b_bytes_total"),
        ({"name": "t_c_seconds", "unit": "seconds"}, "t_c_seconds_total"),
        ({"name": "t_D"}, "t_D_total"),
        ({"name": "t_all"}, "t_all_total"),
    ],
)
def test_names_are_put_together_as_in_prometheus_client(given: dict[str, str], name: str) -> None:
    """The page has the very name that prometheus_client would show, and values as they are."""
    theirs = prometheus_client.Counter(documentation="x", registry=None, **given)
    assert [f"{each.name}_total" for each in theirs.collect()] == [name]
    Counter(documentation="x", **given)
    catalog = recorder.catalog
    full = f"custom:{name.lower()}"
    assert (catalog.prometheus_name(full), catalog.prometheus_scale(full)) == (name, 1.0)


def test_help_of_several_lines_and_none() -> None:
    """A catalogue wants one line, so lines are joined, and the name stands in for nothing."""
    Counter("t_lines", "One\n  two.")
    Counter("t_silent", "")
    assert recorder.catalog.resolve("custom:t_lines_total").description == "One two."
    assert recorder.catalog.resolve("custom:t_silent_total").description == "t_silent_total"


@pytest.mark.parametrize("name", ["", "t-dash", "5xx", "t:colon"])
def test_names_that_cannot_be(name: str) -> None:
    """A name that no page could show is refused when the metric is made."""
    with pytest.raises(CatalogError):
        Counter(name, "x")


@pytest.mark.parametrize("label", ["le", "name", "time", "__x", "a-b"])
def test_labels_that_cannot_be(label: str) -> None:
    """A label that the tables or Prometheus keep for themselves is refused just as early."""
    with pytest.raises(CatalogError, match="has a label it cannot have"):
        Counter("t_label", "x", ["fine", label])


@pytest.mark.parametrize("buckets", [[], [float("inf")], [2, 1], [1, 1], [float("nan"), 1]])
def test_buckets_that_cannot_be(buckets: list[float]) -> None:
    """Bounds ascend, and there is at least one beside +Inf."""
    with pytest.raises(CatalogError, match="buckets of a histogram cannot be used"):
        Histogram("t_bad_buckets", "x", buckets=buckets)


def test_one_name_is_one_metric() -> None:
    """The same again is fine; another kind or other labels are refused, and both are named."""
    Gauge("t_once", "x", ["a"])
    Gauge("t_once", "x", ["a"])
    with pytest.raises(CatalogError, match=r"'t_once' is declared in two ways.*in labels"):
        Gauge("t_once", "x", ["b"])
    with pytest.raises(CatalogError, match=r"'t_once' .* in kind"):
        Histogram("t_once", "x", ["a"])


def test_a_metric_of_the_catalogue_is_recorded_in_its_unit(captured: Captured) -> None:
    """Seconds that the catalogue has as milliseconds become those, from calls and timers."""
    histogram = Histogram("model_latency_seconds", "x", registry=object())
    histogram.observe(0.25)
    histogram.observe(np.float32(0.5))
    with histogram.time():
        pass
    first, second, third = captured.values("model:latency_ms")
    assert (first, second) == (250.0, 500.0)
    assert isinstance(third, float)
    assert third < 5_000
    Gauge("system_cpu_usage_percent", "x").set(12.5)
    assert captured.values("resource:cpu_percent") == [12.5]


def test_other_buckets_than_the_catalogue_has_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log says which hold, and says it once; the same ones are not worth a word."""
    same = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1]
    Histogram("ml_model_inference_seconds", "x", ["model_name"], buckets=same)
    assert caplog.messages == []
    for _ in range(2):
        Histogram("llm_inference_seconds", "x", buckets=[1, 2])
    told = (
        "llm_inference_seconds has the buckets of llm:inference_seconds in the catalogue, "
        "[0.1, 0.5, 1.0, 2.0, 5.0, 10.0], and not those it was given, [1.0, 2.0]"
    )
    assert caplog.messages == [told]


def test_an_exemplar_is_recorded_with_its_fact(
    facts: Callable[[str], list[RecordedFact]],
) -> None:
    """It is the metadata of the fact, and the page leads from the number to the trace."""
    Counter("t_traced", "x", ["a"]).labels("b").inc(2, {"trace_id": "abc"})
    Histogram("t_traced_seconds", "x").observe(0.3, exemplar={"trace_id": "def"})
    (fact,) = facts("custom:t_traced_total")
    assert (fact.labels, fact.columns["value"]) == ({"a": "b"}, 2.0)
    assert fact.columns["metadata"] == '{"trace_id":"abc"}'
    families = {family.name: family for family in live_reading().families}
    (counted,) = families["t_traced_total"].exemplars.values()  # type: ignore[union-attr]
    assert (counted.labels, counted.value) == ((("trace_id", "abc"),), 2.0)
    assert list(families["t_traced_seconds"].exemplars) == [(0, 7)]  # type: ignore[union-attr]


def test_a_metric_made_before_configure_follows_it(captured: Captured) -> None:
    """A child that recorded into one store records into the next, with its declaration."""
    child = Counter("t_moved", "x", ["a"]).labels("b")
    child.inc()
    with capture() as elsewhere:
        child.inc(3)
        values = {
            family.name: family.values  # type: ignore[union-attr]
            for family in live_reading().families
            if family.name == "t_moved_total"
        }
        assert values == {"t_moved_total": [3.0]}
    assert elsewhere.values("custom:t_moved_total") == [3.0]
    assert captured.values("custom:t_moved_total") == [1.0]


def test_a_page_for_each_kind_of_server(captured: Captured) -> None:
    """The ASGI and the WSGI application show what was declared."""
    Counter("t_paged", "Pages").inc(4)
    wanted = "# HELP t_paged_total Pages\n# TYPE t_paged_total counter\nt_paged_total 4.0\n"
    given: list[str] = []
    environ = {"REQUEST_METHOD": "GET"}
    body = b"".join(make_wsgi_app()(environ, lambda status, *_: given.append(status)))  # type: ignore[arg-type,func-returns-value]
    assert given == ["200 OK"]
    assert wanted in body.decode()
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "headers": [], "query_string": b""}
        await make_asgi_app()(scope, receive, send)  # type: ignore[arg-type]

    asyncio.run(ask())
    assert wanted in sent[1]["body"].decode()


def test_ours_on_the_page_of_prometheus_client(captured: Captured) -> None:
    """A registry of theirs that has the collector shows what was recorded here."""
    registry = prometheus_client.CollectorRegistry()
    registry.register(TidegaugeCollector())
    Counter("t_theirs", "x").inc(2)
    assert registry.get_sample_value("t_theirs_total") == 2.0


def test_theirs_on_our_page(captured: Captured) -> None:
    """What a registry of theirs has is shown, as this process has it."""
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("t_ours", "x", registry=registry).inc(3)
    name = include_registry(registry)
    try:
        families = {family.name: family for family in live_reading().families}
    finally:
        unregister_collector(name)
    (sample,) = families["t_ours_total"].samples  # type: ignore[union-attr]
    assert (name, sample.value) == ("prometheus_client", 3.0)


def test_both_ways_at_once_do_not_go_in_a_circle(captured: Captured) -> None:
    """A registry that is shown here and shows us shows each metric once on each page."""
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("t_circle_theirs", "x", registry=registry).inc()
    registry.register(TidegaugeCollector())
    Counter("t_circle_ours", "x").inc()
    name = include_registry(registry, "circle")
    try:
        ours = [family.name for family in live_reading().families]
    finally:
        unregister_collector(name)
    assert ours.count("t_circle_ours_total") == ours.count("t_circle_theirs_total") == 1


def test_making_metrics_is_cheap_and_starts_nothing(
    run_program: Callable[..., Any], store_dir: Any
) -> None:
    """None of the libraries that store, query or show is loaded, and nothing is written."""
    store_dir.mkdir()
    done = run_program(
        "import sys\n"
        "from tidegauge.prometheus import Counter, Gauge, Histogram, Summary\n"
        "for kind in (Counter, Gauge, Histogram, Summary):\n"
        "    kind(f'x_{kind.__name__}', 'x', ['a']).labels('b')\n"
        "    kind(f'y_{kind.__name__}', 'x')\n"
        "heavy = {'numpy', 'pyarrow', 'duckdb', 'deltalake', 'sqlite3', 'prometheus_client'}\n"
        "print(sorted(heavy & set(sys.modules)))\n",
        store_dir,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert list(store_dir.iterdir()) == []
