# SPDX-License-Identifier: Apache-2.0
"""What has come since the last reading that arrived, for destinations that want deltas.

The totals that arrived are kept as bytes: the CRC-32 of the rest (4 bytes, little-endian), then a
MessagePack array of version, `start_ns`, `time_ns`, counters and histograms. Both are maps from a
family's name to a map from labels to what has arrived; labels are the bytes of a MessagePack array
of alternating names and values, in UTF-8. A counter is one float. A histogram is an array of
bounds, counts, sum, scale, zero count, first positive index, positive counts, first negative index
and negative counts, as in the table `intervals`.
"""

from __future__ import annotations

import logging
import math
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

import msgspec

from tidegauge.live.families import Histograms, Labels, Numbers, Reading, Samples
from tidegauge.model.errors import DeliveryError
from tidegauge.statistics.histogram import ExponentialHistogram

__all__ = ["Deltas", "PartlyDelivered", "Series", "middles"]

_log = logging.getLogger("tidegauge")
_VERSION = 1

#: Name of a family and labels: one series of a reading.
Series: TypeAlias = tuple[str, Labels]


class PartlyDelivered(DeliveryError):
    """Some requests arrived before one failed.

    Attributes:
        arrived: The series that were in them.
    """

    def __init__(
        self, what: str, *, arrived: Collection[Series], got: object = None, fix: str = ""
    ) -> None:
        self.arrived = arrived
        super().__init__(what, got=got, fix=fix)


class _Distribution(msgspec.Struct, array_like=True, frozen=True):
    """The totals of one histogram series."""

    bounds: list[float]
    counts: list[int]
    sum: float
    scale: int
    zero_count: int
    positive_offset: int
    positive_counts: list[int]
    negative_offset: int
    negative_counts: list[int]


class _Totals(msgspec.Struct, array_like=True):
    """All totals of a reading, or those that arrived."""

    version: int
    start_ns: int
    time_ns: int
    counters: dict[str, dict[bytes, float]]
    histograms: dict[str, dict[bytes, _Distribution]]


_read_totals = msgspec.msgpack.Decoder(_Totals).decode
_read_any = msgspec.msgpack.Decoder().decode
_Family: TypeAlias = Numbers | Histograms | Samples
_Total = TypeVar("_Total", float, _Distribution)


class Deltas:
    """The difference between readings and what has arrived. Used by one thread at a time.

    Delivery is at least once: a process killed between sending and `acknowledge` leaves the totals
    as they were, and the next difference has what was sent once more.

    Args:
        load: Gives the bytes that were saved last; None if there are none. It is asked for every
            difference, as another process may have delivered meanwhile.
        save: Keeps bytes durably.
    """

    def __init__(self, load: Callable[[], bytes | None], save: Callable[[bytes], None]) -> None:
        self._load = load
        self._save = save
        self._before = self._present = _nothing_since(0)

    def difference(self, reading: Reading) -> Reading:
        """What has come since the totals that arrived, as a reading of deltas.

        Its `start_ns` is the time of the reading that arrived last. Gauges are as they are. Series
        in which nothing has come are left out, as are families for Prometheus alone. A series that
        is new counts from 0, and so does one whose total went down, and all of them if the store
        was begun anew. Where the bounds of a histogram changed, the new counts are estimated from
        its exponential buckets. If the saved bytes cannot be read, all counts from now.

        A NaN or infinite total has no difference; it is given as it is, and not remembered.
        """
        families = [family for family in reading.families if family.only != "prometheus"]
        reading = replace(reading, families=families)
        present = _totals(reading)
        try:
            before = _unpacked(self._load())
        except ValueError as error:
            _log.warning(
                "what was sent last cannot be read (%s): what came before now is not sent", error
            )
            self._save(_packed(present))
            before = present
        if before is None or before.start_ns != reading.start_ns:
            before = _nothing_since(reading.start_ns)
        self._before, self._present = before, present
        deltas = [_delta(family, present, before) for family in families]
        kept = [family for family in deltas if isinstance(family, Samples) or len(family.labels)]
        return Reading(kept, reading.time_ns, min(before.time_ns, reading.time_ns))

    def acknowledge(self, arrived: Collection[Series] | None = None) -> None:
        """Note that the last difference has arrived.

        Series that the reading did not have stay known, so that one that comes back is not counted
        from 0 again.

        Args:
            arrived: The series that have arrived; all of them if None. If only some have, the next
                difference begins where the last one did, as for those that have not.
        """
        before, present = self._before, self._present
        keys = None if arrived is None else {(name, _key(labels)) for name, labels in arrived}
        merged = _Totals(
            _VERSION,
            present.start_ns,
            present.time_ns if arrived is None else before.time_ns,
            _merged(before.counters, present.counters, keys),
            _merged(before.histograms, present.histograms, keys),
        )
        self._save(_packed(merged))
        self._before = merged


def middles(histogram: ExponentialHistogram) -> list[tuple[float, int]]:
    """A value for each occupied bucket, with its count, ascending.

    It is the geometric mean of the bucket's bounds, as in `ExponentialHistogram.quantiles`.
    """
    found = []
    for lower, upper, count in histogram.buckets():
        inner, outer = sorted((abs(lower), abs(upper)))
        # The square root of each, as the product of the two may be out of a float's range.
        middle = math.sqrt(inner) * math.sqrt(outer) if math.isfinite(outer) else inner
        found.append((math.copysign(middle, lower + upper), count))
    return found


def _totals(reading: Reading) -> _Totals:
    counters: dict[str, dict[bytes, float]] = {}
    histograms: dict[str, dict[bytes, _Distribution]] = {}
    for family in reading.families:
        if isinstance(family, Histograms):
            histograms[family.name] = {
                _key(labels): _distribution(family, index)
                for index, labels in enumerate(family.labels)
            }
        elif isinstance(family, Numbers) and family.kind == "counter":
            pairs = zip(family.labels, map(float, family.values), strict=True)
            counters[family.name] = {_key(k): value for k, value in pairs if math.isfinite(value)}
    return _Totals(_VERSION, reading.start_ns, reading.time_ns, counters, histograms)


def _distribution(family: Histograms, index: int) -> _Distribution:
    columns: Any = family.exponential(index).columns()
    return _Distribution(
        bounds=[float(bound) for bound in family.bounds],
        counts=[int(count) for count in family.counts[index]],
        sum=float(family.sums[index]),
        **columns,
    )


def _delta(family: _Family, present: _Totals, before: _Totals) -> _Family:
    if isinstance(family, Histograms):
        return _histogram_delta(family, present, before)
    if isinstance(family, Numbers) and family.kind == "counter":
        return _counter_delta(family, before)
    return family


def _counter_delta(family: Numbers, before: _Totals) -> Numbers:
    known = before.counters.get(family.name, {})
    rows: list[tuple[int, float]] = []
    for index, (labels, total) in enumerate(zip(family.labels, family.values, strict=True)):
        past = known.get(_key(labels), 0.0)
        delta = float(total - past if total >= past and math.isfinite(total) else total)
        if delta:
            rows.append((index, delta))
    fresh = {
        place: family.exemplars[index]
        for place, (index, _) in enumerate(rows)
        if index in family.exemplars and family.exemplars[index].time_ns > before.time_ns
    }
    return replace(
        family,
        labels=[family.labels[index] for index, _ in rows],
        values=[delta for _, delta in rows],
        exemplars=fresh,
    )


def _histogram_delta(family: Histograms, present: _Totals, before: _Totals) -> Histograms:
    known = before.histograms.get(family.name, {})
    totals = present.histograms[family.name]
    rows: list[tuple[int, list[int], float, ExponentialHistogram]] = []
    for index, labels in enumerate(family.labels):
        key = _key(labels)
        counts, total, exponential = _subtracted(totals[key], known.get(key))
        if exponential.count or any(counts):
            rows.append((index, counts, total, exponential))
    places = {index: place for place, (index, *_) in enumerate(rows)}
    fresh = {
        (places[index], bucket): exemplar
        for (index, bucket), exemplar in family.exemplars.items()
        if index in places and exemplar.time_ns > before.time_ns
    }
    return replace(
        family,
        labels=[family.labels[row[0]] for row in rows],
        counts=[row[1] for row in rows],
        sums=[row[2] for row in rows],
        exponential=lambda place: rows[place][3],
        exemplars=fresh,
    )


def _subtracted(
    present: _Distribution, past: _Distribution | None
) -> tuple[list[int], float, ExponentialHistogram]:
    """Counts, sum and exponential buckets of what came after `past`; all if it went down."""
    exponential = None if past is None else _exponential(present, past)
    if past is None or exponential is None:
        return present.counts, present.sum, _exponential(present, None) or ExponentialHistogram()
    if present.bounds == past.bounds:
        counts = [new - old for new, old in zip(present.counts, past.counts, strict=True)]
        if min(counts) < 0:
            return _subtracted(present, None)
    else:
        counts = [0] * (len(present.bounds) + 1)
        for value, count in middles(exponential):
            counts[bisect_left(present.bounds, value)] += count
    return counts, present.sum - past.sum, exponential


def _exponential(present: _Distribution, past: _Distribution | None) -> ExponentialHistogram | None:
    """The buckets of what came after `past`; None if there is less in one than before."""
    scale = present.scale if past is None else min(present.scale, past.scale)
    positive = _by_index(present.positive_offset, present.positive_counts, present.scale - scale)
    negative = _by_index(present.negative_offset, present.negative_counts, present.scale - scale)
    zero_count = present.zero_count
    if past is not None:
        shift = past.scale - scale
        positive.subtract(_by_index(past.positive_offset, past.positive_counts, shift))
        negative.subtract(_by_index(past.negative_offset, past.negative_counts, shift))
        zero_count -= past.zero_count
    if min(zero_count, *positive.values(), *negative.values(), 0) < 0:
        return None
    histogram = ExponentialHistogram.from_buckets(
        scale=scale,
        zero_count=zero_count,
        positive=+positive,
        negative=+negative,
        smallest=-math.inf,
        largest=math.inf,
    )
    buckets = list(histogram.buckets())
    if buckets:  # nothing tells the smallest and largest value more precisely
        histogram.min, histogram.max = buckets[0][0], buckets[-1][1]
    return histogram


def _by_index(offset: int, counts: Sequence[int], shift: int) -> Counter[int]:
    found: Counter[int] = Counter()
    for index, count in enumerate(counts, offset):
        if count:
            found[index >> shift] += count
    return found


def _merged(
    past: Mapping[str, Mapping[bytes, _Total]],
    present: Mapping[str, Mapping[bytes, _Total]],
    keys: Container[tuple[str, bytes]] | None,
) -> dict[str, dict[bytes, _Total]]:
    merged = {name: dict(totals) for name, totals in past.items()}
    for name, totals in present.items():
        merged.setdefault(name, {}).update(
            (key, total) for key, total in totals.items() if keys is None or (name, key) in keys
        )
    return merged


def _key(labels: Labels) -> bytes:
    # A label's text need not be UTF-8: file names and environment variables are not either.
    parts = [part.encode("utf-8", "surrogatepass") for pair in labels for part in pair]
    return msgspec.msgpack.encode(parts)


def _nothing_since(start_ns: int) -> _Totals:
    return _Totals(_VERSION, start_ns, start_ns, {}, {})


def _packed(totals: _Totals) -> bytes:
    body = msgspec.msgpack.encode(totals)
    return zlib.crc32(body).to_bytes(4, "little") + body


def _unpacked(data: bytes | None) -> _Totals | None:
    """Read what `_packed` made; None for None.

    Raises:
        ValueError: It is damaged, or of another version.
    """
    if data is None:
        return None
    if zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
        raise ValueError("the checksum differs")
    try:
        version = _read_any(data[4:])[0]
        if version != _VERSION:
            raise ValueError(f"it has version {version} and this release reads {_VERSION}")
        return _read_totals(data[4:])
    except (msgspec.DecodeError, TypeError, IndexError) as error:
        raise ValueError(str(error)) from error
