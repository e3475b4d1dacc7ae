# SPDX-License-Identifier: Apache-2.0
"""What CloudWatch takes, however it gets there: names, dimensions, units, values and times.

The limits are those of the operation PutMetricData, API version 2010-08-01.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tidegauge.catalog.units import CURRENCIES, parse_unit
from tidegauge.export.deltas import Series, middles
from tidegauge.live.families import Histograms, Labels, Reading, Samples
from tidegauge.model.errors import ConfigError, MetricValidationError
from tidegauge.statistics.histogram import MIN_SCALE, ExponentialHistogram

__all__ = ["Datum", "check_namespace", "check_resolution", "datums"]

_MOST_DIMENSIONS = 30
_LONGEST_NAME = 255
_LONGEST_VALUE = 1024
# Documented twice, as this and as -2^360 to 2^360, which is twice as much: this is safe.
_LARGEST = 1.174271e108
_SMALLEST = 8.515920e-109
_OLDEST_NS = 14 * 86_400 * 10**9
_NEWEST_NS = 2 * 3_600 * 10**9

_TEXT = re.compile(r"[ -~]*[!-~][ -~]*\Z")  # printable ASCII, and not only spaces
_UNITS = {
    "s": "Seconds",
    "ms": "Milliseconds",
    "us": "Microseconds",
    "By": "Bytes",
    "kBy": "Kilobytes",
    "MBy": "Megabytes",
    "GBy": "Gigabytes",
    "TBy": "Terabytes",
    "bit": "Bits",
    "%": "Percent",
}
# For the units that CloudWatch has no word for, by what they measure.
_BASE_UNITS = {
    "time": "Seconds",
    "data": "Bytes",
    "count": "Count",
    "data/time": "Bytes/Second",
    "count/time": "Count/Second",
}


@dataclass(frozen=True, slots=True)
class Datum:
    """One series at one moment.

    Attributes:
        series: Where it is from.
        name: Name of the metric.
        dimensions: Pairs of name and value.
        unit: One of CloudWatch's units.
        values: The values, each once, ascending.
        counts: How often each of them occurred.
        total: The sum of all of them, as exactly as it is known.
    """

    series: Series
    name: str
    dimensions: Labels
    unit: str
    values: list[float]
    counts: list[int]
    total: float


def datums(
    reading: Reading, *, dimensions: Mapping[str, str], most_values: int, now_ns: int
) -> tuple[list[Datum], Counter[str]]:
    """What of a reading of deltas can be sent, and how many series cannot, by reason.

    A label without a value is no dimension. The distribution of a histogram is that of its
    exponential buckets, made coarser until there are few enough of them.

    Args:
        reading: The reading.
        dimensions: Given to every series that has no label of that name.
        most_values: Most different values in one datum.
        now_ns: What time it is.
    """
    found: list[Datum] = []
    refused = Counter[str]()
    in_time = -_OLDEST_NS <= reading.time_ns - now_ns <= _NEWEST_NS
    for family in reading.families:
        if family.only == "prometheus":
            continue
        if isinstance(family, Samples):
            refused["unsupported_kind"] += len(family.samples)
            continue
        unit, scale = _unit(family.recorded_unit or family.otlp_unit)
        for index, labels in enumerate(family.labels):
            both = {**dimensions, **dict(labels)}
            shown = tuple(sorted((name, value) for name, value in both.items() if value))
            if isinstance(family, Histograms):
                values, counts, total = _distribution(family, index, scale, most_values)
            else:
                total = float(family.values[index]) * scale
                values, counts = [total], [1]
            reason = _refusal(family.otlp_name, shown, values, in_time=in_time)
            if reason is None:
                series = (family.name, labels)
                found.append(Datum(series, family.otlp_name, shown, unit, values, counts, total))
            else:
                refused[reason] += 1
    return found, refused


def check_namespace(namespace: str) -> str:
    """Return the namespace unchanged if metrics may have it.

    Raises:
        ConfigError: They may not.
    """
    if not _is_name(namespace) or namespace.startswith("AWS/"):
        raise ConfigError(
            "CloudWatch cannot have this namespace",
            got=namespace,
            allowed="1 to 255 printable ASCII characters that begin neither with ':' nor 'AWS/'",
            fix="Choose a name such as 'MyService'.",
        )
    return namespace


def check_resolution(resolution_s: int) -> int:
    """Return the resolution unchanged if CloudWatch has it.

    Raises:
        ConfigError: It has not.
    """
    if resolution_s not in (1, 60):
        raise ConfigError(
            "CloudWatch does not store metrics at this resolution",
            got=resolution_s,
            allowed="1 or 60 seconds",
            fix="Choose 60, or 1 for more detail at a higher price.",
        )
    return resolution_s


def _unit(code: str) -> tuple[str, float]:
    """CloudWatch's word for a unit, and what values are multiplied by for it."""
    if code in _UNITS:
        return _UNITS[code], 1.0
    try:
        unit = parse_unit(code)
    except MetricValidationError:  # of a custom collector
        return "None", 1.0
    is_money = code.strip("{}") in CURRENCIES
    base = None if is_money else _BASE_UNITS.get(unit.quantity)
    return (base, unit.scale) if base else ("None", 1.0)


def _distribution(
    family: Histograms, index: int, scale: float, most_values: int
) -> tuple[list[float], list[int], float]:
    histogram = family.exponential(index)
    while len(pairs := middles(histogram)) > most_values and histogram.scale > MIN_SCALE:
        # Buckets are joined in pairs, so that the relative error is the same everywhere.
        coarse = ExponentialHistogram(scale=histogram.scale - 1)
        coarse.merge(histogram)
        histogram = coarse
    total = float(family.sums[index])
    estimate = math.fsum(value * count for value, count in pairs)
    # The sum is known exactly: where values can be moved within their buckets, they add up to it.
    factor = total / estimate if estimate > 0 and pairs[0][0] >= 0 else 1.0
    most = (1 + histogram.error_bound) * (1 + 1e-9)
    if not 1 / most <= factor <= most:
        factor = 1.0
    merged = Counter[float]()
    for value, count in pairs:
        merged[_clipped(value * factor * scale)] += count
    return list(merged), list(merged.values()), total * scale


def _clipped(value: float) -> float:
    if abs(value) < _SMALLEST:
        return 0.0
    return max(-_LARGEST, min(value, _LARGEST))


def _refusal(name: str, dimensions: Labels, values: list[float], *, in_time: bool) -> str | None:
    """Why a series cannot be sent; None if it can."""
    if not in_time:
        return "bad_time"
    if not _is_name(name):
        return "bad_name"
    if len(dimensions) > _MOST_DIMENSIONS:
        return "too_many_dimensions"
    if not all(_is_name(key) and _is_value(value) for key, value in dimensions):
        return "bad_dimension"
    if not all(value == 0 or _SMALLEST <= abs(value) <= _LARGEST for value in values):
        return "bad_value"
    return None


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and not text.startswith(":") and bool(_TEXT.match(text))


def _is_value(text: str) -> bool:
    return len(text) <= _LONGEST_VALUE and bool(_TEXT.match(text))
