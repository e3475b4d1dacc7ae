# SPDX-License-Identifier: Apache-2.0
"""docs/performance.md says what the recorded reports say, and the reports are of a full run."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def publish() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("publish", ROOT / "bench" / "publish.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reports(publish: ModuleType) -> dict[str, dict[str, Any]]:
    """The recorded reports."""
    return {
        name: json.loads((publish.RECORDED / f"{name}.json").read_text(encoding="utf-8"))
        for name in publish.BENCHMARKS
    }


def test_the_page_is_the_one_that_the_reports_make(
    publish: ModuleType, reports: dict[str, dict[str, Any]]
) -> None:
    """No number of the page was typed; `python bench/publish.py` writes it anew."""
    assert publish.PAGE.read_text(encoding="utf-8") == publish.page(reports)


def test_the_reports_are_of_full_size(
    publish: ModuleType, reports: dict[str, dict[str, Any]]
) -> None:
    """What takes 20 million points to show was measured with 20 million."""
    for name, sizes in publish.FULL_SIZES.items():
        for size, least in sizes.items():
            assert reports[name]["sizes"][size] >= least


def test_a_missed_limit_is_said_at_the_top(
    publish: ModuleType, reports: dict[str, dict[str, Any]]
) -> None:
    """Each limit that is not met is named before the first section."""
    head = publish.page(reports).partition("\n## ")[0]
    missed = [
        limit["name"]
        for report in reports.values()
        for limit in report["limits"]
        if not limit["is_met"]
    ]
    assert [name for name in missed if f"- {name}: " not in head] == []
