# SPDX-License-Identifier: Apache-2.0
"""`tidegauge export prometheus-rules` and `prometheus-scrape-config`, beside `tidegauge export`."""

from __future__ import annotations

from typing import Any


def test_rules_are_text_for_a_file(cli: Any) -> None:
    """Standard output is the rules file and nothing else; no store is needed."""
    done = cli("export", "prometheus-rules")
    assert done.code == 0
    assert done.out.startswith("# Written by `tidegauge export prometheus-rules`.\ngroups:\n")
    assert "      - alert: TidegaugeDropsFacts\n" in done.out
    assert done.err == ""
    assert not cli.store.exists()


def test_rules_as_json(cli: Any) -> None:
    """With --json they are a document of the groups."""
    groups = cli("export", "prometheus-rules", "--json").json
    assert list(groups) == ["tidegauge_requests", "tidegauge_targets", "tidegauge_self"]
    assert groups["tidegauge_requests"][0]["record"] == "endpoint:ml_api_requests:rate5m"


def test_the_scrape_configuration_says_what_was_asked(cli: Any) -> None:
    """Target, job and interval are options."""
    done = cli(
        *("export", "prometheus-scrape-config", "--target", "service:9464"),
        *("--job", "shop", "--every-s", "5"),
    )
    assert done.code == 0
    assert done.lines[-5:] == [
        "scrape_configs:",
        '  - job_name: "shop"',
        "    scrape_interval: 5s",
        "    static_configs:",
        '      - targets: ["service:9464"]',
    ]
    assert cli("export", "prometheus-scrape-config", "--every-s", "0").code == 2


def test_a_file_of_that_name_can_still_be_exported_to(cli: Any, tmp_path: Any) -> None:
    """Only the bare words are commands; a path is a file."""
    cli("log", "model:accuracy", "0.5")
    done = cli("export", str(tmp_path / "prometheus-rules"), "--format", "csv")
    assert done.code == 0
    assert (tmp_path / "prometheus-rules").read_text().startswith('"time",')


def test_every_table_can_be_exported(cli: Any, tmp_path: Any) -> None:
    """Tables without metrics are chosen from by labels, and not by metric."""
    cli("log", "model:accuracy", "0.5")
    for table in ("requests", "predictions", "ground_truths"):
        for name in ("facts.csv", "facts.parquet", "facts.sqlite"):
            done = cli("export", str(tmp_path / name), "--table", table, "--force")
            assert done.code == 0, done.err
    done = cli("export", "-", "--table", "requests", "--metric", "model:accuracy")
    assert done.code == 2
    assert "of no metric" in done.err
