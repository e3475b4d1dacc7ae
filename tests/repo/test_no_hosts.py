# SPDX-License-Identifier: Apache-2.0
"""The repository does not say where packages come from: that is the choice of who installs them."""

from __future__ import annotations

from pathlib import Path

# Put together here, so that this file does not hold them.
HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
        ("proxy", "golang", "org"),
    ]
]
OPTIONS = [
    f"--{name}={mark}" if mark else f"--{name} "
    for name in ("index-url", "extra-index-url", "default-index", "find-links")
    for mark in ("", "http", "file")
]
# Folders of the machine a file was made on.
MACHINE_PATHS = [f"/opt/{name}" for name in ("wheels", "pypi")]


def test_no_file_names_a_package_index(root: Path, repo_files: list[Path]) -> None:
    """No tracked file names an index host, an option that sets one, or a local folder of wheels."""
    needles = [text.encode() for text in (*HOSTS, *OPTIONS, *MACHINE_PATHS)]
    offenders = [
        f"{path.relative_to(root)}: {needle.decode()}"
        for path in repo_files
        for needle in needles
        if needle in path.read_bytes()
    ]
    assert offenders == []


def test_there_is_no_uv_lock(root: Path, repo_files: list[Path]) -> None:
    """uv.lock would name an index; requirements/*.txt are the lock."""
    assert root / "uv.lock" not in repo_files
