# SPDX-License-Identifier: Apache-2.0
"""Tidegauge beside its peers: what a call costs, and what is left of the calls after SIGKILL.

Every library is in a process of its own (bench/peers/worker.py), so none has another's imports,
threads or patches. What a call costs comes from rounds: each process in turn makes its calls while
the others wait, and what a library left to the background is waited for outside the clock.

What is left comes from victims: a process makes its calls in a tight loop, says through a pipe how
many had returned, and sends itself SIGKILL in the next statement. Then another process counts the
different values that are there. SIGKILL keeps what the kernel has: this says nothing about a
power failure. That the counting works is proven on the timed values, whose runs end in the ordinary
way: a peer of which not all of them are found is not reported.

A library that is not installed, or does not start without a network, is a row with the reason.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import measure
from measure import Report

WORKER = Path(__file__).parent / "peers" / "worker.py"
FLOOR = "tidegauge: handle.record"
#: Starting a library or one request may take that long.
PATIENCE_S = 60
#: What a library's helper processes get to write down what they had been given.
GRACE_S = 3
#: The run that the timed values are in.
TIMED = "timed"


@dataclass(frozen=True, slots=True)
class Peer:
    """One way of recording.

    Attributes:
        name: What is printed.
        package: Distribution that must be installed.
        library: Key of `LIBRARIES` in bench/peers/worker.py.
        loop: Key of that library's loops.
        counted_by: How what is left is counted.
        values: Values that one round and one victim record; None for what `--calls` says.
    """

    name: str
    package: str
    library: str
    loop: str
    counted_by: str
    values: int | None = None


PROMETHEUS = "prometheus-client"
HISTORY = "MlflowClient.get_metric_history"
NO_FILE = "making sure that it wrote no file"
PEERS = [
    Peer(FLOOR, "tidegauge", "tidegauge", "handle", "tg.sql"),
    Peer("tidegauge: log_metric", "tidegauge", "tidegauge", "name", "tg.sql"),
    Peer("mlflow: log_metric", "mlflow", "mlflow", "sync", HISTORY, 300),
    Peer("mlflow: log_metric, async", "mlflow", "mlflow", "async", HISTORY, 300),
    Peer("mlflow: log_batch of 1,000, per value", "mlflow", "mlflow", "batch", HISTORY, 2000),
    Peer("prometheus_client: labels().observe", PROMETHEUS, PROMETHEUS, "observe", NO_FILE),
    Peer(
        "prometheus_client, multiprocess: labels().observe",
        PROMETHEUS,
        "prometheus-client files",
        "observe",
        "MultiProcessCollector: the histogram's count, not values",
    ),
    Peer(
        "OpenTelemetry SDK: histogram.record",
        "opentelemetry-sdk",
        "opentelemetry-sdk",
        "record",
        NO_FILE,
    ),
    Peer("trackio: log", "trackio", "trackio", "log", "SQLiteStorage.get_logs"),
    Peer(
        "wandb, offline: run.log",
        "wandb",
        "wandb",
        "log",
        "history records in run-*.wandb, by its protobuf",
    ),
    Peer(
        "tensorboardX: add_scalar",
        "tensorboardX",
        "tensorboardX",
        "add_scalar",
        "events in events.out.tfevents.*, by its protobuf",
    ),
    Peer(
        "neptune-scale, offline: log_metrics",
        "neptune-scale",
        "neptune-scale",
        "log_metrics",
        "OperationsRepository.get_operations",
        1000,
    ),
]


class PeerFailed(Exception):
    """A library cannot be measured; the text says why."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, after one that is not")
    parser.add_argument("--calls", type=int, default=2000, help="values a round, and a victim")
    parser.add_argument("--tries", type=int, default=3, help="victims of each way of recording")
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    with measure.temporary_store(options.directory) as store, contextlib.ExitStack() as stack:
        store.mkdir()
        bench = Bench(store, calls=options.calls)
        stack.callback(bench.close)
        samples = bench.time(options.rounds)
        bench.prove_counting()
        said = bench.kill(options.tries)
        time.sleep(GRACE_S)
        found = bench.count(said)
        result = report(bench, samples, said, found, options)
    return measure.finish(result, options, arguments)


class Server:
    """A process that holds one library; see bench/peers/worker.py for what it answers."""

    def __init__(self, library: str, directory: Path) -> None:
        with _worker("server", library, directory, TIMED) as (process, reply_fd):
            self._process = process
            self._reply_fd = os.dup(reply_fd)
        self._log = directory / f"{TIMED}.log"
        try:
            self._answer("start")
        except PeerFailed:
            self.close()
            raise

    def ask(self, **request: object) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Raises:
            PeerFailed: The library raised, the process ended, or it took too long.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailed(f"its process ended: {_last_line(self._log)}") from None
        return self._answer(str(request["task"]))

    def close(self) -> None:
        """End the process and the helpers it started in its session."""
        os.close(self._reply_fd)
        _end(self._process)

    def _answer(self, what: str) -> dict[str, Any]:
        line = _read_line(self._reply_fd)
        if line is None:
            raise PeerFailed(f"{what} took more than {PATIENCE_S} s")
        if not line:
            raise PeerFailed(f"its process ended: {_last_line(self._log)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerFailed(f"{what}: {answer['error']}")
        return answer


class Bench:
    """All the peers; one that fails is left out from then on, and its reason is kept.

    Attributes:
        failures: Why a peer is not measured, or not further, by name.
        root: Where the libraries put their files.
    """

    def __init__(self, root: Path, *, calls: int) -> None:
        self.failures: dict[str, str] = {}
        self.root = root
        self._calls = calls
        self._servers: dict[str, Server] = {}
        self._recorded: Counter[str] = Counter()
        for library, package in {peer.library: peer.package for peer in PEERS}.items():
            directory = root / library.replace(" ", "-")
            directory.mkdir()
            try:
                version_of(package)
                self._servers[library] = Server(library, directory)
            except PeerFailed as failure:
                for peer in PEERS:
                    if peer.library == library:
                        self.failures[peer.name] = str(failure)

    def values(self, peer: Peer) -> int:
        """How many values a round and a victim record."""
        return self._calls if peer.values is None else peer.values

    def time(self, rounds: int) -> dict[str, list[float]]:
        """Nanoseconds per value in each round, by peer; the first round is not in it."""
        samples: dict[str, list[float]] = {peer.name: [] for peer in PEERS}
        for number in range(1 + rounds):
            for peer in self._working():
                with self._excusing(peer):
                    answer = self._servers[peer.library].ask(
                        task="time", loop=peer.loop, values=self.values(peer)
                    )
                    self._recorded[peer.library] += self.values(peer)
                    if number:
                        samples[peer.name].append(answer["ns"] / self.values(peer))
        return samples

    def prove_counting(self) -> None:
        """End the timed runs, and leave out the libraries whose values are not all found then."""
        finished: set[str] = set()
        for peer in self._working():
            with self._excusing(peer):
                if peer.library not in finished:
                    self._servers[peer.library].ask(task="finish")
                    finished.add(peer.library)
                expected, found = self._recorded[peer.library], self._find(peer, TIMED)
                if found != expected and peer.counted_by != NO_FILE:
                    raise PeerFailed(f"of {expected} values without a kill, {found} are found")

    def kill(self, tries: int) -> dict[str, list[int]]:
        """How many values each victim's calls had returned for when it died, by peer."""
        said: dict[str, list[int]] = {peer.name: [] for peer in PEERS}
        for number in range(tries):
            for peer in self._working():
                with self._excusing(peer):
                    said[peer.name].append(self._victim(peer, _run(peer, number)))
        return said

    def count(self, said: dict[str, list[int]]) -> dict[str, list[int]]:
        """How many different values of each victim are there, by peer."""
        found: dict[str, list[int]] = {peer.name: [] for peer in PEERS}
        for peer in self._working():
            with self._excusing(peer):
                for number in range(len(said[peer.name])):
                    found[peer.name].append(self._find(peer, _run(peer, number)))
        return found

    def close(self) -> None:
        """End every process."""
        for server in self._servers.values():
            server.close()

    def _find(self, peer: Peer, run: str) -> int:
        found: int = self._servers[peer.library].ask(task="find", run=run)["found"]
        return found

    def _victim(self, peer: Peer, run: str) -> int:
        directory = self.root / peer.library.replace(" ", "-")
        arguments = ("victim", peer.library, directory, run, peer.loop, str(self.values(peer)))
        with _worker(*arguments) as (process, reply_fd):
            line = _read_line(reply_fd)
            if line:
                process.wait(timeout=PATIENCE_S)
            else:
                _end(process)
        if not line or process.returncode != -signal.SIGKILL:
            raise PeerFailed(
                f"the victim did not get there: {_last_line(directory / f'{run}.log')}"
            )
        return int(line)

    def _working(self) -> list[Peer]:
        return [peer for peer in PEERS if peer.name not in self.failures]

    @contextlib.contextmanager
    def _excusing(self, peer: Peer) -> Iterator[None]:
        try:
            yield
        except PeerFailed as failure:
            self.failures[peer.name] = str(failure)


def report(
    bench: Bench,
    samples: dict[str, list[float]],
    said: dict[str, list[int]],
    found: dict[str, list[int]],
    options: argparse.Namespace,
) -> Report:
    rows = []
    for peer in PEERS:
        failure = bench.failures.get(peer.name)
        # A peer that failed on the way keeps nothing: half a measurement is not comparable.
        times, floors = samples[peer.name], samples[FLOOR]
        rows.append(
            {
                "peer": peer.name,
                "ns_per_value": None if failure else statistics.median(times),
                "times_handle": None
                if failure or FLOOR in bench.failures
                else statistics.median(
                    one / floor for one, floor in zip(times, floors, strict=True)
                ),
                "returned": None if failure else said[peer.name][0],
                "found_after_sigkill": failure or _found(peer, found[peer.name]),
            }
        )
    return Report(
        "peers",
        floor=FLOOR,
        sizes={"rounds": options.rounds, "calls": options.calls, "tries": options.tries},
        rows=rows,
        notes=[
            "Times are wall time without the garbage collector, per value, for one thread.",
            "Each library has a step where it knows steps, and one label where it knows labels.",
            "What the background does after a call returned is not in its time.",
            "Prometheus and OpenTelemetry keep a histogram, not values, by design.",
            "SIGKILL ends the process, not the machine: a power failure was not tested.",
            *(
                f"{peer.library} {_version_or_none(peer.package)} is counted by: {peer.counted_by}"
                for peer in {peer.library: peer for peer in PEERS}.values()
            ),
        ],
    )


def _found(peer: Peer, each: Sequence[int]) -> str:
    counts = ", ".join(map(str, each))
    return f"{counts} (memory only)" if peer.counted_by == NO_FILE else counts


def version_of(package: str) -> str:
    """The version that is installed.

    Raises:
        PeerFailed: None is.
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise PeerFailed("not installed") from None


def _version_or_none(package: str) -> str | None:
    try:
        return version_of(package)
    except PeerFailed:
        return None


def _run(peer: Peer, number: int) -> str:
    return f"victim-{peer.loop.replace('_', '-')}-{number}"


@contextlib.contextmanager
def _worker(
    task: str, library: str, directory: Path, run: str, *rest: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start bench/peers/worker.py; what the library prints goes to a file beside its data."""
    reply_fd, their_fd = os.pipe()
    try:
        with (directory / f"{run}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, WORKER, task, library, directory, run, str(their_fd), *rest],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=directory,
                env=_environment(directory),
                pass_fds=[their_fd],
                start_new_session=True,
            )
        os.close(their_fd)
        yield process, reply_fd
    finally:
        os.close(reply_fd)


def _environment(directory: Path) -> dict[str, str]:
    """The parent's, with a home of its own and everything off that would use a network."""
    theirs = ("TIDEGAUGE_", "MLFLOW_", "WANDB_", "TRACKIO_", "NEPTUNE_", "OTEL_", "PROMETHEUS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    return kept | {
        "HOME": str(directory),
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NEPTUNE_LOGGER_LEVEL": "error",
        "TRACKIO_DIR": str(directory),
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
    }


def _read_line(fd: int) -> bytes | None:
    """A line; empty if the other side is gone, None if it is late."""
    line, deadline_s = b"", time.monotonic() + PATIENCE_S
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([fd], [], [], max(0, deadline_s - time.monotonic()))
        if not ready:
            return None
        piece = os.read(fd, 4096)
        if not piece:
            return b""
        line += piece
    return line


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
