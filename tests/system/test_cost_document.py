# SPDX-License-Identifier: Apache-2.0
"""The code of a guide to cost metrics runs as printed, but for its imports, and its queries answer.

The guide reads prices of today and of yesterday itself; what it declares, and its loop, are the
same here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

GUIDE = """
from tidegauge import CostTracker
from tidegauge.prometheus import Gauge
import time

# Cost metrics
daily_cost = Gauge(
    'aws_daily_cost_usd',
    'Daily AWS cost in USD'
)

cost_per_prediction = Gauge(
    'aws_cost_per_prediction_usd',
    'Cost per prediction in USD'
)

cost_by_service = Gauge(
    'aws_cost_by_service_usd',
    'AWS cost by service',
    ['service']
)

# Run cost tracking periodically
import threading

def run_cost_tracker():
    tracker = CostTracker()
    while True:
        tracker.update_metrics()
        time.sleep(3600)  # Update every hour

# Start in background thread
cost_tracker_thread = threading.Thread(target=run_cost_tracker, daemon=True)
cost_tracker_thread.start()
"""

BEFORE = """
import datetime as dt, os, requests
from moto import mock_aws
import tidegauge as tg

os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
mock_aws().start()
day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)

def group(service, amount):
    cost = {"Amount": amount, "Unit": "USD"}
    metrics = {"UnblendedCost": cost, "AmortizedCost": cost}
    return {"Keys": [service, "111"], "Metrics": metrics}

groups = [group("Amazon Elastic Container Service", "12.5"), group("AmazonCloudWatch", "2.5")]
period = {"Start": f"{day}", "End": f"{day}"}
answer = {"ResultsByTime": [{"TimePeriod": period, "Estimated": False, "Groups": groups}]}
requests.post(
    "http://motoapi.amazonaws.com/moto-api/static/ce/cost-and-usage-results",
    json={"results": [answer]},
)
tg.configure(service="api")
from tidegauge.record.front import recorder
from tidegauge.model.series import SeriesKey
noon_ns = int(dt.datetime.combine(day, dt.time(12), dt.UTC).timestamp()) * 10**9
for _ in range(50):
    recorder.writer.put_event("predictions", SeriesKey("", (), ()), noon_ns, {"status": "success"})
"""

AFTER = """
from tidegauge.config import live_reading
from tidegauge.serve.page import MetricsPage

until = time.monotonic() + 60
lines = []
while len(lines) < 4 and time.monotonic() < until:
    time.sleep(0.1)
    text = MetricsPage(live_reading).respond("", "").body.decode()
    lines = sorted(
        each for each in text.splitlines()
        if each.startswith(("aws_daily", "aws_cost")) and each.endswith(("5", "0", "3"))
    )
print("\\n".join(lines))
"""


def test_the_guide_runs_and_its_queries_answer(
    run_program: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The metrics have the guide's names and labels, and the values of the bill."""
    done = run_program(BEFORE + GUIDE + AFTER, tmp_path, production=True)
    assert done.stdout.splitlines() == [
        'aws_cost_by_service_usd{service="Amazon Elastic Container Service"} 12.5',
        'aws_cost_by_service_usd{service="AmazonCloudWatch"} 2.5',
        "aws_cost_per_prediction_usd 0.3",
        "aws_daily_cost_usd 15.0",
    ], done.stderr


def test_gauges_of_a_program_of_its_own_have_the_names_of_the_guide(
    run_program: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """`service` is the cloud's where the guide says so, and not the program's."""
    program = f"""
import tidegauge as tg
tg.configure(service="api")
{GUIDE.partition("# Run cost")[0]}
daily_cost.set(15)
cost_by_service.labels(service="Amazon Elastic Container Service").set(12.5)
{AFTER.replace("< 4", "< 2")}
"""
    done = run_program(program, tmp_path, production=True)
    assert done.stdout.splitlines() == [
        'aws_cost_by_service_usd{service="Amazon Elastic Container Service"} 12.5',
        'aws_daily_cost_usd{service="api"} 15.0',
    ], done.stderr
