# SPDX-License-Identifier: Apache-2.0
"""`tidegauge impact`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

DAY_S = 86_400


@pytest.fixture
def filled(cli: Any) -> Any:
    """A latency of 100 days that fell by 10 on the 2025-06-20; another that did not."""
    wobble = [((index * 7919) % 101) / 50 - 1 for index in range(100)]
    start = "2025-04-01T12:00:00Z"
    changed = [(100 if index < 80 else 90) + each for index, each in enumerate(wobble)]
    cli.record("model:latency_ms", *changed, at=start, every_s=DAY_S, model="fraud")
    same = [50 + each for each in reversed(wobble)]
    cli.record("model:latency_ms", *same, at=start, every_s=DAY_S, model="churn")
    return cli


def test_an_impact_is_shown(filled: Any) -> None:
    """In a sentence and a table."""
    done = filled("impact", "model:latency_ms", "--at", "2025-06-20", "--where", "model=fraud")
    assert done.code == 0
    assert done.lines[0].startswith("model:latency_ms changed after 2025-06-20: -9.909 ms (-10.1")
    assert done.lines[0].endswith("That is better. What caused it, this comparison cannot tell.")
    assert [line.split()[0] for line in done.lines[-5:]] == [
        "before",
        "expected",
        "after",
        "difference",
        "difference,",
    ]


def test_an_impact_as_json_and_as_a_picture(filled: Any, tmp_path: Path) -> None:
    """Beside a control of other labels."""
    done = filled(
        *("impact", "model:latency_ms", "--at", "2025-06-20", "--where", "model=fraud"),
        *("--control-where", "model=churn", "--plot", tmp_path / "impact.svg", "--json"),
    )
    assert done.code == 0
    assert done.json["design"] == "control series"
    assert done.json["difference"]["value"] == pytest.approx(-10, abs=1)
    assert done.json["verdict"] == "better"
    assert "<svg" in (tmp_path / "impact.svg").read_text()


def test_too_little_is_told(filled: Any) -> None:
    """With exit code 1, and why."""
    done = filled("impact", "model:latency_ms", "--at", "2025-04-02", "--where", "model=fraud")
    assert done.code == 1
    [line] = done.lines
    assert line == (
        "the impact on model:latency_ms after 2025-04-02 is not known: there are 1 values before "
        "it and 28 after it, and 3 on each side are needed."
    )


def test_nothing_to_draw_is_told(filled: Any, tmp_path: Path) -> None:
    """With why there is nothing."""
    path = tmp_path / "impact.svg"
    done = filled("impact", "model:latency_ms", "--at", "2025-04-02", "--plot", path)
    assert done.code == 1
    assert "Nothing to draw: there are 1 values before it" in " ".join(done.err.split())
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--at", "never asked", "--plot", "x.gif"), "cannot be written as such a file"),
        (("--at", "2025-06-20", "--by", "week"), "A series has no such step"),
        (("--at", "2024-06-20"), "There are no facts of it then"),
        (("--at", "2025"), "A number so small is no time"),
        (
            ("--at", "2025-06-20", "--control", "model:accuracy", "--control-where", "model=a"),
            "give one of --control and --control-where",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(filled: Any, arguments: tuple[str, ...], text: str) -> None:
    """With exit code 2."""
    done = filled("impact", "model:latency_ms", *arguments)
    assert done.code == 2
    assert text in done.err
