# SPDX-License-Identifier: Apache-2.0
"""The wheel, in an environment that has what users get and nothing else: no extra, no test tool."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the tree as it is."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=root)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def bare_python(root: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an empty environment with the wheel and its base dependencies."""
    environment = tmp_path_factory.mktemp("bare") / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=root)
    python = environment / "bin" / "python"
    install = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet"]
    install += ["--python", python]
    _run(*install, "--require-hashes", "-r", root / "requirements" / "base.txt", cwd=root)
    _run(*install, "--no-deps", wheel, cwd=root)
    return python


def test_the_wheel_has_the_package_data(root: Path, wheel: Path) -> None:
    """Type marker, licence and every YAML file of the built-in catalogue are in the wheel."""
    names = set(zipfile.ZipFile(wheel).namelist())
    package = root / "src" / "tidegauge"
    builtin = (package / "catalog" / "builtin").glob("*.yaml")
    vocabulary = {f"tidegauge/{path.relative_to(package)}" for path in builtin}
    assert vocabulary
    assert {"tidegauge/py.typed", *vocabulary} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_has_nothing_but_the_package(wheel: Path) -> None:
    """No test, bench or doc is installed beside the package."""
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"tidegauge", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}


def test_the_package_imports_without_any_extra(bare_python: Path, tmp_path: Path) -> None:
    """`import tidegauge` works from the wheel, and so does every public name."""
    code = (
        "import tidegauge; [getattr(tidegauge, name) for name in tidegauge.__all__]; "
        "print(tidegauge.__version__, tidegauge.__file__)"
    )
    version, file = _run(bare_python, "-I", "-c", code, cwd=tmp_path).split()
    assert version == "0.1.0"
    assert Path(file).is_relative_to(bare_python.parents[1])


def test_every_module_imports_without_any_extra(bare_python: Path, tmp_path: Path) -> None:
    """No module needs an extra to be imported: an optional library is loaded when it is used."""
    code = (
        "import importlib, pkgutil, tidegauge\n"
        "for m in pkgutil.walk_packages(tidegauge.__path__, 'tidegauge.'):\n"
        "    if not m.name.endswith('__main__'):\n"
        "        importlib.import_module(m.name)\n"
    )
    _run(bare_python, "-I", "-c", code, cwd=tmp_path)


def test_the_vocabulary_is_found(bare_python: Path, tmp_path: Path) -> None:
    """The installed package reads its built-in catalogue."""
    code = (
        "from tidegauge.catalog import builtin_catalog; "
        "print(builtin_catalog().resolve('reply_rate').name)"
    )
    assert _run(bare_python, "-I", "-c", code, cwd=tmp_path) == "usage:reply_rate\n"


def test_every_command_starts(bare_python: Path, tmp_path: Path, pyproject: dict[str, Any]) -> None:
    """Each console script is installed and shows its help."""
    for name in pyproject["project"]["scripts"]:
        assert name in _run(bare_python.with_name(name), "--help", cwd=tmp_path)


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
