# SPDX-License-Identifier: Apache-2.0
"""`tidegauge correlate`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

N_DAYS = 70


@pytest.fixture
def filled(cli: Any) -> Any:
    """Seventy days up to yesterday of accuracy, which leads revenue by a day, and of recall."""
    noise = np.random.default_rng(3).normal(size=(3, N_DAYS))
    noise[1] = 0.8 * np.roll(noise[0], 1) + 0.6 * noise[1]
    start_s = (time.time() // 86_400 - N_DAYS) * 86_400 + 3_600
    for metric, values in zip(
        ("model:accuracy", "business:revenue_usd", "model:recall"), noise, strict=True
    ):
        cli.record(metric, *(0.5 + values / 20).tolist(), at=start_s, every_s=86_400)
    return cli


def test_pairs_as_a_table(filled: Any) -> None:
    """With the naive correlation beside, and what may be said below."""
    done = filled("correlate", "model:*", "--with", "business:*")
    assert done.code == 0
    rows = [" ".join(line.split()) for line in done.lines if "─" not in line]
    assert rows[0] == "What moves together"
    assert rows[1] == "first second lag r interval q naive r naive p finding"
    assert rows[2].startswith("model:accuracy business:revenue_usd 1 0.")
    assert rows[2].endswith("may lead it by 1 day")
    assert rows[3].startswith("model:recall business:revenue_usd")
    assert rows[3].endswith("no relation shown")
    assert "1 of 2 pairs move together; of what is found, 5% may be chance." in rows
    assert rows[-1] == "What moves together need not be cause and effect."


def test_pairs_as_json(filled: Any) -> None:
    """A document with a key for each pair."""
    done = filled("correlate", "model:accuracy", "business:revenue_usd", "--ranks", "--json")
    found = done.json["model:accuracy_vs_business:revenue_usd"]
    assert (done.code, found["significant"], found["lag"]) == (0, True, 1)
    assert found["interval_low"] < found["correlation"] < found["interval_high"]


def test_nothing_known_is_a_problem_with_a_reason(filled: Any) -> None:
    """Two weeks are too few."""
    done = filled("correlate", "model:accuracy", "--with", "model:recall", "--days", "14")
    assert done.code == 1
    assert "not known: model:accuracy: 14 values, and 20 are needed" in done.out


def test_one_metric_alone_has_no_pair(filled: Any) -> None:
    """Which is said."""
    done = filled("correlate", "model:accuracy")
    assert done.code == 1
    assert "There are no two metrics to compare." in done.out


def test_what_is_unknown_is_an_error(filled: Any) -> None:
    """With the most similar names."""
    done = filled("correlate", "model:acuracy", "--with", "business:*")
    assert done.code == 2
    assert "model:accuracy" in done.err
