# SPDX-License-Identifier: Apache-2.0
"""The names a metric has in Prometheus, OTLP and MLflow: computed here and nowhere else.

Prometheus, after its naming practice and OpenMetrics:

1. Colon and dots become `_`, and runs of `_` one: `model:latency_ms` is `model_latency_ms`.
   The category is the prefix that Prometheus wants in front.
2. Values are in base units: seconds, bytes, ratios. `prometheus_scale` is what a recorded value
   is multiplied by.
3. The base unit ends the name, in the plural, in place of any spelling of the recorded unit:
   `model_latency_seconds`. Percentages end in `_ratio`; quotients in `_per_second`; currencies in
   their code. A plain number (`1`) and a count (`{token}`) add nothing: a name says better
   what a number without a unit is than `_ratio` would.
4. A counter ends in `_total`; nothing else does.

OTLP, after the semantic conventions: colon and dots become dots, and a spelling of the unit at the
end of the name is dropped, because the unit travels beside the name as a UCUM code, unscaled. (Not
so for quotients: `revenue_per_user` is not `revenue`.) A name that is given and ends in
`.utilization` is one of the conventions' own, which has a ratio: percentages are divided by 100.

MLflow: see `tidegauge.catalog.mlflow_names`.

A `NamesAbroad` of the spec replaces the computed name. The unit word at the end of a replaced
Prometheus name decides the scale, so name and values always agree; without one, values stay
as recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from tidegauge.catalog.mlflow_names import (
    MLFLOW_STYLES,
    MlflowStyle,
    check_mlflow_name,
    mlflow_name,
)
from tidegauge.catalog.units import Unit, parse_unit, word_factor
from tidegauge.model.errors import CatalogError, MetricValidationError
from tidegauge.model.spec import Kind, MetricSpec

__all__ = ["ExportedNames", "claim_names", "claimed_names", "export_names"]

_UNDERSCORES = re.compile(r"_{2,}")
_PROMETHEUS = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_OTLP = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/]{0,254}\Z")
_RATIO_ENDING = ".utilization"
_OVERRIDE_FIX = "Change `names` of the metric, or leave the name out to have it computed."


class ExportedNames(msgspec.Struct, frozen=True, kw_only=True):
    """What a metric is called elsewhere.

    Attributes:
        prometheus: Name of the sample (counter, gauge) or of the histogram (distribution).
        prometheus_scale: Factor from recorded values to exposed ones.
        prometheus_also: A gauge that shows the same as the counter; empty for none.
        otlp: Dotted name.
        otlp_unit: UCUM code of the values in OTLP.
        otlp_scale: Factor from recorded values to those in OTLP.
        mlflow_as_given: Metric key in MLflow, and so for the other two styles.
        mlflow_slash: See `MlflowStyle`.
        mlflow_underscore: See `MlflowStyle`.
    """

    prometheus: str
    prometheus_scale: float
    otlp: str
    otlp_unit: str
    mlflow_as_given: str
    mlflow_slash: str
    mlflow_underscore: str
    prometheus_also: str = ""
    otlp_scale: float = 1.0

    def mlflow(self, style: MlflowStyle = "as_given") -> str:
        """The MLflow key in a style.

        Raises:
            ConfigError: There is no such style.
        """
        if style not in MLFLOW_STYLES:
            mlflow_name("", style)
        name: str = getattr(self, f"mlflow_{style}")
        return name


def export_names(spec: MetricSpec) -> ExportedNames:
    """Compute the names of one metric.

    Raises:
        CatalogError: A replaced name breaks the rules of its system.
        MetricValidationError: The unit is not known (reason `bad_unit`).
    """
    unit = parse_unit(spec.unit)
    prometheus, scale = _prometheus(spec, unit)
    replaced = spec.names.mlflow
    if replaced is not None:
        try:
            check_mlflow_name(replaced, windows=False)
        except MetricValidationError as error:
            raise _bad_override(spec, "MLflow", replaced, error.allowed) from error
    otlp_unit, otlp_scale = _otlp_unit(spec, unit)
    return ExportedNames(
        prometheus=prometheus,
        prometheus_scale=scale,
        otlp=_otlp(spec, unit),
        otlp_unit=otlp_unit,
        otlp_scale=otlp_scale,
        mlflow_as_given=replaced or spec.name,
        mlflow_slash=replaced or mlflow_name(spec.name, "slash"),
        mlflow_underscore=replaced or mlflow_name(spec.name, "underscore"),
        prometheus_also=_also(spec),
    )


def claim_names(
    metrics: Iterable[tuple[MetricSpec, ExportedNames]],
) -> dict[tuple[str, str], str]:
    """Give every exported name to the metric that has it.

    Returns:
        Pair of system and name to full metric name.

    Raises:
        CatalogError: Two metrics have the same name in a system; names both, and the system.
    """
    owners: dict[tuple[str, str], str] = {}
    for spec, names in metrics:
        for claim in claimed_names(spec, names):
            owner = owners.setdefault(claim, spec.name)
            if owner != spec.name:
                raise CatalogError(
                    f"the metrics {owner!r} and {spec.name!r} have the same name in {claim[0]}",
                    got=claim[1],
                    allowed="a name of its own for each metric",
                    fix="Rename one of them, or give one another name under `names`.",
                )
    return owners


def claimed_names(spec: MetricSpec, names: ExportedNames) -> Iterator[tuple[str, str]]:
    """All names a metric takes up, as pairs of system and name.

    A counter takes its name without `_total` too, a distribution those of a histogram's samples.
    """
    prometheus = names.prometheus
    yield "Prometheus", prometheus
    if names.prometheus_also:
        yield "Prometheus", names.prometheus_also
    if spec.kind is Kind.COUNTER:
        family = prometheus.removesuffix("_total")
        yield "Prometheus", family
        yield "Prometheus", f"{family}_created"
    elif spec.kind is Kind.DISTRIBUTION:
        for suffix in ("bucket", "sum", "count", "created"):
            yield "Prometheus", f"{prometheus}_{suffix}"
    yield "OTLP", names.otlp
    for style in ("as_given", "slash", "underscore"):
        yield f"MLflow (style {style})", getattr(names, f"mlflow_{style}")


def _prometheus(spec: MetricSpec, unit: Unit) -> tuple[str, float]:
    counter = spec.kind is Kind.COUNTER
    replaced = spec.names.prometheus
    if replaced is not None:
        if not _PROMETHEUS.match(replaced):
            raise _bad_override(
                spec, "Prometheus", replaced, "letters, digits and '_', not beginning with a digit"
            )
        if replaced.endswith("_total") != counter:
            allowed = "a name ending in '_total' for a counter, and only for one"
            raise _bad_override(spec, "Prometheus", replaced, allowed)
        return replaced, _scale_of(spec, unit, replaced)
    flat = _UNDERSCORES.sub("_", spec.name.replace(":", "_").replace(".", "_")).strip("_")
    base = flat.removesuffix("_total")
    if unit.word:
        base = f"{_without_unit(base, unit)}_{unit.word}"
    return (f"{base}_total" if counter else base), unit.scale if unit.word else 1.0


def _also(spec: MetricSpec) -> str:
    also = spec.names.prometheus_also
    if also is None:
        return ""
    if spec.kind is not Kind.COUNTER or not _PROMETHEUS.match(also) or also.endswith("_total"):
        allowed = "for a counter, a name that does not end in '_total'"
        raise _bad_override(spec, "Prometheus", also, allowed)
    return also


def _scale_of(spec: MetricSpec, unit: Unit, replaced: str) -> float:
    """Scale for a name that was given: from the recorded unit to the unit word it ends in."""
    words = replaced.removesuffix("_total").rsplit("_", 2)
    for ending in ("_".join(words[-2:]), words[-1]):
        found = word_factor(ending)
        if found is None:
            continue
        quantity, factor = found
        if quantity != unit.quantity:
            raise _bad_override(
                spec, "Prometheus", replaced, f"a name that agrees with the unit {spec.unit!r}"
            )
        return unit.scale / factor
    return 1.0


def _otlp(spec: MetricSpec, unit: Unit) -> str:
    replaced = spec.names.otlp
    if replaced is None:
        name = spec.name if "/" in unit.code else _without_unit(spec.name, unit)
        return name.replace(":", ".")
    if not _OTLP.match(replaced):
        raise _bad_override(
            spec, "OTLP", replaced, "a letter, then letters, digits, '_', '.', '-' and '/'"
        )
    return replaced


def _otlp_unit(spec: MetricSpec, unit: Unit) -> tuple[str, float]:
    """The unit of the values in OTLP, and the factor from recorded values to it."""
    if unit.code == "%" and (spec.names.otlp or "").endswith(_RATIO_ENDING):
        return "1", unit.scale
    return unit.otlp, 1.0


def _without_unit(name: str, unit: Unit) -> str:
    for spelling in unit.spellings:
        short = name.removesuffix(f"_{spelling}")
        if short != name and short[-1] not in ":._":
            return short
    return name


def _bad_override(spec: MetricSpec, system: str, name: str, allowed: str) -> CatalogError:
    return CatalogError(
        f"metric {spec.name!r} cannot have this name in {system}",
        got=name,
        allowed=allowed,
        fix=_OVERRIDE_FIX,
    )
