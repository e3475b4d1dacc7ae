# SPDX-License-Identifier: Apache-2.0
"""How long charts run until a false alarm, and thresholds."""

from __future__ import annotations

import pytest

from tidegauge.statistics.detection.run_length import (
    Uncertainty,
    cusum_run_length,
    cusum_threshold,
    ewma_run_length,
    ewma_threshold,
)


@pytest.mark.parametrize(
    ("threshold", "shift", "steps"),
    [(4, 0.0, 335.4), (5, 0.0, 930.9), (4, 1.0, 8.38), (5, 1.0, 10.38), (5, 2.0, 4.01)],
)
def test_a_cusum_runs_as_long_as_in_tables(threshold: float, shift: float, steps: float) -> None:
    """Montgomery's table has 168 and 465 for two sides, and these delays."""
    assert cusum_run_length(threshold, shift=shift) == pytest.approx(steps, rel=2e-3)


@pytest.mark.parametrize(
    ("weight", "threshold", "shift", "steps"),
    [(0.2, 2.86, 0.0, 371.1), (0.1, 2.814, 0.0, 499.6), (0.2, 2.86, 1.0, 9.80)],
)
def test_an_ewma_runs_as_long_as_in_tables(
    weight: float, threshold: float, shift: float, steps: float
) -> None:
    """Lucas and Saccucci's table has 500 for a weight of 0.1 and a threshold of 2.814."""
    found = ewma_run_length(threshold, weight=weight, shift=shift, two_sided=True)
    assert found == pytest.approx(steps, rel=2e-3)


def test_thresholds_are_the_inverse() -> None:
    """With them charts run as long as they were asked to; two sides have twice the alarms."""
    assert cusum_run_length(cusum_threshold(1000, sides=1) or 0) == pytest.approx(1000, rel=1e-3)
    assert cusum_run_length(cusum_threshold(1000, sides=2) or 0) == pytest.approx(2000, rel=1e-3)
    threshold = ewma_threshold(5000, sides=2) or 0
    assert ewma_run_length(threshold, two_sided=True) == pytest.approx(5000, rel=1e-3)
    assert cusum_threshold(130_000) == pytest.approx(10.617, abs=2e-3)


def test_what_is_not_known_exactly_needs_higher_thresholds() -> None:
    """Alarms come where the expected level happens to be wrong; thresholds hold on average."""
    known, vague = cusum_threshold(1000), cusum_threshold(1000, uncertainty=Uncertainty(0.1))
    assert known is not None
    assert vague is not None
    assert known + 0.5 < vague < 2 * known
    assert (ewma_threshold(1000, uncertainty=Uncertainty(0.1, 0.1, 0.1)) or 0) > 3.5


def test_no_threshold_is_one_that_notices_nothing() -> None:
    """If the level may be wrong by more than the slack, no threshold keeps to a small budget."""
    assert cusum_threshold(1e6, uncertainty=Uncertainty(1.0, 0.0, 0.5)) is None
