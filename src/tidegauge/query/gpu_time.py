# SPDX-License-Identifier: Apache-2.0
"""For how long GPUs were watched, and for how much of it they were busy."""

from __future__ import annotations

import duckdb
import msgspec

from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.selection import Selection

__all__ = ["GPU_BUSY", "GpuTime", "gpu_times", "widened"]

#: The metric that is added up.
GPU_BUSY = "resource:gpu_percent"

#: How many times the usual time between two samples one may stand for; beyond, nobody looked.
_LONGEST = 3
#: How far beyond a range samples may lie that tell about it.
_BEYOND_NS = 3_600 * 10**9


class GpuTime(msgspec.Struct, frozen=True):
    """What one GPU did in a range of time.

    Attributes:
        gpu: Its index when it was last looked at; empty if that was not recorded.
        gpu_uuid: Its UUID; empty if that was not recorded.
        gpu_name: Its model; empty if that was not recorded.
        samples: Samples in the range.
        observed_us: Microseconds for which samples stand.
        busy_us: Microseconds of them in which it was busy.
    """

    gpu: str
    gpu_uuid: str
    gpu_name: str
    samples: int
    observed_us: int
    busy_us: int


def widened(time_range: TimeRange, now_ns: int) -> TimeRange:
    """The range in which samples lie that tell about a range: what is before it reaches into it."""
    start_ns, end_ns = time_range.start_ns, time_range.end_ns
    return TimeRange(
        None if start_ns is None else max(0, start_ns - _BEYOND_NS),
        (now_ns if end_ns is None else min(end_ns + _BEYOND_NS, now_ns)) + 1000,
    )


def gpu_times(
    connection: duckdb.DuckDBPyConnection,
    selection: Selection,
    time_range: TimeRange,
    now_ns: int,
) -> list[GpuTime]:
    """Add up the samples of each GPU, by its index; of one that MIG has divided, of its parts.

    A sample stands for the time up to the next one, but for no more than three times the median
    between two of the same GPU: what is beyond is a gap, in which nobody looked. The last one
    stands for the median. So the hours of days that follow one another add up.

    Args:
        connection: With a view of `points`.
        selection: The samples, those of `widened` among them.
        time_range: What is asked about; it ends now at the latest.
        now_ns: The present time.
    """
    end_us = min(time_range.end_ns or now_ns, now_ns) // 1000
    start_us = (time_range.start_ns or 0) // 1000
    rows = connection.execute(
        f"""
        WITH parts AS (
            SELECT DISTINCT slot, split_part({sql.label("gpu")}, ':', 1) AS whole
            FROM points WHERE {selection.where} AND contains({sql.label("gpu")}, ':')
        ),
        samples AS (
            SELECT
                coalesce({sql.label("gpu_uuid")}, {sql.label("gpu")}, '') AS which,
                epoch_us(time) AS at_us,
                avg(value) AS percent,
                max({sql.label("gpu")}) AS gpu,
                max({sql.label("gpu_uuid")}) AS gpu_uuid,
                max({sql.label("gpu_name")}) AS gpu_name
            FROM points ANTI JOIN parts
                ON points.slot = parts.slot AND {sql.label("gpu")} = parts.whole
            WHERE {selection.where} GROUP BY which, at_us
        ),
        followed AS (
            SELECT *, lead(at_us) OVER (PARTITION BY which ORDER BY at_us) - at_us AS until_next_us
            FROM samples
        ),
        usual AS (
            SELECT *, coalesce(median(until_next_us) OVER (PARTITION BY which), 0) AS usual_us
            FROM followed
        ),
        spans AS (
            SELECT *, greatest(at_us, $start_us) AS from_us, least($end_us,
                at_us + least(coalesce(until_next_us, usual_us), {_LONGEST} * usual_us)) AS to_us
            FROM usual
        )
        SELECT
            coalesce(arg_max(gpu, at_us), ''),
            coalesce(arg_max(gpu_uuid, at_us), ''),
            coalesce(arg_max(gpu_name, at_us), ''),
            count_if(at_us >= $start_us AND at_us < $end_us),
            sum(greatest(to_us - from_us, 0)),
            sum(greatest(to_us - from_us, 0) * percent / 100)
        FROM spans GROUP BY which
        """,
        {"start_us": start_us, "end_us": end_us},
    ).fetchall()
    found = [GpuTime(*row[:4], *map(round, row[4:])) for row in rows]
    return sorted(
        (each for each in found if each.samples or each.observed_us),
        key=lambda each: (len(each.gpu), each.gpu, each.gpu_uuid),
    )
