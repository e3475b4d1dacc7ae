# SPDX-License-Identifier: Apache-2.0
"""What collectors contribute, and what becomes of one that fails."""

from __future__ import annotations

import pytest

from tidegauge.live.collectors import Collectors
from tidegauge.live.families import Numbers, gauge


def one() -> list[Numbers]:
    """A collector that gives one family."""
    return [gauge("one", "", 1.0)]


def failing() -> list[Numbers]:
    """A collector that raises."""
    raise RuntimeError("no disk")


def test_collector_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Its families are left out, the others are there; it is shown, and logged once a minute."""
    collectors = Collectors()
    assert collectors.collect() == []
    collectors.register(failing)
    assert collectors.register(one, name="mine") == "mine"
    for _ in range(2):
        first, second = collectors.collect()
        assert first.name == "one"
        assert isinstance(second, Numbers)
        assert dict(zip(second.labels, second.values, strict=True)) == {
            (("collector", "failing"),): 1.0,
            (("collector", "mine"),): 0.0,
        }
    assert len(caplog.messages) == 1


def test_collectors_are_replaced_and_taken_away() -> None:
    """A name has one collector at a time, and taking away one that is not there is no error."""
    collectors = Collectors()
    collectors.register(failing, name="mine")
    collectors.register(one, name="mine")
    assert [family.name for family in collectors.collect()] == ["one", "tidegauge_collector_failed"]
    collectors.unregister("mine")
    collectors.unregister("mine")
    assert collectors.collect() == []
