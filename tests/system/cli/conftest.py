# SPDX-License-Identifier: Apache-2.0
"""The program as users have it: a process of its own, with pipes and terminals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey

PROGRAM = Path(sys.executable).with_name("tidegauge")


class Program:
    """Starts `tidegauge` on the store at `store`, in an empty directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = directory / "store"

    @property
    def environ(self) -> dict[str, str]:
        """What the program sees: no setting of the test's own, and lenient as in production."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TIDEGAUGE_") and name not in ("PYTEST_VERSION", "COLUMNS")
        }
        return {**kept, "TIDEGAUGE_STORE": str(self.store)}

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command."""
        command = [str(PROGRAM), *map(str, arguments)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(command, cwd=self.directory, env=self.environ, **options)

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [str(PROGRAM), *map(str, arguments)],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )

    def json(self, *arguments: object) -> Any:
        """Run a command that must end well, and read its one document."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def fill(self, count: int, metric: str = "model:latency_ms") -> None:
        """Put points into the journal."""
        writer, key = JournalWriter(self.store / "journal"), SeriesKey(metric)
        for number in range(count):
            writer.put_point(key, float(number % 100))
        writer.close()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program, with a store that does not exist yet."""
    return Program(tmp_path)
