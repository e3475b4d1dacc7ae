# SPDX-License-Identifier: Apache-2.0
"""Whoever type-checks a program that uses the package gets the right answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_a_type_checker_accepts_and_refuses_what_it_should(root: Path) -> None:
    """Strict mypy agrees with every line of tests/typing, the refused ones included."""
    command = [sys.executable, "-m", "mypy", "--strict", "tests/typing"]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    about_us = [line for line in done.stdout.splitlines() if line.startswith("tests/typing")]
    assert about_us == []
    assert "1 source file" in done.stdout
