# SPDX-License-Identifier: Apache-2.0
"""The catalogue: every metric that is declared, and what any other name means.

Reading files is the business of `tidegauge.catalog.load`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tidegauge.catalog.abroad import ExportedNames, claim_names, claimed_names, export_names
from tidegauge.catalog.categories import MetricCategory
from tidegauge.catalog.drafts import Drafts
from tidegauge.catalog.grammar import MetricName, parse_metric_name
from tidegauge.catalog.index import build_index
from tidegauge.catalog.mlflow_names import MlflowStyle
from tidegauge.catalog.search import search_metrics
from tidegauge.model.errors import CatalogError, MetricValidationError
from tidegauge.model.spec import MetricSpec

__all__ = ["Catalog"]

# How many resolved names a catalogue remembers. Programs use some hundred; the bound keeps a
# program that makes names up from growing without end.
_REMEMBERED = 4096


class Catalog:
    """An immutable registry of metrics. Safe to use from any thread.

    Resolution of a name, in this order:

    1. A full name that is declared, or a full alias, is that metric; a given-up name with an heir
       is the heir.
    2. Any other full name in an existing category is an open gauge of unit `1`, without bounds.
    3. A bare name is the one metric that has it as its name or alias; an error if several have.
    4. Any other bare name is `custom:<name>`, whatever that means.

    In a closed catalogue what is not declared is an error.

    Args:
        specs: The metrics. They are checked against the rules of `tidegauge.catalog.rules`.
        categories: Category to description, for categories beyond the built-in ones, or to
            describe those.
        source: Where the metrics come from, for errors.
        closed: Whether names that are not declared are refused.

    Raises:
        CatalogError: The declarations break a rule or contradict each other.
    """

    __slots__ = (
        "_abroad",
        "_categories",
        "_closed",
        "_exported",
        "_exported_open",
        "_index",
        "_metrics",
        "_resolved",
        "_sources",
    )

    def __init__(
        self,
        specs: Iterable[MetricSpec] = (),
        *,
        categories: Mapping[str, str] | None = None,
        source: str = "Python",
        closed: bool = False,
    ) -> None:
        drafts = Drafts(categories=dict.fromkeys(MetricCategory, ""), closed=closed)
        drafts.add(specs, categories or {}, source)
        self._build(drafts)

    def _build(self, drafts: Drafts) -> None:
        self._metrics = {name: drafts.metrics[name] for name in sorted(drafts.metrics)}
        self._categories = drafts.categories
        self._sources = drafts.sources
        self._closed = drafts.closed
        self._index = build_index(self._metrics, self._sources)
        # A given-up name with an heir is never recorded again, so it needs no names abroad.
        self._exported = {
            name: export_names(spec)
            for name, spec in self._metrics.items()
            if name not in self._index.renames
        }
        self._abroad = claim_names(
            (self._metrics[name], names) for name, names in self._exported.items()
        )
        self._resolved: dict[str, MetricSpec] = {}
        self._exported_open: dict[str, ExportedNames] = {}

    @property
    def metrics(self) -> Mapping[str, MetricSpec]:
        """Every declared metric by full name, sorted; deprecated ones among them."""
        return MappingProxyType(self._metrics)

    @property
    def categories(self) -> Mapping[str, str]:
        """Every category, with what it holds."""
        return MappingProxyType(self._categories)

    @property
    def renames(self) -> Mapping[str, str]:
        """Given-up full name to the full name it means today; chains are followed."""
        return MappingProxyType(self._index.renames)

    @property
    def closed(self) -> bool:
        """Whether names that are not declared are refused."""
        return self._closed

    def __len__(self) -> int:
        return len(self._metrics)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Catalog of {len(self)} metrics, {state}>"

    def resolve(self, name: str) -> MetricSpec:
        """Say which metric a name means; see the class for the order.

        Raises:
            MetricValidationError: The name does not fit the grammar, its category does not exist,
                several metrics could be meant (all reason `bad_name`), or it is not declared and
                the catalogue is closed (`unknown_metric`).

        Example:
            >>> from tidegauge.catalog import builtin_catalog
            >>> builtin_catalog().resolve("reply_rate").name
            'usage:reply_rate'
        """
        key: object = name  # callers without types pass anything
        found = self._resolved.get(name) if isinstance(key, str) else None
        if found is None:
            found = self.declared(name) or self._open(parse_metric_name(name))
            if len(self._resolved) >= _REMEMBERED:
                self._resolved.clear()
            self._resolved[name] = found
        return found

    def canonical(self, name: str) -> str:
        """The full name of the metric that a name means. Raises as `resolve`."""
        return self.resolve(name).name

    def declared(self, name: str) -> MetricSpec | None:
        """As `resolve`, but None for a name that is well formed and not declared.

        Raises:
            MetricValidationError: The name does not fit the grammar, its category does not exist,
                or several metrics could be meant (reason `bad_name`).
        """
        parts = parse_metric_name(name)
        if parts.category is not None:
            if parts.category not in self._categories:
                raise self._unknown_category(name, parts.category)
            heir = self._index.full.get(name)
            return self._metrics[heir] if heir is not None else None
        candidates = self._index.bare.get(name, ())
        if len(candidates) > 1:
            raise MetricValidationError(
                "metric name is ambiguous",
                reason="bad_name",
                got=name,
                allowed=", ".join(candidates),
                fix="Write the full name.",
            )
        found = candidates[0] if candidates else self._index.full.get(_custom(name))
        return self._metrics[found] if found is not None else None

    def stored_names(self, name: str) -> tuple[str, ...]:
        """All full names that the history of a metric may be stored under.

        Its own name first; then every name it was renamed from, directly or over others, and every
        alias that is declared as a full name, because facts may have been recorded under it
        before. A query for the metric reads all of them. Raises as `resolve`.
        """
        full = self.canonical(name)
        return self._index.stored.get(full, (full,))

    def source(self, name: str) -> str | None:
        """Where a metric was declared; None if it is not. Raises as `declared`."""
        spec = self.declared(name)
        return None if spec is None else self._sources[spec.name]

    def exported(self, name: str) -> ExportedNames:
        """The names a metric has in other systems, with unit and scale.

        No declared metric shares a name with any other. Two that are not declared can share one
        (`custom:a.b` and `custom:a_b` in Prometheus): a catalogue does not know which names are in
        use. Who exports both finds out with `tidegauge.catalog.abroad.claim_names`; the MLflow
        follower refuses the second one of a run.

        Raises:
            MetricValidationError: As `resolve`.
            CatalogError: The metric is not declared, and one that is has one of these names.
        """
        spec = self.resolve(name)
        names = self._exported.get(spec.name) or self._exported_open.get(spec.name)
        if names is None:
            names = self._exported_open_metric(spec)
            if len(self._exported_open) >= _REMEMBERED:
                self._exported_open.clear()
            self._exported_open[spec.name] = names
        return names

    def prometheus_name(self, name: str) -> str:
        """The name in Prometheus. Raises as `exported`."""
        return self.exported(name).prometheus

    def prometheus_scale(self, name: str) -> float:
        """What recorded values are multiplied by for Prometheus. Raises as `exported`."""
        return self.exported(name).prometheus_scale

    def otlp_name(self, name: str) -> str:
        """The name in OTLP. Raises as `exported`."""
        return self.exported(name).otlp

    def mlflow_name(self, name: str, style: MlflowStyle = "as_given") -> str:
        """The key of the metric in MLflow. Raises as `exported`, and ConfigError for the style."""
        return self.exported(name).mlflow(style)

    def known_abroad_as(self, name: str) -> MetricSpec | None:
        """The one declared metric that any other system knows by a name; None if there is none.

        Example:
            >>> from tidegauge.catalog import builtin_catalog
            >>> builtin_catalog().known_abroad_as("usage/reply_rate").name
            'usage:reply_rate'
        """
        systems = ("Prometheus", "OTLP", "MLflow (style slash)", "MLflow (style underscore)")
        owners = {self._abroad[key] for s in systems if (key := (s, name)) in self._abroad}
        return self._metrics[owners.pop()] if len(owners) == 1 else None

    def search(
        self, text: str = "", *, prefix: str = "", category: str = "", label: str = ""
    ) -> tuple[MetricSpec, ...]:
        """Declared metrics that meet every condition given; see `search_metrics`."""
        return search_metrics(
            self._metrics.values(), text, prefix=prefix, category=category, label=label
        )

    def extended(
        self,
        specs: Iterable[MetricSpec],
        *,
        categories: Mapping[str, str] | None = None,
        source: str = "Python",
        closed: bool = False,
    ) -> Catalog:
        """This catalogue with more metrics and categories, which may refer to those it has.

        The same declaration twice is no conflict, and neither is one that differs by being
        deprecated: a metric that the base declares can be given up, or renamed to one of these. A
        spec with its name, an empty description and `deprecated` is enough for that. Arguments as
        for the class.

        Raises:
            CatalogError: As the class; or a metric is declared, or a category described, in
                another way than before. Names both sources.
        """
        drafts = self._drafts(closed=closed)
        drafts.add(specs, categories or {}, source)
        return Catalog._of(drafts)

    def merged(self, *others: Catalog) -> Catalog:
        """A catalogue of the metrics and categories of all; closed if any of them is.

        The same declaration twice is no conflict; a metric that one deprecates is deprecated.

        Raises:
            CatalogError: Two declare the same metric differently, describe a category
                differently, or contradict each other in aliases, renames or names abroad.
        """
        drafts = self._drafts(closed=any(other.closed for other in others))
        for other in others:
            drafts.include(other._drafts(closed=False))  # noqa: SLF001 (its own class)
        return Catalog._of(drafts)

    @classmethod
    def _of(cls, drafts: Drafts) -> Catalog:
        catalog = object.__new__(cls)
        catalog._build(drafts)
        return catalog

    def _drafts(self, *, closed: bool) -> Drafts:
        return Drafts(
            metrics=self._metrics,
            categories=self._categories,
            sources=self._sources,
            closed=self._closed or closed,
        )

    def _exported_open_metric(self, spec: MetricSpec) -> ExportedNames:
        names = export_names(spec)
        for system, name in claimed_names(spec, names):
            owner = self._abroad.get((system, name))
            if owner is not None:
                raise CatalogError(
                    f"the metric {spec.name!r}, which is not declared, has the same name in "
                    f"{system} as {owner!r}",
                    got=name,
                    allowed="a name of its own for each metric",
                    fix=f"Record it as {owner!r}, or declare it with another name abroad.",
                )
        return names

    def _open(self, parts: MetricName) -> MetricSpec:
        full = _custom(parts.name) if parts.category is None else str(parts)
        parse_metric_name(full)  # the category may have made it too long
        if self._closed:
            raise self._not_declared(parts)
        whole, dot, cutoff = full.rpartition(".at_")
        if dot and cutoff.isdigit() and (spec := self._metrics.get(whole)) is not None:
            # The same measure of fewer items: what is better stays better, and 1 is still the most.
            return MetricSpec(
                name=full,
                description="",
                unit=spec.unit,
                direction=spec.direction,
                min=spec.min,
                max=spec.max,
            )
        return MetricSpec(name=full, description="")

    def _not_declared(self, parts: MetricName) -> MetricValidationError:
        names = self._index.full if parts.category else self._index.bare
        close = _close(str(parts), names, 3)
        return MetricValidationError(
            "metric is not in the catalogue, which is closed",
            reason="unknown_metric",
            got=str(parts),
            allowed=f"one of the {len(self)} declared metrics"
            + (f", such as {', '.join(close)}" if close else ""),
            fix="Declare it in your catalogue, or open the catalogue.",
        )

    def _unknown_category(self, name: str, category: str) -> MetricValidationError:
        close = _close(category, self._categories, 1)
        return MetricValidationError(
            f"category {category!r} does not exist",
            reason="bad_name",
            got=name,
            allowed=", ".join(sorted(self._categories)),
            fix=f"Write '{close[0]}:{name.partition(':')[2]}'."
            if close
            else "Declare the category in your catalogue, or use custom.",
        )


def _custom(name: str) -> str:
    return str(MetricName(MetricCategory.CUSTOM.value, name))


def _close(word: str, words: Iterable[str], n: int) -> list[str]:
    import difflib  # only errors need it

    return difflib.get_close_matches(word, words, n=n)
