# SPDX-License-Identifier: Apache-2.0
"""Labels by context: nesting, threads, tasks, and the MLflow run beneath."""

from __future__ import annotations

import asyncio
import threading

import pytest

import tidegauge as tg
from tidegauge.model.errors import MetricValidationError
from tidegauge.testing import capture


def test_contexts_nest_and_inner_labels_win() -> None:
    """Call beats inner block beats outer block; None takes a label away; leaving restores."""
    with capture() as captured:
        with tg.context(model="a", model_version="1"):
            tg.log_metric("x", 1)
            with tg.context(model_version="2", split="val"):
                tg.log_metric("x", 2)
                tg.log_metric("x", 3, model="b")
                with tg.context(model=None):
                    tg.log_metric("x", 4)
            tg.log_metric("x", 5)
        tg.log_metric("x", 6)
    assert {fact.columns["value"]: fact.labels for fact in captured.facts} == {
        1.0: {"model": "a", "model_version": "1"},
        2.0: {"model": "a", "model_version": "2", "split": "val"},
        3.0: {"model": "b", "model_version": "2", "split": "val"},
        4.0: {"model_version": "2", "split": "val"},
        5.0: {"model": "a", "model_version": "1"},
        6.0: {},
    }


def test_context_applies_to_every_way_of_recording() -> None:
    """Handles, batches, metadata and intervals made outside a block get its labels inside."""
    with capture() as captured:
        handle = tg.metric("custom:handle", split="val")
        interval = tg.metric("custom:interval", aggregate=60)
        handle.record(0)
        with tg.context(model="a"):
            handle.record(1)
            interval.record(2)
            tg.log_metrics({"custom:batch": 3})
            tg.log_metric_with_metadata("custom:meta", 4, {"k": "v"})
    labels = {fact.metric: fact.labels for fact in captured.facts}
    assert labels == {
        "custom:handle": {"model": "a", "split": "val"},
        "custom:interval": {"model": "a"},
        "custom:batch": {"model": "a"},
        "custom:meta": {"model": "a"},
    }


def test_the_same_context_object_can_be_entered_again() -> None:
    """A context may be kept and entered many times, also inside itself."""
    here = tg.context(model="a")
    with capture() as captured:
        with here, here:
            tg.log_metric("x", 1)
        with here:
            tg.log_metric("x", 2)
        tg.log_metric("x", 3)
    assert [fact.labels for fact in captured.facts] == [{"model": "a"}, {"model": "a"}, {}]


def test_threads_do_not_see_each_other() -> None:
    """A thread starts without the labels of the one that started it."""
    with capture() as captured, tg.context(model="a"):
        thread = threading.Thread(target=tg.log_metric, args=("x", 1.0))
        thread.start()
        thread.join()
        tg.log_metric("x", 2.0)
    assert {fact.columns["value"]: fact.labels for fact in captured.facts} == {
        1.0: {},
        2.0: {"model": "a"},
    }


def test_tasks_inherit_and_do_not_leak() -> None:
    """A task keeps the labels it was started with while others set theirs."""

    async def record(name: str) -> None:
        with tg.context(model=name):
            for _ in range(3):
                await asyncio.sleep(0)
                tg.log_metric("x", 1, task=name)

    async def main() -> None:
        with tg.context(experiment="e"):
            await asyncio.gather(*(record(f"m{n}") for n in range(5)))

    with capture() as captured:
        asyncio.run(main())
    assert len(captured.facts) == 15
    for fact in captured.facts:
        assert fact.labels["model"] == fact.labels["task"]
        assert fact.labels["experiment"] == "e"


def test_bad_label_in_a_context_shows_with_the_fact() -> None:
    """Entering never raises; what is recorded inside is refused, by name."""
    with capture(), tg.context(date="today"), pytest.raises(MetricValidationError, match="date"):
        tg.log_metric("x", 1)


def test_equal_values_of_other_types_are_other_labels() -> None:
    """1 and True are equal in Python; as labels one is allowed and the other is not."""
    with capture(strict=False) as captured:
        with tg.context(split=1):
            tg.log_metric("x", 1)
        with tg.context(split=True):
            tg.log_metric("x", 2)
    assert captured.values("custom:x") == [1.0]
    assert captured.dropped == {"bad_label": 1}
