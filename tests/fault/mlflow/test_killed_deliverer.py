# SPDX-License-Identifier: Apache-2.0
"""A process killed while it delivers: the next one delivers the rest, and nothing twice."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time

import pytest
from tests.fault.mlflow.conftest import (
    PASS,
    Deliverers,
    Proxy,
    Request,
    Server,
    Setting,
    counted,
    wait_until,
)

pytestmark = pytest.mark.system


@pytest.mark.repeat
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("batch", [0, 1, 4])
def test_killed_in_a_request(
    setting: Setting, server: Server, proxy: Proxy, deliverers: Deliverers, batch: int, stored: bool
) -> None:
    """Before or after MLflow stored the batch, in the first window or a later one."""
    run_ids = [setting.new_run() for _ in range(2)]
    for _ in range(5):
        for run_id in run_ids:
            setting.record(run_id, 150)
    stuck, release = threading.Event(), threading.Event()

    def rule(request: Request) -> str:
        if request.is_batch and len(proxy.seen) == batch and not stuck.is_set():
            if stored:
                proxy.forward("POST", request.path, json.dumps(request.body).encode(), server)
            stuck.set()
            release.wait(20)
        return PASS

    proxy.rule = rule
    child = deliverers.start(setting)
    assert stuck.wait(20)
    deliverers.kill(child)
    proxy.rule = lambda _: PASS
    release.set()
    for run_id in run_ids:
        setting.record(run_id, 5, metric="model:accuracy")  # recorded between death and delivery
    assert setting.follower().wait(30)
    for run_id in run_ids:
        steps = [step for step, _ in setting.history(run_id)]
        assert steps == list(range(750))
        assert setting.history(run_id, "model:accuracy") == counted(5)
    assert setting.counters() == {"delivered": 1_510}


@pytest.mark.repeat
def test_killed_at_random_while_facts_keep_coming(setting: Setting, deliverers: Deliverers) -> None:
    """Six processes in a row, each killed at some moment; the steps come out without a gap."""
    run_id = setting.new_run()
    recorded, stop = [0], threading.Event()

    def record() -> None:
        while not stop.is_set():
            setting.record(run_id, 20)
            recorded[0] += 20
            time.sleep(0.02)

    recording = threading.Thread(target=record)
    recording.start()
    try:
        for _ in range(6):
            child = deliverers.start(setting)
            time.sleep(random.uniform(0.02, 0.5))
            deliverers.kill(child)
    finally:
        stop.set()
        recording.join()
    assert setting.follower().wait(60)
    history = setting.history(run_id)
    assert [step for step, _ in history] == list(range(recorded[0]))
    assert [value for _, value in history] == [float(n % 20) for n in range(recorded[0])]
    assert setting.counters() == {"delivered": recorded[0]}


def test_processes_take_turns(setting: Setting, deliverers: Deliverers) -> None:
    """Three want to deliver one journal; every fact arrives once."""
    run_id = setting.new_run()
    setting.record(run_id, 100)
    children = [deliverers.start(setting) for _ in range(2)]
    for _ in range(9):
        setting.record(run_id, 100)
    assert setting.follower().wait(60)
    for child in children:
        deliverers.join(child)
    assert [step for step, _ in setting.history(run_id)] == list(range(1_000))
    assert setting.counters() == {"delivered": 1_000}


def test_a_stopped_process_does_not_keep_others_from_knowing(
    setting: Setting, proxy: Proxy, deliverers: Deliverers
) -> None:
    """While one that hangs has the turn, another waits no longer than it was told."""
    run_id = setting.new_run()
    setting.record(run_id, 10)
    stuck = threading.Event()

    def rule(request: Request) -> str:
        if request.is_batch:
            stuck.set()
            time.sleep(1)
        return PASS

    proxy.rule = rule
    child = deliverers.start(setting)
    assert stuck.wait(20)
    os.kill(child, signal.SIGSTOP)
    begin_s = time.monotonic()
    assert not setting.follower().wait(0.3)
    assert time.monotonic() - begin_s < 2
    deliverers.kill(child)
    proxy.rule = lambda _: PASS
    wait_until(lambda: setting.follower().wait(1))
    assert setting.history(run_id) == counted(10)
