# SPDX-License-Identifier: Apache-2.0
"""Where levels changed, looking back."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from tidegauge.model.errors import MissingExtraError, QueryError
from tidegauge.statistics.detection.segments import _lasting_noise, segmented, segmented_series

DAY_S = 86_400
MONDAY_US = 20_458 * DAY_S * 1_000_000


def steps(seed: int = 1) -> np.ndarray:
    """Forty values about 10, thirty about 13, thirty about 11."""
    levels = np.repeat([10.0, 13.0, 11.0], [40, 30, 30])
    return levels + np.random.default_rng(seed).normal(0, 0.5, size=100)


def test_changes_of_the_level_are_found() -> None:
    """At most two steps off, and levels with intervals."""
    found = segmented(steps())
    assert len(found) == 3
    assert abs(found[1].start - 40) <= 2
    assert abs(found[2].start - 70) <= 2
    assert [each.level.value for each in found] == pytest.approx([10, 13, 11], abs=0.3)
    assert all(
        (e.level.low or 0) < true < (e.level.high or 0)
        for e, true in zip(found, (10, 13, 11), strict=True)
    )


def test_the_search_is_exact() -> None:
    """What the sum of squares and the price have least of, as a search of all cuts says."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=60) + np.repeat(rng.normal(0, 2, size=3), 20) + 1e6
        ends = [each.end for each in segmented(values)]
        noise, n = _lasting_noise(values), len(values)
        best: list[tuple[float, list[int]]] = [(0.0, [])]
        for end in range(1, n + 1):
            choices = [
                (best[s][0] + part.var() * len(part) / noise**2 + 3 * np.log(n), [*best[s][1], end])
                for s in range(end - 3)
                if (part := values[s:end]) is not None and (s == 0 or best[s][1])
            ]
            best.append(min(choices, default=(np.inf, [])))
        assert ends == best[n][1]


def test_months_of_hours_are_cut_at_once() -> None:
    """As often as the level changes; a search in Python would take minutes."""
    values = np.repeat([0.0, 2.0, 1.0], 1000) + np.random.default_rng(4).normal(size=3000)
    starts = [each.start for each in segmented(values)]
    assert len(starts) == 3
    assert abs(starts[1] - 1000) <= 5
    assert abs(starts[2] - 2000) <= 10


def test_noise_is_one_segment() -> None:
    """Also if it has memory: in nine of ten series, where changes that are none would be easy."""
    cut = 0
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=100)
        for step in range(1, 100):
            noise[step] += 0.5 * noise[step - 1]
        cut += len(segmented(noise)) > 1
    assert cut <= 2


def test_the_week_is_no_change() -> None:
    """Weekends differ by more than the level does, which changes once."""
    rng = np.random.default_rng(2)
    values = rng.normal(0, 0.5, size=84) + np.where(np.arange(84) % 7 >= 5, -8.0, 0.0)
    values[60:] += 3
    times_us = MONDAY_US + np.arange(84) * DAY_S * 1_000_000
    found = segmented_series(times_us, values, DAY_S, name="x")
    assert found.changes_us == [int(times_us[60])]
    document = json.loads(json.dumps(found.as_dict()))
    assert [each["start_us"] for each in document["segments"]] == [
        int(times_us[0]),
        int(times_us[60]),
    ]
    assert document["segments"][1]["end_us"] == MONDAY_US + 84 * DAY_S * 1_000_000


def test_gaps_belong_to_the_segment_before() -> None:
    """Positions count all steps."""
    values = steps()
    values[38:44] = np.nan
    found = segmented(values)
    assert [each.start for each in found][:2] == [0, 44]
    assert found[-1].end == 100


@pytest.mark.parametrize("values", [np.full(50, 3.0), np.arange(3.0), np.array([1.0])])
def test_what_cannot_be_cut_is_one_segment(values: np.ndarray) -> None:
    """What does not vary, and what is short."""
    (whole,) = segmented(values)
    assert (whole.start, whole.end) == (0, len(values))


def test_nothing_has_no_segments() -> None:
    """And one value has no interval."""
    assert segmented(np.full(10, np.nan)) == []
    (single,) = segmented(np.array([1.0]))
    assert single.level.reason == "one value has no level"


def test_bad_arguments_are_refused() -> None:
    """With what is allowed."""
    with pytest.raises(QueryError, match="a series cannot be cut so; got"):
        segmented(steps(), price=0)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library ruptures is in the extra `analysis`."""
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tidegauge\[analysis\]'"):
        segmented(steps())
