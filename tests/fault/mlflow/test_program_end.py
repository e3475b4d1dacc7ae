# SPDX-License-Identifier: Apache-2.0
"""A program that ends while MLflow does not answer: it ends in time and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.fault.mlflow.conftest import PASS, Answer, Proxy, Request, Setting, counted

pytestmark = pytest.mark.system

PROGRAM = """
import sys, threading
import tidegauge as tg

tg.configure(mlflow=True, exit_wait_s=float(sys.argv[2]))
with tg.context(run_id=sys.argv[1]):
    for value in range(20):
        tg.log_metric("model:latency_ms", value)
threading.Event().wait(1)  # the follower has begun
print("done", flush=True)
"""


def end_of_program(setting: Setting, run_id: str, exit_wait_s: float) -> float:
    """Run the program; returns how many seconds its end took."""
    environ = {"TIDEGAUGE_STORE": str(setting.store.root), "MLFLOW_TRACKING_URI": setting.uri}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, run_id, str(exit_wait_s)],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "done\n"
            begin_s = time.monotonic()
            assert program.wait(60) == 0
            return time.monotonic() - begin_s
        finally:
            program.kill()


@pytest.mark.parametrize("trouble", ["hangs", "is down"])
def test_a_program_ends_in_time(setting: Setting, proxy: Proxy, trouble: str) -> None:
    """It waits as long as it was told and not for the server; the next one delivers the rest."""
    run_id = setting.new_run()
    release = threading.Event()

    def rule(request: Request) -> str | Answer:
        if trouble == "is down":
            return Answer(503)
        release.wait(40)
        return PASS

    proxy.rule = rule
    try:
        assert end_of_program(setting, run_id, 1.0) < 10
    finally:
        release.set()
    proxy.rule = lambda _: PASS
    assert setting.follower().wait(30)
    assert setting.history(run_id) == counted(20)


def test_a_program_waits_for_a_server_that_comes_back(setting: Setting, proxy: Proxy) -> None:
    """A failure at the end is not the end of the wait."""
    run_id = setting.new_run()
    proxy.rule = lambda _: Answer(503) if len(proxy.seen) < 4 else PASS
    end_of_program(setting, run_id, 40.0)
    assert setting.history(run_id) == counted(20)


def test_a_program_that_does_not_wait_still_tells_where_its_runs_are(
    setting: Setting, proxy: Proxy, tmp_path: Path
) -> None:
    """`tidegauge drain`, which was told nothing, delivers there, not to MLflow's default."""
    run_id = setting.new_run()
    proxy.rule = lambda _: Answer(503)
    end_of_program(setting, run_id, 0.0)
    proxy.rule = lambda _: PASS
    environ = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    drain = subprocess.run(
        [*(sys.executable, "-m", "tidegauge.cli"), "--store", str(setting.store.root), "drain"],
        env=environ,
        cwd=tmp_path,
        check=False,
    )
    assert drain.returncode == 0
    assert setting.history(run_id) == counted(20)
