# SPDX-License-Identifier: Apache-2.0
"""What metrics declared under prometheus_client's rules are called and are, in a catalogue."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from tidegauge.catalog.units import ATOMS, CURRENCIES
from tidegauge.model.errors import CatalogError, ConfigError
from tidegauge.model.spec import Combine, Kind, LabelSpec, MetricSpec, NamesAbroad

__all__ = ["combine_of", "finite_bounds", "full_name", "spec_of"]

_UNITS = {atom.word: code for code, atom in ATOMS.items()}
#: How the values of a gauge combine over processes, by the mode of prometheus_client.
_COMBINE = {
    "all": None,
    "liveall": None,
    "mostrecent": None,
    "livemostrecent": None,
    "sum": Combine.SUM,
    "livesum": Combine.SUM,
    "max": Combine.MAX,
    "livemax": Combine.MAX,
}


def full_name(name: str, kind: Kind, namespace: str, subsystem: str, unit: str) -> str:
    """The name in Prometheus, put together as prometheus_client does; `_total` for a counter.

    Raises:
        CatalogError: The name is empty.
    """
    if not name:
        raise CatalogError(
            "a metric has no name", got=name, allowed="a name for Prometheus", fix="Give it one."
        )
    full = "_".join(part for part in (namespace, subsystem, name) if part)
    if kind is Kind.COUNTER:
        full = full.removesuffix("_total")
    if unit and not full.endswith(f"_{unit}"):
        full = f"{full}_{unit}"
    return f"{full}_total" if kind is Kind.COUNTER else full


def spec_of(
    name: str,
    documentation: str,
    labelnames: Iterable[str],
    kind: Kind,
    *,
    buckets: tuple[float, ...] = (),
    combine: Combine | None = None,
) -> MetricSpec:
    """The declaration of a metric by its full name in Prometheus.

    Its unit is the one that the name ends in, so values stay as they are.
    """
    return MetricSpec(
        name=f"custom:{name.lower().lstrip('_')}",
        # Prometheus takes any text here, a catalogue one line.
        description=" ".join(documentation.split()) or name,
        kind=kind,
        unit=_unit(name.removesuffix("_total")),
        labels={label: LabelSpec() for label in labelnames},
        buckets=buckets,
        combine=combine,
        names=NamesAbroad(prometheus=name),
    )


def combine_of(multiprocess_mode: str) -> Combine | None:
    """How the values of a gauge combine over processes; None for the latest of any process.

    Raises:
        ConfigError: There is no such mode, or it wants the smallest value.
    """
    try:
        return _COMBINE[multiprocess_mode]
    except KeyError:
        is_min = multiprocess_mode in ("min", "livemin")
        raise ConfigError(
            "the smallest value over processes cannot be shown"
            if is_min
            else "multiprocess_mode is not known",
            got=multiprocess_mode,
            allowed=", ".join(_COMBINE),
            fix="Record the negative value with max."
            if is_min
            else "Take one of these; the default shows the latest value of any process.",
        ) from None


def finite_bounds(buckets: Sequence[float | str]) -> tuple[float, ...]:
    """Bounds of buckets without the last one, +Inf, which is always there.

    Raises:
        CatalogError: There are none, or they do not ascend.
    """
    bounds = [float(bound) for bound in buckets]
    finite = tuple(bounds[:-1] if bounds and bounds[-1] == math.inf else bounds)
    pairs = itertools.pairwise(finite)
    if not finite or not all(map(math.isfinite, finite)) or any(a >= b for a, b in pairs):
        raise CatalogError(
            "the buckets of a histogram cannot be used",
            got=tuple(buckets),
            allowed="one or more finite numbers, each above the one before; +Inf may follow",
            fix="Sort them, and take out what is there twice.",
        )
    return finite


def _unit(name: str) -> str:
    """The code of the unit that a name ends in; `1` if it ends in none."""
    words = name.rsplit("_", 2)
    for ending in ("_".join(words[-2:]), words[-1]):
        if ending in _UNITS:
            return _UNITS[ending]
        if ending.upper() in CURRENCIES:
            return ending.upper()
    return "1"
