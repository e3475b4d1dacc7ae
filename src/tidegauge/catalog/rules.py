# SPDX-License-Identifier: Apache-2.0
"""What makes a metric's declaration sound. One small function per rule.

A rule sees one `MetricSpec` and nothing else; what concerns several metrics (duplicates, aliases,
renames) is in `tidegauge.catalog.index`, what concerns names abroad in `tidegauge.catalog.abroad`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Container

import msgspec

from tidegauge.catalog.grammar import GRAMMAR, METRIC_NAME_PATTERN
from tidegauge.catalog.labels import MAX_LABEL_VALUE_CHARS, check_label_name
from tidegauge.catalog.units import check_unit
from tidegauge.model.errors import CatalogError, MetricValidationError
from tidegauge.model.spec import Combine, Direction, Kind, MetricSpec

__all__ = ["TARGET_OPS", "TARGET_STATS", "allowed_in", "sound_spec"]

TARGET_STATS = ("mean", "min", "max", "p50", "p95", "p99", "last", "rate")
TARGET_OPS = ("<", "<=", ">", ">=")

_SHAPES = {
    "kind": ", ".join(Kind),
    "direction": ", ".join(Direction),
    "combine": ", ".join(Combine),
    "min": "a number",
    "max": "a number",
    "labels": "label to {values: [text, …], description: text, required: true or false}",
    "series_cap": "a whole number",
    "holds_s": "a number of seconds",
    "buckets": "a list of numbers",
    "ratio": "{of: full name of a counter, per: full name of a counter}",
    "targets": "a list of {stat: text, op: text, value: number}",
    "aliases": "a list of names",
    "deprecated": "{since: text, renamed_to: full name}",
    "names": "{prometheus: text, otlp: text, mlflow: text}",
}
_FIELD = re.compile(r"`\$\.(?P<field>\w+)")

_WORSE_OPS = {Direction.HIGHER: ("<", "<="), Direction.LOWER: (">", ">=")}


def sound_spec(spec: MetricSpec, *, categories: Container[str], source: str) -> MetricSpec:
    """Return a declaration with its types made exact, if it keeps every rule.

    Texts and lists are accepted where the fields have enums and tuples. A counter without a
    `min` gets 0.

    Args:
        spec: The declaration.
        categories: The categories that exist.
        source: Where it comes from, for errors.

    Raises:
        CatalogError: It breaks a rule; names metric, source and rule.
    """
    try:
        exact = msgspec.convert(msgspec.to_builtins(spec), MetricSpec)
    except (msgspec.ValidationError, TypeError) as error:
        field, allowed = allowed_in(str(error))
        wrong = f"has a field of the wrong type: {error}"
        raise _broken(spec, source, wrong, getattr(spec, field, None), allowed) from error
    for rule in (
        _broken_text,
        _broken_unit,
        _broken_bounds,
        _broken_labels,
        _broken_buckets,
        _broken_combine,
        _broken_ratio,
        _broken_targets,
        _broken_deprecation,
    ):
        problem = rule(exact)
        if problem:
            raise _broken(exact, source, *problem)
    problem = _broken_names(exact, categories)
    if problem:
        raise _broken(exact, source, *problem)
    if exact.kind is Kind.COUNTER and exact.min is None:
        exact = msgspec.structs.replace(exact, min=0.0)
    return exact


def allowed_in(error: str) -> tuple[str, str]:
    """Say which field an error of msgspec is about, and what that field may hold.

    Both are empty if the error is not about one field.
    """
    match = _FIELD.search(error)
    if match is None:
        return "", ""
    return match["field"], _SHAPES.get(match["field"], "text")


# A broken rule is told as (what is wrong, what was got, what is allowed); None is sound.
_Problem = tuple[str, object, str] | None


def _broken_names(spec: MetricSpec, categories: Container[str]) -> _Problem:
    own = METRIC_NAME_PATTERN.match(spec.name)
    if own is None or own["category"] is None:
        return "has no full name", spec.name, f"a category and {GRAMMAR}"
    if own["category"] not in categories:
        return (
            f"is in the category {own['category']!r}, which does not exist",
            spec.name,
            "a built-in category or one declared under `categories`",
        )
    if len(set(spec.aliases)) < len(spec.aliases):
        return "has an alias twice", spec.aliases, "each alias once"
    for alias in spec.aliases:
        match = METRIC_NAME_PATTERN.match(alias)
        if match is None:
            return "has an alias that is not a name", alias, GRAMMAR
        if match["category"] is not None and match["category"] not in categories:
            return (
                f"has an alias in the category {match['category']!r}, which does not exist",
                alias,
                "a bare name, or one in a category that exists",
            )
        if alias in (spec.name, own["name"]):
            return "has itself as an alias", alias, "names other than its own"
    return None


def _broken_text(spec: MetricSpec) -> _Problem:
    if not spec.description.strip() or "\n" in spec.description.strip():
        return "needs a description of one line", spec.description, "one line of text"
    if spec.owner is not None and not spec.owner.strip():
        return "has an empty owner", spec.owner, "a team or person"
    return None


def _broken_unit(spec: MetricSpec) -> _Problem:
    try:
        check_unit(spec.unit)
    except MetricValidationError as error:
        return "has a unit that is not known", spec.unit, f"{error.allowed}. {error.fix}"[:-1]
    return None


def _broken_bounds(spec: MetricSpec) -> _Problem:
    for name, bound in (("min", spec.min), ("max", spec.max)):
        if bound is not None and not math.isfinite(bound):
            return f"has a {name} that is not finite", bound, f"a number, or no {name} at all"
    if spec.min is not None and spec.max is not None and spec.min > spec.max:
        return "has a min above its max", (spec.min, spec.max), "min <= max"
    if spec.kind is Kind.COUNTER and spec.min is not None and spec.min < 0:
        return "is a counter that could go down", spec.min, "a min of 0 or more"
    if spec.series_cap <= 0:
        return "has a series_cap that lets no series in", spec.series_cap, "1 or more"
    if spec.holds_s is not None:
        if spec.kind is not Kind.GAUGE:
            return "has holds_s and is no gauge", spec.holds_s, "no holds_s at all"
        if not 0 < spec.holds_s < math.inf:
            return "has a holds_s for which nothing is shown", spec.holds_s, "seconds above 0"
    return None


def _broken_labels(spec: MetricSpec) -> _Problem:
    for name, label in spec.labels.items():
        try:
            check_label_name(name)
        except MetricValidationError as error:
            return f"has a label it cannot have: {error.what}", name, error.allowed
        if len(set(label.values)) < len(label.values):
            return f"has a value of the label {name!r} twice", label.values, "each value once"
        for value in label.values:
            if not 0 < len(value) <= MAX_LABEL_VALUE_CHARS:
                return (
                    f"has a value of the label {name!r} that no fact can have",
                    value,
                    f"1 to {MAX_LABEL_VALUE_CHARS} characters",
                )
    return None


def _broken_buckets(spec: MetricSpec) -> _Problem:
    if spec.buckets and spec.kind is not Kind.DISTRIBUTION:
        return f"is a {spec.kind} with buckets", spec.buckets, "buckets for distributions only"
    if not all(math.isfinite(bound) for bound in spec.buckets):
        return (
            "has a bucket bound that is not finite",
            spec.buckets,
            "finite numbers; the bucket up to infinity is always there",
        )
    if any(left >= right for left, right in itertools.pairwise(spec.buckets)):
        return "has buckets that do not ascend", spec.buckets, "each bound above the one before"
    return None


def _broken_combine(spec: MetricSpec) -> _Problem:
    if spec.kind is Kind.COUNTER and spec.combined_by is not Combine.SUM:
        return "is a counter that does not sum", str(spec.combine), "sum, or leave `combine` out"
    if spec.kind is Kind.DISTRIBUTION and spec.combined_by is Combine.LAST:
        return (
            "is a distribution of which only the last value would count",
            str(spec.combine),
            "mean, sum or max, or leave `combine` out",
        )
    return None


def _broken_ratio(spec: MetricSpec) -> _Problem:
    if spec.ratio is not None and spec.kind is not Kind.GAUGE:
        return f"is a {spec.kind} and a ratio", str(spec.kind), "a gauge, or no ratio at all"
    if spec.ratio is not None and spec.name in (spec.ratio.of, spec.ratio.per):
        return "is a ratio of itself", spec.name, "the full names of two counters"
    return None


def _broken_targets(spec: MetricSpec) -> _Problem:
    seen: set[tuple[str, str]] = set()
    for target in spec.targets:
        shown = f"{target.stat} {target.op} {target.value:g}"
        if target.stat not in TARGET_STATS:
            return "has a target for an unknown statistic", shown, ", ".join(TARGET_STATS)
        if target.op not in TARGET_OPS:
            return "has a target with an unknown comparison", shown, ", ".join(TARGET_OPS)
        if not math.isfinite(target.value):
            return "has a target that is not finite", shown, "a number in the metric's unit"
        if (target.stat == "rate") != (spec.kind is Kind.COUNTER):
            return (
                f"is a {spec.kind} with a target that does not fit",
                shown,
                "rate for counters; any other statistic for the rest",
            )
        if target.op in _WORSE_OPS.get(spec.direction, ()):
            return f"is better {spec.direction}, a target says otherwise", shown, "the other way"
        if (target.stat, target.op) in seen:
            return "has two targets for the same", shown, "one per statistic and comparison"
        seen.add((target.stat, target.op))
    return None


def _broken_deprecation(spec: MetricSpec) -> _Problem:
    if spec.deprecated is None:
        return None
    if not spec.deprecated.since.strip():
        return "is deprecated since nothing", spec.deprecated.since, "a version or an ISO date"
    if spec.deprecated.renamed_to == spec.name:
        return "is renamed to itself", spec.name, "another full name"
    return None


def _broken(
    spec: MetricSpec, source: str, problem: str, got: object = None, allowed: str = ""
) -> CatalogError:
    return CatalogError(
        f"metric {spec.name!r} in {source} {problem}",
        got=got,
        allowed=allowed,
        fix="Change its declaration.",
    )
