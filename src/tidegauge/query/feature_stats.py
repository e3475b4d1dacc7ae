# SPDX-License-Identifier: Apache-2.0
"""The statistics of each typed table, as dictionaries ready to be written as JSON.

What each key means stands in docs/reference/feature-statistics.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidegauge.catalog.scales import SCALES
from tidegauge.query.feature_facts import Look
from tidegauge.query.numbers import numbers_of, share_of
from tidegauge.query.summary import Summary

__all__ = [
    "errors_of",
    "learning_of",
    "optimization_of",
    "performance_of",
    "resources_of",
    "satisfaction_of",
    "usage_of",
]

#: A dictionary ready to be written as JSON.
Document = dict[str, Any]

_NO_OPINION = "no opinion in this time"
_NO_USE = "no use in this time"
_NO_ERROR = "no error in this time"

# Which way is better, where the category itself says so.
_LOWER_IS_BETTER = frozenset({"task_completion_time", "resource_usage"})
_HIGHER_IS_BETTER = frozenset({"accuracy", "user_experience"})


def performance_of(look: Look) -> Document:
    """What was measured, by category and by single metric."""
    by_metric = look.groups("metric_category", "metric_name", "unit")
    by_category = look.groups("metric_category")
    units: dict[Any, list[str]] = {}
    for category, _, unit, _ in by_metric:
        if unit is not None and unit not in (known := units.setdefault(category, [])):
            known.append(str(unit))
    categories: Document = {}
    for (category, _), summary in by_category.items():
        several = len(units.get(category, [])) > 1
        categories[str(category)] = {
            **numbers_of(None if several else summary, nothing="the values have several units"),
            "count": summary.count,
            "units": units.get(category, []),
        }
    return {
        "count": sum(summary.count for summary in by_category.values()),
        "categories": categories,
        "metrics": [
            {
                "metric_category": category,
                "metric_name": name,
                "unit": unit,
                **numbers_of(summary),
            }
            for (category, name, unit, _), summary in by_metric.items()
        ],
    }


def satisfaction_of(look: Look) -> Document:
    """What users think, on a scale from 0 to 1, and how many gave which rating."""
    ratings = look.groups("satisfaction_type", "score_scale", "rating", quantiles=False)
    by_type = look.groups("satisfaction_type")
    whole = look.groups()
    return {
        **_opinions(whole.get(("",)), ratings),
        "by_type": {
            str(name): _opinions(
                summary, {key: each for key, each in ratings.items() if key[0] == name}
            )
            for (name, _), summary in by_type.items()
        },
    }


def usage_of(look: Look) -> Document:
    """How often a feature was used, for how long, by how many, and whether it worked."""
    by_action = look.groups("action")
    whole = look.groups()
    users, users_error = look.distinct("user_id", "users", "uses")
    contexts, contexts_error = look.distinct("user_context", "contexts", "uses")
    return {
        **_uses({measure: each for (measure,), each in whole.items()}),
        "unique_users": users,
        "unique_users_error": users_error,
        "unique_contexts": contexts,
        "unique_contexts_error": contexts_error,
        "actions": {
            str(action): _uses(
                {key[1]: each for key, each in by_action.items() if key[0] == action}
            )
            for action in dict.fromkeys(key[0] for key in by_action)
        },
    }


def errors_of(look: Look, uses: int) -> Document:
    """Errors by type, severity and impact, and how many were recovered from.

    Args:
        look: At the table of errors.
        uses: How often the same features were used in the same time.
    """
    groups = look.groups("error_type", "error_severity", "impact_level", quantiles=False)
    total = _count(groups, "errors")
    users, users_error = look.distinct("user_id", "users", "errors")
    recovery = _recovery(groups, "no recovery was tried in this time" if total else _NO_ERROR)
    return {
        "total_errors": total,
        "by_type": _counts(groups, 0),
        "by_severity": _counts(groups, 1),
        "by_impact": _counts(groups, 2),
        "recovery_attempts": recovery["count"],
        "recovery_rate": recovery["rate"],
        "recovery_rate_low": recovery["low"],
        "recovery_rate_high": recovery["high"],
        # Not a share: one use may have several errors.
        "errors_per_use": total / uses if uses else None,
        "total_usage": uses,
        "affected_users": users,
        "affected_users_error": users_error,
        "types": {
            str(name): {
                "count": _count(groups, "errors", error_type=name),
                "recovery_rate": _recovery(groups, "none was tried", error_type=name)["rate"],
            }
            for name in dict.fromkeys(key[0] for key in groups)
        },
        "reason": _reasons(
            recovery_rate=recovery["reason"], errors_per_use=None if uses else _NO_USE
        ),
    }


def learning_of(look: Look) -> Document:
    """How well things were learned, by type."""
    measures = ("accuracy", "confidence", "improvement_rate", "sample_size")
    found = _by_type(look, "learning_type", measures)
    whole = look.groups()
    for name in measures:
        nothing = f"no {name} was recorded in this time"
        numbers = numbers_of(whole.get((name,)), nothing=nothing)
        found[f"avg_{name}"] = numbers["avg"]
        if numbers["avg"] is None:
            found["reason"] = {**(found["reason"] or {}), f"avg_{name}": numbers["reason"]}
    return found


def optimization_of(look: Look) -> Document:
    """What optimizations changed, by category: values before and after, and the relative change."""
    found = _by_type(
        look,
        "impact_category",
        ("before_value", "after_value", "relative_change", "user_impact_score"),
    )
    for name, each in found["by_type"].items():
        change = each["relative_change"]["avg"]
        sign = -1 if name in _LOWER_IS_BETTER else 1
        is_known = change is not None and name in _LOWER_IS_BETTER | _HIGHER_IS_BETTER
        each["better"] = change * sign > 0 if is_known else None
    found["categories"] = found.pop("by_type")
    return found


def resources_of(look: Look) -> Document:
    """How full or busy resources were."""
    groups = look.groups("resource_type", "resource_name", "unit")
    names = dict.fromkeys(key[:3] for key in groups)
    types = look.groups("resource_type", measures=["utilization_percent"])
    return {
        "count": sum(summary.count for summary in types.values()),
        "types": {str(name): numbers_of(summary) for (name, _), summary in types.items()},
        "resources": [
            {
                "resource_type": kind,
                "resource_name": name,
                "unit": unit,
                **{
                    measure: numbers_of(groups.get((kind, name, unit, measure)))
                    for measure in ("utilization_percent", "allocated", "used")
                },
            }
            for kind, name, unit in names
        ],
    }


def _opinions(summary: Summary | None, ratings: dict[Any, Summary]) -> Document:
    numbers = numbers_of(summary, nothing=_NO_OPINION)
    by_scale: dict[str, dict[int, int]] = {}
    for (_, scale, rating, _), each in ratings.items():
        counts = by_scale.setdefault(scale, {})
        counts[rating] = counts.get(rating, 0) + each.count
    satisfied = sum(
        count
        for scale, counts in by_scale.items()
        for rating, count in counts.items()
        if rating >= SCALES[scale].satisfied_from
    )
    share = share_of(satisfied, numbers["count"], nothing=_NO_OPINION)
    stars, tenths = by_scale.get("1-5", {}), by_scale.get("0-10", {})
    csat = share_of(stars.get(4, 0) + stars.get(5, 0), sum(stars.values()), nothing="")
    nps = None
    if n := sum(tenths.values()):
        promoters = tenths.get(9, 0) + tenths.get(10, 0)
        nps = 100 * (promoters - sum(tenths.get(rating, 0) for rating in range(7))) / n
    return {
        "response_count": numbers["count"],
        "avg_score": numbers["avg"],
        "min_score": numbers["min"],
        "max_score": numbers["max"],
        "stddev": numbers["stddev"],
        "p50": numbers["p50"],
        "p95": numbers["p95"],
        "p99": numbers["p99"],
        "percentile_error": numbers["percentile_error"],
        "satisfaction_rate": share["rate"],
        "satisfaction_rate_low": share["low"],
        "satisfaction_rate_high": share["high"],
        "distribution": {
            scale: {
                _rating_name(scale, rating): counts.get(rating, 0) for rating in _ratings(scale)
            }
            for scale, counts in sorted(by_scale.items())
        },
        "csat": csat["rate"],
        "nps": nps,
        "reason": _reasons(
            avg_score=numbers["reason"] if summary is None else None,
            satisfaction_rate=share["reason"],
            stddev=numbers["reason"],
            csat=None if stars else "no score on the scale 1-5",
            nps=None if tenths else "no score on the scale 0-10",
        ),
    }


def _ratings(scale: str) -> Iterable[int]:
    found = SCALES[scale]
    return range(10) if found.best == 1 else range(found.worst, found.best + 1)


def _rating_name(scale: str, rating: int) -> str:
    return f"{rating / 10}-{(rating + 1) / 10}" if SCALES[scale].best == 1 else str(rating)


def _uses(found: Mapping[Any, Summary]) -> Document:
    uses, success, duration = map(found.get, ("uses", "success", "duration_ms"))
    numbers = numbers_of(duration, nothing="no duration was recorded in this time")
    known = 0 if success is None else success.count
    worked = 0 if success is None or success.total is None else round(success.total)
    share = share_of(worked, known, nothing="no use of which it is known whether it worked")
    return {
        "total_usage": 0 if uses is None else uses.count,
        "success_rate": share["rate"],
        "success_rate_low": share["low"],
        "success_rate_high": share["high"],
        "avg_duration_ms": numbers["avg"],
        "min_duration_ms": numbers["min"],
        "max_duration_ms": numbers["max"],
        "stddev_duration_ms": numbers["stddev"],
        "p50_duration_ms": numbers["p50"],
        "p95_duration_ms": numbers["p95"],
        "p99_duration_ms": numbers["p99"],
        "percentile_error": numbers["percentile_error"],
        "reason": _reasons(
            success_rate=share["reason"],
            avg_duration_ms=numbers["reason"] if numbers["avg"] is None else None,
            stddev_duration_ms=numbers["reason"] if numbers["stddev"] is None else None,
        ),
    }


def _by_type(look: Look, column: str, measures: tuple[str, ...]) -> Document:
    groups = look.groups(column)
    count = sum(summary.count for key, summary in groups.items() if key[-1] == "records")
    return {
        "count": count,
        "by_type": {
            str(kind): {
                "count": groups[kind, "records"].count,
                **{name: numbers_of(groups.get((kind, name))) for name in measures},
            }
            for kind in dict.fromkeys(key[0] for key in groups)
        },
        "reason": None,
    }


def _counts(groups: dict[Any, Summary], at: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, summary in groups.items():
        if key[-1] == "errors":
            name = "unknown" if key[at] is None else str(key[at])
            found[name] = found.get(name, 0) + summary.count
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _count(groups: dict[Any, Summary], measure: str, *, error_type: Any = None) -> int:
    return sum(
        summary.count
        for key, summary in groups.items()
        if key[-1] == measure and error_type in (None, key[0])
    )


def _recovery(groups: dict[Any, Summary], nothing: str, *, error_type: Any = None) -> Any:
    """The share of recoveries that worked, among those of which it is known."""
    known = _count(groups, "recovery_successful", error_type=error_type)
    worked = sum(
        round(summary.total or 0)
        for key, summary in groups.items()
        if key[-1] == "recovery_successful" and error_type in (None, key[0])
    )
    return share_of(worked, known, nothing=nothing)


def _reasons(**reasons: str | None) -> dict[str, str] | None:
    """Why what is None is None, by key; None if nothing is."""
    return {name: why for name, why in reasons.items() if why} or None
