# SPDX-License-Identifier: Apache-2.0
"""The bucket bounds of distributions that declare none."""

from __future__ import annotations

from tidegauge.catalog.units import parse_unit
from tidegauge.model.spec import MetricSpec

__all__ = ["bounds_of"]

#: Seconds: what OpenTelemetry advises for the duration of HTTP requests.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_BYTES = tuple(4.0**power for power in range(4, 15))
_SHARES = tuple(step / 10 for step in range(11))
_DECADES = tuple(
    float(f"{digits}e{power}") for power in range(-3, 5) for digits in ("1", "2.5", "5")
)


def bounds_of(spec: MetricSpec) -> tuple[float, ...]:
    """Upper bounds of the explicit buckets of a distribution, ascending, in its unit."""
    if spec.buckets:
        return spec.buckets
    unit = parse_unit(spec.unit)
    ladder = {"time": _SECONDS, "data": _BYTES}.get(unit.quantity)
    if ladder is not None:
        return tuple(float(f"{bound / unit.scale:.12g}") for bound in ladder)
    if spec.min == 0 and spec.max == 1:
        return _SHARES
    return _DECADES
