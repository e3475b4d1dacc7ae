# SPDX-License-Identifier: Apache-2.0
"""Words do not rot: what the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

GUIDES = ["AGENTS.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"]
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
PATH_CHARACTERS = re.compile(r"\.?[\w*][\w.*{},-]*(/[\w.*{},-]+)*/?")
FILE_NAME = re.compile(r"[\w-]+\.(md|py|toml|txt|ya?ml)|Makefile|LICENSE")
TOP_FOLDERS = (".ci/", "bench/", "docs/", "examples/", "requirements/", "src/", "tests/")
# What `make` creates and git ignores.
MADE = {".venv/"}
MAKE_TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")


@pytest.mark.parametrize("guide", GUIDES)
def test_every_path_in_a_guide_exists(root: Path, repo_files: list[Path], guide: str) -> None:
    """A path in backticks is there, from the top of the repository or of the package."""
    text = FENCE.sub("", (root / guide).read_text())
    spans = {span for span in CODE_SPAN.findall(text) if _is_path(span)} - MADE
    assert sorted(span for span in spans if not _exists(root, repo_files, span)) == []


def test_every_repository_path_in_the_docs_exists(root: Path, repo_files: list[Path]) -> None:
    """Under docs/ too, a path in backticks that begins with a folder of the repository exists."""
    offenders = []
    for path in _documents(root, repo_files):
        offenders += [
            f"{path.relative_to(root)}: {span}"
            for span in CODE_SPAN.findall(FENCE.sub("", path.read_text()))
            if span.startswith(TOP_FOLDERS)
            and _is_path(span)
            and not _exists(root, repo_files, span)
        ]
    assert offenders == []


def test_every_relative_link_leads_somewhere(root: Path, repo_files: list[Path]) -> None:
    """A Markdown link without a scheme leads to a file of the repository."""
    offenders = []
    for path in _documents(root, repo_files):
        offenders += [
            f"{path.relative_to(root)}: {target}"
            for target in LINK.findall(FENCE.sub("", path.read_text()))
            if ":" not in target and not (path.parent / target).exists()
        ]
    assert offenders == []


def test_every_make_target_that_is_named_exists(root: Path, repo_files: list[Path]) -> None:
    """`make something` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(), re.MULTILINE))
    offenders = []
    for path in _documents(root, repo_files):
        text = path.read_text()
        code = [*CODE_SPAN.findall(FENCE.sub("", text)), *FENCE.findall(text)]
        named = {name for span in code for name in MAKE_TARGET.findall(span)}
        offenders += [f"{path.relative_to(root)}: make {name}" for name in sorted(named - targets)]
    assert offenders == []


def test_every_package_has_a_paragraph_in_the_architecture(root: Path) -> None:
    """ARCHITECTURE.md names each package and each top-level module of the source tree."""
    text = (root / "ARCHITECTURE.md").read_text()
    package = root / "src" / "tidegauge"
    names = [f"{p.name}/" for p in package.iterdir() if (p / "__init__.py").exists()]
    names += [p.name for p in package.glob("*.py") if not p.name.startswith("_")]
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_the_version_is_one(root: Path, pyproject: dict[str, Any]) -> None:
    """The package, its metadata and the newest entry of the change log agree on the version."""
    import tidegauge  # the only test of this module that needs the package

    version = pyproject["project"]["version"]
    assert tidegauge.__version__ == version
    assert f"## {version}" in (root / "CHANGELOG.md").read_text()


def _documents(root: Path, repo_files: list[Path]) -> list[Path]:
    folders = {root, *(p for p in (root / "docs").rglob("*") if p.is_dir()), root / "docs"}
    return [path for path in repo_files if path.suffix == ".md" and path.parent in folders]


def _is_path(span: str) -> bool:
    if span.startswith(TOP_FOLDERS) or FILE_NAME.fullmatch(span):
        return PATH_CHARACTERS.fullmatch(span) is not None
    return span.endswith("/") and PATH_CHARACTERS.fullmatch(span) is not None


def _exists(root: Path, repo_files: list[Path], span: str) -> bool:
    """Whether git has the path, or something below it.

    `*` and `{a,b}` stand for what they stand for in a shell.
    """
    options = [span.rstrip("/")]
    while braced := [option for option in options if "{" in option]:
        options = [option for option in options if "{" not in option]
        for option in braced:
            head, _, rest = option.partition("{")
            choices, _, tail = rest.partition("}")
            options += [f"{head}{choice}{tail}" for choice in choices.split(",")]
    tops = (root, root / "src" / "tidegauge")
    return all(
        any(
            path.is_relative_to(found)
            for top in tops
            for found in top.glob(option)
            for path in repo_files
        )
        for option in options
    )
