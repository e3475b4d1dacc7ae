# SPDX-License-Identifier: Apache-2.0
"""The server processes of the demo: started, one killed in the middle, and replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tidegauge.cli.demo.board import Board
from tidegauge.cli.demo.training import Trained
from tidegauge.cli.demo.worker import Job
from tidegauge.model.errors import StoreError

__all__ = ["WORKERS", "Served", "serve_predictions"]

#: Workers that answer requests at the same time; one more replaces the one that is killed.
WORKERS = 4

_VICTIM = 2
_KILLED_AT = 0.4  # of its share
_START_S = 120.0
_WORK_S = 300.0
_POLL_S = 0.002


class Served(msgspec.Struct, frozen=True):
    """What the workers did.

    Attributes:
        acknowledged: Worker to the number of predictions it had recorded when it said so.
        killed: The worker that was killed.
        seconds: How long it took from the first request to the last.
    """

    acknowledged: dict[int, int]
    killed: int
    seconds: float


def serve_predictions(
    directory: Path,
    store: Path,
    models: list[Trained],
    *,
    requests: int,
    advance: Callable[[float, float | None], None],
) -> Served:
    """Answer requests from several processes, kill one of them half-way, and replace it.

    Args:
        directory: Where jobs and logs are kept.
        store: Directory of the store.
        models: The versions that answer in turn.
        requests: How many requests there are.
        advance: Told how many requests are answered, of how many.

    Raises:
        StoreError: A worker failed by itself.
    """
    board = Board(directory / "board", requests=requests)
    paths = {model.version: model.path for model in models}
    running: dict[int, subprocess.Popen[bytes]] = {}

    def start(number: int, share: int) -> None:
        job = Job(
            number=number,
            share=share,
            shares=WORKERS,
            store=str(store),
            board=str(directory / "board"),
            models=paths,
            spoil=number == 1,
        )
        running[number] = _start(directory, job)

    def wait(until: Callable[[], bool], limit_s: float) -> None:
        deadline_s = time.monotonic() + limit_s
        while not until():
            advance(board.count(), requests)
            for number, process in running.items():
                if process.poll() not in (None, 0):
                    raise _failed(directory, number)
            if time.monotonic() > deadline_s:
                raise _failed(directory, min(running))
            time.sleep(_POLL_S)

    try:
        for number in range(1, WORKERS + 1):
            start(number, number - 1)
        wait(lambda: all(board.is_ready(number) for number in running), _START_S)
        begun_s = time.monotonic()
        board.start()
        wait(lambda: board.count(_VICTIM) >= _KILLED_AT * requests / WORKERS, _WORK_S)
        victim = running.pop(_VICTIM)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        start(WORKERS + 1, _VICTIM - 1)
        wait(lambda: all(process.poll() == 0 for process in running.values()), _WORK_S)
        seconds = time.monotonic() - begun_s
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
                process.wait()
    acknowledged = {number: board.count(number) for number in range(1, WORKERS + 2)}
    return Served(acknowledged, _VICTIM, seconds)


def _start(directory: Path, job: Job) -> subprocess.Popen[bytes]:
    path = directory / f"worker-{job.number}.json"
    path.write_bytes(msgspec.json.encode(job))
    with _log(directory, job.number).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tidegauge.cli.demo.worker", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Each worker is one CPU's worth of work.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )


def _log(directory: Path, number: int) -> Path:
    return directory / f"worker-{number}.log"


def _failed(directory: Path, number: int) -> StoreError:
    log = _log(directory, number)
    tail = log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing in its log"]
    return StoreError(
        f"worker {number} of the demo failed or took too long", got=tail[0], fix=f"See {log}."
    )
