# SPDX-License-Identifier: Apache-2.0
"""The bytes of the journal's files: structs, magics, and the redundancy in a point slot.

docs/format/journal.md describes the same in prose; a test holds the two together.
"""

from __future__ import annotations

import struct
import sys
import zlib

import msgspec

__all__ = [
    "ALL_BITS",
    "EVENTS_MAGIC",
    "EVENTS_SEGMENT_BYTES",
    "FIRST_DROP_OFFSET",
    "FIRST_SERIES_OFFSET",
    "FRAME",
    "FRAME_ALIGNMENT",
    "FRAME_MAGIC",
    "HEADER",
    "HEADER_BYTES",
    "IDENTITY",
    "MAX_SEGMENT_SLOTS",
    "NO_STEP",
    "NUMBER",
    "NUMBER_OFFSETS",
    "POINT",
    "POINTS_MAGIC",
    "POINT_BYTES",
    "SERIES_CHECK_SEED",
    "SERIES_MAGIC",
    "STATE_BYTES",
    "STATE_MAGIC",
    "STEP_FACTOR",
    "STEP_OFFSET",
    "SegmentHeader",
    "frame_checksum",
    "least_budget_bytes",
    "pack_frame",
    "pack_header",
    "pack_number",
    "pack_point",
    "padded",
    "series_id",
    "series_offset",
    "step_code",
    "unpack_header",
]


def _native(layout: struct.Struct, same: str) -> struct.Struct:
    """The format `same` where it gives the bytes of `layout`: little-endian and of 64 bits.

    CPython turns an int into a C long in a few instructions, but into a `long long` by way of a
    loop over bytes: this saves 20 ns of the 90 that a point takes (bench/record.py).
    """
    native = struct.Struct(same)
    return native if sys.byteorder == "little" and native.size == layout.size else layout


HEADER_BYTES = 4096
POINTS_MAGIC = b"TGpoint1"
EVENTS_MAGIC = b"TGevent1"
SERIES_MAGIC = b"TGserie1"
STATE_MAGIC = b"TGstate1"

#: magic, first position, capacity in bytes, created (ns); a CRC-32 of these follows.
HEADER = struct.Struct("<8sQQQ")
_CRC = struct.Struct("<I")

#: One point: value, time, time ^ step code, value again, series id, stamp.
#: Every field can be checked against another, so that no flipped byte goes unseen; the stamp comes
#: last and is the slot's own offset in the file, so that a slot without it was never finished.
POINT = struct.Struct("<dQQdII")
POINT_BYTES = POINT.size
#: Fills a slot: `pack_point(buffer, offset, value, time_ns, second, value, series, offset)`.
pack_point = _native(POINT, "@dLLdII").pack_into
#: Room for frames in a file of events.
EVENTS_SEGMENT_BYTES = 4 << 20
#: A stamp has 32 bits.
MAX_SEGMENT_SLOTS = (2**32 - HEADER_BYTES) // POINT_BYTES

#: A frame's head: magic, payload length, ordinal, checksum; see `frame_checksum`.
FRAME = struct.Struct("<IIQI4x")
#: Encodes one: `pack_frame(FRAME_MAGIC, length, ordinal, checksum)`.
pack_frame = _native(FRAME, "@IILI4x").pack
FRAME_MAGIC = 0x31474674  # the bytes b"tFG1"
FRAME_ALIGNMENT = 8

#: The step of a fact that has none, in decoded arrays.
NO_STEP = -(2**63)
#: A step of 48 bits times 2**64 over the golden ratio, and a half of that, is a step code: no two
#: codes, and no code and 0, are a single changed byte apart, and a code costs one multiplication.
STEP_FACTOR = 0x9E3779B97F4A7C15
STEP_OFFSET = STEP_FACTOR >> 1
ALL_BITS = 2**64 - 1

#: Offset of the first frame in series.log, after its magic.
FIRST_SERIES_OFFSET = 16
SERIES_CHECK_SEED = 0x5A

#: The page of a slot: magic and journal id; a CRC-32 of these follows. Then its numbers.
STATE_BYTES = 4096
IDENTITY = struct.Struct("<8s16s")
#: A number of the page, below 2**63, and its bits inverted.
NUMBER = struct.Struct("<qq")
#: Encodes one: `pack_number(value, ~value)`.
pack_number = _native(NUMBER, "@ll").pack
NUMBER_OFFSETS = {
    name: 64 + NUMBER.size * index
    for index, name in enumerate(
        (
            "takes",
            "owner_pid",
            "owner_since_ns",
            "boot",
            "settled",
            "points_end",
            "events_end",
            "events_facts",
            "series_end",
            "fixed_names",
            "tenure_points",
            "tenure_facts",
            "tenure",
        )
    )
}
FIRST_DROP_OFFSET = 1024


class SegmentHeader(msgspec.Struct, frozen=True):
    """The first page of a segment.

    Attributes:
        magic: `POINTS_MAGIC` or `EVENTS_MAGIC`.
        first_position: Position of the first slot (points) or byte (events) after the header, as
            in the file's name.
        capacity_bytes: Room after the header, in bytes.
        created_ns: Wall clock at creation.
    """

    magic: bytes
    first_position: int
    capacity_bytes: int
    created_ns: int


def pack_header(header: SegmentHeader) -> bytes:
    """Encode a segment header without its padding."""
    fixed = HEADER.pack(
        header.magic, header.first_position, header.capacity_bytes, header.created_ns
    )
    return fixed + _CRC.pack(zlib.crc32(fixed))


def unpack_header(page: bytes, magic: bytes) -> SegmentHeader | None:
    """Decode a segment header; None if it is cut, of another kind or damaged."""
    end = HEADER.size + _CRC.size
    if len(page) < end:
        return None
    fixed = page[: HEADER.size]
    if _CRC.unpack_from(page, HEADER.size)[0] != zlib.crc32(fixed):
        return None
    header = SegmentHeader(*HEADER.unpack(fixed))
    return header if header.magic == magic else None


def frame_checksum(payload: bytes | memoryview, ordinal: int) -> int:
    """The CRC-32 of a payload, seeded with all 64 bits of its ordinal."""
    return zlib.crc32(payload, ordinal ^ ordinal >> 32)  # which takes the low 32 bits


def step_code(step: int) -> int:
    """Spread a step of 48 bits over 64; never 0, which means that there is no step.

    No single changed byte turns a code into another one, or into 0, or 0 into a code.
    """
    return step * STEP_FACTOR + STEP_OFFSET & ALL_BITS


def least_budget_bytes(segment_slots: int) -> int:
    """Room for two files of each lane, the points' of so many slots.

    The newest file of a lane is never deleted: in a journal with less, a drain could make no room.
    """
    return 2 * (segment_slots * POINT_BYTES + EVENTS_SEGMENT_BYTES + 2 * HEADER_BYTES)


def series_id(offset: int) -> int:
    """Encode the offset of a frame in series.log as a 32-bit id with 8 check bits.

    An offset is never used twice in the life of a slot, so neither is an id, even if the frame it
    stands for is damaged later.

    Raises:
        OverflowError: The offset is beyond 128 MiB.
    """
    index = offset // FRAME_ALIGNMENT
    if index >= 1 << 24:
        raise OverflowError("series.log is full")
    return index << 8 | _series_check(index)


def series_offset(identifier: int) -> int | None:
    """Decode an id; None if its check bits are wrong."""
    index = identifier >> 8
    return index * FRAME_ALIGNMENT if identifier & 0xFF == _series_check(index) else None


def _series_check(index: int) -> int:
    return (index ^ index >> 8 ^ index >> 16 ^ SERIES_CHECK_SEED) & 0xFF


def padded(size_bytes: int) -> int:
    """Round up to the alignment of frames."""
    return -(-size_bytes // FRAME_ALIGNMENT) * FRAME_ALIGNMENT
