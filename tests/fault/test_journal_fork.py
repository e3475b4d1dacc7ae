# SPDX-License-Identifier: Apache-2.0
"""Fork in the middle of anything: the child takes its own slot, and neither loses a fact."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.journal.reader import Journal
from tidegauge.journal.writer import JournalWriter
from tidegauge.testing import capture

PROGRAMS = Path(__file__).parent / "programs"
# Settings by default are those of production, not of a test.
ENVIRONMENT = {name: text for name, text in os.environ.items() if name != "PYTEST_VERSION"}


def run(program: str, *arguments: object) -> str:
    """Run a program to its end and return what it printed."""
    command = [sys.executable, PROGRAMS / program, *map(str, arguments)]
    done = subprocess.run(
        command, env=ENVIRONMENT, check=True, capture_output=True, text=True, timeout=100
    )
    return done.stdout


def recorded(store: Path, follow: Callable[..., Any]) -> dict[str, list[float]]:
    """All values in the journals, by metric; nothing may be damaged or missing."""
    following = follow(store / "journal")
    while following.read():
        pass
    assert following.damaged == 0
    assert following.unacknowledged == 0
    return {name: values.tolist() for name, values in following.values().items()}


@pytest.mark.repeat
def test_forks_while_other_threads_record(store_dir: Path, follow: Callable[..., Any]) -> None:
    """Whatever the other threads were doing at the fork, the child records and the parent goes on.

    What was written before the fork is there once, not once per process.
    """
    told = json.loads(run("fork_under_load.py", store_dir, 30))
    assert told["failed"] == 0
    values = recorded(store_dir, follow)
    assert {name: len(found) for name, found in values.items()} == told["expected"]
    for name, found in values.items():
        assert name == "custom:twin" or found == list(map(float, range(len(found))))
    assert not any(slot.owner_alive() for slot in Journal(store_dir / "journal").slots())


@pytest.mark.repeat
def test_child_forked_while_a_slot_is_taken_keeps_nothing_of_it(tmp_path: Path) -> None:
    """A slot is free when its owner has ended, even if children live that were forked from it."""
    root = tmp_path / "journal"
    command = [sys.executable, PROGRAMS / "fork_while_opening.py", root, "20"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as parent:
        assert parent.wait(60) == 0
        slots = Journal(root).slots()
        assert slots
        for slot in slots:
            assert not slot.owner_alive()
        writer = JournalWriter(root)
        writer.open()
        assert writer.slot_name == "000"
        writer.close()
        assert parent.stdin is not None
        parent.stdin.close()  # the children end


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_pool_of_processes(store_dir: Path, follow: Callable[..., Any], method: str) -> None:
    """By every start method of multiprocessing, all facts of all processes are there once."""
    run("pool_of_processes.py", store_dir, method)
    values = recorded(store_dir, follow)
    for task in range(40):
        assert values[f"custom:task_{task}"] == list(map(float, range(25)))
    assert values["custom:done"] == values["custom:from_import"] == list(map(float, range(40)))
    assert values["custom:begun"] == [1.0]


class Server:
    """A real gunicorn with preloaded application and three workers, on a free port."""

    def __init__(self, store: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        arguments = ["-w", "3", "--preload", "-b", f"127.0.0.1:{self._port}", "--no-control-socket"]
        help_text = subprocess.run(
            [sys.executable, "-m", "gunicorn", "--help"], capture_output=True, text=True, check=True
        ).stdout
        arguments = [each for each in arguments if not each.startswith("--no") or each in help_text]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments, "web_app:app"],
            cwd=PROGRAMS,
            env=ENVIRONMENT | {"TIDEGAUGE_STORE": str(store), "TIDEGAUGE_FOLLOWER": "off"},
            stderr=subprocess.DEVNULL,
        )

    def ask(self, value: int) -> int | None:
        """Make a request; the pid of the worker that answered, None if none did."""
        url = f"http://127.0.0.1:{self._port}/{value}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return int(answer.read())
        except (urllib.error.URLError, ConnectionError):
            return None

    def wait(self) -> None:
        """Return when it answers; what it records meanwhile are zeros."""
        deadline_s = time.monotonic() + 30
        while self.ask(0) is None:
            assert time.monotonic() < deadline_s, "gunicorn does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order."""
        self._process.terminate()
        self._process.wait(20)


def test_gunicorn_with_a_preloaded_application(store_dir: Path, follow: Callable[..., Any]) -> None:
    """Master and workers record into slots of their own; killing a worker loses no answer.

    The handle was made by the master before the workers were forked.
    """
    server = Server(store_dir)
    answered, workers = [], set()
    try:
        server.wait()
        for value in range(1, 200):
            pid = server.ask(value)
            if pid is not None:
                answered.append(float(value))
                workers.add(pid)
            if value == 100 and pid is not None:
                os.kill(pid, signal.SIGKILL)
    finally:
        server.stop()
    assert len(workers) > 1
    values = recorded(store_dir, follow)
    assert len(values["custom:loaded"]) == 1
    for metric in ("custom:requests", "custom:by_worker"):
        found = [value for value in values[metric] if value]
        assert sorted(found) == sorted(set(found))
        assert set(answered) <= set(found)
        assert len(found) <= len(answered) + 1
    # The master's, and at least one more: a worker may take the slot that the killed one left.
    assert len(Journal(store_dir / "journal").slots()) >= 2
    assert not any(slot.owner_alive() for slot in Journal(store_dir / "journal").slots())


def test_tasks_of_an_event_loop_share_the_writer() -> None:
    """Coroutines that take turns, and threads they start, lose nothing and mix nothing up."""

    async def task(n: int) -> None:
        handle = tg.metric("custom:task", task=str(n))
        for value in range(50):
            handle.record(value)
            await asyncio.sleep(0)
            if value % 10 == 0:
                await asyncio.to_thread(tg.log_metric, "custom:thread", value, task=str(n))

    async def main() -> None:
        await asyncio.gather(*(task(n) for n in range(100)))

    with capture() as captured:
        asyncio.run(main())
        found: dict[tuple[str, str], list[object]] = {}
        for fact in captured.facts:
            found.setdefault((fact.metric, fact.labels["task"]), []).append(fact.columns["value"])
    for n in range(100):
        assert found["custom:task", str(n)] == list(map(float, range(50)))
        assert found["custom:thread", str(n)] == [0.0, 10.0, 20.0, 30.0, 40.0]
