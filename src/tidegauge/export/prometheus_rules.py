# SPDX-License-Identifier: Apache-2.0
"""Files for Prometheus, made from the catalogue: rules, and how to scrape."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from tidegauge.catalog import Catalog
from tidegauge.catalog.abroad import ExportedNames
from tidegauge.model.spec import Kind, MetricSpec, Target

__all__ = ["Rule", "rules_of", "rules_text", "scrape_text"]

_WINDOW = "5m"
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of Prometheus: with `record` one that computes a series, else one that alerts.

    Attributes:
        expr: PromQL.
        record: Name of the series.
        alert: Name of the alert.
        for_s: Seconds for which the expression must hold before the alert fires.
        severity: `page`, `ticket` or `info`.
        summary: One line for people.
    """

    expr: str
    record: str = ""
    alert: str = ""
    for_s: int = 0
    severity: str = ""
    summary: str = ""


def rules_of(catalog: Catalog) -> dict[str, list[Rule]]:
    """Rules by group: requests, what the targets of the catalogue demand, tidegauge itself."""
    return {
        "tidegauge_requests": list(_requests(catalog)),
        "tidegauge_targets": [
            rule
            for name, spec in catalog.metrics.items()
            if name not in catalog.renames
            for target in spec.targets
            if (rule := _target(spec, catalog.exported(name), target)) is not None
        ],
        "tidegauge_self": list(_itself()),
    }


def rules_text(catalog: Catalog) -> str:
    """A rules file in YAML."""
    lines = ["# Written by `tidegauge export prometheus-rules`.", "groups:"]
    for group, rules in rules_of(catalog).items():
        lines += [f"  - name: {group}", "    rules:"]
        for rule in rules:
            kind, name = ("record", rule.record) if rule.record else ("alert", rule.alert)
            lines += [f"      - {kind}: {name}", f"        expr: {json.dumps(rule.expr)}"]
            if rule.alert:
                lines += [
                    f"        for: {rule.for_s}s",
                    f"        labels: {{severity: {rule.severity}}}",
                    "        annotations:",
                    f"          summary: {json.dumps(rule.summary, ensure_ascii=False)}",
                ]
    return "\n".join(lines) + "\n"


def scrape_text(target: str, *, job: str = "tidegauge", every_s: int = 15) -> str:
    """The part of a Prometheus configuration that scrapes one store.

    Args:
        target: Host and port of a process that answers for the store; one is enough.
        job: Name of the job.
        every_s: Seconds between two scrapes.
    """
    return f"""\
# Written by `tidegauge export prometheus-scrape-config`.
# One target per store: each of its processes answers for all of them.
# Exemplars are kept if Prometheus runs with --enable-feature=exemplar-storage.
scrape_configs:
  - job_name: {json.dumps(job)}
    scrape_interval: {every_s}s
    static_configs:
      - targets: [{json.dumps(target)}]
"""


def _requests(catalog: Catalog) -> Iterator[Rule]:
    requests = catalog.prometheus_name("api:requests")
    duration = catalog.prometheus_name("api:request_duration_seconds")
    all_rate = f"sum by (endpoint) (rate({requests}[{_WINDOW}]))"
    bad_rate = f'sum by (endpoint) (rate({requests}{{status=~"5.."}}[{_WINDOW}]))'
    yield Rule(record="endpoint:ml_api_requests:rate5m", expr=all_rate)
    # An endpoint without errors has a share of 0, and one without requests none at all.
    ratio = f"({bad_rate} or 0 * {all_rate}) / {all_rate}"
    yield Rule(record="endpoint:ml_api_request_errors:ratio_rate5m", expr=ratio)
    for name, share in _QUANTILES.items():
        buckets = f"sum by (endpoint, le) (rate({duration}_bucket[{_WINDOW}]))"
        quantile = f"histogram_quantile({share}, {buckets})"
        yield Rule(record=f"endpoint:ml_api_request_duration_seconds:{name}_5m", expr=quantile)


def _target(spec: MetricSpec, names: ExportedNames, target: Target) -> Rule | None:
    """An alert for a target that is missed; None for a statistic that Prometheus cannot have."""
    expr = _statistic(spec, names.prometheus, target.stat)
    if expr is None:
        return None
    bound = float(f"{target.value * names.prometheus_scale:.12g}")
    title = "".join(part.title() for part in names.prometheus.split("_"))
    return Rule(
        alert=f"{title}{target.stat.title()}MissesTarget",
        expr=f"{expr} {_OPPOSITE[target.op]} {bound:g}",
        for_s=600,
        severity="ticket",
        summary=f"{target.stat} of {spec.name} is not {target.op} {target.value:g} {spec.unit}",
    )


def _statistic(spec: MetricSpec, name: str, stat: str) -> str | None:
    if spec.kind is Kind.DISTRIBUTION:
        if stat in _QUANTILES:
            buckets = f"sum by (le) (rate({name}_bucket[{_WINDOW}]))"
            return f"histogram_quantile({_QUANTILES[stat]}, {buckets})"
        if stat == "mean":
            return f"sum(rate({name}_sum[{_WINDOW}])) / sum(rate({name}_count[{_WINDOW}]))"
        return None
    if spec.kind is Kind.COUNTER:
        return f"sum(rate({name}[{_WINDOW}]))" if stat == "rate" else None
    aggregates = {
        "mean": f"avg({name})",
        "last": name,
        "min": f"min({name})",
        "max": f"max({name})",
    }
    return aggregates.get(stat)


def _itself() -> Iterator[Rule]:
    yield Rule(
        alert="TidegaugeDropsFacts",
        expr="sum by (reason) (increase(tidegauge_dropped_total[10m])) > 0",
        for_s=0,
        severity="ticket",
        summary="Facts were refused: {{ $labels.reason }}. `tidegauge status` says more.",
    )
    yield Rule(
        alert="TidegaugeFollowerBehind",
        expr="tidegauge_follower_lag_seconds > 900",
        for_s=300,
        severity="ticket",
        summary="The follower {{ $labels.follower }} does not keep up; the journal grows.",
    )
    yield Rule(
        alert="TidegaugeTooManySeries",
        expr="sum by (metric) (increase(tidegauge_series_overflow_total[1h])) > 0",
        for_s=0,
        severity="ticket",
        summary="{{ $labels.metric }} has more label sets than its cap.",
    )
    yield Rule(
        alert="TidegaugeCollectorFailed",
        expr="max by (collector) (tidegauge_collector_failed) > 0",
        for_s=600,
        severity="ticket",
        summary="The collector {{ $labels.collector }} fails.",
    )
    # One failure is tried again after ten minutes; the second one is not by chance.
    yield Rule(
        alert="TidegaugeJobFails",
        expr="max by (job_name) (increase(tidegauge_job_failures_total[1h])) > 1",
        for_s=0,
        severity="ticket",
        summary="The job {{ $labels.job_name }} fails. `tidegauge jobs` says why.",
    )
