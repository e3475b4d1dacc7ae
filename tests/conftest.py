# SPDX-License-Identifier: Apache-2.0
"""What every kind of test shares: a place for a store, repetition, and no silent skips in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

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
