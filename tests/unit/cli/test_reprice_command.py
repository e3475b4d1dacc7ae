# SPDX-License-Identifier: Apache-2.0
"""`tidegauge cost reprice`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

OWN = """
[[price]]
model = "tides-1"
input = 1
output = 1
"""


def test_a_price_is_found_and_lost(
    cli: Any, calls: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what has changed; a price that had been known and is not any more is a problem."""
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    calls.call(
        None,
        unpriced_reason="unknown_model",
        model="tides-1",
        input_uncached_tokens=900,
        input_tokens=900,
        output_text_tokens=100,
        output_tokens=100,
        at=time.time() - 60,
    )
    monkeypatch.setenv("TIDEGAUGE_LLM_PRICES", str(path))
    tried = cli("cost", "reprice", "--dry-run")
    assert tried.lines[0] == ("1 calls looked at: 1 would be priced anew, of which 1 had no price.")
    done = cli("cost", "reprice", "--json")
    assert (done.code, done.json) == (
        0,
        {
            "calls": 1,
            "changed": 1,
            "found": 1,
            "lost": 0,
            "before": {},
            "after": {"USD": 0.001},
            "dry_run": False,
        },
    )
    monkeypatch.delenv("TIDEGAUGE_LLM_PRICES")
    lost = cli("cost", "reprice")
    assert lost.code == 1
    assert lost.lines[0].endswith("1 have no known price any more.")


def test_there_must_be_a_store(cli: Any) -> None:
    """A mistyped path is no store without calls."""
    done = cli("cost", "reprice")
    assert done.code == 1
    assert "There is no store here" in done.err
