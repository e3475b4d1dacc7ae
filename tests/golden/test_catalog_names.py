# SPDX-License-Identifier: Apache-2.0
"""What every built-in metric is called in every system, as a file that people review.

A change of a name breaks somebody's dashboard, so it should be seen in the diff of a commit. Where
the change is wanted, write the file anew: `python tests/golden/test_catalog_names.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from tidegauge.catalog import builtin_catalog

GOLDEN = Path(__file__).with_name("catalog_names.json")


def rendered() -> str:
    """All exported names, one metric per line so that a diff shows which one changed."""
    catalog = builtin_catalog()
    lines = [
        f"{json.dumps(name)}: {json.dumps(msgspec.to_builtins(catalog.exported(name)))}"
        for name in catalog.metrics
        if name not in catalog.renames
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def test_exported_names_are_those_of_the_file() -> None:
    """The committed file is what the catalogue computes; see above for how to change it."""
    assert GOLDEN.read_text() == rendered()


def test_the_file_has_every_metric() -> None:
    """The file is JSON, with one entry per metric."""
    assert sorted(json.loads(GOLDEN.read_text())) == sorted(builtin_catalog().metrics)


if __name__ == "__main__":
    GOLDEN.write_text(rendered())
