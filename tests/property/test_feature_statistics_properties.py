# SPDX-License-Identifier: Apache-2.0
"""Laws of the statistics of features: they are those of the facts, wherever these are just then.

The oracle is plain Python: exact fractions, `statistics`, an interpolation and an interval of its
own. It knows of no table, no rollup and no histogram.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tidegauge.catalog import builtin_catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.feature_tables import FEATURE_TABLES
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.features import Features
from tidegauge.query.query import Query
from tidegauge.record.recorder import Recorder
from tidegauge.record.rows import RowWriter
from tidegauge.store.drain import DrainFollower
from tidegauge.store.rollup import roll_up
from tidegauge.store.store import Store

# Shrinking takes minutes, for an example takes seconds.
SLOW = settings(max_examples=4, deadline=None, phases=[Phase.reuse, Phase.generate])
START_NS = parse_time_ns("2026-01-01T00:00:00Z")
HOUR_NS = 3600 * 10**9
HOURS = 60
LARGEST = Fraction(sys.float_info.max)

Fact = dict[str, Any]
Facts = dict[str, list[Fact]]

EXTREMES = st.sampled_from(
    [0.0, 1.0, 1.0, -1.0, 2.5, 1e308, -1e308, 5e-324, -5e-324, 1e-300, 1e150]
)
ANY = EXTREMES | st.floats(-1e6, 1e6) | st.integers(0, 5).map(float)
POSITIVE = ANY.map(abs)
SHARE = st.sampled_from([0.0, 0.5, 1.0, 5e-324]) | st.floats(0, 1)
FEATURE = st.sampled_from(["a", "b"])
NAME = st.sampled_from(["x", "it's", "ä z"])
USER = st.none() | st.integers(0, 30).map("u{}".format)
MAYBE = st.none() | st.booleans()


@st.composite
def opinions(draw: st.DrawFn) -> Fact:
    """A score on one of the three scales, with its rating."""
    scale, best = draw(st.sampled_from([("0-1", 1), ("1-5", 5), ("0-10", 10)]))
    rating = draw(st.integers(1 if best == 5 else 0, 9 if best == 1 else best))
    return {
        "feature": draw(FEATURE),
        "satisfaction_type": draw(NAME),
        "score": float(draw(st.floats(1 if best == 5 else 0, best))),
        "score_scale": scale,
        "normalized_score": draw(SHARE),
        "rating": rating,
        "user_id": draw(USER),
    }


ROWS: dict[str, st.SearchStrategy[Fact]] = {
    "system_performance": st.fixed_dictionaries(
        {
            "feature": FEATURE,
            "metric_category": NAME,
            "metric_name": NAME,
            "value": ANY,
            "unit": st.sampled_from([None, "ms", "s"]),
        }
    ),
    "user_satisfaction": opinions(),
    "feature_usage": st.fixed_dictionaries(
        {
            "feature": FEATURE,
            "action": NAME,
            "duration_ms": st.none() | POSITIVE,
            "success": MAYBE,
            "user_id": USER,
            "user_context": USER,
        }
    ),
    "learning_effectiveness": st.fixed_dictionaries(
        {
            "feature": FEATURE,
            "learning_type": NAME,
            "accuracy": st.none() | SHARE,
            "confidence": st.none() | SHARE,
            "sample_size": st.none() | st.integers(0, 2**53),
            "improvement_rate": st.none() | ANY,
        }
    ),
    "optimization_impact": st.fixed_dictionaries(
        {
            "feature": FEATURE,
            "optimization_id": NAME,
            "impact_category": st.sampled_from(["task_completion_time", "accuracy", "other"]),
            "before_value": ANY,
            "after_value": ANY,
            "user_impact_score": st.none() | SHARE,
            "relative_change": st.none() | ANY,
        }
    ),
    "resource_utilization": st.fixed_dictionaries(
        {
            "resource_type": NAME,
            "resource_name": NAME,
            "utilization_percent": st.floats(0, 100),
            "allocated": st.none() | POSITIVE,
            "used": st.none() | POSITIVE,
            "unit": st.sampled_from([None, "MB"]),
            "feature": st.none() | FEATURE,
        }
    ),
    "errors": st.fixed_dictionaries(
        {
            "feature": FEATURE,
            "error_type": NAME,
            "error_severity": st.sampled_from(["critical", "error", "warning", "info"]),
            "recovery_attempted": st.booleans(),
            "recovery_successful": MAYBE,
            "impact_level": st.sampled_from([None, "high", "low"]),
            "user_id": USER,
        }
    ),
    "points": st.fixed_dictionaries({"feature": FEATURE, "value": ANY}),
}
WHEN = st.integers(0, HOURS * HOUR_NS // 1000 - 1).map(lambda us: START_NS + us * 1000)
FACTS = st.fixed_dictionaries(
    {
        name: st.lists(
            st.tuples(WHEN, row).map(lambda pair: {**pair[1], "ns": pair[0]}), max_size=9
        )
        for name, row in ROWS.items()
    }
)


class Kept:
    """A store, and two ways to ask it: without rollups where there are rows, and with."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        self.recorder = Recorder(self.store.root / "journal", strict=True)
        self.puts: dict[str, Callable[..., bool]] = {
            table.name: RowWriter(self.recorder, table).bind() for table in FEATURE_TABLES
        }
        self.columns = {
            table.name: [column.name for column in table.columns] for table in FEATURE_TABLES
        }
        self.points = JournalWriter(self.store.root / "journal")
        catalog = builtin_catalog()
        self.raw = Query(self.store, catalog)
        self.rolled = Query(self.store, catalog, few_rows=-1)

    def record(self, facts: Facts) -> None:
        """Record facts of all tables."""
        for table, rows in facts.items():
            for row in rows:
                if table == "points":
                    key = SeriesKey.of("feature:seconds", {"feature": row["feature"]})
                    self.points.put_point(key, row["value"], time_ns=row["ns"])
                else:
                    values = tuple(map(row.get, self.columns[table]))
                    assert self.puts[table](values, row["ns"])

    def drain(self) -> None:
        """Move everything to the tables."""
        while DrainFollower(self.store).advance(force=True):
            pass

    def close(self) -> None:
        """Give everything back."""
        self.recorder.writer.close()
        self.points.close()
        self.raw.close()
        self.rolled.close()
        self.store.close()


@pytest.mark.timeout(400)
@pytest.mark.repeat
@SLOW
@given(facts=FACTS, more=FACTS, first=st.integers(0, HOURS - 1), length=st.integers(1, HOURS))
def test_statistics_are_those_of_the_facts(
    facts: Facts, more: Facts, first: int, length: int
) -> None:
    """In the journal, in tables, rolled up, and rolled up with more on top; of hours and of all."""
    hours = {
        "start": (START_NS + first * HOUR_NS) // 10**9,
        "end": (START_NS + (first + length) * HOUR_NS) // 10**9,
    }
    with tempfile.TemporaryDirectory() as directory:
        kept = Kept(Path(directory) / "store")
        kept.record(facts)
        check(kept.raw, facts, hours)
        kept.drain()
        check(kept.raw, facts, hours)
        roll_up(kept.store)
        check(kept.rolled, facts, hours)
        kept.record(more)
        both = {name: facts[name] + more[name] for name in facts}
        check(kept.rolled, both, hours)
        kept.drain()
        check(kept.rolled, both, hours)
        check(kept.raw, both, hours)
        kept.close()


def check(query: Query, facts: Facts, hours: dict[str, int]) -> None:
    """Everything that can be asked, of everything and of some hours of one feature."""
    check_all(query.features, facts, None, {})
    start_ns, end_ns = hours["start"] * 10**9, hours["end"] * 10**9
    chosen = {
        name: [row for row in of(rows, feature="a") if start_ns <= row["ns"] < end_ns]
        for name, rows in facts.items()
    }
    check_all(query.features, chosen, "a", dict(hours))


def check_all(features: Features, facts: Facts, feature: str | None, asked: Fact) -> None:
    """One dashboard, one document, and the numbers of the collector."""
    found = features.dashboard(feature, **asked)
    json.dumps(found, allow_nan=False)
    check_performance(facts["system_performance"], found["performance"])
    check_satisfaction(facts["user_satisfaction"], found["satisfaction"])
    check_usage(facts["feature_usage"], found["usage"])
    check_errors(facts["errors"], len(facts["feature_usage"]), found["errors"])
    check_learning(facts["learning_effectiveness"], found["learning"])
    check_optimization(facts["optimization_impact"], found["optimization"])
    check_resources(facts["resource_utilization"], found["resources"])
    if not asked:
        mine = of(facts["points"], feature="b")
        check_numbers(mine, "value", features.metric_statistics("b", "seconds", hours=None))


def check_performance(rows: Sequence[Fact], found: Fact) -> None:
    """By category, unless it has several units, and by metric."""
    assert found["count"] == len(rows)
    assert set(found["categories"]) == values(rows, "metric_category")
    for name, each in found["categories"].items():
        mine = of(rows, metric_category=name)
        units = values(mine, "unit") - {None}
        assert (set(each["units"]), each["count"]) == (units, len(mine))
        if len(units) > 1:
            assert (each["avg"], each["reason"]) == (None, "the values have several units")
        else:
            check_numbers(mine, "value", each)
    keys = ("metric_category", "metric_name", "unit")
    check_listed(rows, keys, found["metrics"])
    for each in found["metrics"]:
        check_numbers(of(rows, **{key: each[key] for key in keys}), "value", each)


def check_satisfaction(rows: Sequence[Fact], found: Fact) -> None:
    """All together and by type."""
    assert set(found["by_type"]) == values(rows, "satisfaction_type")
    check_opinions(rows, found)
    for name, each in found["by_type"].items():
        check_opinions(of(rows, satisfaction_type=name), each)


SATISFIED_FROM = {"0-1": 7, "1-5": 4, "0-10": 7}


def check_opinions(rows: Sequence[Fact], found: Fact) -> None:
    """Numbers, shares and how many gave which rating."""
    named = {"count": "response_count", "avg": "avg_score", "min": "min_score", "max": "max_score"}
    check_numbers(rows, "normalized_score", {key: found[named.get(key, key)] for key in NUMBERS})
    good = sum(row["rating"] >= SATISFIED_FROM[row["score_scale"]] for row in rows)
    check_share(good, len(rows), found, "satisfaction_rate")
    ratings = Counter((row["score_scale"], row["rating"]) for row in rows)
    told = {
        (scale, int(name) if scale != "0-1" else round(float(name.split("-")[0]) * 10)): count
        for scale, counts in found["distribution"].items()
        for name, count in counts.items()
    }
    assert {key: count for key, count in told.items() if count} == ratings
    stars = [row["rating"] for row in of(rows, score_scale="1-5")]
    assert near(found["csat"], sum(map((4).__le__, stars)) / len(stars) if stars else None)
    tenths = [row["rating"] for row in of(rows, score_scale="0-10")]
    promoters, detractors = sum(map((9).__le__, tenths)), sum(map((6).__ge__, tenths))
    assert near(found["nps"], 100 * (promoters - detractors) / len(tenths) if tenths else None)


def check_usage(rows: Sequence[Fact], found: Fact) -> None:
    """All together and by action."""
    for name in ("user", "context"):
        column = "user_id" if name == "user" else "user_context"
        assert found[f"unique_{name}s"] == len(values(rows, column) - {None})
        assert found[f"unique_{name}s_error"] == 0.0
    assert set(found["actions"]) == values(rows, "action")
    for mine, each in [
        (rows, found),
        *((of(rows, action=name), each) for name, each in found["actions"].items()),
    ]:
        assert each["total_usage"] == len(mine)
        known = [row["success"] for row in mine if row["success"] is not None]
        check_share(sum(known), len(known), each, "success_rate")
        told = {key: each.get(f"{key}_duration_ms", each.get(key)) for key in NUMBERS}
        told["count"] = sum(row["duration_ms"] is not None for row in mine)
        check_numbers(mine, "duration_ms", told)


def check_errors(rows: Sequence[Fact], uses: int, found: Fact) -> None:
    """Counts, recoveries and errors per use."""
    assert (found["total_errors"], found["total_usage"]) == (len(rows), uses)
    for key, column in (("type", "error_type"), ("severity", "error_severity")):
        assert found[f"by_{key}"] == Counter(row[column] for row in rows)
    assert found["by_impact"] == Counter(row["impact_level"] or "unknown" for row in rows)
    assert near(found["errors_per_use"], len(rows) / uses if uses else None)
    assert found["affected_users"] == len(values(rows, "user_id") - {None})
    known = [row for row in rows if row["recovery_successful"] is not None]
    assert found["recovery_attempts"] == len(known)
    check_share(
        sum(row["recovery_successful"] for row in known), len(known), found, "recovery_rate"
    )
    assert {name: each["count"] for name, each in found["types"].items()} == found["by_type"]


def check_learning(rows: Sequence[Fact], found: Fact) -> None:
    """By type, and the means of all."""
    names = ("accuracy", "confidence", "sample_size", "improvement_rate")
    assert found["count"] == len(rows)
    check_types(rows, "learning_type", names, found["by_type"])
    for name in names:
        told = numbers(row[name] for row in rows)["avg"]
        assert near_number(found[f"avg_{name}"], told, [row[name] for row in rows])


def check_optimization(rows: Sequence[Fact], found: Fact) -> None:
    """By category."""
    assert found["count"] == len(rows)
    names = ("before_value", "after_value", "relative_change", "user_impact_score")
    check_types(rows, "impact_category", names, found["categories"])


def check_types(rows: Sequence[Fact], column: str, names: Sequence[str], found: Fact) -> None:
    """The numbers of each kind."""
    assert set(found) == values(rows, column)
    for kind, each in found.items():
        mine = of(rows, **{column: kind})
        assert each["count"] == len(mine)
        for name in names:
            check_numbers(mine, name, each[name])


def check_resources(rows: Sequence[Fact], found: Fact) -> None:
    """By type, and by resource and unit."""
    assert found["count"] == len(rows)
    assert set(found["types"]) == values(rows, "resource_type")
    for name, each in found["types"].items():
        check_numbers(of(rows, resource_type=name), "utilization_percent", each)
    keys = ("resource_type", "resource_name", "unit")
    check_listed(rows, keys, found["resources"])
    for each in found["resources"]:
        mine = of(rows, **{key: each[key] for key in keys})
        for name in ("utilization_percent", "allocated", "used"):
            check_numbers(mine, name, each[name])


def check_listed(rows: Sequence[Fact], keys: Sequence[str], found: Sequence[Fact]) -> None:
    """Each combination of keys is there once."""
    told = Counter(tuple(each[key] for key in keys) for each in found)
    assert told == Counter({tuple(row[key] for key in keys) for row in rows})


NUMBERS = ("count", "avg", "min", "max", "stddev", "p50", "p95", "p99", "percentile_error")


def check_numbers(rows: Sequence[Fact], column: str, found: Fact) -> None:
    """Every number; a mean or deviation may be untold only where it cannot be told."""
    given_values = [float(row[column]) for row in rows if row[column] is not None]
    wanted = numbers(given_values)
    assert [found[key] for key in ("count", "min", "max")] == [
        wanted[key] for key in ("count", "min", "max")
    ]
    assert near_number(found["avg"], wanted["avg"], given_values)
    if found["stddev"] is None:
        assert len(given_values) < 2 or are_hard(given_values)
    else:
        relative = 1e-3 if found["percentile_error"] else 1e-9
        absolute = 1e-9 * max(map(abs, given_values), default=0.0)
        assert near(found["stddev"], wanted["stddev"], relative=relative, absolute=absolute)
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        if not given_values:
            assert (found[name], found["percentile_error"]) == (None, None)
            continue
        exact, size = quantile(given_values, share)
        reach = (Fraction(found["percentile_error"]) + Fraction(1, 10**9)) * size
        assert abs(Fraction(found[name]) - exact) <= reach + Fraction(1e-307)


def are_hard(found: Sequence[float]) -> bool:
    """Whether squares of some values overflow or vanish, or some nearly equal each other."""
    ordered = sorted(set(found))
    return any(value and not 1e-150 < abs(value) < 1e150 for value in ordered) or any(
        high - low < 1e-5 * max(abs(low), abs(high)) for low, high in pairwise(ordered)
    )


def check_share(good: int, count: int, found: Fact, name: str) -> None:
    """A share and its interval."""
    assert near(found[name], good / count if count else None)
    low, high = interval(good, count) if count else (None, None)
    assert near(found[f"{name}_low"], low, absolute=1e-12)
    assert near(found[f"{name}_high"], high, absolute=1e-12)


def numbers(found: Iterable[Any]) -> Fact:
    """What `check_numbers` compares with."""
    known = [Fraction(value) for value in found if value is not None]
    total: Fraction = sum(known, Fraction())
    mean = total / len(known) if known else None
    deviation = None
    if mean is not None and len(known) > 1:
        square = sum(((value - mean) ** 2 for value in known), Fraction()) / (len(known) - 1)
        deviation = math.sqrt(square) if square <= LARGEST else None
    return {
        "count": len(known),
        "avg": None if mean is None else float(mean),
        "min": float(min(known)) if known else None,
        "max": float(max(known)) if known else None,
        "stddev": deviation,
    }


def quantile(found: Sequence[float], share: float) -> tuple[Fraction, Fraction]:
    """Linear between the two values beside the place, and the larger magnitude of these."""
    ordered = sorted(map(Fraction, found))
    place = Fraction(share) * (len(ordered) - 1)
    low = ordered[math.floor(place)]
    high = ordered[min(math.floor(place) + 1, len(ordered) - 1)]
    return low + (high - low) * (place - math.floor(place)), max(abs(low), abs(high))


def interval(good: int, count: int) -> tuple[float, float]:
    """The shares that are 1.96 standard errors from the counted one, by bisection: Wilson's."""
    share, z2 = good / count, 1.959963984540054**2

    def end(inside: float, outside: float) -> float:
        for _ in range(200):
            middle = (inside + outside) / 2
            is_inside = (share - middle) ** 2 * count <= z2 * middle * (1 - middle)
            inside, outside = (middle, outside) if is_inside else (inside, middle)
        return inside

    return end(share, 0.0), end(share, 1.0)


def near_number(found: float | None, wanted: float | None, about: Iterable[Any]) -> bool:
    """Whether a mean is right to 1e-9 of the values; untold where their sum is too large."""
    known = [abs(Fraction(value)) for value in about if value is not None]
    if found is None and known:
        return sum(known) > LARGEST
    return near(found, wanted, absolute=1e-9 * float(max(known, default=Fraction())))


def near(
    found: float | None, wanted: float | None, *, relative: float = 1e-9, absolute: float = 0.0
) -> bool:
    """Whether a number is right, or rightly none."""
    if found is None or wanted is None:
        return found is wanted
    return math.isclose(found, wanted, rel_tol=relative, abs_tol=max(absolute, 5e-323))


def of(rows: Sequence[Fact], **wanted: object) -> list[Fact]:
    """The rows whose columns hold something."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def values(rows: Sequence[Fact], column: str) -> set[Any]:
    """The different values of a column."""
    return {row[column] for row in rows}
