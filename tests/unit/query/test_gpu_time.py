# SPDX-License-Identifier: Apache-2.0
"""Hours of GPUs: what samples stand for, in ranges and over gaps."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.query.gpu_time import GpuTime

SECOND_US = 1_000_000
A = {"gpu": "0", "gpu_uuid": "GPU-a", "gpu_name": "NVIDIA A100"}
B = {"gpu": "1", "gpu_uuid": "GPU-b", "gpu_name": "NVIDIA A100"}
BUSY = "resource:gpu_percent"


def seconds(found: list[GpuTime]) -> list[tuple[str, int, float, float]]:
    """UUID, samples, and seconds watched and busy of each GPU."""
    return [
        (each.gpu_uuid, each.samples, each.observed_us / SECOND_US, each.busy_us / SECOND_US)
        for each in found
    ]


def test_nothing_was_watched(facts: Any) -> None:
    """A store without GPUs has none."""
    assert facts.query.gpu_times() == []


def test_a_sample_stands_until_the_next(facts: Any) -> None:
    """The last one for as long as they usually do; each GPU by itself."""
    facts.record(BUSY, 100, 50, 0, 0, every_s=10, **A)
    facts.record(BUSY, 100, 100, every_s=20, **B)
    assert facts.query.gpu_times() == [
        GpuTime("0", "GPU-a", "NVIDIA A100", 4, 40 * SECOND_US, 15 * SECOND_US),
        GpuTime("1", "GPU-b", "NVIDIA A100", 2, 40 * SECOND_US, 40 * SECOND_US),
    ]


def test_a_single_sample_stands_for_nothing(facts: Any) -> None:
    """Nobody knows for how long."""
    facts.record(BUSY, 100, **A)
    assert seconds(facts.query.gpu_times()) == [("GPU-a", 1, 0, 0)]


def test_gaps_are_no_hours(facts: Any) -> None:
    """Where nobody looked for longer than three times the usual, three times the usual count."""
    facts.record(BUSY, *[100] * 6, every_s=10, at="2026-01-01T08:00:00Z", **A)
    facts.record(BUSY, *[0] * 6, every_s=10, at="2026-01-01T10:00:00Z", **A)
    # 50 s and 30 s busy, 50 s and 10 s idle.
    assert seconds(facts.query.gpu_times()) == [("GPU-a", 12, 140, 80)]


def test_days_that_follow_one_another_add_up(facts: Any) -> None:
    """A sample before a range reaches into it, and no further than it stands for."""
    facts.record(BUSY, *[100] * 60, every_s=60, at="2026-01-01T10:30:30Z", **A)
    whole = facts.query.gpu_times()
    before = facts.query.gpu_times(end="2026-01-01T11:00:00Z")
    after = facts.query.gpu_times(start="2026-01-01T11:00:00Z")
    assert seconds(before) == [("GPU-a", 30, 1770, 1770)]
    assert seconds(after) == [("GPU-a", 30, 1830, 1830)]
    assert seconds(whole) == [("GPU-a", 60, 3600, 3600)]


def test_the_last_sample_does_not_reach_beyond_now(facts: Any) -> None:
    """The present is noon."""
    facts.record(BUSY, 100, 100, every_s=60, at="2026-01-01T11:58:30Z", **A)
    assert seconds(facts.query.gpu_times(hours=1)) == [("GPU-a", 2, 90, 90)]


def test_a_range_without_samples(facts: Any) -> None:
    """What was watched at another time is not told of."""
    facts.record(BUSY, 100, 100, every_s=60, at="2026-01-01T08:00:00Z", **A)
    assert facts.query.gpu_times(hours=1) == []


def test_two_that_look_at_the_same_gpu_count_once(facts: Any) -> None:
    """Whoever recorded it: the hours are those of the GPU."""
    for service in ("a", "b"):
        facts.record(BUSY, 100, 100, 100, every_s=10, service=service, **A)
    assert seconds(facts.query.gpu_times()) == [("GPU-a", 3, 30, 30)]


def test_a_gpu_that_changed_places(facts: Any) -> None:
    """It is the one of its UUID, and has the index that it had last."""
    facts.record(BUSY, 100, 100, every_s=10, **A)
    facts.record(BUSY, 100, 100, every_s=10, at="2026-01-01T11:00:20Z", **{**A, "gpu": "7"})
    (found,) = facts.query.gpu_times()
    assert (found.gpu, found.samples, found.observed_us) == ("7", 4, 40 * SECOND_US)


def test_gpus_that_were_recorded_by_hand(facts: Any) -> None:
    """With an index alone, or without any label, they are told apart by that."""
    facts.record(BUSY, 50, 50, every_s=10, gpu="0")
    facts.record(BUSY, 100, 100, every_s=10)
    assert facts.query.gpu_times() == [
        GpuTime("", "", "", 2, 20 * SECOND_US, 20 * SECOND_US),
        GpuTime("0", "", "", 2, 20 * SECOND_US, 10 * SECOND_US),
    ]


def test_gpus_are_in_the_order_of_their_index(facts: Any) -> None:
    """As numbers, and chosen by labels."""
    for index in ("10", "2"):
        facts.record(BUSY, 0, 0, every_s=10, gpu=index, gpu_uuid=f"GPU-{index}", gpu_name=index)
    assert [each.gpu for each in facts.query.gpu_times()] == ["2", "10"]
    assert [each.gpu for each in facts.query.gpu_times(gpu_name="10")] == ["10"]


@pytest.mark.parametrize("stored", [False, True])
def test_stored_and_waiting_samples_count_alike(facts: Any, stored: bool) -> None:
    """Whether they are in the tables yet does not matter."""
    facts.record(BUSY, *[40] * 10, every_s=10, **A)
    if stored:
        facts.drain()
    assert seconds(facts.query.gpu_times()) == [("GPU-a", 10, 100, 40)]
