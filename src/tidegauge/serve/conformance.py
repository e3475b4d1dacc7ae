# SPDX-License-Identifier: Apache-2.0
"""Which lines given one by one OpenMetrics allows in a series.

Custom collectors may give anything, and a reader of OpenMetrics may refuse a whole page for one
line. The text format has no such rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegauge.live.families import Sample
from tidegauge.serve.spelling import bound_texts

__all__ = ["Line", "allowed", "group_label"]

# The label that tells the lines of one series apart, by type.
_GROUP_LABELS = {"gaugehistogram": "le", "histogram": "le", "summary": "quantile"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its full name."""

    name: str
    sample: Sample

    def label(self, name: str) -> str:
        """The value of a label; empty if the line has no such label."""
        return next((value for key, value in self.sample.labels if key == name), "")

    def number(self, name: str) -> float:
        """The value of a label as a number; NaN if it is none."""
        try:
            return float(self.label(name))
        except ValueError:
            return float("nan")

    def respelt(self, name: str) -> Line:
        """The line with a label's number in the canonical spelling."""
        text = bound_texts([self.number(name)])[0]
        if text == self.label(name):
            return self
        labels = tuple((k, text if k == name else value) for k, value in self.sample.labels)
        return Line(self.name, replace(self.sample, labels=labels))


def group_label(kind: str, base: str) -> str:
    """The label that tells the lines of one series apart; empty if there is none."""
    return base if kind == "stateset" else _GROUP_LABELS.get(kind, "")


def allowed(kind: str, base: str, lines: Sequence[Line]) -> list[Line]:
    """The lines of one series that OpenMetrics allows.

    Args:
        kind: The type of the family.
        base: The family's name without suffixes.
        lines: The lines of one series.
    """
    if kind in {"histogram", "gaugehistogram"}:
        return _histogram(base, lines)
    if kind == "summary":
        return _summary(base, lines)
    if kind == "stateset":
        return [line for line in lines if line.label(base) and line.sample.value in {0, 1}]
    if kind == "info":
        return [line for line in lines if line.sample.value == 1]
    return list(lines)


def _histogram(base: str, lines: Sequence[Line]) -> list[Line]:
    """Buckets that end in +Inf and never fall; sum and count both, and only without negatives."""
    buckets = [line for line in lines if line.name == f"{base}_bucket"]
    rest = {line.name.removeprefix(base): line for line in lines}
    bounds = [line.number("le") for line in buckets]
    counts = [float(line.sample.value) for line in buckets]
    ascending = all(low < high for low, high in itertools.pairwise(bounds))
    whole = all(count >= 0 and count.is_integer() for count in counts)
    if not (bounds and bounds[-1] == float("inf") and ascending and whole):
        return []
    if counts != sorted(counts):
        return []
    found = [line.respelt("le") for line in buckets]
    gauge = "_gsum" in rest
    total, count = (
        rest.get("_gsum" if gauge else "_sum"),
        rest.get("_gcount" if gauge else "_count"),
    )
    if total and count and count.sample.value == counts[-1]:
        negative = bounds[0] < 0
        # Only a gauge's sum may be negative, and only if its values may be. NaN is neither.
        if (total.sample.value >= 0 and (gauge or not negative)) or (
            total.sample.value < 0 and gauge and negative
        ):
            found += [total, count]
    return found


def _summary(base: str, lines: Sequence[Line]) -> list[Line]:
    found = []
    for line in lines:
        value = line.sample.value
        if line.name != base:
            fits = value >= 0 and (line.name != f"{base}_count" or float(value).is_integer())
            found += [line] if fits else []
        elif 0 <= line.number("quantile") <= 1 and not value < 0:
            found.append(line.respelt("quantile"))
    return found
