# SPDX-License-Identifier: Apache-2.0
"""The documents do what they show: their code runs, and generated pages are up to date."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OUTPUT = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if BLOCK.search(path.read_text(encoding="utf-8"))
]


def run_program(program: str, directory: Path) -> str:
    """Run a program in an empty directory, lenient as in production, and return its output."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
    environ["PYTHONWARNINGS"] = "default"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert "dropped" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_code_of_a_page_runs_as_printed(page: str, tmp_path: Path) -> None:
    """All Python blocks of a page run one after the other in an empty directory."""
    text = (ROOT / page).read_text(encoding="utf-8")
    run_program("\n".join(BLOCK.findall(text)), tmp_path)


def test_readme_shows_the_true_output(tmp_path: Path) -> None:
    """A block of Python followed by a block of text: the text is what the program prints."""
    shown = OUTPUT.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown
    for program, output in shown:
        assert run_program(program, tmp_path) == output


def test_generated_pages_are_up_to_date() -> None:
    """The reference pages say what the code says."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
