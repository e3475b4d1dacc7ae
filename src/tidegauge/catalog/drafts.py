# SPDX-License-Identifier: Apache-2.0
"""A catalogue while it is put together: declarations from several sources, checked one by one.

What concerns all metrics at once (aliases, renames, names abroad) is checked when the catalogue is
built from the drafts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tidegauge.catalog.grammar import SEGMENT_PATTERN
from tidegauge.catalog.rules import sound_spec
from tidegauge.model.errors import CatalogError
from tidegauge.model.spec import MetricSpec

__all__ = ["Drafts"]


class Drafts:
    """Metrics, categories and where each metric comes from. Not safe for several threads.

    Attributes:
        metrics: Full name to metric.
        categories: Category to description; empty where nobody has described it.
        sources: Full name of a metric to where it was declared.
        closed: Whether the catalogue refuses names that are not declared.
    """

    __slots__ = ("categories", "closed", "metrics", "sources")

    def __init__(
        self,
        *,
        metrics: Mapping[str, MetricSpec] | None = None,
        categories: Mapping[str, str] | None = None,
        sources: Mapping[str, str] | None = None,
        closed: bool = False,
    ) -> None:
        self.metrics = dict(metrics or {})
        self.categories = dict(categories or {})
        self.sources = dict(sources or {})
        self.closed = closed

    def add(self, specs: Iterable[MetricSpec], categories: Mapping[str, str], source: str) -> None:
        """Add what one source declares.

        Raises:
            CatalogError: A declaration breaks a rule or contradicts one that is there.
        """
        for category in categories:
            if not SEGMENT_PATTERN.match(category):
                raise CatalogError(
                    f"category in {source} has a name that does not fit the grammar",
                    got=category,
                    allowed="a lower-case letter followed by lower-case letters, digits or '_'",
                    fix="Rename the category.",
                )
        self.describe(categories)
        seen: set[str] = set()
        for spec in specs:
            if not isinstance(spec, MetricSpec):  # callers without types
                raise CatalogError(
                    f"a metric in {source} is not a MetricSpec",
                    got=spec,
                    allowed="MetricSpec objects",
                    fix="Write MetricSpec(name=…, description=…).",
                )
            full = self._completed(spec)
            sound = sound_spec(full, categories=self.categories, source=source)
            if sound.name in seen:
                raise _declared_twice(sound.name, source, source)
            seen.add(sound.name)
            self.declare(sound, source)

    def include(self, other: Drafts) -> None:
        """Add all that other drafts hold, which keep the rules already.

        Raises:
            CatalogError: Something is declared or described differently already.
        """
        self.describe(other.categories)
        for name, spec in other.metrics.items():
            self.declare(spec, other.sources[name])

    def describe(self, categories: Mapping[str, str]) -> None:
        """Add categories with their descriptions.

        Raises:
            CatalogError: One is described differently already.
        """
        for category, description in categories.items():
            before = self.categories.get(category) or description
            if description and before != description:
                raise CatalogError(
                    f"category {category!r} is described in two ways",
                    got=(before, description),
                    allowed="one description per category",
                    fix="Remove one of them.",
                )
            self.categories[category] = before

    def declare(self, spec: MetricSpec, source: str) -> None:
        """Add a metric that keeps the rules. The same declaration twice is no conflict.

        Nor are two of which one adds that the metric is deprecated: it is, then.

        Raises:
            CatalogError: It is declared differently already.
        """
        known = self.metrics.get(spec.name)
        if known is not None and not _agree(known, spec):
            raise _declared_twice(spec.name, self.sources[spec.name], source)
        if known is None or (known.deprecated is None and spec.deprecated is not None):
            self.metrics[spec.name] = spec
            self.sources[spec.name] = source

    def _completed(self, spec: MetricSpec) -> MetricSpec:
        """A metric of another source, where all that is said is that it is deprecated."""
        short = MetricSpec(name=spec.name, description="", deprecated=spec.deprecated)
        if spec.deprecated is None or spec != short or spec.name not in self.metrics:
            return spec
        return msgspec.structs.replace(self.metrics[spec.name], deprecated=spec.deprecated)


def _agree(one: MetricSpec, other: MetricSpec) -> bool:
    if one.deprecated is not None and other.deprecated is not None:
        return one == other
    one, other = (msgspec.structs.replace(spec, deprecated=None) for spec in (one, other))
    return one == other


def _declared_twice(name: str, first: str, second: str) -> CatalogError:
    if first == second:
        where, fix = f"twice in {first}", "Rename or remove one of them."
    else:
        where = f"in {first} and differently in {second}"
        fix = "Rename or remove one of them; the second may say `deprecated`, and nothing else."
    return CatalogError(
        f"metric {name!r} is declared {where}", allowed="one declaration per metric", fix=fix
    )
