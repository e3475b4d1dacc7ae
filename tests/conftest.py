# SPDX-License-Identifier: Apache-2.0
"""What every kind of test shares: a place for a store, repetition, and no silent skips in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def store_dir(tmp_path: Path) -> Path:
    """Where a store may be made. Nothing is there yet."""
    return tmp_path / "store"


@pytest.fixture
def run_program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python program to its end, in a process of its own."""
    return _run_program


def _run_program(
    program: str | Path,
    directory: Path,
    *,
    production: bool = False,
    timeout_s: float = 60,
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    """Run a text or a file in a directory; in production it does not know that this is a test."""
    inherited = dict(os.environ)
    if production:
        inherited.pop("PYTEST_VERSION", None)
    return subprocess.run(
        [sys.executable, *(["-c", program] if isinstance(program, str) else [program])],
        cwd=directory,
        env=inherited | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


@pytest.fixture(scope="session")
def new_calls() -> type[Calls]:
    """Makes a store for calls to language models at a path."""
    return Calls


@pytest.fixture
def calls(store_dir: Path) -> Generator[Calls]:
    """A store for calls to language models; it is noon of 2026-01-15, UTC, a Thursday."""
    made = Calls(store_dir)
    yield made
    made.close()


class Calls:
    """Records calls to language models as wrappers of clients do.

    Attributes:
        clock: What tells the time to recorder, query and budgets.
        store: The store.
        recorder: Records into it.
    """

    def __init__(self, root: Path) -> None:
        from tidegauge.model.llm_tables import LLM_CALLS, LLM_PRICES
        from tidegauge.model.times import parse_time_ns
        from tidegauge.record.recorder import Recorder
        from tidegauge.record.rows import RowWriter
        from tidegauge.store.store import Store
        from tidegauge.testing import FakeClock

        self.clock = FakeClock(parse_time_ns("2026-01-15T12:00:00Z"))
        self.store = Store(root, clock=self.clock)
        self.recorder = Recorder(root / "journal", clock=self.clock, strict=True)
        self._tables = {each.name: each for each in (LLM_CALLS, LLM_PRICES)}
        self._writers = {
            name: RowWriter(self.recorder, each) for name, each in self._tables.items()
        }
        self._parse_time_ns = parse_time_ns
        self._count = 0

    def call(
        self,
        cost: object = "0.01",
        *,
        model: str = "o3",
        at: Any = None,
        labels: dict[str, str] | None = None,
        **columns: object,
    ) -> str:
        """Record a call that succeeded, unless said otherwise; returns its id."""
        from decimal import Decimal

        self._count += 1
        row = {
            "provider": "openai",
            "operation": "chat",
            "status": "success",
            "is_stream": False,
            "usage": "provider",
            "call_id": f"call-{self._count:06}",
            "operation_id": f"operation-{self._count:06}",
            "attempt": 1,
            "wire_requests": 1,
            "cost": None if cost is None else Decimal(str(cost)),
            "currency": None if cost is None else "USD",
            **columns,
        }
        self._put("llm_calls", row, {"model": model, **(labels or {})}, at)
        return str(row["call_id"])

    def price(self, call_id: str, version: int, cost: object, *, at: Any = None) -> None:
        """Record that the price of a call was worked out anew; None for unknown."""
        from decimal import Decimal

        row = {
            "call_id": call_id,
            "version": version,
            "cost": None if cost is None else Decimal(str(cost)),
            "currency": None if cost is None else "USD",
            "unpriced_reason": "unknown_model" if cost is None else None,
        }
        self._put("llm_prices", row, {}, at)

    def drain(self) -> None:
        """Move everything to the tables."""
        from tidegauge.store.drain import DrainFollower

        while DrainFollower(self.store).advance(force=True):
            pass

    def close(self) -> None:
        """Give everything back."""
        self.recorder.writer.close()
        self.store.close()

    def _put(self, table: str, row: dict[str, object], labels: dict[str, str], at: Any) -> None:
        names = [column.name for column in self._tables[table].columns]
        assert row.keys() <= set(names)
        time_ns = self.clock.wall_ns() if at is None else self._parse_time_ns(at)
        put = self._writers[table].bind(tuple(labels.items()))
        assert put(tuple(row.get(name) for name in names), time_ns)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test marked `repeat` TIDEGAUGE_REPEAT times, each round a test of its own."""
    rounds = int(os.environ.get("TIDEGAUGE_REPEAT", "1"))
    if rounds > 1 and metafunc.definition.get_closest_marker("repeat"):
        metafunc.fixturenames.append("repeat_round")
        metafunc.parametrize("repeat_round", range(1, rounds + 1), ids=lambda n: f"round{n}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure when CI is set: there, what a test needs must be there.

    And make what was printed text that can be sent: workers report in UTF-8.
    """
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = call.excinfo.value if call.excinfo else "no reason given"
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not be skipped in CI: {reason}"
    return report
