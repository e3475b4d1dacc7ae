# SPDX-License-Identifier: Apache-2.0
"""`tidegauge agent`: what programs do in the background, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import tidegauge as tg
tg.configure(follower="off")
for number in range(100):
    tg.log_metric("api:requests", 1, endpoint="/a")
    tg.predict_with_metrics(
        type("M", (), {"predict": lambda self, x: x})(), 1.0, "fraud", "1",
        prediction_ids=f"p{number}",
    )
    tg.record_ground_truth(f"p{number}", 1.0 if number < 75 else 0.0)
"""

pytestmark = pytest.mark.system


@pytest.fixture
def agent(store_dir: Path) -> Iterator[dict[str, Any]]:
    """A running agent, with what it said when it began."""
    environ = {**os.environ, "TIDEGAUGE_DRAIN_AFTER_S": "0.2"}
    environ.pop("PYTEST_VERSION", None)
    command = [sys.executable, "-m", "tidegauge.cli", "--store", str(store_dir), "--json"]
    command += ["agent", "--metrics-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True) as process:
        assert process.stdout is not None
        said = json.loads(_document(process.stdout))
        try:
            yield {**said, "process": process}
        finally:
            process.kill()


def test_an_agent_serves_what_others_record(
    agent: dict[str, Any], store_dir: Path, run_program: Any, tmp_path: Path
) -> None:
    """A program without a follower ends; the agent shows its totals, and its models' accuracy."""
    environ = {"TIDEGAUGE_STORE": str(store_dir)}
    done = run_program(PROGRAM, tmp_path, production=True, **environ)
    assert done.returncode == 0, done.stderr
    page = _page_with(agent["metrics_url"], 'ml_model_accuracy{model_name="fraud"')
    assert 'ml_api_requests_total{endpoint="/a"} 100.0' in page
    assert 'ml_model_predictions_total{model_name="fraud",model_version="1"} 100.0' in page
    assert 'ml_model_accuracy{model_name="fraud",model_version="1"} 0.75' in page


def test_an_agent_ends_when_it_is_told(agent: dict[str, Any]) -> None:
    """SIGTERM ends it with 0, and the port is free again."""
    process = agent["process"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    port = int(agent["metrics_url"].rsplit(":", 1)[1].partition("/")[0])
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))


def test_a_port_in_use_is_an_error(
    agent: dict[str, Any], store_dir: Path, run_program: Any, tmp_path: Path
) -> None:
    """A second agent on the same port says so, and what to do."""
    port = agent["metrics_url"].rsplit(":", 1)[1].partition("/")[0]
    program = f"""
import sys
from tidegauge.cli import main
sys.argv = ["tidegauge", "--store", {str(store_dir)!r}, "agent", "--metrics-port", "{port}"]
main()
"""
    done = run_program(program, tmp_path, production=True)
    assert done.returncode == 2
    assert "the port of the metrics server is in use" in done.stderr.lower()


def _document(stream: Any) -> str:
    """Everything up to the end of the first JSON document."""
    text = ""
    while True:
        piece = os.read(stream.fileno(), 4096).decode()
        assert piece, "the agent ended"
        text += piece
        try:
            json.loads(text)
        except ValueError:
            continue
        return text


def _page_with(url: str, wanted: str) -> str:
    deadline_s = time.monotonic() + 75  # accuracies are looked at every 30 seconds
    while True:
        with urllib.request.urlopen(url, timeout=10) as response:
            page: str = response.read().decode()
        if wanted in page:
            return page
        assert time.monotonic() < deadline_s, page
        time.sleep(0.2)
