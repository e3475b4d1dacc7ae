# SPDX-License-Identifier: Apache-2.0
"""What the store says of itself, in the same words from every process."""

from __future__ import annotations

import functools
import importlib.metadata
from collections import Counter
from collections.abc import Iterator

from tidegauge.journal.writer import journal_bytes
from tidegauge.live.families import Labels, Numbers, counter, gauge
from tidegauge.live.fold import Fold
from tidegauge.live.totals import NO_TIME, SKIPPED
from tidegauge.model.reasons import REASONS
from tidegauge.store.job_log import JobLog
from tidegauge.store.store import Store

__all__ = ["self_metrics"]


def self_metrics(store: Store, fold: Fold) -> Iterator[Numbers]:
    """The families `tidegauge_…`.

    Args:
        store: The store.
        fold: The totals, up to date.
    """
    totals = fold.totals
    yield gauge(
        "tidegauge_build_info",
        "The version of tidegauge that answers; always 1",
        {(("version", _version()),): 1.0},
    )
    yield counter(
        "tidegauge_recorded_total", "Facts that were recorded and can be read", totals.recorded
    )
    dropped, fixed = fold.refused()
    yield counter(
        "tidegauge_dropped_total",
        "Facts that were refused, by reason",
        {(("reason", reason),): float(dropped[reason]) for reason in REASONS},
    )
    yield counter(
        "tidegauge_fixed_names_total", "Facts recorded under another name than was given", fixed
    )
    yield counter(
        "tidegauge_live_skipped_total",
        "Facts that live metrics leave out, by reason",
        {(("reason", reason),): float(totals.skipped[reason]) for reason in SKIPPED},
    )
    yield gauge("tidegauge_series", "Live series", float(totals.n_cells))
    yield counter(
        "tidegauge_series_overflow_total",
        "Facts of label sets beyond the cap of their metric, by metric",
        _overflow(fold),
    )
    yield gauge(
        "tidegauge_journal_bytes",
        "Room that the journal takes on the disk",
        float(journal_bytes(store.journal.root)),
        unit="bytes",
    )
    yield gauge(
        "tidegauge_journal_processes",
        "Processes that record into the store",
        float(sum(fold.is_owned(slot) for slot in fold.positions)),
    )
    yield gauge(
        "tidegauge_follower_lag_seconds",
        "Time since a follower had everything that was recorded; 0 if it has",
        _lag(store, fold),
        unit="seconds",
    )
    # Not `job`: that is Prometheus' own label for where it scraped.
    jobs = {(("job_name", each.name),): each for each in JobLog(store.root, store.state).states()}
    yield gauge(
        "tidegauge_job_last_success_timestamp_seconds",
        "When a job succeeded last",
        {labels: job.succeeded_ns / 1e9 for labels, job in jobs.items() if job.succeeded_ns},
        unit="seconds",
    )
    yield counter(
        "tidegauge_job_failures_total",
        "Runs of a job that failed or were interrupted",
        {labels: float(job.failures) for labels, job in jobs.items()},
    )


@functools.cache
def _version() -> str:
    return importlib.metadata.version("tidegauge")


def _overflow(fold: Fold) -> dict[Labels, float]:
    totals, found = fold.totals, Counter[str]()
    for family in totals.all_families():
        for labels, cell in family.cells.items():
            if ("overflow", "true") in labels:
                found[family.spec.name] += int(totals.facts[cell])
    return {(("metric", name),): float(count) for name, count in sorted(found.items())}


def _lag(store: Store, fold: Fold) -> dict[Labels, float]:
    found: dict[Labels, float] = {}
    now_ns = store.clock.wall_ns()
    for follower in sorted({"store", *store.state.followers()}):
        cursors = store.state.cursors(follower)
        is_behind = any(
            cursors.get((slot, "points"), 0) < position.points
            or cursors.get((slot, "events"), 0) < position.events
            for slot, position in fold.positions.items()
        )
        since_ns = store.state.caught_up_ns(follower) or fold.totals.first_ns
        is_known = is_behind and since_ns != NO_TIME
        found[("follower", follower),] = max(now_ns - since_ns, 0) / 1e9 if is_known else 0.0
    return found
