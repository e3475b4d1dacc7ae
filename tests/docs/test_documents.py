# SPDX-License-Identifier: Apache-2.0
"""The documents do what they show: their code runs, and generated pages are up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Done = subprocess.CompletedProcess[str]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OUTPUT = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if BLOCK.search(path.read_text(encoding="utf-8"))
]


@pytest.fixture
def output_of(run_program: Callable[..., Done], tmp_path: Path) -> Callable[[str], str]:
    """Runs a program in an empty directory, lenient as in production, and returns its output."""

    def run(program: str) -> str:
        done = run_program(
            program, tmp_path, production=True, timeout_s=110, PYTHONWARNINGS="default"
        )
        assert done.returncode == 0, done.stderr
        assert "dropped" not in done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("page", PAGES)
def test_code_of_a_page_runs_as_printed(page: str, output_of: Callable[[str], str]) -> None:
    """All Python blocks of a page run one after the other in an empty directory."""
    text = (ROOT / page).read_text(encoding="utf-8")
    output_of("\n".join(BLOCK.findall(text)))


def test_readme_shows_the_true_output(output_of: Callable[[str], str]) -> None:
    """A block of Python followed by a block of text: the text is what the program prints."""
    shown = OUTPUT.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown
    for program, output in shown:
        assert output_of(program) == output


def test_generated_pages_are_up_to_date() -> None:
    """The reference pages say what the code says."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
