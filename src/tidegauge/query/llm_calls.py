# SPDX-License-Identifier: Apache-2.0
"""Calls to language models as they count: each answer once, with the price that holds for it."""

from __future__ import annotations

from typing import Literal, get_args

import duckdb

from tidegauge.model.errors import QueryError
from tidegauge.model.llm_tables import LLM_CALLS, LLM_PRICES
from tidegauge.model.times import TimeRange
from tidegauge.query.engine import Engine
from tidegauge.query.selection import about_time

__all__ = ["PRICES", "REPEATED_WITHIN_S", "Prices", "view_calls"]

#: Which price of a call: the one worked out last, or the one it was recorded with.
Prices = Literal["latest", "first"]

PRICES: tuple[str, ...] = get_args(Prices)

#: A row with the id of an answer that was recorded up to so long before is that answer again.
REPEATED_WITHIN_S = 7 * 86_400

_PRICE = ("cost", "currency", "price_source", "price_model", "price_context", "unpriced_reason")

# Providers do not share their ids, and small servers give out the same ones again and again.
_SAME = ("provider", "response_id", "response_model", "input_tokens", "output_tokens")
_KEYS = ", ".join(_SAME)
_REPEATED = f"""
    CREATE TEMP TABLE repeated AS SELECT {_KEYS}
    FROM seen_calls WHERE response_id <> '' GROUP BY ALL HAVING count(*) > 1
"""
_AGAIN = " AND ".join(f"seen_calls.{name} IS NOT DISTINCT FROM repeated.{name}" for name in _SAME)
# Only rows that share an id are sorted; there are few of them, if any.
_ONCE = f"""
    SELECT * FROM seen_calls ANTI JOIN repeated ON {_AGAIN}
    UNION ALL
    SELECT * EXCLUDE (before_us) FROM (
        SELECT *, lag(epoch_us(time)) OVER (
            PARTITION BY {_KEYS} ORDER BY time, call_id, attempt
        ) AS before_us
        FROM seen_calls SEMI JOIN repeated ON {_AGAIN}
    ) WHERE before_us IS NULL OR epoch_us(time) - before_us > {REPEATED_WITHIN_S * 10**6}
"""


def view_calls(
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    time_range: TimeRange,
    prices: Prices = "latest",
) -> None:
    """Give a connection a view `calls`: the rows of `llm_calls` that count, of a range of time.

    Of rows with the same provider, id of the answer, model and tokens the earliest counts, as far
    as they are within `REPEATED_WITHIN_S` of each other; whether a row counts does not depend on
    the range.
    Rows without such an id all count. The columns are those of `llm_calls`, those about the price
    as `prices` says.

    Args:
        engine: Made the connection.
        connection: From `Engine.connect`, without such a view.
        time_range: The range.
        prices: Which price.

    Raises:
        QueryError: There are no such prices.
        StoreError: The store cannot be read.
    """
    if prices not in PRICES:
        raise QueryError("there are no such prices", got=prices, allowed=", ".join(PRICES))
    start_ns, end_ns = time_range.start_ns, time_range.end_ns
    earlier_ns = None if start_ns is None else max(0, start_ns - REPEATED_WITHIN_S * 10**9)
    seen = TimeRange(earlier_ns, end_ns)
    engine.view(connection, [LLM_CALLS.name], seen)
    connection.execute(
        f"CREATE TEMP VIEW seen_calls AS FROM {LLM_CALLS.name} WHERE {about_time(seen)}"
    )
    connection.execute(_REPEATED)
    once = _ONCE if _has_rows(connection, "repeated") else "SELECT * FROM seen_calls"
    counted = f"SELECT * FROM ({once}) WHERE {about_time(time_range)}"
    if prices == "latest":
        engine.view(connection, [LLM_PRICES.name], time_range)
        if _has_rows(connection, LLM_PRICES.name):
            counted = _repriced(connection, counted)
    connection.execute(f"CREATE TEMP VIEW calls AS {counted}")


def _repriced(connection: duckdb.DuckDBPyConnection, calls: str) -> str:
    """The calls with the price that was worked out last, where one was."""
    price = ", ".join(f"{name} := {name}" for name in _PRICE)
    connection.execute(
        f"CREATE TEMP TABLE latest_prices AS "
        f"SELECT call_id, max_by(struct_pack({price}), version) AS price "
        f"FROM {LLM_PRICES.name} GROUP BY call_id"
    )
    replaced = ", ".join(
        f"CASE WHEN price IS NULL THEN {name} ELSE price.{name} END AS {name}" for name in _PRICE
    )
    return (
        f"SELECT * EXCLUDE (price) REPLACE ({replaced}) "
        f"FROM ({calls}) LEFT JOIN latest_prices USING (call_id)"
    )


def _has_rows(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    return bool(connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall())
