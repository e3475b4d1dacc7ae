# SPDX-License-Identifier: Apache-2.0
"""Whether everything that the demo did adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidegauge.cli.demo.training import MODEL, Trained

if TYPE_CHECKING:
    from tidegauge.cli.demo.fleet import Served
    from tidegauge.query.query import Query
    from tidegauge.store.status import Status

__all__ = ["Check", "check_balance", "check_mlflow", "check_predictions"]


class Check(msgspec.Struct, frozen=True):
    """One thing that must be so.

    Attributes:
        what: What, in words.
        expected: How it must be.
        found: How it is.
        holds: Whether that is right.
    """

    what: str
    expected: str
    found: str
    holds: bool


def check_balance(seen: Status, *, when: str, stored: int | None = None) -> Check:
    """Every fact is accounted for; and, if `stored` is given, so many are in the store."""
    balance = seen.balance
    dropped = sum(balance.dropped.values())
    found = f"{balance.stored:,} stored + {balance.pending:,} pending + {dropped:,} dropped"
    if stored is not None:
        return Check(
            what=f"recorded = stored + pending + dropped, {when}",
            expected=f"{stored:,} stored + 0 pending + 1 dropped",
            found=found,
            holds=seen.is_balanced
            and (balance.stored, balance.pending, balance.dropped)
            == (stored, 0, {"not_finite": 1}),
        )
    return Check(
        what=f"recorded = stored + pending + dropped, {when}",
        expected=f"{balance.recorded:,} recorded",
        found=found,
        holds=seen.is_balanced,
    )


def check_predictions(query: Query, served: Served) -> tuple[list[Check], int]:
    """Each worker's acknowledged predictions are all found, the killed one's among them.

    A kill can come after a prediction was recorded and before the worker could say so; so of the
    killed worker there may be one more, never one less.

    Returns:
        The checks, and how many predictions there are.
    """
    rows = query.stats("model:latency_ms", by="worker", model=MODEL).to_pylist()
    found = {int(row["worker"]): row["count"] for row in rows}
    checks = []
    for worker, acknowledged in served.acknowledged.items():
        have = found.get(worker, 0)
        killed = worker == served.killed
        checks.append(
            Check(
                what=f"predictions of worker {worker}" + (", killed" if killed else ""),
                expected=f"{acknowledged:,} acknowledged",
                found=f"{have:,}",
                holds=have - acknowledged in ((0, 1) if killed else (0,)),
            )
        )
    return checks, sum(found.values())


def check_mlflow(query: Query, tracking_uri: str, trained: list[Trained]) -> list[Check]:
    """What MLflow's own client reads from each run is what the store has: names, steps, values."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri)
    checks = []
    for model in trained:
        ours = _ours(query, model.run_id)
        theirs = sorted(
            (name, entry.step, entry.value, entry.timestamp)
            for name in client.get_run(model.run_id).data.metrics
            for entry in client.get_metric_history(model.run_id, name)
        )
        checks.append(
            Check(
                what=f"MLflow run of version {model.version}, read by MLflow's client",
                expected=f"{model.facts} values, equal to the store's",
                found=f"{len(theirs)} values, {'equal' if ours == theirs else 'not equal'}",
                holds=ours == theirs and len(theirs) == model.facts,
            )
        )
    return checks


def _ours(query: Query, run_id: str) -> list[tuple[Any, ...]]:
    relation = query.history("*", run_id=run_id)
    return sorted(
        (row["metric"], row["step"], row["value"], round(row["time"].timestamp() * 1e6) // 1000)
        for row in relation.to_arrow_table().to_pylist()
    )
