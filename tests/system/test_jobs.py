# SPDX-License-Identifier: Apache-2.0
"""Jobs in real processes: agents that take turns, programs with jobs of their own, and kills."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegauge.store.job_log import JobLog, JobState
from tidegauge.store.store import Store

pytestmark = pytest.mark.system

Start = Callable[..., subprocess.Popen[str]]

# A program with a job of its own, which appends a line to a file: its process, and when.
OWN = """
import os, sys, time
import tidegauge as tg
tg.configure()

@tg.every("1s", name="own")
def own() -> str:
    with open("ran", "a") as file:
        file.write(f"{os.getpid()} {time.time()}\\n")
    return "written"

tg.log_metric("custom:x", 1)
"""


@pytest.fixture
def start(store_dir: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts programs and agents on the store, and kills what is left in the end."""
    running: list[subprocess.Popen[str]] = []

    def begin(program: str | None = None, **environ: str) -> subprocess.Popen[str]:
        command = ["-c", program] if program else ["-m", "tidegauge.cli", "agent"]
        inherited = {name: text for name, text in os.environ.items() if name != "PYTEST_VERSION"}
        started = subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env=inherited | {"TIDEGAUGE_STORE": str(store_dir)} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(started)
        return started

    yield begin
    for each in running:
        each.kill()
        each.communicate()


def known(store_dir: Path, name: str) -> JobState | None:
    """What is known of a job."""
    store = Store(store_dir)
    try:
        states = JobLog(store.root, store.state).states()
    finally:
        store.close()
    return next((each for each in states if each.name == name), None)


def until(holds: Callable[[], Any], within_s: float = 40) -> Any:
    """Wait until something holds; returns it."""
    deadline_s = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < deadline_s, "not in time"
        time.sleep(0.05)
    return found


def ran(tmp_path: Path) -> list[tuple[int, float]]:
    """Process and time of each run of the program's own job."""
    path = tmp_path / "ran"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), float(at)) for pid, at in map(str.split, lines)]


def test_two_agents_run_each_job_once_per_interval(start: Start, store_dir: Path) -> None:
    """However many there are; each run is counted once."""
    start("import tidegauge as tg; tg.log_metric('custom:x', 1)").wait()
    agents = [start(TIDEGAUGE_COMPACT_EVERY_S="2") for _ in range(2)]
    first = until(lambda: (state := known(store_dir, "compact")) and state.runs >= 1 and state)
    last = until(lambda: (state := known(store_dir, "compact")) and state.runs >= 4 and state)
    passed_s = (last.started_ns - first.started_ns) / 1e9
    assert passed_s >= 2 * (last.runs - first.runs)
    assert (last.failures, last.lock) == (0, "jobs.lock")
    for agent in agents:
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=20) == 0


def test_another_agent_takes_over_when_one_is_killed(start: Start, store_dir: Path) -> None:
    """Killed at any moment, within a run as well, the other goes on."""
    start("import tidegauge as tg; tg.log_metric('custom:x', 1)").wait()
    agents = [start(TIDEGAUGE_COMPACT_EVERY_S="1") for _ in range(2)]
    for agent in agents[:1]:
        until(lambda: (state := known(store_dir, "compact")) and state.runs >= 1)
        agent.kill()
        agent.wait()
    before = known(store_dir, "compact")
    assert before is not None
    until(lambda: (state := known(store_dir, "compact")) and state.runs >= before.runs + 3)
    assert agents[1].poll() is None


def test_a_program_without_an_agent_runs_its_own_job(
    start: Start, store_dir: Path, tmp_path: Path
) -> None:
    """In the background, once per interval, and what it said is known."""
    program = start(OWN + "time.sleep(60)")
    until(lambda: len(ran(tmp_path)) >= 3)
    times = [at for _, at in ran(tmp_path)]
    assert times[2] - times[0] >= 1.9
    state = until(lambda: (seen := known(store_dir, "own")) and seen.outcome == "ok" and seen)
    assert (state.result, state.schedule, state.lock) == ("written", "1s", "jobs/own.lock")
    assert program.poll() is None


def test_a_program_that_ends_at_once_pays_for_nothing(
    run_program: Any, store_dir: Path, tmp_path: Path
) -> None:
    """Neither the jobs of the store nor its own make it load the libraries that store."""
    program = OWN + (
        "time.sleep(2.5)\n"
        "print(sorted({'deltalake', 'duckdb', 'pyarrow', 'numpy'} & set(sys.modules)))\n"
    )
    environ = {"TIDEGAUGE_STORE": str(store_dir)}
    done = run_program(program, tmp_path, production=True, **environ)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert ran(tmp_path)


def test_a_forked_child_runs_the_jobs_that_its_parent_registered(
    start: Start, tmp_path: Path
) -> None:
    """As soon as it records; of the two one runs it at a time, and the child goes on alone."""
    program = start(
        OWN
        + "if os.fork() == 0:\n"
        + "    tg.log_metric('custom:x', 2)\n"
        + "    time.sleep(60)\n"
        + "time.sleep(60)\n"
    )
    until(lambda: len(ran(tmp_path)) >= 3)
    program.kill()
    program.wait()
    until(lambda: {pid for pid, _ in ran(tmp_path)} - {program.pid})
    child = max({pid for pid, _ in ran(tmp_path)} - {program.pid})
    try:
        before = len(ran(tmp_path))
        until(lambda: len(ran(tmp_path)) >= before + 2)
        times = [at for _, at in ran(tmp_path)]
        assert all(later - sooner >= 0.9 for sooner, later in itertools.pairwise(times))
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_run_that_was_killed_is_made_again_by_the_next_process(
    start: Start, store_dir: Path, tmp_path: Path
) -> None:
    """Meanwhile it is seen to have been interrupted."""
    hangs = OWN.replace('return "written"', "time.sleep(60)")
    program = start(hangs + "time.sleep(60)")
    until(lambda: (seen := known(store_dir, "own")) and seen.outcome == "running")
    program.kill()
    program.wait()
    state = known(store_dir, "own")
    assert state is not None
    assert state.outcome == "interrupted"
    start(OWN + "time.sleep(60)")
    state = until(lambda: (seen := known(store_dir, "own")) and seen.outcome == "ok" and seen)
    assert (state.failures, state.failures_in_a_row) == (1, 0)
    assert len({pid for pid, _ in ran(tmp_path)}) == 2


def test_a_job_that_hangs_does_not_keep_a_program_from_ending(
    run_program: Any, store_dir: Path, tmp_path: Path
) -> None:
    """It is left behind after `exit_wait_s`; what was recorded is there."""
    hangs = OWN.replace('return "written"', "time.sleep(60)")
    program = hangs + "while not os.path.exists('ran'): time.sleep(0.1)\n"
    environ = {"TIDEGAUGE_STORE": str(store_dir), "TIDEGAUGE_EXIT_WAIT_S": "0.2"}
    done = run_program(program, tmp_path, production=True, timeout_s=30, **environ)
    assert done.returncode == 0, done.stderr
    assert known(store_dir, "own").outcome == "interrupted"  # type: ignore[union-attr]


def test_without_a_follower_no_job_runs(run_program: Any, store_dir: Path, tmp_path: Path) -> None:
    """A process that only records does nothing else."""
    environ = {"TIDEGAUGE_STORE": str(store_dir), "TIDEGAUGE_FOLLOWER": "off"}
    done = run_program(OWN + "time.sleep(2.5)", tmp_path, production=True, **environ)
    assert done.returncode == 0, done.stderr
    assert ran(tmp_path) == []
