# SPDX-License-Identifier: Apache-2.0
"""Shares and increments, which take two looks."""

from __future__ import annotations

from tidegauge.collect.share import Increments, Share


def test_the_first_look_has_no_share() -> None:
    """The second has that of the time in between, of one CPU or of several."""
    share = Share()
    assert share.percent(100.0, 50.0) is None
    assert share.percent(101.0, 54.0) == 25.0
    assert share.percent(105.0, 58.0, 2.0) == 50.0


def test_a_share_stays_below_all_of_it() -> None:
    """A quota that was saved up is spent faster; more than everything is everything."""
    share = Share()
    share.percent(0.0, 0.0)
    assert share.percent(30.0, 10.0, 1.5) == 100.0


def test_two_looks_at_once() -> None:
    """Of next to no time nothing is told, and it is not lost for the next look."""
    share = Share()
    share.percent(0.0, 0.0)
    assert share.percent(0.05, 0.05) is None
    assert share.percent(0.5, 1.0) == 50.0


def test_a_clock_that_begins_again() -> None:
    """What has become less is another count: the look is a first one."""
    share = Share()
    share.percent(5.0, 10.0)
    assert share.percent(1.0, 20.0) is None
    assert share.percent(2.0, 1.0) is None
    assert share.percent(3.0, 11.0) == 10.0


def test_nothing_was_used() -> None:
    """Sums of the same numbers differ in their last digit: that is 0, and not another count."""
    share = Share()
    share.percent(0.1 + 0.2, 0.0)
    assert share.percent(0.3, 1.0) == 0.0


def test_totals_grow() -> None:
    """Each by itself; the first look has nothing to add."""
    grown = Increments()
    assert grown.since("a", 5) is None
    assert grown.since("b", 100) is None
    assert grown.since("a", 8) == 3
    assert grown.since("a", 8) == 0
    assert grown.since("b", 101) == 1


def test_a_total_that_begins_again_adds_nothing() -> None:
    """Such as after a driver was loaded anew; from there on it counts again."""
    grown = Increments()
    grown.since("a", 5)
    assert grown.since("a", 2) is None
    assert grown.since("a", 4) == 2


def test_a_total_that_is_not_known_for_a_while() -> None:
    """What came meanwhile is counted when it is known again."""
    grown = Increments()
    grown.since("a", 5)
    assert grown.since("a", None) is None
    assert grown.since("a", 9) == 4
