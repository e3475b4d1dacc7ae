# SPDX-License-Identifier: Apache-2.0
"""Two runs, versions or models side by side, with what chance alone could have done.

A mean comes with Welch's interval, computed from as many values as the facts are worth: values
that follow one another tell less than independent ones. All intervals of one comparison hold
together: the more metrics are looked at, the wider each (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from tidegauge.model.spec import Combine, Direction, MetricSpec
from tidegauge.query import sql
from tidegauge.query.selection import Selection, Vocabulary
from tidegauge.query.summary import Summary, summarise
from tidegauge.statistics.welch import Sample, independent_count, welch_interval
from tidegauge.store.arrays import from_rows

__all__ = ["CONFIDENCE", "compare_table"]

#: Probability that all intervals of a comparison cover the true differences.
CONFIDENCE = 0.95

# From fewer values the correlation with the one before cannot be told.
_FEWEST_FOR_CORRELATION = 10
_FEWEST_INDEPENDENT = 3.0
# About so many tell it well enough; all of them would have to be sorted by time.
_MOST_FOR_CORRELATION = 20_000

_SCHEMA = pa.schema(
    [
        ("metric", pa.string()),
        ("statistic", pa.string()),
        ("unit", pa.string()),
        ("direction", pa.string()),
        ("n_a", pa.int64()),
        ("n_b", pa.int64()),
        *(
            (name, pa.float64())
            for name in ("a", "b", "difference", "relative", "standard_error", "low", "high")
        ),
        ("verdict", pa.string()),
        ("reason", pa.string()),
    ]
)

_STATISTICS = {
    Combine.MEAN: "mean",
    Combine.LAST: "last",
    Combine.SUM: "sum",
    Combine.MAX: "max",
}


class _Pair(msgspec.Struct):
    """One metric on both sides, while the row is being made."""

    spec: MetricSpec
    sides: dict[str, Summary]
    samples: dict[str, Sample] = {}
    reason: str | None = None

    @property
    def statistic(self) -> str:
        return _STATISTICS[self.spec.combined_by]


def compare_table(
    connection: duckdb.DuckDBPyConnection,
    vocabulary: Vocabulary,
    selection: Selection,
    by: str,
    a: str,
    b: str,
) -> pa.Table:
    """Compute the table that `tidegauge.compare` describes.

    Args:
        connection: With views of `points` and `intervals`.
        vocabulary: What is declared.
        selection: The facts of both sides.
        by: The dimension or label that tells the sides apart.
        a: Its value on the one side.
        b: Its value on the other.
    """
    pairs: dict[str, _Pair] = {}
    for summary in summarise(connection, selection.where, [selection.metric, sql.label(by)]):
        metric, side = summary.key
        pairs.setdefault(metric, _Pair(vocabulary.spec(metric), {})).sides[side] = summary
    for name in selection.metrics:
        pairs.setdefault(name, _Pair(vocabulary.spec(name), {}))
    means = {
        name: pair
        for name, pair in pairs.items()
        if pair.spec.combined_by is Combine.MEAN and len(pair.sides) == 2
    }
    if means:
        correlations = _correlations(connection, selection, by, means)
        for name, pair in means.items():
            _sample(name, pair, correlations)
    looks = sum(1 for pair in means.values() if pair.reason is None)
    return from_rows([_row(name, pairs[name], a, b, looks) for name in sorted(pairs)], _SCHEMA)


def _correlations(
    connection: duckdb.DuckDBPyConnection,
    selection: Selection,
    by: str,
    pairs: Mapping[str, _Pair],
) -> dict[tuple[str, str], float | None]:
    """Correlation of each value with the one recorded before it, by metric and side."""
    metric, side = selection.metric, sql.label(by)
    stretches = [
        (name, value, _until_us(summary))
        for name, pair in pairs.items()
        for value, summary in pair.sides.items()
    ]
    looked_at = ", ".join(
        f"({sql.text(name)}, {sql.text(value)}, {until_us})" for name, value, until_us in stretches
    )
    # Said once more for all together, so that files and parts of files are left out.
    latest = sql.timestamp(max(until_us for _, _, until_us in stretches) * 1000)
    rows = connection.execute(
        "SELECT name, side, corr(value, before) FROM ("
        "SELECT name, side, value, lag(value) OVER (PARTITION BY name, side "
        "ORDER BY time, step, row) AS before FROM ("
        f"SELECT {metric} AS its_name, {side} AS its_side, value, time, step, "
        "row_number() OVER () AS row "  # the order in which they were recorded
        f"FROM points WHERE {selection.where} AND time <= {latest}) "
        f"JOIN (VALUES {looked_at}) AS looked_at(name, side, until_us) "
        "ON name = its_name AND side = its_side AND epoch_us(time) <= until_us) GROUP BY ALL"
    ).fetchall()
    return {
        (name, side): value if value is not None and math.isfinite(value) else None
        for name, side, value in rows
    }


def _until_us(summary: Summary) -> int:
    """The end of a stretch, from the first fact on, with enough values to tell a correlation."""
    share = min(1.0, _MOST_FOR_CORRELATION / summary.count)
    return summary.start_us + math.ceil((summary.end_us - summary.start_us) * share)


def _sample(name: str, pair: _Pair, correlations: dict[tuple[str, str], float | None]) -> None:
    """Set the pair's samples, or the reason why there are none."""
    for side, summary in pair.sides.items():
        if summary.count < 2:
            pair.reason = "fewer than two values on a side: their spread is not known"
        elif summary.from_intervals:
            pair.reason = "kept as intervals: how values follow one another is not known"
        elif summary.mean is None or summary.std is None:
            pair.reason = "too large to compute a spread"
        else:
            correlation = correlations.get((name, side))
            worth = float(summary.count)
            if correlation is not None and summary.count >= _FEWEST_FOR_CORRELATION:
                worth = independent_count(summary.count, correlation)
            if summary.count >= _FEWEST_FOR_CORRELATION and worth < _FEWEST_INDEPENDENT:
                pair.reason = (
                    "values follow one another so closely that a side is worth fewer than three"
                )
            pair.samples[side] = Sample(summary.mean, summary.std, worth)


def _row(name: str, pair: _Pair, a: str, b: str, looks: int) -> dict[str, Any]:
    one, other = pair.sides.get(a), pair.sides.get(b)
    row: dict[str, Any] = {
        "metric": name,
        "statistic": pair.statistic,
        "unit": pair.spec.unit,
        "direction": str(pair.spec.direction),
        "n_a": one.count if one else 0,
        "n_b": other.count if other else 0,
        "a": _value(pair, one),
        "b": _value(pair, other),
    }
    if one is None or other is None:
        found = [side for side, summary in (("a", one), ("b", other)) if summary]
        verdict = f"only in {found[0]}" if found else "in neither"
        return {**row, "verdict": verdict, "reason": "there is nothing to compare with"}
    if row["a"] is None or row["b"] is None:
        return {**row, "verdict": "unclear", "reason": "a sum is beyond the largest float"}
    row["difference"] = row["b"] - row["a"]
    row["relative"] = row["difference"] / abs(row["a"]) if row["a"] else None
    clear = True
    if pair.statistic != "mean":
        pair.reason = f"a {pair.statistic} value is one number: its spread is not known"
        if pair.statistic == "sum":
            pair.reason = "a sum is one number: its spread is not known"
    elif pair.reason is None:
        confidence = 1 - (1 - CONFIDENCE) / looks
        interval = welch_interval(pair.samples[a], pair.samples[b], confidence=confidence)
        row |= {
            "standard_error": interval.standard_error,
            "low": interval.low,
            "high": interval.high,
        }
        clear = not interval.low <= 0 <= interval.high or interval.low == interval.high
    else:
        clear = False
    return {
        **row,
        "verdict": _verdict(pair.spec.direction, row["difference"], clear=clear),
        "reason": pair.reason,
    }


def _value(pair: _Pair, summary: Summary | None) -> float | None:
    if summary is None:
        return None
    match pair.spec.combined_by:
        case Combine.MEAN:
            return summary.mean
        case Combine.SUM:
            return summary.total
        case Combine.MAX:
            return summary.largest
        case Combine.LAST:
            return summary.last


def _verdict(direction: Direction, difference: float, *, clear: bool) -> str:
    if difference == 0 and clear:
        return "equal"
    if not clear:
        return "unclear"
    if direction is Direction.NONE:
        return "no direction"
    return "better" if (difference > 0) == (direction is Direction.HIGHER) else "worse"
