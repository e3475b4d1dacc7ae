# SPDX-License-Identifier: Apache-2.0
"""How a test must look, as far as a machine can tell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

# Where real processes are started and watched, a poll with a deadline may sleep.
MAY_SLEEP = {"fault", "system"}


def test_every_test_states_its_behaviour(root: Path) -> None:
    """Each test function and method has a docstring."""
    offenders = [
        f"{path.relative_to(root)}:{function.lineno} {function.name}"
        for path in _test_files(root)
        for function in _functions(path)
        if function.name.startswith("test") and not ast.get_docstring(function)
    ]
    assert offenders == []


def test_every_test_file_is_found_by_pytest(root: Path) -> None:
    """A file that holds test functions is called `test_*.py`."""
    offenders = [
        str(path.relative_to(root))
        for path in _test_files(root)
        if not path.name.startswith("test_")
        and any(function.name.startswith("test_") for function in _functions(path))
    ]
    assert offenders == []


def test_nothing_of_ours_is_mocked(root: Path) -> None:
    """No test imports `unittest.mock` or its like: parts are real, or fakes with a contract."""
    offenders = []
    for path in _test_files(root):
        for node in ast.walk(ast.parse(path.read_text())):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
            if any(name.startswith(("unittest.mock", "mock", "pytest_mock")) for name in names):
                offenders.append(f"{path.relative_to(root)}:{node.lineno}")
    assert offenders == []


def test_no_test_waits_by_the_clock(root: Path) -> None:
    """`time.sleep` is called only in tests/fault and tests/system, where processes are polled.

    A coroutine under test may suspend itself with `asyncio.sleep`.
    """
    offenders = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in _test_files(root)
        if path.relative_to(root / "tests").parts[0] not in MAY_SLEEP
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"sleep", "time.sleep"}
    ]
    assert offenders == []


def _test_files(root: Path) -> list[Path]:
    return sorted((root / "tests").rglob("*.py"))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
