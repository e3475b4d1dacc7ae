# SPDX-License-Identifier: Apache-2.0
"""What live metrics cost: a request through the middleware, a scrape, a prediction, a fact folded.

Requests go straight into a FastAPI application with twenty routes, without a network, through no
middleware, ours and two others. Scrapes are of 10,000 counters with three labels, of which 1,000
have moved since the scrape before; the peer is prometheus_client in one process, which shares its
memory with whoever counts. The same series are then scraped from a store of 208 processes of which
8 live, beside prometheus_client's files for 208 processes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure
import tidegauge as tg
from measure import Case, Limit, Report
from tidegauge.config import live_reading, parts
from tidegauge.integrations.predictions import MLMetrics
from tidegauge.live.fold import Fold
from tidegauge.model.clock import SYSTEM_CLOCK
from tidegauge.record.front import recorder
from tidegauge.serve.page import MetricsPage

BARE = "no middleware"
OURS = "tidegauge"
PEERS = ("prometheus-fastapi-instrumentator", "starlette-exporter")
PAGE, THEIR_PAGE = "page of 10,000 series", "prometheus_client, one process"
N_SERIES, N_MOVED, N_LIVE, N_DEAD = 10_000, 1_000, 8, 200
N_OF_A_PROCESS = 500
N_REQUESTS, N_PREDICTIONS = 500, 20_000
FLOOR = "append a tuple to a list"
PREDICTION = "MLMetrics.record_prediction"
WORKERS = Path(__file__).with_name("live_peers")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--points", type=float, default=2e6 * measure.SCALE)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    report = Report(
        "live",
        floor="what stands above each table",
        sizes={"rounds": options.rounds, "series": N_SERIES, "points": int(options.points)},
    )
    for part in (requests, predictions, scrapes, many_processes, folding):
        with measure.temporary_store(options.directory) as store:
            part(store, options, report)
            tg.shutdown()
            tg.config.start_over()
    return measure.finish(report, options, arguments)


def requests(store: Path, options: argparse.Namespace, report: Report) -> None:
    """What a middleware adds to a request."""
    tg.configure(store=store, follower="off", strict=False)
    apps = {BARE: application(), OURS: with_ours(), PEERS[0]: with_first(), PEERS[1]: with_second()}
    loop = asyncio.new_event_loop()
    cases = [
        Case(name, lambda app=app: loop.run_until_complete(ask(app)), N_REQUESTS)
        for name, app in apps.items()
    ]
    samples = measure.interleave(cases, rounds=options.rounds)
    loop.close()
    report.timings += measure.timings(samples, floor=BARE)
    added = {
        name: [one - bare for one, bare in zip(each, samples[BARE], strict=True)]
        for name, each in samples.items()
    }
    shares = [
        ours / min(others)
        for ours, *others in zip(added[OURS], *(added[name] for name in PEERS), strict=True)
    ]
    for name in (OURS, *PEERS):
        report.values[f"added to a request by {name}, µs"] = statistics.median(added[name]) / 1e3
    report.limits.append(
        Limit(
            "what the middleware adds to a request, against the cheaper peer",
            statistics.median(shares),
            "x",
            at_most=0.5,
        )
    )


def application() -> Any:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()
    for number in range(20):

        async def answer(item: str) -> Any:
            return PlainTextResponse(item)

        app.add_api_route(f"/api/v{number}/items/{{item}}", answer)
    return app


def with_ours() -> Any:
    from tidegauge.asgi import MetricsMiddleware

    app = application()
    app.add_middleware(MetricsMiddleware, exclude=("/metrics",))
    return app


def with_first() -> Any:
    from prometheus_fastapi_instrumentator import Instrumentator

    app = application()
    Instrumentator().instrument(app)
    return app


def with_second() -> Any:
    from starlette_exporter import PrometheusMiddleware

    app = application()
    app.add_middleware(PrometheusMiddleware)
    return app


async def ask(app: Callable[..., Awaitable[None]]) -> None:
    """Requests one after the other, as a server would hand them on."""
    headers = [(b"host", b"localhost"), (b"user-agent", b"bench"), (b"accept", b"*/*")]
    request = {"type": "http.request", "body": b"", "more_body": False}

    async def receive() -> dict[str, Any]:
        return request

    async def send(message: dict[str, Any]) -> None:
        pass

    for number in range(N_REQUESTS):
        path = f"/api/v{number % 20}/items/{number}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": {},
        }
        await app(scope, receive, send)


def predictions(store: Path, options: argparse.Namespace, report: Report) -> None:
    """What recording a prediction costs."""
    tg.configure(store=store, follower="off", strict=False)
    metrics = MLMetrics("fraud")
    kept: list[object] = []

    def floor() -> None:
        append, now = kept.append, time.time_ns
        for _ in range(N_PREDICTIONS):
            append((1, now(), 0.5))

    def record() -> None:
        record_prediction = metrics.record_prediction
        for _ in range(N_PREDICTIONS):
            record_prediction("2.0.1", 0.87, 0.93, 0.012, 24)

    clock = time.thread_time_ns
    cases = [
        Case(FLOOR, floor, N_PREDICTIONS, tidy=kept.clear, clock=clock),
        Case(PREDICTION, record, N_PREDICTIONS, tidy=drained, clock=clock),
    ]
    samples = measure.interleave(cases, rounds=options.rounds)
    report.timings += measure.timings(samples, floor=FLOOR)
    cost_us = statistics.median(samples[PREDICTION]) / 1e3
    report.limits.append(Limit("recording a prediction", cost_us, "µs", at_most=2.0))


def drained() -> None:
    """Make room in the journal, as a follower would."""
    for slot in parts().store.slots()[1]:
        slot.free_before(points=2**62, events=2**62)


def scrapes(store: Path, options: argparse.Namespace, report: Report) -> None:
    """A scrape of one process, against prometheus_client's."""
    from prometheus_client import CollectorRegistry, Counter, generate_latest

    tg.configure(store=store, follower="off", strict=False)
    ours = [tg.metric("api:requests", **labels) for labels in label_sets()]
    registry = CollectorRegistry()
    counter = Counter(
        "ml_api_requests", "Requests", ["method", "endpoint", "status"], registry=registry
    )
    theirs = [counter.labels(**labels) for labels in label_sets()]
    for handle, child in zip(ours, theirs, strict=True):
        handle.record(1)
        child.inc()
    page = MetricsPage(live_reading)
    chance = random.Random(7)

    def move() -> None:
        for at in chance.sample(range(N_SERIES), N_MOVED):
            ours[at].record(1)
            theirs[at].inc()

    cases = [
        Case(THEIR_PAGE, lambda: generate_latest(registry), 1, prepare=move),
        Case(PAGE, lambda: page.respond("", ""), 1),
    ]
    samples = measure.interleave(cases, rounds=options.rounds)
    assert page.respond("", "").body.count(b"ml_api_requests_total{") == N_SERIES
    report.timings += measure.timings(samples, floor=THEIR_PAGE)
    ratio = next(each.ratio for each in report.timings if each.name == PAGE)
    took_ms = statistics.median(samples[PAGE]) / 1e6
    report.limits += [
        Limit(f"scrape of {N_SERIES:,} series", took_ms, "ms", at_most=60.0),
        Limit(f"scrape of {N_SERIES:,} series, against prometheus_client", ratio, "x", at_most=1.5),
    ]
    report.values["scrape of 10,000 series in one process, ms"] = took_ms


def label_sets() -> list[dict[str, str]]:
    return [
        {"method": "GET", "endpoint": f"/items/{number // 4}", "status": str(200 + number % 4)}
        for number in range(N_SERIES)
    ]


def many_processes(store: Path, options: argparse.Namespace, report: Report) -> None:
    """The same series, recorded by many processes of which few live."""
    sizes = [str(number) for number in (N_LIVE, N_DEAD, N_OF_A_PROCESS, N_SERIES)]
    with living(WORKERS / "ours.py", str(store), *sizes):
        tg.configure(store=store, follower="off", strict=False)
        page = MetricsPage(live_reading)
        page.respond("", "")
        case = Case("page of 208 processes", lambda: page.respond("", ""), 1)
        samples = measure.interleave([case], rounds=options.rounds)[case.name]
        body = page.respond("", "").body
        assert body.count(b"ml_api_requests_total{") == N_SERIES, body[:500]
        assert f"tidegauge_journal_processes {N_LIVE + 1}.0".encode() in body  # and this one
    took_ms = statistics.median(samples) / 1e6
    alone_ms = report.values["scrape of 10,000 series in one process, ms"]
    report.values["scrape with 8 live and 200 dead processes, ms"] = took_ms
    with tempfile.TemporaryDirectory() as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        with living(WORKERS / "theirs.py", *sizes):
            report.values["the same with prometheus_client, ms"] = their_scrape_ms(directory)
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
    report.limits.append(
        Limit(
            "scrape with 8 live and 200 dead processes, against one",
            took_ms / alone_ms,
            "x",
            at_most=2.0,
        )
    )


@contextmanager
def living(program: Path, *arguments: str) -> Iterator[None]:
    """Run a program that starts many processes, while those live that it does not end."""
    command = [sys.executable, str(program), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def their_scrape_ms(directory: str) -> float:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    took_ms = []
    for _ in range(3):
        begun_s = time.perf_counter()
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=directory)
        page = generate_latest(registry)
        took_ms.append((time.perf_counter() - begun_s) * 1e3)
    assert page.count(b"ml_api_requests_total{") == N_SERIES
    return statistics.median(took_ms)


def folding(store: Path, options: argparse.Namespace, report: Report) -> None:
    """What a fact costs whoever makes the page of it."""
    points = int(options.points)
    tg.configure(store=store, follower="off", strict=False)
    handles = [tg.metric("model:latency_ms", model=f"m{number}") for number in range(100)]
    handles += [tg.metric("api:requests", endpoint=f"e{number}") for number in range(100)]
    chance = random.Random(7)
    values = [chance.lognormvariate(3, 1) for _ in range(1000)]
    for number in range(points):
        handles[number % 200].record(values[number % 1000])
    recorder.writer.tick()
    journal_id, slots = parts().store.slots()

    def fold() -> None:
        new = Fold(recorder.catalog, SYSTEM_CLOCK, journal_id=journal_id)
        assert new.advance(slots) == points

    case = Case("fold a point", fold, points)
    cost_ns = statistics.median(measure.interleave([case], rounds=5, warm_up=1)[case.name])
    report.limits.append(Limit("folding a point", cost_ns / 1e3, "µs", at_most=0.15))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
