# SPDX-License-Identifier: Apache-2.0
"""The repository as the laws in this folder see it."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def repo_files(root: Path) -> list[Path]:
    """Every file that git tracks or would track, so that a law holds before the commit too."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (root / name for name in listing.split("\0") if name)
    return sorted({path for path in paths if path.is_file()})


@pytest.fixture(scope="session")
def source_files(root: Path, repo_files: list[Path]) -> list[Path]:
    """The Python modules of the package."""
    return [p for p in repo_files if p.suffix == ".py" and p.is_relative_to(root / "src")]


@pytest.fixture(scope="session")
def pyproject(root: Path) -> dict[str, Any]:
    """The project's metadata and tool settings."""
    return tomllib.loads((root / "pyproject.toml").read_text())
