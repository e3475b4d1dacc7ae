# SPDX-License-Identifier: Apache-2.0
"""The totals of all live series, in arrays with one cell per series.

Where facts come from is the business of `tidegauge.live.fold`, what is shown of them that of
`tidegauge.live.reading`. Apart from gauges, what is kept does not depend on the order in which
facts arrive; see `tidegauge.live.exact`.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidegauge.catalog.abroad import ExportedNames
from tidegauge.live.exact import ExactSums
from tidegauge.live.exponential import ExponentialCounts
from tidegauge.live.families import Exemplar, Labels
from tidegauge.live.kept import NOWHERE, OVERFLOW, Facts, FamilyTotals, HowKept, how_kept
from tidegauge.model.spec import MetricSpec
from tidegauge.statistics.accumulator import Accumulator

__all__ = ["NO_CELL", "NO_TIME", "PER_CELL", "SKIPPED", "LivingValue", "Totals"]

#: Stands in arrays of cells for a fact that has none.
NO_CELL = -1
#: The time of the earliest fact, where there is none.
NO_TIME = 2**63 - 1
#: Why a fact can be left out: nobody knows what it is of, a counter was to go down, it is no finite
#: number, or it does not fit its table.
SKIPPED = ("unknown", "negative", "not_finite", "unfit")
#: Seconds that a clock may be ahead without its facts being taken for those of a clock that jumped.
_AHEAD_NS = 5 * 10**9

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int64]
#: The arrays that a file holds, one place per cell.
PER_CELL = ("facts", "last_ns", "value", "source", "place")
#: A value that holds for as long as its process lives: value, time, place.
LivingValue = tuple[float, int, int]


class Totals:
    """Totals by cell. Not thread-safe.

    Attributes:
        families: By metric and name in Prometheus.
        facts: Facts in each cell, shape `(n_cells,)` or more, as the next ones.
        last_ns: Time of the latest of them, or when a counter began at 0; -1 if there is none.
        value: The latest value of a gauge.
        source: Where that was recorded: twice the number of the slot, plus 1 for events;
            `NOWHERE` if that is not known.
        place: Its position among the points of the slot, or number among its events.
        living: By source and cell: the value that came last of a gauge that is combined over
            processes.
        exemplars: By cell and bucket the latest fact that leads to a trace; the bucket of a counter
            is 0.
        skipped: Facts left out, by reason.
        recorded: Facts that were folded, those among them.
        first_ns: Time of the earliest fact of all; `NO_TIME` if there is none.
    """

    def __init__(self) -> None:
        self.families: dict[tuple[str, str], FamilyTotals] = {}
        self.n_cells = 0
        self.facts: Ints = np.zeros(0, np.int64)
        self.last_ns: Ints = np.zeros(0, np.int64)
        self.value: Floats = np.zeros(0)
        self.source: Ints = np.zeros(0, np.int64)
        self.place: Ints = np.zeros(0, np.int64)
        self.family: Ints = np.zeros(0, np.int64)
        self.first_bucket: Ints = np.zeros(0, np.int64)
        self.buckets: Ints = np.zeros(0, np.int64)
        self.n_buckets = 0
        self.sums = ExactSums()
        self.exponential = ExponentialCounts()
        self.living: dict[int, dict[int, LivingValue]] = {}
        self.exemplars: dict[tuple[int, int], Exemplar] = {}
        self.skipped: Counter[str] = Counter()
        self.recorded = 0
        self.first_ns = NO_TIME
        self._by_index: list[FamilyTotals] = []
        self._usual: dict[str, FamilyTotals] = {}
        self._kept: Ints = np.zeros(0, np.int64)

    def family_of(
        self,
        spec: MetricSpec,
        names: ExportedNames,
        *,
        name: str = "",
        only: Literal["prometheus", "otlp"] | None = None,
    ) -> FamilyTotals:
        """The family of a metric, made if it is new.

        Args:
            spec: The metric.
            names: What it is called elsewhere.
            name: Its name in Prometheus, if another than usual.
            only: The one system it is for.
        """
        key = spec.name, name or names.prometheus
        found = self.families.get(key)
        if found is None and not name and only is None:
            # As the file has it, where another process has another catalogue.
            found = self._usual.get(spec.name)
        if found is None:
            kept, bounds = how_kept(spec)
            found = FamilyTotals(len(self._by_index), spec, names, key[1], only, kept, bounds)
            self._put_family(found)
        return found

    def restore_family(self, family: FamilyTotals) -> FamilyTotals:
        """Make a family without cells that is kept as this one, of other totals, is.

        Raises:
            ValueError: There is one of that metric and name.
        """
        if (family.spec.name, family.name) in self.families:
            raise ValueError("a family is there twice")
        found = replace(family, index=len(self._by_index), cells={})
        self._put_family(found)
        return found

    def usual_family(self, metric: str) -> FamilyTotals | None:
        """The family of a metric by its full name; None if there is none yet."""
        return self._usual.get(metric)

    def cell(self, family: FamilyTotals, labels: Labels) -> int:
        """The cell of a series, made if it is new; that of all others if the family is full."""
        cell = family.cells.get(labels)
        if cell is None:
            if len(family.cells) >= family.spec.series_cap and labels != OVERFLOW:
                return self.cell(family, OVERFLOW)
            cell = family.cells[labels] = self._new_cell(family)
        return cell

    def touch(self, cell: int, time_ns: int) -> None:
        """Count a series as heard of at a time, though no fact was added to it."""
        self.last_ns[cell] = max(self.last_ns[cell], time_ns)

    def restore_cell(self, family: FamilyTotals, labels: Labels) -> int:
        """Make a cell beyond any cap, as it was in another process.

        Raises:
            ValueError: The series has one.
        """
        if labels in family.cells:
            raise ValueError("a series has two cells")
        cell = family.cells[labels] = self._new_cell(family)
        return cell

    def add(self, facts: Facts, *, now_ns: int, n_facts: int) -> None:
        """Add facts; those without a cell, and those that are not finite, are left out.

        Args:
            facts: The facts.
            now_ns: The present time.
            n_facts: How many facts they are, where one can feed several cells.
        """
        self.recorded += n_facts
        if len(facts):
            self.first_ns = min(self.first_ns, int(facts.times_ns.min()))
        known, finite = facts.cells >= 0, np.isfinite(facts.values)
        if not (fits := known & finite).all():
            self.skipped["unknown"] += int((~known).sum())
            self.skipped["not_finite"] += int((known & ~finite).sum())
            facts = facts.chosen(fits)
        if not len(facts):
            return
        kept = self._kept[facts.cells]
        low, high = int(kept.min()), int(kept.max())
        for how in HowKept:
            if how == low == high:
                self._add_kept(how, facts, now_ns)
            elif low <= how <= high and len(at := np.flatnonzero(kept == how)):
                self._add_kept(how, facts.chosen(at), now_ns)

    def add_summary(
        self,
        cell: int,
        summary: Accumulator,
        time_ns: int,
        place: int,
        *,
        source: int,
        now_ns: int,
    ) -> None:
        """Add the summary of several facts; the other arguments as for `add`.

        Explicit buckets get the counts of the exponential ones whose middle they hold, which can
        be wrong by one exponential bucket at each bound.
        """
        family = self._by_index[self.family[cell]]
        if family.kept is HowKept.DISTRIBUTION:
            self.recorded += 1
            self.first_ns = min(self.first_ns, time_ns)
            self.facts[cell] += summary.count
            self.touch(cell, time_ns)
            self.sums.add(np.array([cell]), np.array([summary.sum]))
            buckets = list(summary.histogram.buckets())
            middles = np.array([_middle(lower, upper) for lower, upper, _ in buckets])
            counts = np.array([count for _, _, count in buckets], np.int64)
            at = np.searchsorted(np.array(family.bounds), middles, side="left")
            np.add.at(self.buckets, self.first_bucket[cell] + at, counts)
            self.exponential.add(np.full(len(counts), cell), middles, counts)
            return
        is_counter = family.kept is HowKept.COUNTER
        facts = Facts(
            np.array([cell]),
            np.array([summary.sum if is_counter else summary.last]),
            np.array([time_ns]),
            np.array([place]),
            source,
        )
        self.add(facts, now_ns=now_ns, n_facts=1)

    def note_exemplar(self, cell: int, exemplar: Exemplar) -> None:
        """Keep a fact that leads to a trace, in place of the one before."""
        family = self._by_index[self.family[cell]]
        if family.kept is HowKept.COUNTER:
            self.exemplars[cell, 0] = exemplar
        elif family.kept is HowKept.DISTRIBUTION:
            self.exemplars[cell, bisect_left(family.bounds, exemplar.value)] = exemplar

    def counts(self, family: FamilyTotals, cells: Cells) -> Ints:
        """Counts by bucket, each alone; shape `(len(cells), len(bounds) + 1)`."""
        offsets = np.arange(len(family.bounds) + 1)
        counts: Ints = self.buckets[self.first_bucket[cells][:, None] + offsets]
        return counts

    def take_gauges(self, other: Totals) -> None:
        """Take over what gauges show, and nothing that is counted.

        Args:
            other: Has facts that are counted here already, and knows whose they are.
        """
        for family in other.all_families():
            if family.kept not in (HowKept.LAST, HowKept.LIVING):
                continue
            key = family.spec.name, family.name
            mine = self.families.get(key) or self.restore_family(family)
            for labels, theirs in family.cells.items():
                cell = self.cell(mine, labels)
                for source, values in other.living.items():
                    if theirs in values:
                        self.living.setdefault(source, {})[cell] = values[theirs]
                # Times that were stored are rounded down to microseconds.
                if other.last_ns[theirs] // 1000 >= self.last_ns[cell] // 1000:
                    for name in ("last_ns", "value", "source", "place"):
                        getattr(self, name)[cell] = getattr(other, name)[theirs]

    def settle(self) -> None:
        """Check that all arrays belong together, after some were replaced.

        Raises:
            ValueError: They do not.
        """
        lengths = {len(getattr(self, name)) for name in PER_CELL}
        if lengths != {self.n_cells} or self.sums.size != self.n_cells:
            raise ValueError("the arrays differ in length")
        if len(self.buckets) != self.n_buckets:
            raise ValueError("there are too few or too many buckets")
        self.family, self._kept = self.family[: self.n_cells], self._kept[: self.n_cells]
        self.first_bucket = self.first_bucket[: self.n_cells]

    def _put_family(self, family: FamilyTotals) -> None:
        self.families[family.spec.name, family.name] = family
        self._by_index.append(family)
        if family.name == family.names.prometheus and family.only is None:
            self._usual[family.spec.name] = family

    def _new_cell(self, family: FamilyTotals) -> int:
        cell = self.n_cells
        self.n_cells += 1
        if self.n_cells > len(self.family):
            room = max(len(self.family), 64)
            for name in (*PER_CELL, "family", "first_bucket", "_kept"):
                empty = -1 if name == "last_ns" else 0
                grown = np.pad(getattr(self, name), (0, room), constant_values=empty)
                setattr(self, name, grown)
        self.sums.grow(self.n_cells)
        self.family[cell] = family.index
        self._kept[cell] = family.kept
        if family.kept is HowKept.DISTRIBUTION:
            self.first_bucket[cell] = self.n_buckets
            self.n_buckets += len(family.bounds) + 1
            if self.n_buckets > len(self.buckets):
                self.buckets = np.pad(self.buckets, (0, max(self.n_buckets, 1024)))
        return cell

    def _add_kept(self, how: HowKept, facts: Facts, now_ns: int) -> None:
        if how is HowKept.LAST:
            _count(self.facts, facts.cells, self.n_cells)
            self._put_last(facts, now_ns)
            return
        np.maximum.at(self.last_ns, facts.cells, facts.times_ns)
        if how is HowKept.COUNTER and facts.values.min() < 0:
            up = facts.values >= 0
            self.skipped["negative"] += int((~up).sum())
            facts = facts.chosen(up)
        _count(self.facts, facts.cells, self.n_cells)
        if how is HowKept.LIVING:
            self._put_living(facts)
            return
        self.sums.add(facts.cells, facts.values)
        if how is HowKept.DISTRIBUTION:
            self._count_buckets(facts.cells, facts.values)
            self.exponential.add(facts.cells, facts.values)

    def _put_living(self, facts: Facts) -> None:
        if facts.source == NOWHERE:
            return
        last = facts.chosen(self._last_of_each(facts.cells))
        columns = (each.tolist() for each in (last.values, last.times_ns, last.places))
        here = self.living.setdefault(facts.source, {})
        for cell, fact in zip(last.cells.tolist(), zip(*columns, strict=True), strict=True):
            # Intervals are read after the single facts of their lane.
            if cell not in here or here[cell][2] <= fact[2]:
                here[cell] = fact

    def _put_last(self, facts: Facts, now_ns: int) -> None:
        # What is ahead of the clock comes first: it holds only where nothing else is known. So the
        # outcome is the same whether facts are folded one by one or at once.
        soon_ns = now_ns + _AHEAD_NS
        ranks = np.where(facts.times_ns > soon_ns, 0, facts.times_ns)
        if len(ranks) > 1 and (ranks[1:] < ranks[:-1]).any():
            order = np.argsort(ranks, kind="stable")
            facts, ranks = facts.chosen(order), ranks[order]
        at = self._last_of_each(facts.cells)
        facts, ranks = facts.chosen(at), ranks[at]
        before_ns, before = self.last_ns[facts.cells], self.source[facts.cells]
        before_ranks = np.where(before_ns > soon_ns, 0, before_ns)
        is_later_there = (facts.source == before) & (facts.places >= self.place[facts.cells])
        newer = ranks > before_ranks
        newer |= (ranks == before_ranks) & ((facts.source > before) | is_later_there)
        facts = facts.chosen(newer)
        self.last_ns[facts.cells] = facts.times_ns
        self.value[facts.cells] = facts.values
        self.source[facts.cells] = facts.source
        self.place[facts.cells] = facts.places

    def _last_of_each(self, cells: Cells) -> npt.NDArray[np.bool_]:
        """Which facts are the last ones of their cells."""
        # Of assignments to one place the last one stays.
        latest = np.zeros(self.n_cells, np.int64)
        latest[cells] = np.arange(len(cells))
        last: npt.NDArray[np.bool_] = latest[cells] == np.arange(len(cells))
        return last

    def _count_buckets(self, cells: Cells, values: Floats) -> None:
        families = self.family[cells]
        first = int(families[0])
        if (families == first).all():
            bounds = np.array(self._by_index[first].bounds)
            places = self.first_bucket[cells] + np.searchsorted(bounds, values, side="left")
        else:
            # Sorting 16-bit integers takes a fraction of the time of longer ones.
            narrow = families.astype(np.uint16) if len(self._by_index) < 1 << 16 else families
            order = np.argsort(narrow, kind="stable")
            sorted_families = families[order]
            begins = np.flatnonzero(np.diff(sorted_families, prepend=-1))
            places = self.first_bucket[cells]
            for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
                at = order[begin:end]
                bounds = np.array(self._by_index[sorted_families[begin]].bounds)
                places[at] += np.searchsorted(bounds, values[at], side="left")
        _count(self.buckets, places, self.n_buckets)

    def all_families(self) -> tuple[FamilyTotals, ...]:
        """Every family, in the order of their numbers."""
        return tuple(self._by_index)


def _middle(lower: float, upper: float) -> float:
    """A value in a bucket, away from its bounds, however large these are."""
    near, far = sorted((abs(lower), abs(upper)))
    middle = math.sqrt(near) * math.sqrt(min(far, sys.float_info.max))
    # A bound of the smallest numbers is rounded to 0, which they are not.
    return math.copysign(middle or far, lower + upper)


def _count(counts: Ints, places: Ints, size: int) -> None:
    """Add 1 at each place."""
    if len(places) * 8 < size:
        np.add.at(counts, places, 1)
    else:
        counts[:size] += np.bincount(places, minlength=size)
