# SPDX-License-Identifier: Apache-2.0
"""What recording a fact costs the program, as multiples of the cheapest thing it could do instead.

The floor appends `(id, time_ns(), value)` to a list, in memory that is warm: as fast as CPython can
keep a fact at all, unchecked and for as long as the process lives. A list that keeps growing, as it
would in a program, is measured beside it.

Every case records 65,536 facts a round, which fill exactly one segment of the journal, so that
beginning a new file and touching each of its pages for the first time is in every round. The
store's follower is off; bench/ingest.py has it on. Full segments are deleted between rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import measure
import tidegauge as tg
from measure import Case, Limit, Report
from tidegauge import config
from tidegauge.export.mlflow_run import active_run_id
from tidegauge.journal.reader import Journal
from tidegauge.journal.writer import SEGMENT_SLOTS
from tidegauge.record.context import current
from tidegauge.record.front import recorder
from tidegauge.record.hot import Record

FLOOR = "append a tuple to a list"
GROWING = "append to a list that keeps growing"
BOUND = "handle.record(value)"
NAME = "log_metric(name, value)"
LABELS = "log_metric with two labels in a context"
MANY = "log_metrics of 10, per value"
ONE_THREAD = "handle.record by 1 thread, wall time"
THREADS = "handle.record by 4 threads, wall time"
IN_RUN = "handle.record(value) in an active MLflow run"

N_THREADS = 4
BATCH = [
    "model:accuracy",
    "model:f1",
    "model:latency_ms",
    "usage:reply_rate",
    "pipeline:duration_seconds",
    "loss",
    "learning_rate",
    "gradient_norm",
    "tokens_per_second",
    "gpu_memory",
]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    with measure.temporary_store(options.directory) as store:
        tg.configure(store=store, follower="off", strict=False)
        kept = measure.warm_heap(32 << 20)
        with mlflow_run(store) as in_run:
            samples = measure.interleave([*cases(store), in_run], rounds=options.rounds)
        del kept
        check_nothing_dropped(store)
        tg.shutdown()
    return measure.finish(report(samples, options.rounds), options, arguments)


def cases(store: Path) -> list[Case]:
    """The floor and everything that is compared with it."""
    values = [0.5 + number / 7 for number in range(SEGMENT_SLOTS)]
    scalars = list(np.array(values, np.float32))
    steps = list(range(SEGMENT_SLOTS))
    labels = list(zip(values, itertools.cycle(["eu", "us"]), itertools.cycle("abc")))
    shares = [value % 1 for value in values]
    starts = range(0, SEGMENT_SLOTS - len(BATCH), len(BATCH))
    batches = [dict(zip(BATCH, shares[start:], strict=False)) for start in starts]
    handle = tg.metric("model:latency_ms", model="fraud")
    interval = tg.metric("api:duration_seconds", aggregate="10s")
    rows: list[tuple[int, int, float]] = []
    kept: list[tuple[int, int, float]] = []

    def recorded(
        name: str,
        run: Callable[[], None],
        calls: int = SEGMENT_SLOTS,
        clock: Callable[[], int] = time.thread_time_ns,
    ) -> Case:
        return Case(name, run, calls, tidy=lambda: forget(store), clock=clock)

    return [
        Case(
            FLOOR,
            lambda: append(rows, values),
            SEGMENT_SLOTS,
            tidy=rows.clear,
            clock=time.thread_time_ns,
        ),
        Case(GROWING, lambda: append(kept, values), SEGMENT_SLOTS, clock=time.thread_time_ns),
        recorded(BOUND, lambda: for_each(values, handle.record)),
        recorded(NAME, lambda: by_name(values)),
        recorded(LABELS, lambda: by_name_with_labels(labels)),
        recorded(MANY, lambda: for_each(batches, tg.log_metrics), len(batches) * len(BATCH)),
        recorded("handle.record(value, step)", lambda: with_step(steps, handle.record)),
        recorded("log_metric(name, value, step=step)", lambda: by_name_with_step(steps)),
        recorded(
            "handle.record(numpy.float32)",
            lambda: for_each(scalars, handle.record),
        ),
        recorded('handle of aggregate="10s"', lambda: for_each(values, interval.record)),
        recorded(
            ONE_THREAD,
            lambda: by_threads(1, values, handle.record),
            clock=time.perf_counter_ns,
        ),
        recorded(
            THREADS,
            lambda: by_threads(N_THREADS, values, handle.record),
            clock=time.perf_counter_ns,
        ),
    ]


@contextlib.contextmanager
def mlflow_run(store: Path) -> Iterator[Case]:
    """The case of recording while a run is active, whose id then goes with each fact."""
    import mlflow

    values = [0.5 + number / 7 for number in range(SEGMENT_SLOTS)]
    handle = tg.metric("model:loss")
    ambient = config._with_run(active_run_id)

    def use(context: Callable[[], object]) -> None:
        recorder.context = context
        recorder.hot.set_context(context)

    def leave() -> None:
        use(current)
        forget(store)

    mlflow.set_tracking_uri(f"sqlite:///{store}-mlflow.db")
    with mlflow.start_run():
        yield Case(
            IN_RUN,
            lambda: for_each(values, handle.record),
            SEGMENT_SLOTS,
            prepare=lambda: use(ambient),
            tidy=leave,
            clock=time.thread_time_ns,
        )


def append(rows: list[tuple[int, int, float]], values: Sequence[float]) -> None:
    append, now = rows.append, time.time_ns
    for value in values:
        append((1, now(), value))


def for_each(values: Sequence[Any], call: Callable[[Any], object]) -> None:
    for value in values:
        call(value)


def with_step(steps: Sequence[int], record: Record) -> None:
    for step in steps:
        record(0.5, step)


def by_name(values: Sequence[float]) -> None:
    log = tg.log_metric
    for value in values:
        log("model:latency_ms", value)


def by_name_with_step(steps: Sequence[int]) -> None:
    log = tg.log_metric
    for step in steps:
        log("model:latency_ms", 0.5, step=step)


def by_name_with_labels(rows: Sequence[tuple[float, str, str]]) -> None:
    log = tg.log_metric
    with tg.context(model="fraud", model_version="2.0.1"):
        for value, region, route in rows:
            log("model:latency_ms", value, region=region, route=route)


def by_threads(count: int, values: Sequence[float], record: Record) -> None:
    """Share the values out among threads, and wait for all of them."""
    threads = [
        threading.Thread(target=for_each, args=(values[first::count], record))
        for first in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def forget(store: Path) -> None:
    """Delete full segments, as the drain does once their facts are stored."""
    for slot in Journal(store / "journal").slots():
        slot.free_before(points=1 << 62, events=1 << 62)  # never the newest


def check_nothing_dropped(store: Path) -> None:
    """A refused fact would be cheap and look fast."""
    for slot in Journal(store / "journal").slots():
        if drops := slot.drops():
            raise SystemExit(f"facts were dropped, so the times mean nothing: {drops}")


def report(samples: dict[str, list[float]], rounds: int) -> Report:
    found = {timing.name: timing for timing in measure.timings(samples, floor=FLOOR)}
    threads = {name: samples[name] for name in (ONE_THREAD, THREADS)}
    of_threads = measure.timings(threads, floor=ONE_THREAD)[1]
    return Report(
        "record",
        floor=FLOOR,
        sizes={"rounds": rounds, "facts_per_round": SEGMENT_SLOTS},
        timings=list(found.values()),
        limits=[
            Limit(BOUND, found[BOUND].ratio, "x floor", at_most=2.2),
            Limit(NAME, found[NAME].ratio, "x floor", at_most=3),
            Limit(LABELS, found[LABELS].ratio, "x floor", at_most=5.5),
            Limit(MANY, found[MANY].ratio, "x floor", at_most=1.5),
            Limit("handle.record by 4 threads", of_threads.ratio, "x one thread", at_most=1.5),
        ],
        notes=[
            "Time is the processor time of the recording thread; a call waits for nothing else.",
            "Threads share one interpreter lock: theirs is wall time, over the facts of all.",
        ],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
