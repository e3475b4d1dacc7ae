# SPDX-License-Identifier: Apache-2.0
"""The file in which totals outlive processes: `<store>/live.state`.

Written whole to another name and renamed, so a reader sees one state or the next. Its bytes are
described in docs/format/live.md, and a test holds the two together.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.catalog import Catalog
from tidegauge.catalog.abroad import ExportedNames
from tidegauge.journal.permissions import share
from tidegauge.live.exact import ExactSums
from tidegauge.live.exponential import ExponentialCounts
from tidegauge.live.families import Exemplar, Labels
from tidegauge.live.fold import Position
from tidegauge.live.kept import FamilyTotals, HowKept, how_kept
from tidegauge.live.totals import LivingValue, Totals
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.spec import MetricSpec

__all__ = [
    "HEAD",
    "MAGIC",
    "Head",
    "Unusable",
    "decode_head",
    "decode_state",
    "encode_state",
    "read_head",
    "write_state",
]

MAGIC = b"TGlive01"
#: Magic, length of the head, its CRC-32, length of the body, its CRC-32.
HEAD = struct.Struct("<8sQIQI")
_HEAD_BYTES = 1 << 16


class Head(msgspec.Struct, frozen=True):
    """What a reader wants to know before the rest.

    Attributes:
        journal_id: The journal that the positions refer to.
        epoch: Changes when series were dropped or everything was counted anew; whoever has folded
            from another epoch on starts again from here.
        written_ns: When the file was written.
        positions: How far each slot is folded.
    """

    journal_id: str
    epoch: int
    written_ns: int
    positions: dict[str, Position]


class Unusable(Exception):
    """The file cannot be gone on from; everything is to be counted anew."""


class _Family(msgspec.Struct, array_like=True):
    spec: MetricSpec
    names: ExportedNames
    name: str
    only: Literal["prometheus", "otlp"] | None
    kept: int
    bounds: tuple[float, ...]
    series: list[Labels]
    cells: list[int]


class _Body(msgspec.Struct):
    families: list[_Family]
    facts: bytes
    last_ns: bytes
    value: bytes
    source: bytes
    place: bytes
    digits: bytes
    huge: dict[int, str]
    buckets: bytes
    exponential_keys: bytes
    exponential_counts: bytes
    living: dict[int, dict[int, LivingValue]]
    exemplars: list[tuple[int, int, Exemplar]]
    skipped: dict[str, int]
    recorded: int
    first_ns: int


# See the end of `tidegauge.model.spec`.
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_body = msgspec.msgpack.Decoder(_Body).decode


def encode_state(head: Head, totals: Totals) -> bytes:
    """The bytes of the file."""
    keys, counts = totals.exponential.dump()
    digits, huge = totals.sums.dump()
    body = msgspec.msgpack.encode(
        _Body(
            families=[
                _Family(
                    family.spec,
                    family.names,
                    family.name,
                    family.only,
                    int(family.kept),
                    family.bounds,
                    list(family.cells),
                    list(family.cells.values()),
                )
                for family in totals.all_families()
            ],
            facts=_bytes(totals.facts[: totals.n_cells]),
            last_ns=_bytes(totals.last_ns[: totals.n_cells]),
            value=_bytes(totals.value[: totals.n_cells]),
            source=_bytes(totals.source[: totals.n_cells]),
            place=_bytes(totals.place[: totals.n_cells]),
            digits=digits,
            huge=huge,
            buckets=_bytes(totals.buckets[: totals.n_buckets]),
            exponential_keys=keys,
            exponential_counts=counts,
            living=totals.living,
            exemplars=[(*place, each) for place, each in totals.exemplars.items()],
            skipped=dict(totals.skipped),
            recorded=totals.recorded,
            first_ns=totals.first_ns,
        )
    )
    first = msgspec.msgpack.encode(head)
    lengths = HEAD.pack(MAGIC, len(first), zlib.crc32(first), len(body), zlib.crc32(body))
    return lengths + first + body


def decode_state(data: bytes, catalog: Catalog, *, as_it_is: bool = False) -> tuple[Head, Totals]:
    """The inverse of `encode_state`.

    Metrics that the catalogue declares are taken from there, so that a new description shows.

    Args:
        data: The bytes.
        catalog: The vocabulary.
        as_it_is: Take what the file says of a metric where the catalogue wants something else to
            be counted.

    Raises:
        Unusable: The bytes are damaged or of another version, or the catalogue now wants something
            else to be counted.
    """
    head = decode_head(data)
    _, head_bytes, _, body_bytes, body_crc = HEAD.unpack_from(data)
    payload = data[HEAD.size + head_bytes :]
    if len(payload) != body_bytes or zlib.crc32(payload) != body_crc:
        raise Unusable("its body is damaged")
    try:
        return head, _totals(_decode_body(payload), catalog, as_it_is=as_it_is)
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        raise Unusable(f"its body cannot be read ({error})") from error


def decode_head(data: bytes) -> Head:
    """The head alone, from the first bytes of the file.

    Raises:
        Unusable: It is damaged, cut or of another version.
    """
    if len(data) < HEAD.size:
        raise Unusable("it is cut")
    magic, length, crc, _, _ = HEAD.unpack_from(data)
    if magic != MAGIC:
        raise Unusable("it is of another version")
    payload = data[HEAD.size : HEAD.size + length]
    if len(payload) != length or zlib.crc32(payload) != crc:
        raise Unusable("its head is damaged")
    try:
        return _decode_head(payload)
    except msgspec.DecodeError as error:
        raise Unusable(f"its head cannot be read ({error})") from error


def read_head(path: Path) -> Head:
    """The head of the file at `path`.

    Raises:
        Unusable: As `decode_head`.
        FileNotFoundError: There is no file.
    """
    with path.open("rb") as source:
        start = source.read(_HEAD_BYTES)
        if len(start) >= HEAD.size:
            magic, length, *_ = HEAD.unpack_from(start)
            # A length that was damaged must not be believed.
            if magic == MAGIC and length <= os.fstat(source.fileno()).st_size:
                start += source.read(max(HEAD.size + length - len(start), 0))
    return decode_head(start)


def write_state(path: Path, data: bytes) -> None:
    """Put the bytes in place of the file at `path`, on the disk before anybody sees them."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)  # of a writer that was killed, perhaps of another user
    with draft.open("wb") as target:
        target.write(data)
        target.flush()
        os.fsync(target.fileno())
    share(draft)
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _totals(body: _Body, catalog: Catalog, *, as_it_is: bool) -> Totals:
    totals = Totals()
    places: list[tuple[int, FamilyTotals, Labels]] = []
    for each in body.families:
        kept = HowKept(each.kept)
        spec, names, name = each.spec, each.names, each.name
        declared = _declared(catalog, spec.name)
        if declared is not None:
            is_same = (declared.name, *how_kept(declared)) == (spec.name, kept, each.bounds)
            if not is_same and not as_it_is:
                raise Unusable(f"the metric {spec.name!r} is kept in another way now")
            if is_same:
                spec, names = declared, catalog.exported(declared.name)
                name = names.prometheus if name == each.names.prometheus else name
        family = totals.restore_family(
            FamilyTotals(0, spec, names, name, each.only, kept, each.bounds)
        )
        places += [
            (cell, family, labels) for labels, cell in zip(each.series, each.cells, strict=True)
        ]
    places.sort(key=lambda place: place[0])
    for cell, family, labels in places:
        if totals.restore_cell(family, labels) != cell:
            raise ValueError("a cell is missing")
    totals.facts = _ints(body.facts)
    totals.last_ns = _ints(body.last_ns)
    totals.value = np.frombuffer(body.value, "<f8").astype(np.float64)
    totals.source = _ints(body.source)
    totals.place = _ints(body.place)
    totals.buckets = _ints(body.buckets)
    totals.sums = ExactSums.load(body.digits, body.huge)
    totals.exponential = ExponentialCounts.load(body.exponential_keys, body.exponential_counts)
    totals.living = body.living
    totals.exemplars = {(cell, bucket): each for cell, bucket, each in body.exemplars}
    totals.skipped = Counter(body.skipped)
    totals.recorded, totals.first_ns = body.recorded, body.first_ns
    totals.settle()
    return totals


def _declared(catalog: Catalog, metric: str) -> MetricSpec | None:
    try:
        return catalog.declared(metric)
    except MetricValidationError:  # of a category that only others know
        return None


def _bytes(array: npt.NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def _ints(data: bytes) -> npt.NDArray[np.int64]:
    return np.frombuffer(data, "<i8").astype(np.int64)
