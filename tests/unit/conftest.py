# SPDX-License-Identifier: Apache-2.0
"""What tests of single modules share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def open_files() -> Callable[[Path], int]:
    """Counts this process's descriptors of files in a folder, deleted ones too."""

    def count(folder: Path) -> int:
        found = 0
        for descriptor in Path("/proc/self/fd").iterdir():
            try:
                found += descriptor.readlink().is_relative_to(folder)
            except FileNotFoundError:  # the listing's own, or one that was closed meanwhile
                continue
        return found

    return count
