# SPDX-License-Identifier: Apache-2.0
"""The machine and its processes, watched by real processes that fork, end and are killed."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegauge.collect.watch import RESOURCES_LOCK
from tidegauge.journal.reader import Journal
from tidegauge.store.leader import holder

pytestmark = pytest.mark.system

Start = Callable[..., subprocess.Popen[str]]

# Watches every tenth of a second, until its input ends.
WATCHES = """
import sys, tidegauge as tg
tg.configure(resources_every_s=0.1, follower="off", service=sys.argv[1])
print("begun", flush=True)
sys.stdin.read()
"""

# The same, and so does its child, which has to begin for itself.
FORKS = """
import os, sys, tidegauge as tg
tg.configure(resources_every_s=0.1, follower="off", service="parent")
print("begun", flush=True)
sys.stdin.readline()
if os.fork() == 0:
    with tg.context(service="child"):
        tg.log_metric("custom:x", 1)
    sys.stdin.read()
    os._exit(0)
sys.stdin.read()
"""

# The loop of the requirements document, with the two imports changed and shorter breaks.
LOOP = """
from tidegauge import update_resource_metrics

# Update every 10 seconds
import threading
import time

def run_resource_tracker():
    while True:
        update_resource_metrics()
        time.sleep(0.2)

resource_tracker_thread = threading.Thread(target=run_resource_tracker, daemon=True)
resource_tracker_thread.start()

time.sleep(1)
import tidegauge as tg
print(dict(tg.sql("SELECT metric, count(*) FROM points GROUP BY metric").fetchall()))
"""


@pytest.fixture
def start(store_dir: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts programs on the store and waits until they have begun; kills what is left."""
    running: list[subprocess.Popen[str]] = []

    def begin(*command: str, **environ: str) -> subprocess.Popen[str]:
        inherited = {name: text for name, text in os.environ.items() if name != "PYTEST_VERSION"}
        started = subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env=inherited | {"TIDEGAUGE_STORE": str(store_dir)} | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(started)
        assert started.stdout is not None
        assert started.stdout.readline()
        return started

    yield begin
    for each in running:
        each.kill()
        each.communicate()


def recorded(store_dir: Path, metric: str) -> Counter[str]:
    """How often a metric was recorded, by service."""
    found = Counter[str]()
    for slot in Journal(store_dir / "journal").slots():
        batch = slot.points(0, 1 << 40, settled=False)
        for number in batch.series.tolist():
            key = slot.series(number)
            if key.metric == metric:
                found[dict(key.dimensions).get("service", "")] += 1
    return found


def slots_with(store_dir: Path, metric: str) -> list[int]:
    """The slots, which are the processes, that a metric was recorded in."""
    return [
        index
        for index, slot in enumerate(Journal(store_dir / "journal").slots())
        if metric
        in {
            slot.series(number).metric
            for number in slot.points(0, 1 << 40, settled=False).series.tolist()
        }
    ]


def until(holds: Callable[[], Any], within_s: float = 30) -> Any:
    """Wait until something holds; returns it."""
    deadline_s = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < deadline_s, "not in time"
        time.sleep(0.05)
    return found


def test_one_process_records_the_machine_and_another_takes_over(
    start: Start, store_dir: Path
) -> None:
    """Both record themselves; when the one that records the machine is killed, the other does."""
    first = start("-c", WATCHES, "first")
    until(lambda: recorded(store_dir, "resource:memory_used_bytes")["first"] >= 2)
    assert holder(store_dir / RESOURCES_LOCK) == f"pid {first.pid}"
    second = start("-c", WATCHES, "second")
    until(lambda: recorded(store_dir, "resource:process_memory_bytes")["second"] >= 3)
    assert set(recorded(store_dir, "resource:memory_used_bytes")) == {"first"}
    first.send_signal(signal.SIGKILL)
    until(lambda: recorded(store_dir, "resource:cpu_percent")["second"] >= 2)
    assert holder(store_dir / RESOURCES_LOCK) == f"pid {second.pid}"


def test_a_program_that_ends_gives_the_machine_back(start: Start, store_dir: Path) -> None:
    """It ends without a complaint, and nobody has the lock."""
    program = start("-c", WATCHES, "only")
    until(lambda: recorded(store_dir, "resource:process_threads")["only"] >= 1)
    _, complaint = program.communicate(timeout=30)
    assert (program.returncode, complaint) == (0, "")
    assert holder(store_dir / RESOURCES_LOCK) is None


@pytest.mark.repeat
def test_a_forked_child_watches_itself(start: Start, store_dir: Path) -> None:
    """The parent goes on with the machine; the child records itself once it records anything."""
    program = start("-c", FORKS)
    until(lambda: recorded(store_dir, "resource:memory_used_bytes")["parent"] >= 2)
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()

    until(lambda: len(slots_with(store_dir, "resource:process_memory_bytes")) == 2)
    before = recorded(store_dir, "resource:memory_used_bytes").total()
    until(lambda: recorded(store_dir, "resource:memory_used_bytes").total() >= before + 2)
    assert len(slots_with(store_dir, "resource:memory_used_bytes")) == 1
    assert holder(store_dir / RESOURCES_LOCK) == f"pid {program.pid}"


def test_an_agent_watches_the_machine(start: Start, store_dir: Path) -> None:
    """When the setting says so, for programs that do not."""
    start("-m", "tidegauge.cli", "agent", TIDEGAUGE_RESOURCES_EVERY_S="0.1")
    until(lambda: recorded(store_dir, "resource:memory_percent").total() >= 2)


def test_the_loop_of_the_document(
    run_program: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """With only its imports changed it records the three metrics; CPU from the second look on."""
    done = run_program(LOOP, tmp_path, production=True)
    assert (done.returncode, done.stderr) == (0, "")
    counts = ast.literal_eval(done.stdout)
    used = counts["resource:memory_used_bytes"]
    assert used >= 3
    # The thread may be in the middle of a look.
    assert used - counts["resource:memory_available_bytes"] in {0, 1}
    assert used - counts["resource:cpu_percent"] in {0, 1}


def test_a_sampler_outlives_what_goes_wrong(
    run_program: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """An exception is logged and the next look is taken; shutting down and recording goes on."""
    program = """
import time
import tidegauge as tg
from tidegauge.collect.watch import Watch

look, calls = Watch.look, []
def failing(self):
    calls.append(1)
    if len(calls) == 1:
        raise RuntimeError("a driver that fails in a way of its own")
    look(self)
Watch.look = failing

tg.configure(resources_every_s=0.05, follower="off")
def looks():
    return len(tg.history("resource:memory_used_bytes", hours=1))
def until(least):
    deadline_s = time.monotonic() + 30
    while looks() < least:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
until(2)
tg.shutdown()
stopped = looks()
time.sleep(0.3)
assert looks() == stopped
tg.log_metric("custom:x", 1)
until(stopped + 2)
"""
    done = run_program(program, tmp_path, production=True)
    assert done.returncode == 0, done.stderr
    assert "follower resources failed (1 times so far), trying again" in done.stderr
