# SPDX-License-Identifier: Apache-2.0
"""Wilson's interval against published values."""

from __future__ import annotations

import pytest

from tidegauge.statistics.wilson import wilson_interval


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        # Newcombe 1998, table I: method 3, to four digits.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_it_is_what_newcombe_printed(successes: int, count: int, low: float, high: float) -> None:
    """The four examples of the comparison of seven methods."""
    assert wilson_interval(successes, count) == (
        pytest.approx(low, abs=5e-5),
        pytest.approx(high, abs=5e-5),
    )


def test_all_and_none_mirror_each_other() -> None:
    """None of ten and all of ten: 1 - z² / (n + z²), and exact ends."""
    z2 = 1.959963984540054**2
    assert wilson_interval(0, 10) == (0.0, pytest.approx(z2 / (10 + z2), rel=1e-12))
    assert wilson_interval(10, 10) == (pytest.approx(10 / (10 + z2), rel=1e-12), 1.0)


def test_more_confidence_is_a_wider_interval() -> None:
    """One half of ten: (1 ± z / sqrt(n + z²)) / 2."""
    assert wilson_interval(5, 10, confidence=0.99) == (
        pytest.approx(0.184226, abs=1e-6),
        pytest.approx(0.815774, abs=1e-6),
    )
    assert wilson_interval(5, 10) == (
        pytest.approx(0.236593, abs=1e-6),
        pytest.approx(0.763407, abs=1e-6),
    )


def test_huge_counts_keep_their_share_inside() -> None:
    """Of 10**15, the interval is narrow and the share in it."""
    low, high = wilson_interval(10**14, 10**15)
    assert low < 0.1 < high
    assert high - low < 1e-7


@pytest.mark.parametrize(
    ("successes", "count", "confidence"),
    [(-1, 10, 0.95), (11, 10, 0.95), (0, 0, 0.95), (1, 2, 0.0), (1, 2, 1.0)],
)
def test_what_is_no_share_is_refused(successes: int, count: int, confidence: float) -> None:
    """The error says of what no interval can be told."""
    with pytest.raises(ValueError, match=f"no interval for {successes} of {count}"):
        wilson_interval(successes, count, confidence=confidence)
