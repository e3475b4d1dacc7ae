# SPDX-License-Identifier: Apache-2.0
"""Calls to language models as they were counted, with the price that holds for each now."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import duckdb

from tidegauge.model.llm_tables import INPUT_BUCKETS, LLM_PRICES, OUTPUT_BUCKETS
from tidegauge.model.times import TimeRange
from tidegauge.query.engine import Engine

__all__ = ["CallToPrice", "calls_to_price"]

_AT_ONCE = 10_000
_TOKENS = (*INPUT_BUCKETS, *OUTPUT_BUCKETS, "web_searches")


class CallToPrice(NamedTuple):
    """One call.

    Attributes:
        call_id: Tells calls apart.
        time_ns: When it was made.
        provider: Who served it.
        model: The model that was asked.
        response_model: The model that answered.
        context: What else decided the price, such as `service_tier=flex`.
        version: How often it was priced.
        cost: The price that holds; None if it is not known.
        currency: Its currency.
        reason: Why it is not known.
        tokens: The numbers of `tidegauge.prices.usage.BUCKETS`.
    """

    call_id: str
    time_ns: int
    provider: str | None
    model: str | None
    response_model: str | None
    context: str | None
    version: int
    cost: Decimal | None
    currency: str | None
    reason: str | None
    tokens: tuple[int, ...]


def calls_to_price(
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    time_range: TimeRange,
    where: str,
    *,
    unpriced: bool,
) -> Iterator[list[CallToPrice]]:
    """The calls of a view `calls` whose tokens are known, some thousands at a time.

    Args:
        engine: Made the connection.
        connection: With the view of `tidegauge.query.llm_calls.view_calls`; closed with the last
            batch.
        time_range: The range of that view.
        where: SQL that is true for the calls.
        unpriced: Only those that have no price.
    """
    engine.view(connection, [LLM_PRICES.name], time_range)
    tokens = ", ".join(f"coalesce({name}, 0)" for name in _TOKENS)
    rows = connection.execute(
        f"WITH priced AS (SELECT call_id, max(version) AS version FROM {LLM_PRICES.name} "
        "GROUP BY call_id) "
        "SELECT call_id, epoch_us(time) * 1000, provider, model, response_model, price_context, "
        f"coalesce(version, 1), cost, currency, unpriced_reason, {tokens} "
        "FROM calls LEFT JOIN priced USING (call_id) "
        "WHERE usage <> 'missing' AND input_tokens IS NOT NULL "
        f"AND ({where}) AND ({'cost IS NULL' if unpriced else 'true'}) "
        "ORDER BY time"  # prices are kept for a day
    )
    return _batches(rows)


def _batches(rows: duckdb.DuckDBPyConnection) -> Iterator[list[CallToPrice]]:
    n = len(CallToPrice._fields) - 1
    while found := rows.fetchmany(_AT_ONCE):
        yield [CallToPrice._make((*row[:n], row[n:])) for row in found]
    rows.close()
