# SPDX-License-Identifier: Apache-2.0
"""Metrics of one's own, declared in YAML: checked, bounded, and called right everywhere."""

from __future__ import annotations

from pathlib import Path

import tidegauge as tg

CATALOGUE = """
categories:
  search: The search box of the shop
metrics:
  search:zero_result_rate:
    description: Share of searches that found nothing
    direction: lower
    min: 0
    max: 1
    targets: [{stat: mean, op: "<", value: 0.05}]
    labels:
      language: {values: [de, en, fr], required: true}
"""


def main() -> None:
    """Declare a metric, record it, and see a wrong fact refused."""
    Path("catalogue.yaml").write_text(CATALOGUE, encoding="utf-8")
    tg.configure(catalog="catalogue.yaml", strict=True)
    tg.log_metric("search:zero_result_rate", 0.031, language="de")
    try:
        tg.log_metric("search:zero_result_rate", 0.031, language="it")
    except tg.MetricValidationError as error:
        print(error)
    for row in tg.search(category="search").to_pylist():
        print(row["metric"], row["count"])


if __name__ == "__main__":
    main()
