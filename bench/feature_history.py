# SPDX-License-Identifier: Apache-2.0
"""A made-up history of features and their users, written straight into the tables of a store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.model.columns import Table
from tidegauge.model.tables import (
    ERRORS,
    FEATURE_USAGE,
    LEARNING_EFFECTIVENESS,
    OPTIMIZATION_IMPACT,
    RESOURCE_UTILIZATION,
    SYSTEM_PERFORMANCE,
    USER_SATISFACTION,
)
from tidegauge.store.files import write_file
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.store import Store

__all__ = ["SERIES", "fill"]

N_FEATURES = 20
N_NAMES = 10
#: Share of the facts that each table has.
SHARES = (
    (SYSTEM_PERFORMANCE, 0.55),
    (FEATURE_USAGE, 0.3),
    (USER_SATISFACTION, 0.05),
    (ERRORS, 0.04),
    (RESOURCE_UTILIZATION, 0.04),
    (LEARNING_EFFECTIVENESS, 0.01),
    (OPTIMIZATION_IMPACT, 0.01),
)
#: Series of the tables together: a feature has ten metrics, ten actions, and five of the rest.
SERIES = N_FEATURES * (N_NAMES + N_NAMES + 5)

_FILES_A_DAY = 4
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def fill(store: Store, *, facts: int, days: int, end: dt.datetime, seed: int = 20261121) -> None:
    """Write so many facts, spread evenly over the days before `end`.

    The files are as a store has them after compaction.
    """
    rng = np.random.default_rng(seed)
    for table, share in SHARES:
        stored = store.tables.ensure(table)
        added = []
        for day in range(days + 1):
            start = max(end - dt.timedelta(days=days), _midnight(end, days - day))
            stop = min(end, _midnight(end, days - day) + dt.timedelta(days=1))
            n = round(facts * share * ((stop - start) / dt.timedelta(days=days)))
            parts = _parts(table, n, start, stop, rng)
            added += [write_file(stored.location, rows, start.date()) for rows in parts]
        stored.commit(added, transactions={}, base={})


def _midnight(end: dt.datetime, days_before: int) -> dt.datetime:
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - dt.timedelta(days=days_before)


def _parts(
    table: Table, n: int, start: dt.datetime, stop: dt.datetime, rng: np.random.Generator
) -> Iterator[pa.Table]:
    for part in np.array_split(np.arange(n), _FILES_A_DAY):
        if len(part):
            yield _rows(table, len(part), start, stop, rng)


def _rows(
    table: Table, n: int, start: dt.datetime, stop: dt.datetime, rng: np.random.Generator
) -> pa.Table:
    span_us = (stop - start) // dt.timedelta(microseconds=1)
    offset_us = (start - _EPOCH) // dt.timedelta(microseconds=1)
    schema = arrow_schema(table)
    schema = schema.remove(schema.get_field_index(PARTITION))
    made = {
        "time": pa.array(np.sort(rng.integers(0, span_us, n)) + offset_us).cast(
            schema.field("time").type
        ),
        "slot": _texts(np.zeros(n, np.int32), ["bench/000"]),
        "labels": pa.MapArray.from_arrays(pa.array(np.zeros(n + 1, np.int32)), [], []),
        "feature": _texts(rng.integers(0, N_FEATURES, n), _names("feature", N_FEATURES)),
    }
    made |= _own(table, n, rng)
    return pa.table(
        [made.get(field.name, pa.nulls(n, field.type)).cast(field.type) for field in schema],
        schema=schema,
    )


def _own(table: Table, n: int, rng: np.random.Generator) -> dict[str, pa.Array]:
    names = rng.integers(0, N_NAMES, n)
    if table is SYSTEM_PERFORMANCE:
        return {
            "metric_category": _texts(names // 4, ["response_time", "throughput", "latency"]),
            "metric_name": _texts(names, _names("metric", N_NAMES)),
            "value": pa.array(rng.lognormal(4, 1, n)),
            "unit": _texts(np.zeros(n, np.int32), ["milliseconds"]),
        }
    if table is FEATURE_USAGE:
        return {
            "action": _texts(names, _names("action", N_NAMES)),
            "duration_ms": pa.array(rng.lognormal(3, 1, n)),
            "success": pa.array(rng.random(n) < 0.97),
            "user_context": _texts(rng.integers(0, 20, n), _names("context", 20)),
            "user_id": _texts(rng.integers(0, 5_000, n), _names("user", 5_000)),
        }
    if table is USER_SATISFACTION:
        stars = rng.integers(1, 6, n)
        return {
            "satisfaction_type": _texts(names % 2, ["accuracy", "speed"]),
            "score": pa.array(stars.astype(np.float64)),
            "score_scale": _texts(np.zeros(n, np.int32), ["1-5"]),
            "normalized_score": pa.array((stars - 1) / 4),
            "rating": pa.array(stars),
        }
    if table is ERRORS:
        tried = rng.random(n) < 0.5
        return {
            "error_type": _texts(names * 0, ["TimeoutError"]),
            "error_severity": _texts(names % 2, ["error", "warning"]),
            "recovery_attempted": pa.array(tried),
            "recovery_successful": pa.array(rng.random(n) < 0.8, mask=~tried),
            "impact_level": _texts(names % 2, ["high", "low"]),
        }
    if table is RESOURCE_UTILIZATION:
        return {
            "resource_type": _texts(names * 0, ["memory"]),
            "resource_name": _texts(names * 0, ["cache"]),
            "utilization_percent": pa.array(rng.uniform(0, 100, n)),
        }
    if table is LEARNING_EFFECTIVENESS:
        return {
            "learning_type": _texts(names * 0, ["prediction"]),
            "accuracy": pa.array(rng.beta(9, 1, n)),
        }
    return {
        "optimization_id": _texts(names, _names("optimization", N_NAMES)),
        "impact_category": _texts(names * 0, ["task_completion_time"]),
        "before_value": pa.array(rng.lognormal(3, 0.2, n)),
        "after_value": pa.array(rng.lognormal(2.8, 0.2, n)),
    }


def _names(word: str, n: int) -> list[str]:
    return [f"{word}-{number}" for number in range(n)]


def _texts(codes: npt.NDArray[np.integer], texts: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts))
