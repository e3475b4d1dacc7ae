# SPDX-License-Identifier: Apache-2.0
"""The compiled requirements say what pyproject.toml asks for, exactly and without an index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

COMPILED = ["base", "bench", "dev", "lowest", "uv"]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)(\[[^]]*\])?==(?P<version>[^ ;\\]+)")


@pytest.mark.parametrize("name", COMPILED)
def test_every_pin_has_hashes_and_no_line_names_an_index(root: Path, name: str) -> None:
    """A compiled file holds pins and hashes and nothing else, and every pin has a hash."""
    lines = (root / "requirements" / f"{name}.txt").read_text().splitlines()
    odd = [line for line in lines if not PIN.match(line) and not _is_hash(line)]
    unhashed = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if PIN.match(line) and not _is_hash(following)
    ]
    assert (odd, unhashed) == ([], [])


def test_every_dependency_is_pinned_within_its_range(root: Path, pyproject: dict[str, Any]) -> None:
    """What pyproject.toml names is in the compiled file, at a version that its range allows."""
    project = pyproject["project"]
    groups = pyproject["dependency-groups"]
    extras = [
        r for name, rs in project["optional-dependencies"].items() if name != "all" for r in rs
    ]
    development = [r for entry in groups["dev"] for r in groups[entry["include-group"]]]
    wanted = {
        "base": project["dependencies"],
        "bench": [*project["dependencies"], *groups["bench"]],
        "dev": [*project["dependencies"], *extras, *development],
    }
    offenders = []
    for name, requirements in wanted.items():
        pins = _pins(root / "requirements" / f"{name}.txt")
        for text in requirements:
            requirement = Requirement(text)
            versions = pins.get(canonicalize_name(requirement.name), [])
            if not versions or not all(v in requirement.specifier for v in versions):
                offenders.append(
                    f"{name}.txt: {text} is pinned at {versions}; run `make requirements`"
                )
    assert offenders == []


def test_the_lowest_versions_are_the_lower_ends(root: Path, pyproject: dict[str, Any]) -> None:
    """lowest.txt pins each dependency and extra where its range begins, so that this is tested."""
    project = pyproject["project"]
    optional = project["optional-dependencies"]
    texts = [*project["dependencies"], *(r for n in optional.keys() - {"all"} for r in optional[n])]
    pins = _pins(root / "requirements" / "lowest.txt")
    offenders = []
    for text in texts:
        requirement = Requirement(text)
        [floor] = [Version(s.version) for s in requirement.specifier if s.operator == ">="]
        versions = [Version(v) for v in pins[canonicalize_name(requirement.name)]]
        # A floor such as 2.2 may have had no release of that name; its first patch will do.
        if not all(v.release[: len(floor.release)] == floor.release for v in versions):
            offenders.append(f"{text} is pinned at {versions}")
    assert offenders == [], "run `make requirements`"


def test_the_files_agree_with_each_other(root: Path) -> None:
    """What users get in base.txt is what dev.txt tests and bench.txt measures."""
    base, bench, dev = (_pins(root / "requirements" / f"{n}.txt") for n in ("base", "bench", "dev"))
    assert {name: dev.get(name) for name in base} == base
    assert {name: bench.get(name) for name in base} == base


def test_the_bootstrap_installs_the_uv_that_is_used(root: Path) -> None:
    """uv.txt pins the version that dev.txt keeps installed."""
    bootstrap = _pins(root / "requirements" / "uv.txt")
    assert bootstrap == {"uv": _pins(root / "requirements" / "dev.txt")["uv"]}


def test_ruff_is_the_ruff_of_the_settings(root: Path, pyproject: dict[str, Any]) -> None:
    """The pinned ruff is the one version that the settings accept."""
    [version] = _pins(root / "requirements" / "dev.txt")["ruff"]
    assert pyproject["tool"]["ruff"]["required-version"] == f"=={version}"


@pytest.mark.parametrize("name", COMPILED)
def test_nothing_pulls_a_gpu_stack(root: Path, name: str) -> None:
    """No compiled file holds torch or a CUDA library; NVML's bindings are a few hundred lines."""
    pins = _pins(root / "requirements" / f"{name}.txt")
    found = [p for p in pins if p.startswith(("cuda", "nvidia", "torch", "triton"))]
    assert set(found) <= {"nvidia-ml-py"}


def test_all_means_every_extra(pyproject: dict[str, Any]) -> None:
    """The extra `all` names each of the others."""
    extras = pyproject["project"]["optional-dependencies"]
    assert Requirement(extras["all"][0]).extras == extras.keys() - {"all"}


def _is_hash(line: str) -> bool:
    return re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) is not None


def _pins(path: Path) -> dict[str, list[str]]:
    """Versions by name; a name has several where they depend on the version of Python."""
    pins: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if match := PIN.match(line):
            pins.setdefault(canonicalize_name(match["name"]), []).append(match["version"])
    return pins
