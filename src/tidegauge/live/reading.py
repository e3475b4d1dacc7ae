# SPDX-License-Identifier: Apache-2.0
"""From totals to families: which series are shown, and under which names."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.catalog.units import parse_unit
from tidegauge.live.families import Exemplar, Histograms, Labels, Numbers, Samples
from tidegauge.live.fold import Fold
from tidegauge.live.kept import FamilyTotals, HowKept
from tidegauge.live.totals import Totals
from tidegauge.model.spec import Combine
from tidegauge.statistics.histogram import ExponentialHistogram

__all__ = ["families_of", "without_conflicts"]

Ints = npt.NDArray[np.int64]

_log = logging.getLogger("tidegauge")
_SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("", "_bucket", "_sum", "_count", "_created"),
    "summary": ("", "_sum", "_count", "_created"),
    "info": ("", "_info"),
}
_told: set[tuple[str, str]] = set()


def families_of(fold: Fold, now_ns: int, gauge_ttl_ns: int) -> list[Numbers | Histograms]:
    """The families of all live series.

    Args:
        fold: The totals, and whose processes live.
        now_ns: The present time.
        gauge_ttl_ns: How long a gauge is shown after its latest fact, if the process that recorded
            that does not live any more.
    """
    totals = fold.totals
    sums = totals.sums.totals()
    living = _living(fold)
    exemplars = _exemplars(totals)
    found: list[Numbers | Histograms] = []
    second: list[Numbers] = []
    for family in totals.all_families():
        labels = list(family.cells)
        cells = np.fromiter(family.cells.values(), np.int64, len(labels))
        if family.kept is HowKept.COUNTER:
            traced = {at: each for (at, _), each in exemplars[family.index].items()}
            numbers = _numbers(family, labels, sums[cells].tolist(), traced)
            found.append(numbers)
            if family.names.prometheus_also:
                second.append(_under_second_name(numbers, family.names.prometheus_also))
        elif family.kept is HowKept.DISTRIBUTION:
            found.append(
                Histograms(
                    labels=labels,
                    bounds=family.bounds,
                    counts=totals.counts(family, cells).tolist(),
                    sums=sums[cells].tolist(),
                    exponential=_exponential(totals, cells),
                    exemplars=exemplars[family.index],
                    **_described(family),
                )
            )
        elif family.kept is HowKept.LAST:
            shown = _shown(fold, cells, now_ns - gauge_ttl_ns)
            if family.spec.holds_s is not None:
                held = totals.last_ns[cells[shown]] >= now_ns - int(family.spec.holds_s * 1e9)
                shown = shown[held]
            values = totals.value[cells[shown]].tolist()
            found.append(_numbers(family, [labels[at] for at in shown.tolist()], values))
        else:
            here = [(each, living[cell]) for each, cell in family.cells.items() if cell in living]
            combine = _COMBINED[family.spec.combined_by]
            values = [combine(values) for _, values in here]
            found.append(_numbers(family, [each for each, _ in here], values))
    return [family for family in (*found, *second) if len(family.labels)]


def without_conflicts(
    families: Iterable[Numbers | Histograms | Samples],
) -> list[Numbers | Histograms | Samples]:
    """Families by name, less those whose samples would be called like those of another.

    Of two, the one stays that comes first by its name in OTLP; the other one is logged, once.
    """
    owners: dict[str, str] = {}
    kept = []
    for family in sorted(families, key=lambda each: (each.name, each.otlp_name)):
        names = () if family.only == "otlp" else tuple(_sample_names(family))
        rival = next((owners[name] for name in names if name in owners), None)
        if rival is None:
            owners |= dict.fromkeys(names, family.otlp_name)
            kept.append(family)
        elif (family.otlp_name, rival) not in _told:
            _told.add((family.otlp_name, rival))
            text = "%s is not shown: %s is called %s in Prometheus, too"
            _log.warning(text, family.otlp_name, rival, family.name)
    return kept


def _sample_names(family: Numbers | Histograms | Samples) -> Iterator[str]:
    kind = "histogram" if isinstance(family, Histograms) else family.kind
    base = family.name.removesuffix("_total") if kind == "counter" else family.name
    for suffix in _SUFFIXES.get(kind, ("",)):
        yield base + suffix


def _numbers(
    family: FamilyTotals,
    labels: Sequence[Labels],
    values: Sequence[float],
    exemplars: Mapping[int, Exemplar] | None = None,
) -> Numbers:
    return Numbers(
        kind="counter" if family.kept is HowKept.COUNTER else "gauge",
        labels=labels,
        values=values,
        exemplars=exemplars or {},
        **_described(family),
    )


def _under_second_name(counter: Numbers, name: str) -> Numbers:
    """A gauge that shows the same as a counter."""
    return replace(counter, kind="gauge", name=name, exemplars={}, only="prometheus")


def _described(family: FamilyTotals) -> dict[str, Any]:
    unit = parse_unit(family.spec.unit)
    is_said = family.name.removesuffix("_total").endswith(f"_{unit.word}")
    # Rows with a prefix have names of their own, in OTLP as well.
    is_usual = family.name == family.names.prometheus
    return {
        "name": family.name,
        "help": family.spec.description,
        "unit": unit.word if is_said else "",
        "otlp_name": family.names.otlp if is_usual else family.name.removesuffix("_total"),
        "otlp_unit": family.names.otlp_unit if is_usual else unit.otlp,
        "otlp_scale": family.names.otlp_scale if is_usual else 1.0,
        "recorded_unit": unit.otlp,
        "scale": family.names.prometheus_scale,
        "only": family.only,
    }


def _shown(fold: Fold, cells: Ints, since_ns: int) -> Ints:
    """Which of the cells of a gauge hold for now, as places in `cells`."""
    totals = fold.totals
    fresh = totals.last_ns[cells] >= since_ns
    stale = cells[~fresh]
    pairs = zip(totals.source[stale].tolist(), totals.place[stale].tolist(), strict=True)
    fresh[~fresh] = [fold.is_current(source, place) for source, place in pairs]
    return np.flatnonzero(fresh)


def _living(fold: Fold) -> dict[int, list[float]]:
    """The latest values of each gauge's cell, one per living process, by slot."""
    latest: defaultdict[int, dict[int, tuple[int, float]]] = defaultdict(dict)
    for source in sorted(fold.totals.living):
        for cell, (value, time_ns, place) in fold.totals.living[source].items():
            if fold.is_current(source, place):
                slots, slot = latest[cell], source // 2
                # Of the two lanes of a process the one counts that was written to later.
                if slot not in slots or time_ns >= slots[slot][0]:
                    slots[slot] = time_ns, value
    return {cell: [value for _, value in slots.values()] for cell, slots in latest.items()}


def _exemplars(totals: Totals) -> defaultdict[int, dict[tuple[int, int], Exemplar]]:
    """By number of the family; then by index of the series and of the bucket."""
    found: defaultdict[int, dict[tuple[int, int], Exemplar]] = defaultdict(dict)
    indexes: dict[int, dict[int, int]] = {}
    families = totals.all_families()
    for (cell, bucket), exemplar in totals.exemplars.items():
        number = int(totals.family[cell])
        if number not in indexes:
            cells = families[number].cells.values()
            indexes[number] = {each: at for at, each in enumerate(cells)}
        found[number][indexes[number][cell], bucket] = exemplar
    return found


def _exponential(totals: Totals, cells: Ints) -> Callable[[int], ExponentialHistogram]:
    counts = totals.exponential.frozen()
    return lambda at: counts.histogram(int(cells[at]))


def _sum(values: Sequence[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:  # an intermediate sum is beyond the largest float
        return sum(values)


def _mean(values: Sequence[float]) -> float:
    return _sum(values) / len(values)


_COMBINED: dict[Combine, Callable[[Sequence[float]], float]] = {
    Combine.SUM: _sum,
    Combine.MEAN: _mean,
    Combine.MAX: max,
}
