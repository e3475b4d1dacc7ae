# SPDX-License-Identifier: Apache-2.0
"""What the statistics promise about errors, power and coverage holds on data of known truth."""

from __future__ import annotations

import pytest

from simulations import publish


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(publish.studies()))
def test_a_study_keeps_its_limits(name: str) -> None:
    """The study is run anew with its fixed seed; each figure of ours is within its limit."""
    table = publish.run(name)
    assert table.rows
    assert table.broken() == []
