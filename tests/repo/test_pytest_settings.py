# SPDX-License-Identifier: Apache-2.0
"""What tests/conftest.py and the settings promise to every test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = '''
"""Sample."""
import warnings
import pytest

def test_skips():
    """Cannot run here."""
    pytest.skip("no such thing here")

@pytest.mark.xfail(reason="known")
def test_known():
    """Known to fail."""
    raise AssertionError

@pytest.mark.repeat
def test_repeats():
    """Repeated."""

@pytest.mark.slow
def test_slow():
    """Slow."""

def test_warns():
    """Warns."""
    warnings.warn("careful")
'''


@pytest.fixture
def suite(root: Path, tmp_path: Path) -> Path:
    """A suite of five tests under the settings of this repository."""
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / "tests").mkdir()
    shutil.copy(root / "tests" / "conftest.py", tmp_path / "tests")
    (tmp_path / "tests" / "test_sample.py").write_text(SAMPLE)
    return tmp_path


def test_a_skip_passes_at_home_and_fails_in_ci(suite: Path) -> None:
    """With CI set, a skipped test is a failed one that says why; an expected failure stays one."""
    arguments = ["-k", "skips or known"]
    assert "1 skipped, 3 deselected, 1 xfailed" in _pytest(suite, *arguments)
    in_ci = _pytest(suite, *arguments, CI="true")
    assert "1 failed, 3 deselected, 1 xfailed" in in_ci
    assert "may not be skipped in CI: no such thing here" in in_ci


def test_a_repeated_test_runs_as_often_as_asked(suite: Path) -> None:
    """TIDEGAUGE_REPEAT multiplies the tests marked `repeat` and no others."""
    arguments = ["-m", "slow or repeat"]
    assert "2 passed" in _pytest(suite, *arguments)
    assert "51 passed" in _pytest(suite, *arguments, TIDEGAUGE_REPEAT="50")


def test_a_warning_is_an_error(suite: Path) -> None:
    """A test that warns fails."""
    assert "1 failed" in _pytest(suite, "-k", "warns")


def _pytest(suite: Path, *arguments: str, **variables: str) -> str:
    """The report of pytest on the suite."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CI", "PYTEST", "TIDEGAUGE"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=suite,
        env={**kept, **variables},
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout
