# SPDX-License-Identifier: Apache-2.0
"""The table of what clouds bill. Its rows are replaced by period, for bills change until final."""

from __future__ import annotations

from tidegauge.model.columns import Column, Table

__all__ = ["COSTS"]

COSTS = Table(
    "costs",
    "One row per charge that a provider has billed, or has said it will; `time` is when its period "
    "began. Sums are of one `source`, `grouping` and `currency`: others say the same once more.",
    (
        Column("source", "str", "where it came from: aws-ce, or a name of files", nullable=False),
        Column(
            "grouping",
            "str",
            "how the source had split it; each grouping has all of the cost, or as much as it can",
            nullable=False,
        ),
        Column("billing_period", "str", "the month of the bill, YYYY-MM", nullable=False),
        Column("period_s", "f64", "seconds from `time` to the end of the charge's period", least=0),
        Column("cloud", "str", "who sells it, such as AWS, Microsoft, Google Cloud"),
        Column("cloud_service", "str", "the service, as the provider calls it"),
        Column("service_category", "str", "what sort of service, such as Compute"),
        Column("account_id", "str", "the account that used it"),
        Column("account_name", "str", "its name"),
        Column("billing_account_id", "str", "the account that pays"),
        Column("region", "str", "where it ran"),
        Column("resource_id", "str", "what was used"),
        Column("sku_id", "str", "what was sold"),
        Column("charge_category", "str", "Usage, Purchase, Tax, Credit, Adjustment, …"),
        Column("charge_description", "str", "what the provider says of it"),
        Column("usage_type", "str", "what sort of usage, such as input tokens"),
        Column("quantity", "f64", "how much was used, in `quantity_unit`"),
        Column("quantity_unit", "str", "the unit of `quantity`"),
        Column("billed_cost", "decimal", "what is on the bill; credits are negative"),
        Column("effective_cost", "decimal", "the same with what was paid ahead spread out"),
        Column("list_cost", "decimal", "what it would be without discounts"),
        Column("currency", "str", "the currency of all of them", nullable=False),
        Column("is_estimated", "bool", "whether the provider may still change it", nullable=False),
        Column("invoice_id", "str", "the bill it is on"),
    ),
    recorded=False,
)
