# SPDX-License-Identifier: Apache-2.0
"""Metrics that a program declares while it runs, on top of whatever catalogue is in force."""

from __future__ import annotations

import logging

from tidegauge.catalog import Catalog
from tidegauge.model.errors import CatalogError, MetricValidationError
from tidegauge.model.spec import MetricSpec

__all__ = ["Declared"]

_log = logging.getLogger("tidegauge")


class Declared:
    """The declarations of this process. Not thread-safe: the recorder's lock guards it.

    A declaration whose name in Prometheus the catalogue knows stands for the metric of the
    catalogue: what is recorded under it is recorded as that.

    Attributes:
        unkept: Metrics that the store in use has not been told of, by name.
        untold: Those of which it could not be told.
    """

    def __init__(self) -> None:
        self.unkept: dict[str, MetricSpec] = {}
        self.untold: dict[str, MetricSpec] = {}
        self._specs: dict[str, MetricSpec] = {}
        self._stands_for: dict[str, str] = {}
        self._refused: dict[str, CatalogError] = {}

    def add(self, spec: MetricSpec, catalog: Catalog) -> Catalog:
        """Add a declaration to those of the process, and to the catalogue in force.

        Raises:
            CatalogError: It contradicts another one, or the catalogue. Nothing is changed then.
        """
        known = self._specs.get(spec.name)
        if known is not None and known != spec:
            raise _declared_twice(known, spec)
        if known is None:
            catalog = self._with(spec, catalog)
            self._specs[spec.name] = spec
        return catalog

    def applied(self, catalog: Catalog) -> Catalog:
        """Another catalogue with all declarations.

        One that contradicts it is left out and logged: the other metrics go on. What is recorded
        under it is refused.
        """
        self._stands_for, self._refused, self.unkept, self.untold = {}, {}, {}, {}
        for spec in self._specs.values():
            try:
                catalog = self._with(spec, catalog)
            except CatalogError as error:
                self._refused[spec.name] = error
                _log.warning("%s is not recorded: %s", spec.name, error)
        return catalog

    def meaning(self, name: str) -> str:
        """The name of the metric that a name stands for; nearly always the same.

        Raises:
            MetricValidationError: It was declared, and the catalogue in force contradicts that
                (reason `bad_name`: nobody can tell which of the two is meant).
        """
        key: object = name  # callers without types pass anything
        if not isinstance(key, str):
            return name
        if (error := self._refused.get(name)) is not None:
            raise MetricValidationError(
                error.what, reason="bad_name", got=error.got, allowed=error.allowed, fix=error.fix
            ) from error
        return self._stands_for.get(name, name)

    def _with(self, spec: MetricSpec, catalog: Catalog) -> Catalog:
        abroad = spec.names.prometheus
        known = catalog.known_abroad_as(abroad) if abroad is not None else None
        if (
            known is None
            or known.name == spec.name
            or catalog.prometheus_name(known.name) != abroad  # it is called so elsewhere
        ):
            catalog = catalog.extended([spec], source="the program")
            self.unkept[spec.name] = catalog.metrics[spec.name]
            return catalog
        if known.kind is not spec.kind:
            raise _of_another_kind(spec, known)
        missing = [
            name
            for name, label in known.labels.items()
            if label.required and not {name, label.shown_as} & set(spec.labels)
        ]
        if missing:
            raise _without_labels(spec, known, missing)
        self._stands_for[spec.name] = known.name
        return catalog


def _declared_twice(known: MetricSpec, spec: MetricSpec) -> CatalogError:
    fields = [
        field
        for field in MetricSpec.__struct_fields__
        if getattr(known, field) != getattr(spec, field)
    ]
    return CatalogError(
        f"metric {_shown(spec)} is declared in two ways, which differ in {', '.join(fields)}",
        got=_said(spec, fields),
        allowed=_said(known, fields),
        fix="Declare it once and share that, or give one of them another name.",
    )


def _of_another_kind(spec: MetricSpec, known: MetricSpec) -> CatalogError:
    return CatalogError(
        f"metric {_shown(spec)} is declared as a {spec.kind}, and the catalogue has it as "
        f"{known.name!r}, a {known.kind}",
        got=str(spec.kind),
        allowed=str(known.kind),
        fix="Declare it as what the catalogue says, or under another name.",
    )


def _without_labels(spec: MetricSpec, known: MetricSpec, missing: list[str]) -> CatalogError:
    return CatalogError(
        f"metric {_shown(spec)} is {known.name!r} of the catalogue, which needs the label "
        f"{missing[0]!r}",
        got=sorted(spec.labels),
        allowed=f"labels with {', '.join(missing)} among them",
        fix="Declare it with that label, or under another name.",
    )


def _shown(spec: MetricSpec) -> str:
    return repr(spec.names.prometheus or spec.name)


def _said(spec: MetricSpec, fields: list[str]) -> str:
    told = {field: getattr(spec, field) for field in fields}
    if "labels" in told:
        told["labels"] = list(spec.labels)
    return ", ".join(f"{field} {value!s}" for field, value in told.items())
