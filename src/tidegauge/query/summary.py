# SPDX-License-Identifier: Apache-2.0
"""Groups of facts in numbers: from single points, from intervals, and from both together.

Points give exact percentiles. Intervals have their values in histograms; a group that has any is
answered from one histogram of all its values, points among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import duckdb
import msgspec

from tidegauge.statistics.accumulator import std_from_sums
from tidegauge.statistics.histogram import START_SCALE, ExponentialHistogram

__all__ = [
    "PERCENTILES",
    "Key",
    "Merge",
    "Summary",
    "column_histograms",
    "histograms",
    "joined",
    "summarise",
]

#: Values of the keys of a group, in the order of the keys.
Key = tuple[Any, ...]

#: The shares whose quantiles are given.
PERCENTILES = (0.5, 0.95, 0.99)


class Summary(msgspec.Struct, frozen=True):
    """One group of one or more facts.

    Attributes:
        key: Values of the group's keys, in their order.
        count: Number of values.
        total: Their sum; None if it is beyond the largest float.
        std: Sample standard deviation; None for one value, or where it cannot be told.
        smallest: Smallest value.
        largest: Largest value.
        quantiles: One for each of `PERCENTILES`; empty if they were not wanted.
        first: The value recorded first.
        last: The value recorded last.
        start_us: Time of the first, microseconds since 1970.
        end_us: Time of the last.
        percentile_error: Largest relative error of the quantiles; 0.0 where they are exact.
        from_intervals: Whether any value came from the table `intervals`.
    """

    key: Key
    count: int
    total: float | None
    std: float | None
    smallest: float
    largest: float
    quantiles: tuple[float | None, ...]
    first: float
    last: float
    start_us: int
    end_us: int
    percentile_error: float
    from_intervals: bool

    @property
    def mean(self) -> float | None:
        """The mean; None if the sum is beyond the largest float."""
        return None if self.total is None else self.total / self.count


#: See `summarise`: from a condition, keys and summaries to a histogram for each of these.
Merge = Callable[[str, Sequence[str], Mapping[Key, Summary]], dict[Key, ExponentialHistogram]]


def summarise(
    connection: duckdb.DuckDBPyConnection,
    where: str,
    keys: Sequence[str],
    *,
    quantiles: bool = True,
    points: bool = True,
    intervals: bool = True,
    merge: Merge | None = None,
) -> list[Summary]:
    """Summarise the chosen facts.

    Args:
        connection: With views of `points` and `intervals`.
        where: SQL that is true for the facts.
        keys: SQL for what the groups are told apart by.
        quantiles: Whether these are wanted, and `first` and `last` to the order of recording.
        points: Whether there may be any points.
        intervals: Whether there may be any intervals.
        merge: Merges the histograms of the chosen intervals by group, where `intervals` does not
            have them.

    Returns:
        The groups that have facts, ordered by their keys, unknown ones last.
    """
    found = _of_points(connection, where, keys, quantiles) if points else ()
    groups = {summary.key: summary for summary in found}
    if quantiles and 1 < sum(group.count for group in groups.values()) <= _MOST_FOR_TIES:
        for key, last in _recorded_last(connection, where, keys).items():
            groups[key] = msgspec.structs.replace(groups[key], last=last)
    found = _of_intervals(connection, where, keys) if intervals else ()
    summed = {summary.key: summary for summary in found}
    histograms = (
        _histograms(connection, where, keys, summed, groups, merge) if summed and quantiles else {}
    )
    for key, summary in summed.items():
        groups[key] = msgspec.structs.replace(
            joined(groups[key], summary) if key in groups else summary, from_intervals=True
        )
        if (histogram := histograms.get(key)) is not None:
            groups[key] = msgspec.structs.replace(
                groups[key],
                quantiles=tuple(histogram.quantiles(PERCENTILES)),
                percentile_error=histogram.error_bound,
            )
    return sorted(groups.values(), key=lambda group: [_order(part) for part in group.key])


def histograms(
    connection: duckdb.DuckDBPyConnection, where: str, keys: Sequence[str]
) -> dict[Key, ExponentialHistogram]:
    """One histogram of all values, of points and of intervals, for each group that has facts.

    Args:
        connection: With views of `points` and `intervals`.
        where: SQL that is true for the facts.
        keys: SQL for what the groups are told apart by.
    """
    points = {each.key: each for each in _of_points(connection, where, keys, quantiles=False)}
    intervals = {each.key: each for each in _of_intervals(connection, where, keys)}
    found = _histograms(connection, where, keys, intervals, {}, None) if intervals else {}
    if points:
        chosen = f"{_listed(keys)} value FROM points WHERE {where}"
        for key, more in _read_buckets(connection, _POINT_BUCKETS, chosen, keys, points).items():
            if key in found:
                found[key].merge(more)
            else:
                found[key] = more
    return found


def column_histograms(
    connection: duckdb.DuckDBPyConnection, values: str, where: str, keys: Sequence[str]
) -> dict[Key, ExponentialHistogram]:
    """One histogram of a column of a typed table for each group that has a number there.

    Args:
        connection: With a view of the table.
        values: SQL that reads `<column> AS value FROM <table>`, the column a double.
        where: SQL that is true for the rows.
        keys: SQL for what the groups are told apart by.
    """
    names = [f"key_{index}" for index in range(len(keys))]
    rows = f"SELECT {_listed(keys)} {values} WHERE {where}"
    chosen = f"{_each(names)} value FROM ({rows}) WHERE value IS NOT NULL"
    return _read_buckets(connection, _POINT_BUCKETS, chosen, keys, {})


def _of_points(
    connection: duckdb.DuckDBPyConnection,
    where: str,
    keys: Sequence[str],
    quantiles: bool,  # noqa: FBT001
) -> Iterable[Summary]:
    # One list of shares makes DuckDB sort once: half the time of three quantiles.
    shares = ", ".join(map(str, PERCENTILES))
    found = f"quantile_cont(value, [{shares}])" if quantiles else "[]::DOUBLE[]"
    rows = connection.execute(
        f"SELECT {_listed(keys)} count(*), fsum(value), var_samp(value), min(value), max(value), "
        f"{found}, arg_min(value, time), arg_max(value, time), "
        "epoch_us(min(time)), epoch_us(max(time)) "
        f"FROM points WHERE {where} GROUP BY ALL"
    ).fetchall()
    for *key, count, total, variance, low, high, shares_at, first, last, start_us, end_us in rows:
        if count:
            yield Summary(
                key=tuple(key),
                count=count,
                total=_finite(total),
                std=None if (known := _finite(variance)) is None else math.sqrt(known),
                smallest=low,
                largest=high,
                quantiles=tuple(shares_at),
                first=first,
                last=last,
                start_us=start_us,
                end_us=end_us,
                percentile_error=0.0,
                from_intervals=False,
            )


# Two values of one metric within a microsecond are common where a loop records a few, as in a test
# or at a prompt. Among millions, from many processes, neither of two such values is the last.
_MOST_FOR_TIES = 100_000


def _recorded_last(
    connection: duckdb.DuckDBPyConnection, where: str, keys: Sequence[str]
) -> dict[Key, float]:
    """The value recorded last among those of a group's latest microsecond.

    Points lie in the order they were recorded in, of which `arg_max` takes the first.
    """
    facts = f"SELECT {_listed(keys)} time, value FROM points WHERE {where}"
    names = [f"key_{index}" for index in range(len(keys))]
    same = "".join(f" AND facts.{name} IS NOT DISTINCT FROM ends.{name}" for name in names)
    rows = connection.execute(
        f"WITH facts AS ({facts}), "
        f"ends AS (SELECT {_each(names)} max(time) AS time FROM facts GROUP BY ALL) "
        f"SELECT {_each(f'facts.{name}' for name in names)} last(value) FROM facts "
        f"JOIN ends ON facts.time = ends.time{same} GROUP BY ALL"
    ).fetchall()
    return {tuple(key): last for *key, last in rows}


def _of_intervals(
    connection: duckdb.DuckDBPyConnection, where: str, keys: Sequence[str]
) -> Iterable[Summary]:
    rows = connection.execute(
        f'SELECT {_listed(keys)} sum("count")::BIGINT, fsum("sum"), fsum(sum_squares), '
        'min("min"), max("max"), arg_min("first", time), '
        'arg_max("last", epoch_us(time) + (interval_s * 1e6)::BIGINT), epoch_us(min(time)), '
        "max(epoch_us(time) + (interval_s * 1e6)::BIGINT) "
        f"FROM intervals WHERE {where} GROUP BY ALL"
    ).fetchall()
    for *key, count, total, squares, low, high, first, last, start_us, end_us in rows:
        if count:
            yield Summary(
                key=tuple(key),
                count=count,
                total=_finite(total),
                std=std_from_sums(count, total, squares, low, high),
                smallest=low,
                largest=high,
                quantiles=(),
                first=first,
                last=last,
                start_us=start_us,
                end_us=end_us,
                percentile_error=0.0,
                from_intervals=True,
            )


def _histograms(
    connection: duckdb.DuckDBPyConnection,
    where: str,
    keys: Sequence[str],
    intervals: Mapping[Key, Summary],
    points: Mapping[Key, Summary],
    merge: Merge | None,
) -> dict[Key, ExponentialHistogram]:
    """One histogram of all values for each group that has intervals."""
    if merge is not None:
        found = merge(where, keys, intervals)
    else:
        chosen = f"{_listed(keys)} * FROM intervals WHERE {where}"
        found = _read_buckets(connection, _INTERVAL_BUCKETS, chosen, keys, intervals)
    if not points.keys().isdisjoint(intervals):
        chosen = f"{_listed(keys)} value FROM points WHERE {where}"
        more = _read_buckets(connection, _POINT_BUCKETS, chosen, keys, points)
        for key in more.keys() & found.keys():
            found[key].merge(more[key])
    return found


# Buckets are brought to the coarsest scale of their group: `i` becomes `floor(i / 2 ** steps)`.
_INTERVAL_BUCKETS = """
WITH chosen AS (SELECT {chosen}),
     scaled AS (SELECT *, min(scale) OVER ({partition}) AS coarsest FROM chosen),
     buckets AS (
        SELECT {names} coarsest, 1 AS sign, scale - coarsest AS steps, unnest(positive_counts) AS n,
               positive_offset + generate_subscripts(positive_counts, 1) - 1 AS i FROM scaled
        UNION ALL
        SELECT {names} coarsest, -1, scale - coarsest, unnest(negative_counts),
               negative_offset + generate_subscripts(negative_counts, 1) - 1 FROM scaled
        UNION ALL
        SELECT {names} coarsest, 0, 0, zero_count, 0 FROM scaled)
SELECT {names} coarsest, sign, floor(i / 2.0 ** steps)::BIGINT AS bucket, sum(n)::BIGINT
FROM buckets WHERE n > 0 GROUP BY ALL
"""

# The same rule as `ExponentialHistogram.add`.
_POINT_BUCKETS = f"""
SELECT {{names}} {START_SCALE} AS scale, sign(value) AS sign,
       CASE WHEN value = 0 THEN 0 ELSE ceil(log2(abs(value)) * {2**START_SCALE})::BIGINT - 1 END
       AS bucket, count(*)
FROM (SELECT {{chosen}}) GROUP BY ALL
"""


def _read_buckets(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    chosen: str,
    keys: Sequence[str],
    summaries: Mapping[Key, Summary],
) -> dict[Key, ExponentialHistogram]:
    """Histograms by group; a group without a summary has the bounds of its buckets for limits."""
    names = [f"key_{index}" for index in range(len(keys))]
    rows = connection.execute(
        query.format(
            chosen=chosen,
            names=_each(names),
            partition=f"PARTITION BY {', '.join(names)}" if names else "",
        )
    ).fetchall()
    scales: dict[Key, int] = {}
    buckets: dict[Key, dict[int, dict[int, int]]] = {}
    for *parts, scale, sign, bucket, count in rows:
        key = tuple(parts)
        scales[key] = scale
        buckets.setdefault(key, {-1: {}, 0: {}, 1: {}})[sign][bucket] = count
    return {
        key: ExponentialHistogram.from_buckets(
            scale=scales[key],
            zero_count=found[0].get(0, 0),
            positive=found[1],
            negative=found[-1],
            smallest=summaries[key].smallest if key in summaries else -math.inf,
            largest=summaries[key].largest if key in summaries else math.inf,
        )
        for key, found in buckets.items()
    }


def joined(points: Summary, intervals: Summary) -> Summary:
    """Both together; the quantiles are still missing."""
    total = None
    if points.total is not None and intervals.total is not None:
        total = _finite(points.total + intervals.total)
    earlier = points if points.start_us <= intervals.start_us else intervals
    later = points if points.end_us >= intervals.end_us else intervals
    return msgspec.structs.replace(
        points,
        count=points.count + intervals.count,
        total=total,
        std=_joined_std(points, intervals),
        smallest=min(points.smallest, intervals.smallest),
        largest=max(points.largest, intervals.largest),
        first=earlier.first,
        last=later.last,
        start_us=earlier.start_us,
        end_us=later.end_us,
    )


def _joined_std(one: Summary, other: Summary) -> float | None:
    """From two counts, means and deviations (Chan, Golub and LeVeque 1979)."""
    squares = 0.0
    for part in (one, other):
        if part.mean is None or (part.std is None and part.count > 1):
            return None
        deviation = part.std or 0.0
        squares += deviation * deviation * (part.count - 1)
    assert one.mean is not None
    assert other.mean is not None
    count = one.count + other.count
    apart = one.mean - other.mean
    squares += apart * apart * (one.count * other.count / count)
    return math.sqrt(squares / (count - 1)) if math.isfinite(squares) else None


def _listed(keys: Sequence[str]) -> str:
    return _each(f"{key} AS key_{index}" for index, key in enumerate(keys))


def _each(parts: Iterable[str]) -> str:
    return "".join(f"{part}, " for part in parts)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _order(part: object) -> tuple[bool, Any]:
    return (part is None, part if part is not None else "")
