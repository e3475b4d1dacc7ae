# SPDX-License-Identifier: Apache-2.0
"""The import contracts hold, leave nothing out, and would notice."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What every package may use.
EVERYWHERE = {"msgspec", "tidegauge"}
# Contract, module that breaks it, and the line that does.
PLANTED = [
    ("layers", "model/clock.py", "import tidegauge.store"),
    ("layers", "record/__init__.py", "import tidegauge.query"),
    ("layers", "query/__init__.py", "import tidegauge.export"),
    ("layers", "stray.py", ""),
    ("readers", "query/__init__.py", "import tidegauge.journal.writer"),
    ("acyclic", "model/clock.py", "import tidegauge.model.errors, tidegauge.model.stray"),
    ("home-deltalake", "query/__init__.py", "import deltalake"),
    ("home-duckdb", "record/__init__.py", "import duckdb"),
    ("home-mlflow", "record/__init__.py", "import mlflow"),
    ("home-numpy", "record/__init__.py", "import numpy"),
    ("home-typer", "query/__init__.py", "import rich.table"),
    ("home-yaml", "query/__init__.py", "import yaml"),
]


def test_the_contracts_hold(root: Path) -> None:
    """lint-imports finds nothing in the tree as it is."""
    done = _lint_imports(root)
    assert done.returncode == 0, done.stdout


def test_every_third_party_package_has_a_home(
    source_files: list[Path], pyproject: dict[str, Any]
) -> None:
    """Whatever the package imports from outside is in a contract that says who may import it."""
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    housed = {name for contract in contracts for name in contract.get("protected_modules", [])}
    imported = {
        name.partition(".")[0]
        for path in source_files
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported_names(node)
    }
    homeless = imported - housed - EVERYWHERE - sys.stdlib_module_names
    assert homeless == set(), "give each a `home-…` contract in pyproject.toml"


@pytest.mark.parametrize(("contract", "module", "line"), PLANTED)
def test_a_contract_notices(
    root: Path, tmp_path: Path, contract: str, module: str, line: str
) -> None:
    """A line planted where it may not be breaks the contract that forbids it."""
    shutil.copy(root / "pyproject.toml", tmp_path)
    package = tmp_path / "src" / "tidegauge"
    shutil.copytree(
        root / "src" / "tidegauge", package, ignore=shutil.ignore_patterns("__pycache__")
    )
    if contract == "acyclic":
        (package / "model" / "stray.py").write_text("import tidegauge.model.clock\n")
    with (package / module).open("a") as file:
        file.write(f"\n{line}\n")

    done = _lint_imports(tmp_path, "--contract", contract)

    assert done.returncode == 1, done.stdout
    assert "1 broken" in done.stdout or "stray" in done.stdout, done.stdout


def test_every_contract_but_the_trivial_ones_is_tried(pyproject: dict[str, Any]) -> None:
    """Each kind of contract has a planted violation above."""
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    kinds = {contract["id"]: contract["type"] for contract in contracts}
    assert {kinds[contract] for contract, _, _ in PLANTED} == set(kinds.values())


def _imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []


def _lint_imports(top: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """lint-imports on the tree at `top`, which need not be the one that is installed."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-logo", "--no-cache", *arguments],
        cwd=top,
        env={**os.environ, "PYTHONPATH": str(top / "src"), "NO_COLOR": "1", "COLUMNS": "200"},
        check=False,
        capture_output=True,
        text=True,
    )
    done.stdout = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    return done
