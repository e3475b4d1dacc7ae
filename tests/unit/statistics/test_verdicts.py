# SPDX-License-Identifier: Apache-2.0
"""When a difference between two sides counts as one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tidegauge.statistics.verdicts import (
    Side,
    contrasts,
    holm,
    side_of,
)


def side(value: float, spread: float = 1.0, worth: float = 20.0) -> Side:
    """A side with a value."""
    return Side(value, spread, worth, 20)


def test_a_side_is_a_ratio_of_sums() -> None:
    """Blocks count by their size, and a side of independent ones is worth as many."""
    found = side_of([(1, 10), (9, 10), (2, 20), (18, 20), (5, 10), (2, 10), (9, 10), (1, 10)])
    assert found.value == 47 / 100
    assert (found.worth, found.blocks) == (8, 8)


def test_a_mean_has_the_usual_standard_deviation() -> None:
    """With as many facts in each block it is that of the blocks' means."""
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]
    assert side_of([(4 * each, 4) for each in values]).spread == pytest.approx(
        float(np.std(values, ddof=1))
    )


def test_blocks_that_follow_one_another_are_worth_fewer() -> None:
    """Thirty days that rise and fall slowly are no thirty independent ones."""
    slow = side_of([(float(np.sin(day / 5)), 1) for day in range(30)])
    assert slow.worth < 3
    assert slow.estimate(0.95).low is None


def test_nothing_is_lost_of_a_block_without_denominator() -> None:
    """Visits of one day may be conversions of the next; that makes the side less certain."""
    apart = side_of([(0, 50), (10, 0)] * 6)
    together = side_of([(10 + day % 3, 50) for day in range(12)])
    assert (apart.value, apart.blocks) == (0.2, 12)
    assert apart.spread > 5 * together.spread


def test_rounding_is_no_change() -> None:
    """Sums of 0.8, of which there are not as many each day, are 0.8 all the time."""
    blocks = [(sum([0.8] * count), count) for count in range(5, 33)]
    assert len({top / count for top, count in blocks}) > 1
    assert (side_of(blocks).spread, side_of(blocks).worth) == (0, 1)
    far = side_of([(1e8 + day % 2, 1) for day in range(10)])
    assert far.spread == pytest.approx(0.527, abs=0.001)


def test_one_number_again_and_again_is_one() -> None:
    """But no error in many calls is a share that may be above 0."""
    assert side_of([(0.5, 1)] * 40).worth == 1
    never = side_of([(0, 100)] * 10, is_share=True)
    assert (never.value, never.worth) == (0, 10)
    assert never.estimate(0.95).high == pytest.approx(0.0032, abs=0.0002)


def test_few_failures_after_none_are_no_evidence() -> None:
    """Three of a thousand may be chance; thirty are not."""
    none = side_of([(0, 100)] * 10, is_share=True)
    some = side_of([(3 if at == 4 else 0, 100) for at in range(10)], is_share=True)
    many = side_of([(3, 100)] * 10, is_share=True)
    first, second = contrasts([(none, some), (none, many)])
    assert (first.differs, second.differs) == (False, True)
    assert first.relative.reason == "the first side is 0"


def test_p_values_are_welchs() -> None:
    """With one degree of freedom less on each side, for the memory that was learned."""
    [found] = contrasts([(side(10), side(11, 1.5))])
    error = (1 / 20 + 1.5**2 / 20) ** 0.5
    freedom = error**4 / ((1 / 20) ** 2 / 18 + (1.5**2 / 20) ** 2 / 18)
    assert found.p_value == pytest.approx(2 * stats.t.sf(1 / error, freedom))
    reach = stats.t.ppf(0.975, freedom) * error
    assert found.difference.low == pytest.approx(1 - reach)
    assert found.relative.value == pytest.approx(0.1)


def test_measures_are_judged_together() -> None:
    """Holm's adjustment is that of statsmodels; a measure worth too little counts all the same."""
    p_values = [0.01, 0.04, 0.03, 0.005]
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == []
    alone, _ = contrasts([(side(10), side(11)), (side(10), Side(11, 1.0, 1.0, 1))])
    [known] = contrasts([(side(10), side(11))])
    assert alone.p_adjusted == known.p_value
    both, unknown = contrasts([(side(10), side(11)), (side(10), side(11, worth=3.0))])
    assert both.p_adjusted == pytest.approx(2 * (known.p_value or 0))
    assert (unknown.p_value, unknown.differs) == (None, False)
    assert unknown.difference.reason is not None


def test_a_margin_is_tested_against() -> None:
    """10 to 12 is more than 5 %; 10 to 10.1 is within 10 %; and neither is known of much noise."""
    more, within, noisy = contrasts(
        [
            (side(10, 0.5), side(12, 0.5)),
            (side(10, 0.5), side(10.1, 0.5)),
            (side(10, 9), side(10, 9)),
        ],
        margin=0.10,
    )
    assert (more.differs, more.is_equivalent) == (True, False)
    assert (within.differs, within.is_equivalent) == (False, True)
    assert (noisy.differs, noisy.is_equivalent) == (False, False)
    [less] = contrasts([(side(-10, 0.5), side(-12, 0.5))], margin=0.10)
    assert (less.differs, less.relative.value) == (True, -0.2)
    assert less.p_value == more.p_value


def test_a_first_side_that_may_be_zero_has_no_relative_interval() -> None:
    """Twice next to nothing may be anything."""
    [found] = contrasts([(side(0.1, 1), side(0.2, 1))])
    assert (found.relative.value, found.relative.low) == (1.0, None)
    assert found.relative.reason == "the first side may be 0"


def test_false_verdicts_are_as_rare_as_is_said() -> None:
    """Three hundred comparisons of eight equal measures that remember the day before."""
    rng = np.random.default_rng(8)
    noise = rng.normal(size=(300, 2, 8, 60))
    for day in range(1, 60):
        noise[..., day] += 0.3 * noise[..., day - 1]
    false = 0
    for family in noise[..., 30:]:
        first, second = ([side_of([(x, 1) for x in days]) for days in each] for each in family)
        false += any(each.differs for each in contrasts(list(zip(first, second, strict=True))))
    assert false / 300 <= 0.08
