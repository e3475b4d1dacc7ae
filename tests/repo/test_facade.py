# SPDX-License-Identifier: Apache-2.0
"""The names in `tidegauge` stay what they are, whatever is imported later."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path


def test_no_name_is_taken_by_a_submodule(root: Path) -> None:
    """No name bound in the façade is a sub-package's: importing that would replace the name."""
    package = root / "src" / "tidegauge"
    submodules = {path.parent.name for path in package.glob("*/__init__.py")}
    submodules |= {path.stem for path in package.glob("*.py")} - {"__init__"}
    tree = ast.parse((package / "__init__.py").read_text())
    bound = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "tidegauge"
        for alias in node.names
    }
    bound |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert bound & submodules == set()


def test_every_public_name_is_there(tmp_path: Path) -> None:
    """Each name in `__all__` can be had twice over, those that load the reading side included."""
    code = "import tidegauge as tg; print(*(getattr(tg, n) and n for n in tg.__all__ * 2))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "log_metric" in done.stdout.split()
