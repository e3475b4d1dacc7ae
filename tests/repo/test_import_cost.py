# SPDX-License-Identifier: Apache-2.0
"""`import tidegauge` is cheap, counted in modules: a count does not depend on the machine."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "deltalake",
    "duckdb",
    "mlflow",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pytz",
    "rich",
    "sklearn",
    "typer",
    "yaml",
}
# Standard library, msgspec and our own, over what `import json` loads.
MAX_MODULES = 158


def test_import_loads_no_heavy_library() -> None:
    """A fresh interpreter that imports tidegauge has none of the libraries that store or query."""
    loaded = {name.partition(".")[0] for name in _added_modules()}
    assert loaded & HEAVY == set()


def test_import_adds_few_modules() -> None:
    """Over `import json`, `import tidegauge` adds at most 150 modules."""
    added = _added_modules()
    assert "tidegauge" in added
    assert len(added) <= MAX_MODULES, sorted(added)


def _added_modules() -> set[str]:
    """Modules that `import tidegauge` adds to an interpreter that has `json`.

    Isolated (`-I`), so that neither the environment nor a start-up file of another package counts.
    """
    code = (
        "import sys, json; before = set(sys.modules); import tidegauge; "
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())
