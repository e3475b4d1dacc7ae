# SPDX-License-Identifier: Apache-2.0
"""`tidegauge anomalies` and `tidegauge drift`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.statistics.accumulator import Accumulator

TODAY = dt.datetime.now(dt.UTC).replace(hour=9, minute=0, second=0, microsecond=0)
SCORE, CONFIDENCE = "model:accuracy", "model:prediction_confidence"


@pytest.fixture
def filled(cli: Any) -> Any:
    """Accuracy that fell ten days ago, and confidence that fell with it."""
    rng = np.random.default_rng(1)
    writer = JournalWriter(cli.store / "journal")
    for days in range(80, 0, -1):
        time_ns = parse_time_ns(TODAY - dt.timedelta(days=days))
        score = 0.9 + rng.normal(0, 0.01) - 0.05 * (days <= 10)
        writer.put_point(SeriesKey.of(SCORE, {}), score, time_ns=time_ns)
        if days <= 40:
            total = Accumulator()
            total.add_many((rng.beta(8, 2, size=40) - 0.2 * (days <= 10)).clip(0, 1).tolist())
            key = SeriesKey.of(CONFIDENCE, {})
            writer.put_event("intervals", key, time_ns, total.columns(10.0))
    writer.close()
    return cli


def test_alarms_are_listed_with_what_was_usual(filled: Any) -> None:
    """And are a problem; how often chance alone would do it stands below."""
    done = filled("anomalies", SCORE)
    assert done.code == 1
    assert "down, worse" in done.out
    assert "by chance alone each has an alarm every 30 steps" in done.out
    (found,) = filled("anomalies", SCORE, "--budget", "0.1", "--json").json
    assert (found["run_length"], found["reason"]) == (300.0, None)
    fall = found["alarms"][-1]
    assert (fall["direction"], fall["is_worse"], fall["end_us"]) == ("down", True, None)
    when = dt.datetime.fromtimestamp(fall["time_us"] / 1e6, dt.UTC)
    assert 5 <= (TODAY - when).days <= 10
    assert fall["change_us"] <= fall["time_us"]


def test_nothing_unusual_is_no_problem(filled: Any) -> None:
    """Weeks before the fall, and metrics that are too new to be watched."""
    end = (TODAY - dt.timedelta(days=12)).date()
    done = filled("anomalies", SCORE, "--days", "7", "--end", end, "--budget", "0.1")
    assert done.code == 0
    assert "Nothing unusual." in done.out
    done = filled("anomalies", CONFIDENCE, "--days", "20")
    assert done.code == 0
    assert "not watched: 20 values of history; 28 are needed" in done.out


def test_drift_has_its_interval_and_its_direction(filled: Any) -> None:
    """Of histograms; a drawing of it is written."""
    done = filled("drift", CONFIDENCE, "--chart", "drift.png")
    assert done.code == 1
    assert f"{CONFIDENCE}: has drifted down (psi" in done.out
    found = filled("drift", CONFIDENCE, "--measure", "wasserstein", "--threshold", "9", "--json")
    assert found.code == 0
    assert found.json["is_drift"] is False
    assert found.json["wasserstein"]["low"] > 0.5


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["anomalies", SCORE, "--method", "magic"], 2, "There is no such method. Got: magic"),
        (["anomalies", SCORE, "--by", "week"], 2, "A series has no such step. Got: week"),
        (["anomalies", "model:*", "--chart", "x.png"], 2, "2 series cannot be drawn in one"),
        (["drift", CONFIDENCE, "--measure", "ks"], 2, "Drift is not measured by this. Got: ks"),
        (["drift", "model:no_such"], 2, "nor was ever recorded"),
    ],
)
def test_bad_questions_are_usage_errors(
    filled: Any, arguments: list[str], code: int, text: str
) -> None:
    """They say what is allowed."""
    done = filled(*arguments)
    assert done.code == code
    assert text in " ".join(done.err.split())
