# SPDX-License-Identifier: Apache-2.0
"""What changed between two catalogues, and what of it breaks somebody.

A change breaks when a fact that was accepted is refused, a name that was understood is not or
means something else, stored values are read differently, or a dashboard or run that uses an
exported name loses it. A metric that was renamed is compared with its heir.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tidegauge.catalog.abroad import ExportedNames
from tidegauge.catalog.grammar import parse_metric_name
from tidegauge.catalog.registry import Catalog
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.spec import LabelSpec, MetricSpec

__all__ = ["Change", "diff_catalogs"]

# What a metric says of itself and nothing depends on.
_FREE = ("description", "holds_s", "owner", "targets")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    Attributes:
        kind: What sort of difference, in one word: `added`, `removed`, `renamed`, `deprecated`,
            `restored`, `unit`, `kind`, `direction`, `combine`, `ratio`, `bounds`, `labels`,
            `buckets`, `series_cap`, `exported`, `resolution`, `description`, `holds_s`, `owner`,
            `targets`, `category`, `closed`.
        metric: Full name of the metric, the old one if it was renamed; the name looked up for
            `resolution`; the category for `category`; empty for `closed`.
        breaking: Whether it can break a program, a query or a dashboard.
        text: One sentence for people.
    """

    kind: str
    metric: str
    breaking: bool
    text: str


def diff_catalogs(before: Catalog, after: Catalog) -> list[Change]:
    """Compare two catalogues.

    Returns:
        The differences: breaking ones first, then by metric and kind.
    """
    changes = [
        *_catalogue(before, after),
        *_metrics(before, after),
        *_resolutions(before, after),
    ]
    return sorted(changes, key=lambda c: (not c.breaking, c.metric, c.kind, c.text))


def _catalogue(before: Catalog, after: Catalog) -> Iterator[Change]:
    for category in before.categories.keys() - after.categories.keys():
        yield _breaking("category", category, f"category {category} is gone")
    for category in after.categories.keys() - before.categories.keys():
        yield _harmless("category", category, f"category {category} is new")
    for category in before.categories.keys() & after.categories.keys():
        if before.categories[category] != after.categories[category]:
            yield _harmless("category", category, f"description of category {category} changed")
    if before.closed != after.closed:
        verb = "refused" if after.closed else "accepted"
        text = f"names that are not declared are now {verb}"
        yield Change(kind="closed", metric="", breaking=after.closed, text=text)


def _metrics(before: Catalog, after: Catalog) -> Iterator[Change]:
    for name, old in before.metrics.items():
        kept, new = after.metrics.get(name), _declared(after, name)
        if kept is not None:
            yield from _lifecycle(old, kept)
            yield from _said(old, kept)
        elif new is not None:
            yield _harmless("renamed", name, f"{name} is now an alias of {new.name}")
        # What a name that was given up before leads to is compared below, and is a resolution.
        if name in before.renames:
            continue
        if new is None:
            yield _breaking("removed", name, f"{name} is gone without a rename")
        else:
            yield from _fields(old, new)
            yield from _exported(old, new, before.exported(name), after.exported(new.name))
    for name in after.metrics.keys() - before.metrics.keys():
        yield _harmless("added", name, f"{name} is new")


def _lifecycle(old: MetricSpec, new: MetricSpec) -> Iterator[Change]:
    if old.deprecated == new.deprecated:
        return
    if new.deprecated is None:
        yield _harmless("restored", new.name, f"{new.name} is no longer deprecated")
    elif new.deprecated.renamed_to is not None:
        text = f"{new.name} is renamed to {new.deprecated.renamed_to}"
        yield _harmless("renamed", new.name, text)
    else:
        text = f"{new.name} is deprecated since {new.deprecated.since}"
        yield _harmless("deprecated", new.name, text)


def _said(old: MetricSpec, new: MetricSpec) -> Iterator[Change]:
    for field in _FREE:
        if getattr(old, field) != getattr(new, field):
            yield _harmless(field, old.name, f"{field} of {old.name} changed")


def _fields(old: MetricSpec, new: MetricSpec) -> Iterator[Change]:
    name, shown = old.name, _shown(old, new)
    for field, was, now in (
        ("unit", old.unit, new.unit),
        ("kind", old.kind, new.kind),
        ("direction", old.direction, new.direction),
        ("combine", old.combined_by, new.combined_by),
    ):
        if was != now:
            yield _breaking(field, name, f"{field} of {shown} changed from {was} to {now}")
    if old.ratio != new.ratio:
        text = f"ratio of {shown} changed from {_quotient(old)} to {_quotient(new)}"
        yield Change(kind="ratio", metric=name, breaking=old.ratio is not None, text=text)
    for bound, was_bound, now_bound, sign in (
        ("min", old.min, new.min, 1),
        ("max", old.max, new.max, -1),
    ):
        if was_bound != now_bound:
            narrowed = now_bound is not None and (
                was_bound is None or sign * now_bound > sign * was_bound
            )
            verb = "narrowed" if narrowed else "widened"
            text = f"{bound} of {shown} {verb} from {_bound(was_bound)} to {_bound(now_bound)}"
            yield Change(kind="bounds", metric=name, breaking=narrowed, text=text)
    yield from _labels(name, shown, old.labels, new.labels)
    if old.buckets != new.buckets:
        text = f"buckets of {shown} changed: histograms from before and after do not add up"
        yield _breaking("buckets", name, text)
    if old.series_cap != new.series_cap:
        text = f"series_cap of {shown} changed from {old.series_cap} to {new.series_cap}"
        lowered = new.series_cap < old.series_cap
        yield Change(kind="series_cap", metric=name, breaking=lowered, text=text)


def _labels(
    name: str, shown: str, old: dict[str, LabelSpec], new: dict[str, LabelSpec]
) -> Iterator[Change]:
    # A label that is not declared is open and not required.
    undeclared = LabelSpec()
    for label in sorted(old.keys() | new.keys()):
        was, now = old.get(label, undeclared), new.get(label, undeclared)
        if now.required and not was.required:
            yield _breaking("labels", name, f"label {label} of {shown} is now required")
        elif was.required and not now.required:
            yield _harmless("labels", name, f"label {label} of {shown} is no longer required")
        if now.values and not was.values:
            yield _breaking("labels", name, f"label {label} of {shown} is now closed")
        elif was.values and not now.values:
            yield _harmless("labels", name, f"label {label} of {shown} is now open")
        elif was.values != now.values:
            for value in sorted(set(was.values) - set(now.values)):
                text = f"label {label} of {shown} no longer takes {value!r}"
                yield _breaking("labels", name, text)
            for value in sorted(set(now.values) - set(was.values)):
                text = f"label {label} of {shown} now takes {value!r}"
                yield _harmless("labels", name, text)
        if label not in new:
            yield _breaking("labels", name, f"label {label} of {shown} is no longer declared")
        elif label not in old:
            yield _harmless("labels", name, f"label {label} of {shown} is declared")
        elif was.description != now.description:
            yield _harmless("labels", name, f"description of label {label} of {shown} changed")


def _exported(
    old: MetricSpec, new: MetricSpec, before: ExportedNames, after: ExportedNames
) -> Iterator[Change]:
    for field in ExportedNames.__struct_fields__:
        was, now = getattr(before, field), getattr(after, field)
        if was != now:
            text = f"{field} of {_shown(old, new)} changed from {was} to {now}"
            yield _breaking("exported", old.name, text)


def _shown(old: MetricSpec, new: MetricSpec) -> str:
    return old.name if old.name == new.name else f"{old.name}, now {new.name},"


def _resolutions(before: Catalog, after: Catalog) -> Iterator[Change]:
    """Bare names, aliases and names given up before that are understood differently.

    It breaks what used a declared metric by that name. A name that led to `custom:…` because nobody
    had declared it, and leads to a metric now, is how metrics come to be.
    """
    names: set[str] = set()
    for catalog in (before, after):
        for spec in catalog.metrics.values():
            names |= {parse_metric_name(spec.name).name, *spec.aliases}
    for name in (names - before.metrics.keys()) | before.renames.keys():
        was, now = _meaning(before, name), _meaning(after, name)
        lost = was in before.metrics
        if was == now or (lost and was is not None and _meaning(after, was) == now):
            continue
        text = f"{name} meant {was or 'nothing'} and now means {now or 'nothing'}"
        yield Change(kind="resolution", metric=name, breaking=lost, text=text)


def _declared(catalog: Catalog, name: str) -> MetricSpec | None:
    try:
        return catalog.declared(name)
    except MetricValidationError:  # its category is gone too
        return None


def _meaning(catalog: Catalog, name: str) -> str | None:
    try:
        return catalog.canonical(name)
    except MetricValidationError:
        return None


def _quotient(spec: MetricSpec) -> str:
    return "none" if spec.ratio is None else f"{spec.ratio.of} / {spec.ratio.per}"


def _bound(bound: float | None) -> str:
    return "none" if bound is None else f"{bound:g}"


def _breaking(kind: str, metric: str, text: str) -> Change:
    return Change(kind=kind, metric=metric, breaking=True, text=text)


def _harmless(kind: str, metric: str, text: str) -> Change:
    return Change(kind=kind, metric=metric, breaking=False, text=text)
