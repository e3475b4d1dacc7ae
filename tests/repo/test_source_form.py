# SPDX-License-Identifier: Apache-2.0
"""How a module must look, as far as a machine can tell."""

from __future__ import annotations

import ast
from pathlib import Path

MAX_LINES = 500
SPDX = "# SPDX-License-Identifier: Apache-2.0"
VAGUE_NAMES = {"common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}


def test_every_python_file_starts_with_its_licence(root: Path, repo_files: list[Path]) -> None:
    """The first line, or the second after a `#!`, is the SPDX line."""
    offenders = []
    for path in repo_files:
        if path.suffix == ".py":
            lines = path.read_text().splitlines()
            first = lines[1:2] if lines and lines[0].startswith("#!") else lines[:1]
            if first != [SPDX]:
                offenders.append(str(path.relative_to(root)))
    assert offenders == []


def test_every_module_says_what_lives_in_it(root: Path, source_files: list[Path]) -> None:
    """Each module of the package, and each test module, has a docstring."""
    offenders = [
        str(path.relative_to(root))
        for path in [*source_files, *sorted((root / "tests").rglob("test_*.py"))]
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert offenders == []


def test_annotations_are_never_evaluated_at_import(root: Path, source_files: list[Path]) -> None:
    """Each module that has code has `from __future__ import annotations`."""
    offenders = []
    for path in source_files:
        code = [node for node in ast.parse(path.read_text()).body if not _is_text(node)]
        futures = [n for n in code if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
        if code and not futures:
            offenders.append(str(path.relative_to(root)))
    assert offenders == []


def test_public_modules_say_what_is_public(root: Path, source_files: list[Path]) -> None:
    """A module without a leading underscore that defines public names lists them in `__all__`."""
    offenders = []
    for path in source_files:
        body = ast.parse(path.read_text()).body
        defined = {
            node.name
            for node in body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        public = {name for name in defined if not name.startswith("_")}
        private_module = path.stem.startswith("_") and path.stem != "__init__"
        if public and not private_module and not any(_assigns_all(node) for node in body):
            offenders.append(str(path.relative_to(root)))
    assert offenders == []


def test_modules_stay_small(root: Path, source_files: list[Path]) -> None:
    """No module of the package has more than 500 lines."""
    sizes = {str(p.relative_to(root)): len(p.read_text().splitlines()) for p in source_files}
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


def test_no_module_has_a_name_that_says_nothing(root: Path, source_files: list[Path]) -> None:
    """There is no `utils`, `core`, `common`, `helpers` or `manager`."""
    offenders = [
        str(path.relative_to(root))
        for path in source_files
        if VAGUE_NAMES & {part.strip("_") for part in path.relative_to(root).with_suffix("").parts}
    ]
    assert offenders == []


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _assigns_all(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    else:
        return False
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
