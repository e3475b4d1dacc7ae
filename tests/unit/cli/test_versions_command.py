# SPDX-License-Identifier: Apache-2.0
"""`tidegauge versions`."""

from __future__ import annotations

import time
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.testing import capture


@pytest.fixture
def filled(cli: Any) -> Any:
    """Twelve days of two versions: the second has more f1, and takes longer."""
    now_s = time.time()
    for day in range(1, 13):
        for version in (1, 2):
            labels = {"model": "fraud", "model_version": str(version)}
            off = (day * 7 % 5) / 100
            at = now_s - day * 86_400
            cli.record("model:f1_score", 0.7 + version / 10 + off, at=at, **labels)
            cli.record("model:latency_ms", 10.0 * version + 10 * off, at=at, **labels)
    return cli


def test_verdicts_as_a_table(filled: Any) -> None:
    """The whole first, then each measure; worse in something is exit code 1."""
    done = filled("versions", "fraud", 1, 2)
    assert done.code == 1
    lines = [" ".join(line.split()) for line in done.lines]
    assert lines[0] == "fraud: version 2 against 1: mixed"
    assert lines[1].startswith("measure statistic version 1 version 2 unit change 95 % between p")
    verdicts = [line.split()[-1] for line in lines[3:]]
    assert verdicts == ["better", "worse"]
    better = filled("versions", "fraud", 1, 2, "--metric", "model:f1*")
    assert (better.code, better.lines[0].endswith("better")) == (0, True)


def test_one_document(filled: Any) -> None:
    """With --json; an unknown version is exit code 2."""
    found = filled("versions", "fraud", 1, 2, "--days", 20, "--margin", 0.01, "--json").json
    assert (found["verdict"], found["margin"]) == ("mixed", 0.01)
    assert [each["verdict"] for each in found["measures"]] == ["better", "worse"]
    assert found["measures"][0]["first"]["n"] >= 8
    assert filled("versions", "fraud", 1, 3).code == 2


def test_a_program_asks_the_same() -> None:
    """`tidegauge.compare_versions` knows what was recorded a moment ago."""
    with capture():
        for day in range(1, 11):
            for version in (1, 2):
                with tg.context(model="fraud", model_version=str(version)):
                    score = 0.7 + version / 10 + (day * 7 % 5) / 100
                    tg.log_metric("model:f1_score", score, time=f"2026-01-{day:02}")
        found = tg.compare_versions("fraud", 1, 2)
    assert found.verdict == "better"
    assert found.as_dict()["measures"][0]["direction"] == "higher"
