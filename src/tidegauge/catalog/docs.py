# SPDX-License-Identifier: Apache-2.0
"""The reference page of a catalogue, as Markdown.

`python -m tidegauge.catalog.docs` writes the page of the built-in vocabulary to
`docs/reference/metrics.md`, from the top of the repository; `--check` only says whether the page
there is the one it would write. A test does the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tidegauge.catalog.load import builtin_catalog
from tidegauge.catalog.registry import Catalog
from tidegauge.catalog.units import ATOMS
from tidegauge.catalog.validation import range_text
from tidegauge.model.spec import Direction, MetricSpec

__all__ = ["PAGE", "main", "render_reference"]

#: Where the page is, from the top of the repository.
PAGE = Path("docs/reference/metrics.md")

_HEAD = """\
<!-- Written by: python -m tidegauge.catalog.docs. Change the YAML files it is made from. -->

# Metrics

The built-in vocabulary: {metrics} metrics in {categories} categories. How names are made is told in
[naming](../explanation/naming.md), how to add your own in
[own catalogue](../how-to/own-catalogue.md).

A bare name or alias leads to its metric: `reply_rate` is `usage:reply_rate`. In MLflow a metric has
its full name, or the form of the configured style. Prometheus shows base units; where a recorded
value is scaled for that, the factor is given.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or check it.

    Args:
        arguments: `--check` and a path, both optional; None takes those of the process.

    Returns:
        0, or 1 if the checked page is not the one that would be written.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    check = "--check" in given
    paths = [Path(argument) for argument in given if argument != "--check"]
    page = paths[0] if paths else PAGE
    text = render_reference(builtin_catalog())
    if not check:
        page.write_text(text, encoding="utf-8")
        return 0
    if page.exists() and page.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{page} is stale; write it with: python -m tidegauge.catalog.docs\n")
    return 1


def render_reference(catalog: Catalog) -> str:
    """Render all metrics of a catalogue, by category, and the units."""
    sections = [_HEAD.format(metrics=len(catalog), categories=len(catalog.categories))]
    for category in sorted(catalog.categories):
        specs = catalog.search(category=category)
        sections.append(f"## {category}\n")
        if catalog.categories[category]:
            sections.append(f"{catalog.categories[category]}.\n")
        if specs:
            sections += [_meaning(specs), _elsewhere(specs, catalog), *_details(specs)]
    sections.append(_units())
    return "\n".join(sections)


def _meaning(specs: Iterable[MetricSpec]) -> str:
    return _table(
        ("Metric", "Description", "Kind", "Unit", "Better", "Range"),
        (
            (
                f"`{spec.name}`",
                spec.description,
                spec.kind,
                f"`{spec.unit}`",
                "" if spec.direction is Direction.NONE else spec.direction,
                range_text(spec),
            )
            for spec in specs
        ),
    )


def _elsewhere(specs: Iterable[MetricSpec], catalog: Catalog) -> str:
    rows = []
    for spec in specs:
        if spec.name in catalog.renames:
            continue
        names = catalog.exported(spec.name)
        scale = "" if names.prometheus_scale == 1 else f" (times {names.prometheus_scale:g})"
        rows.append(
            (
                f"`{spec.name}`",
                ", ".join(f"`{alias}`" for alias in spec.aliases),
                f"`{names.prometheus}`{scale}",
                f"`{names.otlp}`, `{names.otlp_unit}`",
            )
        )
    return _table(("Metric", "Aliases", "Prometheus", "OTLP"), rows)


def _details(specs: Iterable[MetricSpec]) -> Iterator[str]:
    lines = [line for spec in specs for line in _detail(spec)]
    if lines:
        yield "\n".join(lines) + "\n"


def _detail(spec: MetricSpec) -> Iterator[str]:
    for name, label in spec.labels.items():
        kinds = [label.description] if label.description else []
        if label.values:
            kinds.append("one of " + ", ".join(f"`{value}`" for value in label.values))
        if label.required:
            kinds.append("required")
        yield f"- `{spec.name}`, label `{name}`: {'; '.join(kinds) or 'any value'}"
    if spec.targets:
        goals = ", ".join(f"{t.stat} {t.op} {t.value:g}" for t in spec.targets)
        yield f"- `{spec.name}`, targets: {goals}"
    if spec.buckets:
        yield f"- `{spec.name}`, buckets: {', '.join(f'{bound:g}' for bound in spec.buckets)}"
    if spec.combine is not None:
        yield f"- `{spec.name}`, combined over processes by: {spec.combine}"
    if spec.ratio is not None:
        yield f"- `{spec.name}`, worked out from: `{spec.ratio.of}` / `{spec.ratio.per}`"
    if spec.deprecated is not None:
        heir = spec.deprecated.renamed_to
        instead = f"; use `{heir}`" if heir else ""
        yield f"- `{spec.name}`, deprecated since {spec.deprecated.since}{instead}"


def _units() -> str:
    rows = (
        (f"`{code}`", atom.quantity, atom.word, f"{atom.factor:g}") for code, atom in ATOMS.items()
    )
    return (
        "## Units\n\n"
        "A unit is one of these codes of UCUM, an annotation for a count of things (`{token}`), a\n"
        "currency of ISO 4217 (`USD`), or one of them over another (`By/s`, `USD/{prediction}`).\n"
        "The factor leads to the base unit, which Prometheus shows.\n\n"
        + _table(("Code", "Quantity", "Word", "Factor"), rows)
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |\n" for line in lines
    )


if __name__ == "__main__":
    raise SystemExit(main())
