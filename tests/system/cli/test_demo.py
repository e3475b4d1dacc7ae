# SPDX-License-Identifier: Apache-2.0
"""The demo, as `make demo` runs it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_the_demo_adds_up(program: Any) -> None:
    """Training, MLflow runs, 5,000 predictions, a SIGKILL: every check holds, in its own place."""
    done = program.run("demo", "--dir", "demo", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["holds"]
    assert all(check["holds"] for check in told["checks"])
    assert len(told["checks"]) == 2 + 5 + 1 + 2
    acknowledged = {int(worker): count for worker, count in told["acknowledged"].items()}
    assert sum(acknowledged.values()) == 5_000
    assert 500 <= acknowledged[told["killed"]] < 1_250
    assert told["status"]["balance"]["dropped"] == {"not_finite": 1}
    assert [row["model_version"] for row in told["stats"]] == ["1.0", "2.0"]
    verdicts = {row["metric"]: row["verdict"] for row in told["comparison"]}
    assert verdicts["model:val_accuracy"] == "better"
    database = sqlite3.connect(program.directory / "demo" / "mlflow.db")
    [(values,)] = database.execute("select count(*) from metrics").fetchall()
    database.close()
    assert values == 96
    assert not program.store.exists()  # the store of the user's settings is not touched


@pytest.mark.slow
def test_the_demo_is_told_to_people(program: Any) -> None:
    """Smaller, and with its text: what happens, the tables, and where to look next."""
    done = program.run("demo", "--dir", "demo", "--predictions", "400")
    assert done.returncode == 0, done.stderr
    for line in (
        "1  Train two versions inside MLflow runs",
        "2  Serve 400 predictions from 4 processes, kill one",
        "was ended by SIGKILL",
        "3  Where every fact is",
        "Every fact is accounted for.",
        "4  Latency by version",
        "5  Version 2.0 compared with 1.0",
        "6  Does it add up?",
        "Everything adds up.",
        "Where to look next",
    ):
        assert line in done.stdout
    assert "Traceback" not in done.stderr


def test_the_demo_needs_an_empty_place(program: Any) -> None:
    """It touches nothing that was there, and no store that is pointed to."""
    (program.directory / "mine").mkdir()
    (program.directory / "mine" / "file").write_text("mine")
    done = program.run("demo", "--dir", "mine")
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert program.run("demo", "--store", "mine").returncode == 2
    assert [path.name for path in (program.directory / "mine").iterdir()] == ["file"]
