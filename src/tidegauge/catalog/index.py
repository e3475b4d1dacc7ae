# SPDX-License-Identifier: Apache-2.0
"""Which names lead to which metric: full names, aliases, bare names and renames.

Built once per catalogue. Everything here concerns several metrics at once; the names are already
known to fit the grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tidegauge.catalog.grammar import parse_metric_name
from tidegauge.model.errors import CatalogError
from tidegauge.model.spec import Kind, MetricSpec

__all__ = ["NameIndex", "build_index"]


class NameIndex(NamedTuple):
    """The names of a catalogue.

    Attributes:
        full: Full name or full alias to the name of the metric it means today. A bare alias counts
            as a full one in the category of its metric too (`f1` gives `model:f1`), unless a
            metric is called so.
        bare: Bare name or bare alias to the names of all metrics that could be meant, sorted.
        renames: Given-up name to the name of the metric it means today.
        stored: Name of a metric to all full names its history may be stored under, its own first.
            A bare alias is not among them, not even behind a category: nobody recorded under it.
    """

    full: dict[str, str]
    bare: dict[str, tuple[str, ...]]
    renames: dict[str, str]
    stored: dict[str, tuple[str, ...]]


def build_index(metrics: Mapping[str, MetricSpec], sources: Mapping[str, str]) -> NameIndex:
    """Index the names of metrics.

    Args:
        metrics: Full name to metric.
        sources: Full name to where the metric was declared, for errors.

    Raises:
        CatalogError: A rename leads nowhere, in a circle, or to a metric of another unit or kind;
            an alias is a metric's own name or another's alias; or a ratio is of no counters.
    """
    _check_ratios(metrics, sources)
    renames = {
        name: _heir(spec, metrics, sources)
        for name, spec in metrics.items()
        if spec.deprecated is not None and spec.deprecated.renamed_to is not None
    }
    full = {name: renames.get(name, name) for name in metrics}
    bare: dict[str, set[str]] = {}
    stored = dict(full)
    claimed: dict[str, str] = {}
    for name, spec in metrics.items():
        heir = full[name]
        bare.setdefault(parse_metric_name(name).name, set()).add(heir)
        for alias in spec.aliases:
            if ":" not in alias:
                bare.setdefault(alias, set()).add(heir)
                alias = f"{spec.category}:{alias}"  # noqa: PLW2901
                if alias in metrics:
                    continue
            else:
                stored[alias] = heir
            owner = alias if alias in metrics else claimed.setdefault(alias, name)
            if full.setdefault(alias, heir) != heir or alias in metrics:
                raise _claimed_twice(alias, name, owner, sources)
    return NameIndex(
        full=full,
        bare={word: _living(heirs, metrics) for word, heirs in bare.items()},
        renames=renames,
        stored=_stored(stored),
    )


def _check_ratios(metrics: Mapping[str, MetricSpec], sources: Mapping[str, str]) -> None:
    for name, spec in metrics.items():
        for part in (spec.ratio.of, spec.ratio.per) if spec.ratio else ():
            if part not in metrics or metrics[part].kind is not Kind.COUNTER:
                raise CatalogError(
                    f"metric {name!r} in {sources[name]} is a ratio of something that is no "
                    "declared counter",
                    got=part,
                    allowed="the full name of a counter of the same catalogue",
                    fix="Declare the counter, or correct `ratio`.",
                )


def _heir(spec: MetricSpec, metrics: Mapping[str, MetricSpec], sources: Mapping[str, str]) -> str:
    path = [spec.name]
    current = spec
    while current.deprecated is not None and current.deprecated.renamed_to is not None:
        heir = metrics.get(current.deprecated.renamed_to)
        if heir is None:
            _refuse_alias(current, current.deprecated.renamed_to, metrics, sources)
            raise CatalogError(
                f"metric {current.name!r} in {sources[current.name]} is renamed to a metric that "
                "does not exist",
                got=current.deprecated.renamed_to,
                allowed="the full name of a metric of the same catalogue",
                fix="Declare the new metric, or correct `renamed_to`.",
            )
        if heir.name in path:
            circle = " → ".join([*path[path.index(heir.name) :], heir.name])
            raise CatalogError(
                f"renames go in a circle: {circle}",
                allowed="chains that end at a metric in use",
                fix="Remove `deprecated` from the metric that is to stay.",
            )
        if (heir.unit, heir.kind) != (spec.unit, spec.kind):
            raise CatalogError(
                f"metric {spec.name!r} is renamed to {heir.name!r}, which is not the same measure",
                got=f"{spec.kind} in {spec.unit!r} to {heir.kind} in {heir.unit!r}",
                allowed="a rename that keeps unit and kind, so that old and new values can be "
                "read together",
                fix="Deprecate the old metric without `renamed_to`.",
            )
        path.append(heir.name)
        current = heir
    return current.name


def _refuse_alias(
    spec: MetricSpec, target: str, metrics: Mapping[str, MetricSpec], sources: Mapping[str, str]
) -> None:
    others = (other for other in metrics.values() if other.name != spec.name)
    owners = [other.name for other in others if target in _other_names(other)]
    if owners:
        raise CatalogError(
            f"metric {spec.name!r} in {sources[spec.name]} is renamed to a bare name or an alias",
            got=target,
            allowed="the full name of a metric of the same catalogue",
            fix=f"Write {' or '.join(map(repr, owners))}.",
        )


def _other_names(spec: MetricSpec) -> Iterator[str]:
    for short in (spec.name.partition(":")[2], *spec.aliases):
        yield short
        yield f"{spec.category}:{short}"


def _living(heirs: set[str], metrics: Mapping[str, MetricSpec]) -> tuple[str, ...]:
    """Metrics given up without an heir compete for a bare name only among themselves."""
    living = [name for name in heirs if metrics[name].deprecated is None]
    return tuple(sorted(living or heirs))


def _stored(meaning: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    stored: dict[str, list[str]] = {}
    for name, heir in meaning.items():
        names = stored.setdefault(heir, [heir])
        if name != heir:
            names.append(name)
    return {heir: (names[0], *sorted(names[1:])) for heir, names in stored.items()}


def _claimed_twice(alias: str, name: str, owner: str, sources: Mapping[str, str]) -> CatalogError:
    other = (
        f"is the name of a metric in {sources[owner]}"
        if alias == owner
        else f"is an alias of {owner!r} in {sources[owner]} too"
    )
    return CatalogError(
        f"the alias {alias!r} of metric {name!r} in {sources[name]} {other}",
        allowed="full aliases that nothing else is called",
        fix="Remove the alias from one of them.",
    )
