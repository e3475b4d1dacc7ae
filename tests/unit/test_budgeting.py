# SPDX-License-Identifier: Apache-2.0
"""Budgets as a program sets them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.config import parts
from tidegauge.integrations.budgets import hooks
from tidegauge.model.errors import ConfigError
from tidegauge.testing import capture


@pytest.fixture(autouse=True)
def captured() -> Iterator[Any]:
    """A store of one's own, and hooks that end with the test."""
    with capture(user_ids="hash") as captured:
        yield captured
    hooks.clear()


def test_a_program_sets_tells_and_removes() -> None:
    """In the store of the process."""
    assert tg.budgets() == []
    kept = tg.set_budget("all", "99.90", period="week")
    assert (kept.amount, kept.period, kept.currency) == (Decimal("99.9"), "week", "USD")
    [row] = tg.budgets("all", forecast=False)
    assert (row["budget"], row["max"], row["spent"]) == ("all", Decimal("99.9"), 0)
    assert tg.remove_budget("all")
    assert not tg.remove_budget("all")


def test_a_user_is_kept_as_the_settings_say() -> None:
    """And is found as programs know them."""
    kept = tg.set_budget("alice", 1, user="alice")
    assert kept.scope["user"].startswith("h:")
    assert kept.scope["user"] in parts().privacy.forms("alice")


def test_a_hook_is_a_decorator() -> None:
    """It is called once however often it is registered."""

    @tg.on_budget_warning
    def tell(warning: object) -> None:
        """Hear of it."""

    assert tg.on_budget_warning(tell) is tell
    assert hooks == [tell]


def test_a_hook_must_be_callable() -> None:
    """The error says so at once, and not when a budget is spent."""
    with pytest.raises(ConfigError) as caught:
        tg.on_budget_warning("me")  # type: ignore[type-var]
    assert str(caught.value) == (
        "what is told of budgets cannot be called; got 'me'; allowed: a function."
    )


def test_the_job_without_budgets_loads_nothing(
    tmp_path: Path, run_program: Any, captured: Any
) -> None:
    """Neither DuckDB nor the tables, which it would do every minute."""
    program = """if True:
        import sys
        import tidegauge as tg
        from tidegauge.config import parts
        tg.configure(store="store", follower="off")
        jobs = {job.name: job for job in parts().jobs()}
        print(jobs["budgets"].run(), {"duckdb", "deltalake", "pyarrow"} & sys.modules.keys())
    """
    done = run_program(program, tmp_path)
    assert (done.stdout, done.stderr) == ("None set()\n", "")
