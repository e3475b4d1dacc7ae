# SPDX-License-Identifier: Apache-2.0
"""Groups of calls to language models: what is counted, as SQL, and as dictionaries for JSON.

Two columns of cost are about the same money, by the price list and as the provider said. They stand
side by side and are never added. A price that is not known is no price of 0: what is told of a
group with such calls is the least that it can be, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import duckdb

from tidegauge.model.llm_tables import INPUT_BUCKETS, OUTPUT_BUCKETS

__all__ = ["Document", "groups_of", "share_of_money"]

#: A dictionary ready to be written as JSON, amounts as `Decimal`.
Document = dict[str, Any]

_BUCKETS = (*INPUT_BUCKETS, *OUTPUT_BUCKETS)
_PLACES = Decimal(1).scaleb(-12)
_CACHED = "coalesce(cache_read_tokens, 0) + coalesce(cache_read_audio_tokens, 0)"

#: What is counted, by key.
_COUNTED = {
    "calls": "count_if(attempt = 1)",
    "attempts": "count(*)",
    "requests": "sum(wire_requests)::BIGINT",
    "failures": "count_if(status = 'error')",
    "errors": "histogram(coalesce(error_class, 'other')) FILTER (status = 'error')",
    "usage_missing": "count_if(usage = 'missing')",
    "input_tokens": "sum(input_tokens)::BIGINT",
    "output_tokens": "sum(output_tokens)::BIGINT",
    **{name: f"sum({name})::BIGINT" for name in _BUCKETS},
    "cached": f"sum({_CACHED}) FILTER (input_tokens IS NOT NULL)",
    "cost": "sum(cost)",
    "priced": "count(cost)",
    "unpriced_reasons": "histogram(unpriced_reason) "
    "FILTER (cost IS NULL AND unpriced_reason IS NOT NULL)",
    "provider_cost": "sum(provider_cost)",
    "provider_priced": "count(provider_cost)",
    "latency": "quantile_cont(latency_s, [0.5, 0.95]) FILTER (status = 'success')",
    "ttft": "quantile_cont(ttft_s, [0.5, 0.95])",
    "tpot_s": "avg(tpot_s)",
    # A ratio of sums: the mean of rates would be that of the short answers.
    "output_tokens_per_s": "sum(output_tokens) FILTER (output_tokens_per_s > 0) / "
    "sum(output_tokens / output_tokens_per_s) FILTER (output_tokens_per_s > 0)",
}


def groups_of(
    connection: duckdb.DuckDBPyConnection, keys: Mapping[str, str], where: str
) -> list[Document]:
    """The chosen calls in groups.

    Where there are several currencies, there is a row for each of them and one for calls without,
    none of which is to be added to another.

    Args:
        connection: With the view `calls` of `view_calls`.
        keys: What groups are told apart by: a name, and SQL for it.
        where: SQL that is true for the calls.
    """
    [found] = connection.execute(
        "SELECT list_distinct(list(currency)), list_distinct(list(provider_currency)) "
        f"FROM calls WHERE {where}"
    ).fetchall()
    money = {
        name: sorted(names or ())
        for name, names in zip(("currency", "provider_currency"), found, strict=True)
    }
    by = dict(keys) | {name: name for name, names in money.items() if len(names) > 1}
    names = [*by, *_COUNTED]
    shown = [f"{each} AS key_{at}" for at, each in enumerate(by.values())]
    places = [f"key_{at}" for at in range(len(by))]
    order = ", ".join(f"{place} NULLS LAST" for place in places)
    tail = f"GROUP BY {', '.join(places)} ORDER BY {order}" if by else "HAVING count(*) > 0"
    rows = connection.execute(
        f"SELECT {', '.join([*shown, *_COUNTED.values()])} FROM calls WHERE {where} {tail}"
    ).fetchall()
    only = {name: each[0] if each else None for name, each in money.items() if len(each) < 2}
    groups = [_group(tuple(keys), {**only, **dict(zip(names, row, strict=True))}) for row in rows]
    _spread_doubt(groups, tuple(keys))
    return groups


def share_of_money(priced: int, unpriced: int) -> float | None:
    """Of how many calls that may have cost something the price is known; None if there are none."""
    return priced / (priced + unpriced) if priced + unpriced else None


def _group(keys: Sequence[str], row: Mapping[str, Any]) -> Document:
    reasons = dict(sorted((row["unpriced_reasons"] or {}).items()))
    priced, unpriced = row["priced"], sum(reasons.values())
    why: dict[str, str] = {}

    def known(name: str, value: Any, nothing: str) -> Any:
        if value is None:
            why[name] = nothing
        return value

    latency = row["latency"] or (None, None)
    first = row["ttft"] or (None, None)
    cost = row["cost"] if priced else None if unpriced else Decimal(0)
    no_price = "no call has a price" if unpriced else "no call may have cost something"
    return {
        **{name: row[name] for name in keys},
        "calls": row["calls"],
        "attempts": row["attempts"],
        "requests": row["requests"],
        "failures": row["failures"],
        "errors": dict(sorted((row["errors"] or {}).items())),
        "input_tokens": known("input_tokens", row["input_tokens"], "no call says its tokens"),
        "output_tokens": known("output_tokens", row["output_tokens"], "no call says its tokens"),
        "tokens": {name.removesuffix("_tokens"): row[name] or 0 for name in _BUCKETS},
        "usage_missing": row["usage_missing"],
        "cache_hit_ratio": known(
            "cache_hit_ratio",
            int(row["cached"]) / row["input_tokens"] if row["input_tokens"] else None,
            "no input tokens",
        ),
        "cost": known("cost", cost, no_price),
        "currency": row["currency"],
        "priced": priced,
        "unpriced": unpriced,
        "unpriced_reasons": reasons,
        "coverage": known("coverage", share_of_money(priced, unpriced), no_price),
        "is_floor": unpriced > 0,
        "mean_cost": known(
            "mean_cost", (row["cost"] / priced).quantize(_PLACES) if priced else None, no_price
        ),
        "provider_cost": known(
            "provider_cost", row["provider_cost"], "no provider said what a call costs"
        ),
        "provider_currency": row["provider_currency"],
        "provider_priced": row["provider_priced"],
        "latency_p50_s": known("latency_p50_s", latency[0], "no call succeeded"),
        "latency_p95_s": known("latency_p95_s", latency[1], "no call succeeded"),
        "ttft_p50_s": known("ttft_p50_s", first[0], "no streams"),
        "ttft_p95_s": known("ttft_p95_s", first[1], "no streams"),
        "tpot_s": known("tpot_s", row["tpot_s"], "no streams"),
        "output_tokens_per_s": known(
            "output_tokens_per_s", row["output_tokens_per_s"], "no streams"
        ),
        "reason": why or None,
    }


def _spread_doubt(groups: Iterable[Document], keys: Sequence[str]) -> None:
    """Calls without a price may be in any of the currencies of their group."""
    doubtful = {tuple(each[name] for name in keys) for each in groups if each["is_floor"]}
    for each in groups:
        each["is_floor"] = tuple(each[name] for name in keys) in doubtful
