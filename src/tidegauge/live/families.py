# SPDX-License-Identifier: Apache-2.0
"""The nouns of a live reading: families of series as monitoring systems know them.

A reading is made by `tidegauge.live` and turned into text by `serve` and into requests by `export`.
Who reads it must not change it: several readers may share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tidegauge.statistics.histogram import ExponentialHistogram

__all__ = [
    "Exemplar",
    "Family",
    "Histograms",
    "Labels",
    "Numbers",
    "Reading",
    "Sample",
    "Samples",
    "counter",
    "gauge",
]

#: Pairs of name and value, sorted by name. Values are any text, encoded as UTF-8 or not.
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One fact that a number is made of, with what leads to its trace.

    Attributes:
        labels: Such as `trace_id` and `span_id`; names and values together at most 128 characters.
        value: The fact's value, in the unit it was recorded in.
        time_ns: When it happened.
    """

    labels: Labels
    value: float
    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the series of one metric have in common.

    Attributes:
        name: Name in Prometheus; ends in `_total` for a counter.
        help: One line for people; may be empty.
        unit: Base unit that the name ends in, such as `seconds`; empty if it ends in none.
        otlp_name: Dotted name.
        otlp_unit: UCUM code of the values in OTLP.
        otlp_scale: What recorded values, bounds included, are multiplied by for OTLP.
        recorded_unit: UCUM code of the recorded values; `otlp_unit` if empty.
        scale: What recorded values, bounds included, are multiplied by for Prometheus.
        only: The one system it is for; None for all.
    """

    name: str
    help: str = ""
    unit: str = ""
    otlp_name: str = ""
    otlp_unit: str = "1"
    otlp_scale: float = 1.0
    recorded_unit: str = ""
    scale: float = 1.0
    only: Literal["prometheus", "otlp"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers(Family):
    """Counters or gauges: one number per series.

    Attributes:
        kind: What they are.
        labels: The series, shape `(n_series,)`.
        values: Their values in the recorded unit, of the same length.
        exemplars: By index of the series; counters only.
    """

    kind: Literal["counter", "gauge", "unknown"]
    labels: Sequence[Labels]
    values: Sequence[float]
    exemplars: Mapping[int, Exemplar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histograms(Family):
    """Cumulative distributions, with explicit bounds and exponential buckets of the same values.

    Attributes:
        labels: The series, shape `(n_series,)`.
        bounds: Upper bounds, inclusive and ascending, in the recorded unit; +Inf is not among them.
        counts: For each series the values in each bucket alone, `len(bounds) + 1` numbers.
        sums: For each series the sum of its values.
        exponential: Makes the exponential histogram of the series with an index.
        exemplars: By index of the series and of the bucket.
    """

    labels: Sequence[Labels]
    bounds: Sequence[float]
    counts: Sequence[Sequence[int]]
    sums: Sequence[float]
    exponential: Callable[[int], ExponentialHistogram]
    exemplars: Mapping[tuple[int, int], Exemplar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a page.

    Attributes:
        suffix: What follows the family's name, such as `_sum`.
        labels: Its labels.
        value: Its value in base units.
        time_ns: When it was so; None for now.
        exemplar: An exemplar, if there is one; its value is in base units.
    """

    suffix: str
    labels: Labels
    value: float
    time_ns: int | None = None
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples(Family):
    """A family of a kind that facts do not have, line by line, as custom collectors may give it.

    Attributes:
        kind: A type of OpenMetrics, such as `summary` or `info`.
        samples: Its lines; those of one series follow each other.
    """

    kind: str
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Reading:
    """All live metrics of a store at one moment.

    Attributes:
        families: By name, ascending; no two have the same name for the same system.
        time_ns: The moment.
        start_ns: Since when the cumulative numbers count.
    """

    families: Sequence[Numbers | Histograms | Samples]
    time_ns: int
    start_ns: int


def counter(
    name: str, description: str, values: Mapping[Labels, float] | float, *, unit: str = ""
) -> Numbers:
    """A family of counters, for custom collectors.

    Args:
        name: Name in Prometheus; ends in `_total`.
        description: One line for people.
        values: Total by labels, or the total if there are none.
        unit: Base unit that the name ends in before `_total`.
    """
    labels, numbers = _columns(values)
    return Numbers(
        name=name,
        help=description,
        unit=unit,
        kind="counter",
        labels=labels,
        values=numbers,
        otlp_name=name.removesuffix("_total"),
    )


def gauge(
    name: str, description: str, values: Mapping[Labels, float] | float, *, unit: str = ""
) -> Numbers:
    """A family of gauges, for custom collectors; arguments as for `counter`."""
    labels, numbers = _columns(values)
    return Numbers(
        name=name,
        help=description,
        unit=unit,
        kind="gauge",
        labels=labels,
        values=numbers,
        otlp_name=name,
    )


def _columns(values: Mapping[Labels, float] | float) -> tuple[list[Labels], list[float]]:
    given: Iterable[tuple[Labels, float]] = (
        values.items() if isinstance(values, Mapping) else [((), values)]
    )
    pairs = [(tuple(sorted(labels)), float(value)) for labels, value in given]
    return [labels for labels, _ in pairs], [value for _, value in pairs]
