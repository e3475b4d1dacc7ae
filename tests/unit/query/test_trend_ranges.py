# SPDX-License-Identifier: Apache-2.0
"""A trend has steps from its beginning to its end, whichever of them the question leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.model.errors import QueryError

# The clock of `facts` says noon of 2026-01-01.
ASKED: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({}, "2025-12-02", "2026-01-01"),
    "a beginning": ({"start": "2025-12-30T05:00:00Z"}, "2025-12-30", "2026-01-01"),
    "both": ({"start": "2025-12-01", "end": "2025-12-03"}, "2025-12-01", "2025-12-02"),
    "hours": ({"hours": 13}, "2025-12-31", "2026-01-01"),
    "days up to an end": ({"days": 2, "end": "2025-12-20"}, "2025-12-18", "2025-12-19"),
}


@pytest.mark.parametrize("case", ASKED)
def test_a_trend_has_two_ends(facts: Any, case: str) -> None:
    """30 days if nothing is said, and until now if it has no end."""
    asked, first, last = ASKED[case]
    days = [row["start"][:10] for row in facts.query.features.trend("usage", **asked)]
    assert (days[0], days[-1]) == (first, last)


def test_a_beginning_in_the_future_is_refused(facts: Any) -> None:
    """There is nothing from then until now."""
    said = r"^time range is empty; .*allowed: start before end, or now"
    with pytest.raises(QueryError, match=said):
        facts.query.features.trend("usage", start="2026-02-01")
