# SPDX-License-Identifier: Apache-2.0
"""Rules and scrape configuration for Prometheus, as Prometheus' own tool reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tidegauge.catalog import Catalog, builtin_catalog
from tidegauge.export.prometheus_rules import rules_of, rules_text, scrape_text
from tidegauge.model.spec import Kind, MetricSpec, Target


@pytest.fixture
def promtool() -> str:
    """Prometheus' tool."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed")
    return found


def test_prometheus_accepts_the_rules(promtool: str, tmp_path: Path) -> None:
    """Every rule made from the built-in catalogue is valid PromQL, and counted."""
    catalog = builtin_catalog()
    (tmp_path / "rules.yml").write_text(rules_text(catalog))
    command = [promtool, "check", "rules", str(tmp_path / "rules.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    n_rules = sum(map(len, rules_of(catalog).values()))
    assert f"{n_rules} rules found" in done.stdout


def test_prometheus_accepts_the_scrape_configuration(promtool: str, tmp_path: Path) -> None:
    """What is written is a whole configuration, with what was asked for."""
    text = scrape_text("service.internal:9464", job='the "shop"', every_s=30)
    (tmp_path / "prometheus.yml").write_text(text)
    command = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"service.internal:9464"' in text
    assert "scrape_interval: 30s" in text


def test_rules_fire_when_they_should(promtool: str, tmp_path: Path) -> None:
    """Prometheus itself evaluates them: error rates are shares, drops and targets raise alerts."""
    (tmp_path / "rules.yml").write_text(rules_text(builtin_catalog()))
    (tmp_path / "test.yml").write_text("""
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'ml_api_requests_total{endpoint="/a",method="GET",status="200"}'
        values: '0+90x30'
      - series: 'ml_api_requests_total{endpoint="/a",method="GET",status="500"}'
        values: '0+10x30'
      - series: 'ml_api_requests_total{endpoint="/b",method="GET",status="200"}'
        values: '0+60x30'
      - series: 'tidegauge_dropped_total{reason="not_finite"}'
        values: '0+1x30'
      - series: 'tidegauge_dropped_total{reason="budget"}'
        values: '0+0x30'
    promql_expr_test:
      - expr: endpoint:ml_api_request_errors:ratio_rate5m
        eval_time: 20m
        exp_samples:
          - labels: 'endpoint:ml_api_request_errors:ratio_rate5m{endpoint="/a"}'
            value: 0.1
          - labels: 'endpoint:ml_api_request_errors:ratio_rate5m{endpoint="/b"}'
            value: 0
      - expr: endpoint:ml_api_requests:rate5m
        eval_time: 20m
        exp_samples:
          - labels: 'endpoint:ml_api_requests:rate5m{endpoint="/a"}'
            value: 1.6666666666666667
          - labels: 'endpoint:ml_api_requests:rate5m{endpoint="/b"}'
            value: 1
    alert_rule_test:
      - eval_time: 20m
        alertname: TidegaugeDropsFacts
        exp_alerts:
          - exp_labels: {severity: ticket, reason: not_finite}
            exp_annotations:
              summary: 'Facts were refused: not_finite. `tidegauge status` says more.'
""")
    command = [promtool, "test", "rules", "test.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_targets_become_alerts() -> None:
    """A target is turned around and put into base units; what nobody can compute is left out."""
    catalog = Catalog(
        [
            MetricSpec(
                name="model:wait_ms",
                description="Wait",
                kind=Kind.DISTRIBUTION,
                unit="ms",
                targets=(
                    Target(stat="p95", op="<", value=100),
                    Target(stat="mean", op="<=", value=50),
                    Target(stat="max", op="<", value=500),
                ),
            ),
            MetricSpec(
                name="model:share",
                description="Share",
                targets=(
                    Target(stat="last", op=">", value=0.5),
                    Target(stat="mean", op=">=", value=0.25),
                    Target(stat="p50", op=">=", value=0.25),
                ),
            ),
            MetricSpec(
                name="model:orders",
                description="Orders",
                kind=Kind.COUNTER,
                unit="{order}",
                targets=(Target(stat="rate", op=">", value=2),),
            ),
        ]
    ).merged(builtin_catalog())
    rules = {rule.alert: rule.expr for rule in rules_of(catalog)["tidegauge_targets"]}
    assert rules["ModelWaitSecondsP95MissesTarget"] == (
        "histogram_quantile(0.95, sum by (le) (rate(model_wait_seconds_bucket[5m]))) >= 0.1"
    )
    assert rules["ModelWaitSecondsMeanMissesTarget"] == (
        "sum(rate(model_wait_seconds_sum[5m])) / sum(rate(model_wait_seconds_count[5m])) > 0.05"
    )
    assert rules["ModelShareLastMissesTarget"] == "model_share <= 0.5"
    assert rules["ModelShareMeanMissesTarget"] == "avg(model_share) < 0.25"
    assert rules["ModelOrdersTotalRateMissesTarget"] == "sum(rate(model_orders_total[5m])) <= 2"
    assert "ModelWaitSecondsMaxMissesTarget" not in rules
    assert "ModelShareP50MissesTarget" not in rules
