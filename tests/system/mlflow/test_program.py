# SPDX-License-Identifier: Apache-2.0
"""A whole program that records inside MLflow runs, up to its end, whichever way it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tidegauge.catalog import builtin_catalog
from tidegauge.export.mlflow import MlflowFollower
from tidegauge.store.store import Store

pytestmark = pytest.mark.system

History = Callable[[str, str], list[tuple[int, float]]]

PROGRAM = """
import concurrent.futures, os, signal, sys
import mlflow
import tidegauge as tg

tg.configure(mlflow=True)
with mlflow.start_run() as run:
    for epoch in range(10):
        tg.log_metric("model:accuracy", epoch / 10, step=epoch)
    tg.log_metrics({"usage:reply_rate": 0.5, "usage:conversion_rate": 0.25})
    tg.log_metric_with_metadata("model:f1_score", 0.75, {"model_version": "2.0.1"})
    latency = tg.metric("model:latency_ms", route="predict")

    def serve(number):
        with tg.context(run_id=run.info.run_id):  # a run belongs to the thread that started it
            latency.record(float(number))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(serve, range(100)))
    with mlflow.start_run(nested=True) as nested:
        tg.log_metric("model:accuracy", 0.125)
    tg.log_metric("model:accuracy", 1.0)
tg.log_metric("model:accuracy", 0.5)  # outside of any run
print(run.info.run_id, nested.info.run_id, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run_program(store: Path, tracking_uri: str, end: str) -> list[str]:
    """Run the program; returns the ids of its runs."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, end],
        env={**os.environ, "TIDEGAUGE_STORE": str(store), "MLFLOW_TRACKING_URI": tracking_uri},
        cwd=store.parent,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode == 0) == (end == "returns"), done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("end", ["returns", "killed"])
def test_everything_recorded_in_a_run_is_in_mlflow(
    store: Store, tracking_uri: str, client: MlflowClient, history: History, end: str
) -> None:
    """A program waits for delivery at its end; the next one delivers for one that was killed."""
    run_id, nested_id = run_program(store.root, tracking_uri, end)
    follower = MlflowFollower(store, builtin_catalog())
    if end == "killed":
        assert follower.wait(30)
    assert follower.is_caught_up()
    assert history(run_id, "model:accuracy") == [
        *((epoch, epoch / 10) for epoch in range(10)),
        (10, 1.0),
    ]
    assert history(nested_id, "model:accuracy") == [(0, 0.125)]
    assert history(run_id, "usage:reply_rate") == [(0, 0.5)]
    latencies = history(run_id, "model:latency_ms/route:predict")
    assert sorted(value for _, value in latencies) == [float(number) for number in range(100)]
    run = client.get_run(run_id)
    assert run.data.metrics["usage:conversion_rate"] == 0.25
    assert run.data.metrics["model:f1_score"] == 0.75
    assert run.data.tags["tidegauge.metadata.model:f1_score"] == '{"model_version":"2.0.1"}'
    assert store.state.counters("mlflow")["delivered"] == 115
