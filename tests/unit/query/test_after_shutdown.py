# SPDX-License-Identifier: Apache-2.0
"""Which store questions go to once the program has shut down."""

from __future__ import annotations

from pathlib import Path

import pytest

import tidegauge as tg
from tidegauge import config


def test_questions_after_a_shutdown_go_to_the_store_that_was_configured(
    store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so do further facts; nothing appears in the working directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    tg.configure(store=store_dir, follower="off")
    try:
        tg.log_metric("model:accuracy", 0.5)
        tg.shutdown()
        assert tg.stats("model:accuracy")["count"].to_pylist() == [1]
        tg.log_metric("model:accuracy", 0.75)
        tg.shutdown()
        assert tg.stats("model:accuracy")["last"].to_pylist() == [0.75]
        assert tg.stats("model:accuracy")["count"].to_pylist() == [2]
    finally:
        config.start_over()
    assert list(elsewhere.iterdir()) == []
