# SPDX-License-Identifier: Apache-2.0
"""Measures by name, as a plain dictionary that also knows what is missing and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping

from tidegauge.statistics.estimate import Estimate

__all__ = ["Measured"]


class Measured(dict[str, float | None]):
    """Numbers by the name of the measure; None where a measure is not defined.

    Attributes:
        reasons: Why a measure is None, by its name; one for each None.
        intervals: The measures with their uncertainty, by name; empty if nobody asked.
    """

    __slots__ = ("intervals", "reasons")

    def __init__(
        self,
        values: Mapping[str, float | None],
        *,
        reasons: Mapping[str, str] | None = None,
        intervals: Mapping[str, Estimate] | None = None,
    ) -> None:
        super().__init__(values)
        self.reasons: dict[str, str] = dict(reasons or {})
        self.intervals: dict[str, Estimate] = dict(intervals or {})
