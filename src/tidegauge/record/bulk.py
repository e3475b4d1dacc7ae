# SPDX-License-Identifier: Apache-2.0
"""Recording the rows of somebody else's table, each through the checks of a record call.

Where the rows come from, and that none comes twice, is the business of `tidegauge.record.imports`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from tidegauge.catalog.validation import check_step, check_value
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import POINTS
from tidegauge.model.times import parse_time_ns
from tidegauge.record.columns import Layout, Source
from tidegauge.record.recorder import Recorder

__all__ = ["BulkRecorder", "Fact", "Refusal", "Row", "TimeUnit"]

TimeUnit = Literal["s", "ms", "us", "ns"]

_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_MOST_CACHED = 100_000

#: The cells of a row; or, if it could not be read as one, what is wrong with it.
Row = Sequence[object] | str


class Fact(NamedTuple):
    """One value that passed the checks. Its time is in whole microseconds, as in the store."""

    key: SeriesKey
    value: float
    time_ns: int
    step: int | None
    metadata: str | None


class Refusal(msgspec.Struct, frozen=True):
    """One value that did not.

    Attributes:
        row: Number of its row, the first being 1.
        reason: A reason of `tidegauge.model.reasons`, or `malformed_row`.
        text: What is wrong.
    """

    row: int
    reason: str
    text: str


class BulkRecorder:
    """Checks and records rows. Used by one thread.

    Args:
        recorder: Its catalogue checks names, values and labels, and its journal takes the facts. If
            it is not strict, names that can be fixed are.
        layout: What the cells of a row are.
        time_unit: The unit of times that are numbers, counted from 1970.
        record: Write to the journal; else only check.
        on_refused: Called with each refusal.

    Attributes:
        recorder: The recorder.
        recorded: Facts written, or only checked.
        refused: Facts refused, by reason.
    """

    def __init__(
        self,
        recorder: Recorder,
        layout: Layout,
        *,
        time_unit: TimeUnit = "s",
        record: bool = True,
        on_refused: Callable[[Refusal], None] = lambda _: None,
    ) -> None:
        self.recorded = 0
        self.refused: Counter[str] = Counter()
        self.recorder = recorder
        self._layout = layout
        self._scale = _NS[time_unit]
        self._record = record
        self._on_refused = on_refused
        self._series: dict[object, tuple[MetricSpec, SeriesKey]] = {}

    def record(
        self,
        rows: Sequence[Row],
        first_row: int,
        *,
        without: Callable[[list[Fact]], Counter[Fact]] | None = None,
    ) -> None:
        """Record the facts of some rows.

        Args:
            rows: Cells as the layout says.
            first_row: Number of the first.
            without: Tells which of these facts, and how many of each, were recorded before.

        Raises:
            Refused: The journal takes no more.
        """
        facts: Iterable[Fact] = self._checked(rows, first_row)
        if without is not None:
            facts = list(facts)
            facts = self._not_in(without(facts), facts)
        for fact in facts:
            if self._record:
                self._put(fact)
            self.recorded += 1

    def facts(self, rows: Sequence[Row]) -> Iterator[Fact]:
        """The facts of some rows, without recording or counting anything."""
        return self._checked(rows, None)

    def _not_in(self, present: Counter[Fact], facts: Iterable[Fact]) -> Iterator[Fact]:
        for fact in facts:
            if present[fact] > 0:
                present[fact] -= 1
                self.recorded += 1
            else:
                yield fact

    def _put(self, fact: Fact) -> None:
        writer = self.recorder.writer
        if fact.metadata is None:
            writer.put_point(fact.key, fact.value, time_ns=fact.time_ns, step=fact.step)
        else:
            columns: dict[str, object] = {
                "value": fact.value,
                "step": fact.step,
                "metadata": fact.metadata,
            }
            writer.put_event(POINTS.name, fact.key, fact.time_ns, columns)

    def _checked(self, rows: Sequence[Row], first_row: int | None) -> Iterator[Fact]:
        layout = self._layout
        for index, row in enumerate(rows):
            if isinstance(row, str):
                self._refuse(first_row, index, "malformed_row", row)
                continue
            for metric, value in layout.values:
                cell = _cell(row, value)
                if layout.wide and _is_empty(cell):
                    continue
                try:
                    yield self._fact(row, _cell(row, metric), cell)
                except MetricValidationError as error:
                    self._refuse(first_row, index, error.reason, str(error))

    def _refuse(self, first_row: int | None, index: int, reason: str, text: str) -> None:
        if first_row is not None:
            self.refused[reason] += 1
            self._on_refused(Refusal(first_row + index, reason, text))

    def _fact(self, row: Sequence[object], metric: object, cell: object) -> Fact:
        layout = self._layout
        labels = tuple([row[at] for at in layout.labels_at])
        more = None if layout.more_labels_at is None else _hashable(row[layout.more_labels_at])
        spec, key = self._series_of(metric, labels, more)
        return Fact(
            key,
            check_value(spec, _number(cell)),
            self._time_ns(_cell(row, layout.time)),
            _step(_cell(row, layout.step)),
            _metadata(_cell(row, layout.metadata)),
        )

    def _series_of(
        self, metric: object, labels: tuple[object, ...], more: object
    ) -> tuple[MetricSpec, SeriesKey]:
        try:
            found = self._series.get((metric, labels, more))
        except TypeError as error:
            raise _not_text(metric, labels) from error
        if found is None:
            layout = self._layout
            named: dict[str, object] = dict(layout.constant_labels)
            named |= {
                name: label
                for name, label in [*_pairs(more), *zip(layout.label_names, labels, strict=True)]
                if not _is_empty(label)
            }
            spec = self.recorder.resolve(metric)  # type: ignore[arg-type]
            found = spec, self.recorder.key_of(spec, None, named)[0]
            if len(self._series) >= _MOST_CACHED:
                self._series.clear()
            self._series[metric, labels, more] = found
        return found

    def _time_ns(self, cell: object) -> int:
        number: float | None = None
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            number = cell
        elif isinstance(cell, str):
            number = _as_number(cell)
        if number is None:
            nanoseconds = parse_time_ns(cell)  # type: ignore[arg-type]
        elif 0 <= number * self._scale < 2**63:
            nanoseconds = round(number * self._scale)
        else:
            raise _bad_time(cell)
        return nanoseconds // 1000 * 1000


def _cell(row: Sequence[object], source: Source) -> object:
    return source.constant if source.at is None else row[source.at]


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _number(cell: object) -> object:
    if isinstance(cell, str):
        try:
            return float(cell)
        except ValueError:
            return None if _is_empty(cell) else cell
    return cell


def _step(cell: object) -> int | None:
    if _is_empty(cell):
        return None
    number = _as_number(cell) if isinstance(cell, str) else cell
    if isinstance(number, float):
        if math.isnan(number):  # how a column of whole numbers says that there is none
            return None
        if number.is_integer():
            number = int(number)
    return check_step(_or_itself(number, cell))  # type: ignore[arg-type]


def _metadata(cell: object) -> str | None:
    if _is_empty(cell):
        return None
    try:
        if isinstance(cell, str):
            msgspec.json.decode(cell)
            return cell
        return msgspec.json.encode(cell).decode()
    except (msgspec.DecodeError, TypeError) as error:
        raise MetricValidationError(
            "metadata is not JSON", reason="bad_metadata", got=cell, allowed="a JSON document"
        ) from error


def _hashable(cell: object) -> object:
    if isinstance(cell, Mapping):
        return tuple(sorted(cell.items()))
    return tuple(cell) if isinstance(cell, list) else cell


def _pairs(more: object) -> Sequence[tuple[str, object]]:
    """The labels in a cell that holds several: JSON text, or a map."""
    if _is_empty(more):
        return []
    if isinstance(more, tuple):
        return more
    try:
        found = msgspec.json.decode(more) if isinstance(more, str) else None
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise MetricValidationError(
            "labels cannot be read", reason="bad_label", got=more, allowed="a JSON object, or a map"
        )
    return list(found.items())


def _as_number(text: str) -> float | int | None:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None


def _or_itself(number: object, cell: object) -> object:
    return cell if number is None else number


def _bad_time(cell: object) -> MetricValidationError:
    return MetricValidationError(
        "time cannot be used",
        reason="bad_time",
        got=cell,
        allowed="a time between 1970 and 2262",
        fix="If times are numbers of another unit than seconds, say so: --time-unit ms.",
    )


def _not_text(metric: object, labels: tuple[object, ...]) -> MetricValidationError:
    return MetricValidationError(
        "the metric or a label is a list or a structure",
        reason="bad_label",
        got=(metric, *labels),
        allowed="text or whole numbers",
        fix="Map another column.",
    )
