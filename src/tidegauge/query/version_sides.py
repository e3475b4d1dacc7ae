# SPDX-License-Identifier: Apache-2.0
"""What each of two versions is worth in a measure, from blocks of time.

The blocks are as long as can be: days, if both versions have enough of them, else hours, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb

from tidegauge.query import sql
from tidegauge.query.version_facts import Measure
from tidegauge.statistics.estimate import CONFIDENCE
from tidegauge.statistics.percentiles import Place, quantile_side, reach_of_share
from tidegauge.statistics.verdicts import FEWEST_WORTH, Side, side_of

__all__ = ["BLOCKS_S", "Sides", "sides_of"]

#: Lengths of blocks, from the longest on, seconds.
BLOCKS_S = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_FACT = "fact"
_MOST_FACTS = 20_000
_NOT_THE_SAME = "what is above and below were not counted of the same"


@dataclass(frozen=True, slots=True)
class Sides:
    """A measure with what both versions are worth in it.

    Attributes:
        measure: The measure.
        first: The first version; None if it has no facts.
        second: The second.
        block: How long the pieces of time are, a key of `BLOCKS_S` or `fact`.
        reason: Why there is no telling; None if there is.
    """

    measure: Measure
    first: Side | None
    second: Side | None
    block: str
    reason: str | None = None

    @property
    def pair(self) -> tuple[Side, Side] | None:
        """Both, if they can be compared."""
        if self.first is None or self.second is None or self.reason is not None:
            return None
        return self.first, self.second


def sides_of(
    connection: duckdb.DuckDBPyConnection, measure: Measure, first: str, second: str
) -> Sides:
    """What both versions are worth in a measure; None for one without facts."""
    block = _block(connection, measure, first, second)
    if block is None:
        reason = f"over {_MOST_FACTS:,} facts within a few seconds: how they differ is not known"
        return replace(
            _sides_of_blocks(connection, measure, first, second, "second"), reason=reason
        )
    found = _sides_of_blocks(connection, measure, first, second, block)
    return replace(found, reason=found.reason or measure.reason)


def _block(
    connection: duckdb.DuckDBPyConnection, measure: Measure, first: str, second: str
) -> str | None:
    """The longest pieces of time of which both versions have enough."""
    counted = ", ".join(
        f"count(DISTINCT epoch_us(time) // {length_s * 1_000_000})"
        for length_s in BLOCKS_S.values()
    )
    rows = connection.execute(
        f"SELECT version, {counted}, count(*) FROM ({measure.facts}) WHERE bottom > 0 GROUP BY 1"
    ).fetchall()
    counts = {version: row for version, *row in rows}
    sides = [counts[version] for version in (first, second) if version in counts]
    for at, name in enumerate(BLOCKS_S):
        if sides and min(row[at] for row in sides) >= FEWEST_WORTH:
            return name
    if measure.is_of_counters:
        return "second"
    return _FACT if max((row[-1] for row in sides), default=0) <= _MOST_FACTS else None


def _sides_of_blocks(
    connection: duckdb.DuckDBPyConnection, measure: Measure, first: str, second: str, block: str
) -> Sides:
    is_share = measure.statistic == "share"
    if measure.quantile is None:
        blocks = _blocks(connection, measure.facts, block)
        one, other = (
            side_of(blocks[version], is_share=is_share) if version in blocks else None
            for version in (first, second)
        )
        reason = None
        for version, side in ((first, one), (second, other)):
            if is_share and side is not None and side.value > 1:
                reason = f"a share above 1 of version {version}: {_NOT_THE_SAME}"
        return Sides(measure, one, other, block, reason)
    places = _places(connection, measure.facts, dict.fromkeys((first, second), measure.quantile))
    below = _blocks(connection, _share_below(measure.facts, places), block)
    shares = {version: side_of(below[version], is_share=True) for version in places}
    reaches = {version: reach_of_share(side, CONFIDENCE) for version, side in shares.items()}
    lows, highs = (
        _places(
            connection,
            measure.facts,
            {version: measure.quantile + way * reach for version, reach in reaches.items()},
        )
        for way in (-1, 1)
    )
    sides: dict[str, Side] = {}
    reason = None
    for version, share in shares.items():
        value, low, high = (each[version] for each in (places, lows, highs))
        sides[version] = quantile_side(value.value, share, low.value, high.value, CONFIDENCE)
        is_known = low.is_within and high.is_within
        if sides[version].worth >= FEWEST_WORTH and not is_known:
            reason = f"too few values beyond the {measure.statistic} of version {version}"
    return Sides(measure, sides.get(first), sides.get(second), block, reason)


def _blocks(
    connection: duckdb.DuckDBPyConnection, facts: str, block: str
) -> dict[str, list[tuple[float, float]]]:
    """Sums of each piece of time of each version, in the order of time.

    What is on top may be known in other pieces than what is below; none of it is left out.
    """
    if block == _FACT:
        query = f"SELECT version, top::DOUBLE, bottom::DOUBLE FROM ({facts}) ORDER BY time"
    else:
        piece = f"epoch_us(time) // {BLOCKS_S[block] * 1_000_000}"
        query = (
            f"SELECT version, fsum(top), fsum(bottom) FROM ({facts}) "
            f"GROUP BY version, {piece} ORDER BY {piece}"
        )
    found: dict[str, list[tuple[float, float]]] = {}
    for version, top, bottom in connection.execute(query).fetchall():
        if top or bottom:
            found.setdefault(version, []).append((top, bottom))
    return {
        version: pieces
        for version, pieces in found.items()
        if any(bottom > 0 for _, bottom in pieces)
    }


def _places(
    connection: duckdb.DuckDBPyConnection, facts: str, shares: Mapping[str, float]
) -> dict[str, Place]:
    """Where the percentile of a share lies, for each version that has facts."""
    if not shares:
        return {}
    asked = ", ".join(f"({sql.text(version)}, {share!r})" for version, share in shares.items())
    rows = connection.execute(f"""
        WITH counted AS (
            SELECT version, top::DOUBLE AS value, count(*) AS n FROM ({facts}) GROUP BY ALL
        ), middles AS (
            SELECT version, value, (sum(n) OVER (PARTITION BY version ORDER BY value) - n / 2)
                / sum(n) OVER (PARTITION BY version) AS middle
            FROM counted
        )
        SELECT version, share::DOUBLE,
            coalesce(max(value) FILTER (middle <= share), min(value)),
            coalesce(max(middle) FILTER (middle <= share), min(middle)),
            coalesce(min(value) FILTER (middle >= share), max(value)),
            coalesce(min(middle) FILTER (middle >= share), max(middle))
        FROM middles JOIN (VALUES {asked}) AS asked(version, share) USING (version) GROUP BY ALL
    """).fetchall()
    return {
        version: Place.between(share, (below, least), (above, most))
        for version, share, below, least, above, most in rows
    }


def _share_below(facts: str, places: Mapping[str, Place]) -> str:
    """Facts with how much of each counts as below the percentile of its version."""
    cases = []
    for version, place in places.items():
        below, above = (f"'{value!r}'::DOUBLE" for value in (place.below, place.above))
        of_below, of_above = place.counted
        cases.append(
            f"WHEN version = {sql.text(version)} THEN CASE WHEN top < {below} THEN 1 "
            f"WHEN top = {below} THEN {of_below!r} WHEN top = {above} THEN {of_above!r} ELSE 0 END"
        )
    if not cases:
        return facts
    told = f"(CASE {' '.join(cases)} END)::DOUBLE"
    return f"SELECT version, time, {told} AS top, bottom FROM ({facts})"
