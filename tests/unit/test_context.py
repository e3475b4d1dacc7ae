# SPDX-License-Identifier: Apache-2.0
"""Labels by context: nesting, threads, tasks, and the MLflow run beneath."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

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


def test_tasks_share_a_context_object() -> None:
    """One object entered by tasks that overlap gives each its labels, and takes them from each."""
    shared = tg.context(model="m")

    async def record(name: str, before: asyncio.Event, after: asyncio.Event) -> None:
        with shared:
            after.set()
            await before.wait()
            tg.log_metric("x", 1, task=name)
        tg.log_metric("x", 2, task=name)

    async def main() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        await asyncio.gather(record("a", second, first), record("b", first, second))

    with capture() as captured:
        asyncio.run(main())
    assert sorted((f.columns["value"], sorted(f.labels.items())) for f in captured.facts) == [
        (1.0, [("model", "m"), ("task", "a")]),
        (1.0, [("model", "m"), ("task", "b")]),
        (2.0, [("task", "a")]),
        (2.0, [("task", "b")]),
    ]


def test_threads_share_a_context_object() -> None:
    """One object entered by eight threads at once gives each its labels, and takes them again."""
    shared = tg.context(model="m")
    barrier = threading.Barrier(8)

    def record() -> None:
        with shared:
            barrier.wait(10)
            tg.log_metric("x", 1)
            barrier.wait(10)
        tg.log_metric("x", 2)

    with capture() as captured:
        threads = [threading.Thread(target=record) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [f.labels for f in captured.facts if f.columns["value"] == 1.0] == [{"model": "m"}] * 8
    assert [f.labels for f in captured.facts if f.columns["value"] == 2.0] == [{}] * 8


def test_block_closed_in_another_task_changes_nothing_there() -> None:
    """An async generator may be closed by another task, as web frameworks do: nothing is raised,
    and the labels of that task stay.
    """

    async def dependency() -> AsyncIterator[int]:
        with tg.context(model="inner"):
            yield 1

    async def main() -> None:
        running = dependency()
        await asyncio.create_task(running.__anext__())  # type: ignore[arg-type]
        with tg.context(model="outer"):
            await running.aclose()  # type: ignore[attr-defined]
            tg.log_metric("x", 1)
        tg.log_metric("x", 2)

    with capture() as captured:
        asyncio.run(main())
    assert [fact.labels for fact in captured.facts] == [{"model": "outer"}, {}]


def test_blocks_may_end_in_another_order_than_they_began() -> None:
    """A generator that holds a block, closed inside a later one, takes away its own labels only."""

    def held() -> Iterator[None]:
        with tg.context(model="a", split="val"):
            yield

    with capture() as captured:
        running = held()
        next(running)
        with tg.context(model="b"):
            tg.log_metric("x", 1)
            running.close()  # type: ignore[attr-defined]
            tg.log_metric("x", 2)
        tg.log_metric("x", 3)
    assert [fact.labels for fact in captured.facts] == [
        {"model": "b", "split": "val"},
        {"model": "b"},
        {},
    ]


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
