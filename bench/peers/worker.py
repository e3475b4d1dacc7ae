# SPDX-License-Identifier: Apache-2.0
"""One library in a process of its own: it records when told to, is killed, and counts what is left.

`bench/peers.py` runs this file; nobody else does. Every library is used as its own documentation
says, with what it does in the background left on and everything that calls home left off. Nothing
here should make a peer look worse than it is: the loop of each is one `for` around one call, what
the call needs is made before, and what is found after a kill is read with the library's own reader,
or where it ships none, with its own schema of its own file.

A process is either a server, which answers requests on standard input through the descriptor it
was given, or a victim, which records, says how many values its calls had returned for, and sends
itself SIGKILL in the next statement.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

#: A step and a value; the value is different at each step and exact in 32 bits.
Fact = tuple[int, float]
#: Makes one call for each fact, or for each batch of them.
Loop = Callable[[Sequence[Fact]], None]

NAME = "model:latency_ms"
PATH = "model/latency_ms"
LABELS = {"model": "fraud"}
BATCH_ENTRIES = 1000


class Library(Protocol):
    """A library ready to record. Making one does everything that comes before the first call."""

    @property
    def loops(self) -> Mapping[str, Loop]:
        """How it records, by what `bench/peers.py` calls it."""

    def settle(self) -> None:
        """Wait until what the calls so far left to the background is done, as far as one can."""

    def finish(self) -> None:
        """End the run in the ordinary way."""

    def found(self, directory: Path, run: str) -> int:
        """How many different values of the run another process can read."""


class Tidegauge:
    """The follower that fills the store is on, as it is by default."""

    def __init__(self, directory: Path, run: str) -> None:
        import tidegauge as tg

        tg.configure(store=directory / run)
        record, log = tg.metric(NAME, **LABELS).record, tg.log_metric

        def handle(facts: Sequence[Fact]) -> None:
            for step, value in facts:
                record(value, step)

        def by_name(facts: Sequence[Fact]) -> None:
            for step, value in facts:
                log(NAME, value, step=step, model="fraud")

        self.loops = {"handle": handle, "name": by_name}

    def settle(self) -> None:
        import tidegauge as tg

        tg.flush(timeout_s=10)

    def finish(self) -> None:
        import tidegauge as tg

        tg.shutdown()

    def found(self, directory: Path, run: str) -> int:
        import tidegauge as tg

        tg.configure(store=directory / run, follower="off")
        rows = tg.sql("select step, value from points where metric = ?", [NAME]).fetchall()
        return different(rows)


class MLflow:
    def __init__(self, directory: Path, run: str) -> None:
        import mlflow
        from mlflow.entities import Metric

        # One database for all: making its 71 tables takes longer than everything else here.
        mlflow.set_tracking_uri(f"sqlite:///{directory / 'mlflow.db'}")
        client = mlflow.MlflowClient()
        run_id = mlflow.start_run(run_name=run).info.run_id
        log = mlflow.log_metric

        def sync(facts: Sequence[Fact]) -> None:
            for step, value in facts:
                log(NAME, value, step=step)

        def background(facts: Sequence[Fact]) -> None:
            for step, value in facts:
                log(NAME, value, step=step, synchronous=False)

        def batch(facts: Sequence[Fact]) -> None:
            for first in range(0, len(facts), BATCH_ENTRIES):
                now_ms = time.time_ns() // 1_000_000
                some = facts[first : first + BATCH_ENTRIES]
                client.log_batch(
                    run_id, [Metric(NAME, value, now_ms, step) for step, value in some]
                )

        self.loops = {"sync": sync, "async": background, "batch": batch}

    def settle(self) -> None:
        import mlflow

        mlflow.flush_async_logging()

    def finish(self) -> None:
        import mlflow

        mlflow.end_run()

    def found(self, directory: Path, run: str) -> int:  # noqa: ARG002
        import mlflow

        client = mlflow.MlflowClient()
        runs = client.search_runs(["0"], filter_string=f"attributes.run_name = '{run}'")
        history = client.get_metric_history(runs[0].info.run_id, NAME) if runs else []
        return different((metric.step, metric.value) for metric in history)


class Prometheus:
    """The usual form: the registry is in memory."""

    def __init__(self, directory: Path, run: str) -> None:
        (directory / run).mkdir(parents=True, exist_ok=True)
        os.chdir(directory / run)
        from prometheus_client import CollectorRegistry, Histogram

        latency = Histogram("latency_ms", "Latency", list(LABELS), registry=CollectorRegistry())

        def observe(facts: Sequence[Fact]) -> None:
            for _, value in facts:
                latency.labels("fraud").observe(value)

        self.loops = {"observe": observe}

    def settle(self) -> None:
        """Nothing runs in the background."""

    def finish(self) -> None:
        """There is no run."""

    def found(self, directory: Path, run: str) -> int:
        return memory_only(directory / run)


class PrometheusFiles(Prometheus):
    """The form for several processes: sums and buckets, not values, are in mapped files."""

    def __init__(self, directory: Path, run: str) -> None:
        (directory / run).mkdir(parents=True, exist_ok=True)
        # Read when prometheus_client is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory / run)
        super().__init__(directory, run)

    def found(self, directory: Path, run: str) -> int:
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(directory / run))
        return int(registry.get_sample_value("latency_ms_count", LABELS) or 0)


class OpenTelemetry:
    def __init__(self, directory: Path, run: str) -> None:
        (directory / run).mkdir(parents=True, exist_ok=True)
        os.chdir(directory / run)
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        self._provider = MeterProvider([InMemoryMetricReader()])
        histogram = self._provider.get_meter("bench").create_histogram("latency", "ms")

        def record(facts: Sequence[Fact]) -> None:
            for _, value in facts:
                histogram.record(value, {"model": "fraud"})

        self.loops = {"record": record}

    def settle(self) -> None:
        """Nothing runs in the background."""

    def finish(self) -> None:
        """There is no run."""

    def found(self, directory: Path, run: str) -> int:
        return memory_only(directory / run)


class Trackio:
    """`TRACKIO_DIR`, which it reads at import, is set by the parent."""

    def __init__(self, directory: Path, run: str) -> None:  # noqa: ARG002
        import trackio

        trackio.init(project="bench", name=run, embed=False)
        log = trackio.log

        def by_log(facts: Sequence[Fact]) -> None:
            for step, value in facts:
                log({PATH: value}, step=step)

        self.loops = {"log": by_log}

    def settle(self) -> None:
        time.sleep(1)  # its thread writes every half second

    def finish(self) -> None:
        import trackio

        trackio.finish()

    def found(self, directory: Path, run: str) -> int:  # noqa: ARG002
        from trackio.sqlite_storage import SQLiteStorage

        rows = SQLiteStorage.get_logs("bench", run)
        return different((row["step"], row[PATH]) for row in rows if PATH in row)


class Wandb:
    def __init__(self, directory: Path, run: str) -> None:
        (directory / run).mkdir(parents=True, exist_ok=True)
        import wandb

        self._run = wandb.init(
            project="bench",
            name=run,
            dir=directory / run,
            mode="offline",
            settings=wandb.Settings(console="off", silent=True),
        )
        log = self._run.log

        def by_log(facts: Sequence[Fact]) -> None:
            # Without a step: with one, a row is kept back until the next call.
            for _, value in facts:
                log({PATH: value})

        self.loops = {"log": by_log}

    def settle(self) -> None:
        time.sleep(0.5)  # its service writes on its own

    def finish(self) -> None:
        self._run.finish()

    def found(self, directory: Path, run: str) -> int:
        # The Python package ships the schema of its file, but no reader of it.
        from wandb.proto.wandb_internal_pb2 import Record

        values = []
        for file in (directory / run).glob("wandb/offline-run-*/run-*.wandb"):
            for frame in leveldb_frames(file.read_bytes(), first=7):
                record = Record.FromString(frame)
                values += [
                    float(item.value_json)
                    for item in record.history.item
                    if PATH in {item.key, *item.nested_key}
                ]
        return different((0, value) for value in values)


class TensorboardX:
    def __init__(self, directory: Path, run: str) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(directory / run))
        add = self._writer.add_scalar

        def add_scalar(facts: Sequence[Fact]) -> None:
            for step, value in facts:
                add(PATH, value, step)

        self.loops = {"add_scalar": add_scalar}

    def settle(self) -> None:
        self._writer.flush()

    def finish(self) -> None:
        self._writer.close()

    def found(self, directory: Path, run: str) -> int:
        # It writes only; TensorBoard reads. The framing is TensorFlow's TFRecord.
        from tensorboardX.proto.event_pb2 import Event

        rows = []
        for file in (directory / run).glob("events.out.tfevents.*"):
            for frame in tfrecord_frames(file.read_bytes()):
                event = Event.FromString(frame)
                rows += [
                    (event.step, one.simple_value) for one in event.summary.value if one.tag == PATH
                ]
        return different(rows)


class NeptuneScale:
    def __init__(self, directory: Path, run: str) -> None:
        from neptune_scale import Run

        self._run = Run(
            run_id=run,
            project="bench/bench",
            mode="offline",
            log_directory=directory / run,
            enable_console_log_capture=False,
            source_tracking_config=None,
        )
        log = self._run.log_metrics

        def log_metrics(facts: Sequence[Fact]) -> None:
            for step, value in facts:
                log({PATH: value}, step=step)

        self.loops = {"log_metrics": log_metrics}

    def settle(self) -> None:
        """The call itself writes."""

    def finish(self) -> None:
        self._run.close()

    def found(self, directory: Path, run: str) -> int:
        from neptune_scale.sync.operations_repository import OperationsRepository, OperationType

        rows = []
        for file in (directory / run).glob("**/*.sqlite3"):
            repository = OperationsRepository(db_path=file)
            for kept in repository.get_operations(up_to_bytes=1 << 30):
                if kept.operation_type == OperationType.UPDATE_SNAPSHOT:
                    step = kept.operation.step.whole + kept.operation.step.micro / 1e6
                    appended = kept.operation.append
                    rows += [(step, appended[key].float64) for key in appended if key == PATH]
        return different(rows)


LIBRARIES: dict[str, Callable[[Path, str], Library]] = {
    "tidegauge": Tidegauge,
    "mlflow": MLflow,
    "prometheus-client": Prometheus,
    "prometheus-client files": PrometheusFiles,
    "opentelemetry-sdk": OpenTelemetry,
    "trackio": Trackio,
    "wandb": Wandb,
    "tensorboardX": TensorboardX,
    "neptune-scale": NeptuneScale,
}


def main(arguments: Sequence[str]) -> None:
    task, library, directory, run, reply_fd, *rest = arguments
    opened = LIBRARIES[library](Path(directory), run)
    if task == "victim":
        loop, n_values = rest
        be_killed(opened.loops[loop], facts(0, int(n_values)), int(reply_fd))
    serve(opened, Path(directory), int(reply_fd))


def be_killed(loop: Loop, recorded: Sequence[Fact], reply_fd: int) -> None:
    """Record, say so, and die: nothing of Python's runs in between or after."""
    said = b"%d\n" % len(recorded)
    loop(recorded)
    os.write(reply_fd, said)
    os.kill(os.getpid(), signal.SIGKILL)


def serve(opened: Library, directory: Path, reply_fd: int) -> None:
    """Answer requests, one JSON object a line, until there are no more."""
    with os.fdopen(reply_fd, "w", buffering=1) as replies:
        replies.write('{"ready": true}\n')
        step = 0
        for line in sys.stdin:
            request: dict[str, Any] = json.loads(line)
            answer: dict[str, object]
            try:
                if request["task"] == "time":
                    n_values = request["values"]
                    answer = {"ns": timed(opened, request["loop"], facts(step, n_values))}
                    step += n_values
                elif request["task"] == "finish":
                    opened.finish()
                    answer = {}
                else:
                    answer = {"found": opened.found(directory, request["run"])}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            replies.write(json.dumps(answer) + "\n")
    # Nothing of this process is looked at any more, and some libraries take long to say goodbye.
    os._exit(0)


def timed(opened: Library, loop: str, recorded: Sequence[Fact]) -> int:
    """Nanoseconds that the calls took, with the garbage collector off as in measure.py."""
    record = opened.loops[loop]
    gc.collect()
    gc.disable()
    start_ns = time.perf_counter_ns()
    record(recorded)
    took_ns = time.perf_counter_ns() - start_ns
    gc.enable()
    opened.settle()
    return took_ns


def facts(first: int, n_values: int) -> list[Fact]:
    return [(step, step + 0.5) for step in range(first, first + n_values)]


def different(rows: Iterable[tuple[float, float]]) -> int:
    """A value that was stored twice counts once; one that nobody recorded is an error."""
    values = {value for _, value in rows}
    if strange := [value for value in values if value % 1 != 0.5]:
        raise ValueError(f"values that were not recorded: {strange[:3]}")
    return len(values)


def memory_only(directory: Path) -> int:
    """Nothing, having made sure that no file was written which could hold something."""
    if files := [file for file in directory.rglob("*") if file.is_file()]:
        raise ValueError(f"these files may hold values and are not counted: {files}")
    return 0


def leveldb_frames(data: bytes, *, first: int) -> Iterator[bytes]:
    """The records of a log in LevelDB's format, up to the first that is not complete.

    Args:
        data: The file.
        first: Bytes before the first record, which are part of the first block.
    """
    block_bytes, at, parts = 32768, first, []
    while at + 7 <= len(data):
        if block_bytes - at % block_bytes < 7:
            at += block_bytes - at % block_bytes
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        part = data[at + 7 : at + 7 + size]
        if kind == 0 or len(part) < size:
            return
        at += 7 + size
        parts.append(part)
        if kind in {1, 4}:  # a whole record, or the last part of one
            yield b"".join(parts)
            parts = []


def tfrecord_frames(data: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file, up to the first that is not complete."""
    at = 0
    while at + 12 <= len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        if at + 16 + size > len(data):
            return
        yield data[at + 12 : at + 12 + size]
        at += 16 + size


if __name__ == "__main__":
    main(sys.argv[1:])
