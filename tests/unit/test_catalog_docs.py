# SPDX-License-Identifier: Apache-2.0
"""The reference page of the vocabulary is made from it, and is not stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegauge.catalog import Catalog, builtin_catalog
from tidegauge.catalog.docs import PAGE, main, render_reference
from tidegauge.model.spec import (
    Combine,
    Deprecation,
    Direction,
    Kind,
    LabelSpec,
    MetricSpec,
    NamesAbroad,
    Target,
)

ROOT = Path(__file__).parents[2]


def test_the_page_is_not_stale() -> None:
    """docs/reference/metrics.md is what `python -m tidegauge.catalog.docs` would write."""
    assert (ROOT / PAGE).read_text() == render_reference(builtin_catalog())
    assert main(["--check", str(ROOT / PAGE)]) == 0


def test_a_stale_page_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails for a page that differs or is not there, and changes nothing."""
    page = tmp_path / "metrics.md"
    assert main(["--check", str(page)]) == 1
    page.write_text("old")
    assert main(["--check", str(page)]) == 1
    assert page.read_text() == "old"
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"{page} is stale; write it with: python -m tidegauge.catalog.docs"
    )


def test_the_page_is_written(tmp_path: Path) -> None:
    """Without `--check` the page is written, and then it is not stale."""
    page = tmp_path / "metrics.md"
    assert main([str(page)]) == 0
    assert main(["--check", str(page)]) == 0


def test_every_metric_alias_and_category_is_on_the_page() -> None:
    """Nothing of the vocabulary is left out."""
    text = render_reference(builtin_catalog())
    for spec in builtin_catalog().metrics.values():
        for name in (spec.name, *spec.aliases, *spec.labels):
            assert f"`{name}`" in text
    for category in builtin_catalog().categories:
        assert f"\n## {category}\n" in text


def test_everything_said_of_a_metric_is_on_the_page() -> None:
    """Each field has its place."""
    spec = MetricSpec(
        name="shop:wait_ms",
        description="Waiting | standing",
        kind=Kind.DISTRIBUTION,
        unit="ms",
        direction=Direction.LOWER,
        max=9,
        labels={"door": LabelSpec(values=("a", "b"), description="which", required=True)},
        buckets=(1, 2.5),
        combine=Combine.MAX,
        targets=(Target(stat="p95", op="<=", value=2.5),),
        aliases=("wait",),
        deprecated=Deprecation(since="2"),
        names=NamesAbroad(otlp="shop/wait"),
    )
    old = MetricSpec(
        name="shop:old_ms",
        description="Old",
        kind=Kind.DISTRIBUTION,
        unit="ms",
        deprecated=Deprecation(since="1", renamed_to="shop:wait_ms"),
    )
    text = render_reference(Catalog([spec, old], categories={"shop": "What happens"}))
    shop = text[text.index("## shop") : text.index("## usage")]
    assert (
        shop
        == """\
## shop

What happens.

| Metric | Description | Kind | Unit | Better | Range |
| --- | --- | --- | --- | --- | --- |
| `shop:old_ms` | Old | distribution | `ms` |  |  |
| `shop:wait_ms` | Waiting \\| standing | distribution | `ms` | lower | 9 or less |

| Metric | Aliases | Prometheus | OTLP |
| --- | --- | --- | --- |
| `shop:wait_ms` | `wait` | `shop_wait_seconds` (times 0.001) | `shop/wait`, `ms` |

- `shop:old_ms`, deprecated since 1; use `shop:wait_ms`
- `shop:wait_ms`, label `door`: which; one of `a`, `b`; required
- `shop:wait_ms`, targets: p95 <= 2.5
- `shop:wait_ms`, buckets: 1, 2.5
- `shop:wait_ms`, combined over processes by: max
- `shop:wait_ms`, deprecated since 2

"""
    )
