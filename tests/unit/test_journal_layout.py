# SPDX-License-Identifier: Apache-2.0
"""What is encoded in the journal's bytes is decoded again, and no changed byte goes unseen."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from tidegauge.journal.decode import PointsBatch, decode_points, view_points
from tidegauge.journal.layout import (
    EVENTS_MAGIC,
    HEADER_BYTES,
    MAX_SEGMENT_SLOTS,
    NO_STEP,
    POINT,
    POINT_BYTES,
    POINTS_MAGIC,
    STEP_FACTOR,
    STEP_OFFSET,
    SegmentHeader,
    pack_header,
    pack_point,
    padded,
    series_id,
    series_offset,
    step_code,
    unpack_header,
)

TIME_NS = 1_700_000_000_123_456_789
STEPS = [
    0,
    1,
    -1,
    7,
    255,
    256,
    65_535,
    65_536,
    2**47 - 1,
    -(2**47),
    0xA5C3,
    -0xA5C3,
    123_456_789_012,
]


def pack(value: float, time_ns: int, step: int | None, series: int, offset: int) -> bytes:
    """One slot as a writer fills it."""
    slot = bytearray(POINT_BYTES)
    second = time_ns if step is None else time_ns ^ step_code(step)
    pack_point(slot, 0, value, time_ns, second, value, series, offset)
    return bytes(slot)


def step_of(code: int) -> int:
    """The step of a code, out of the range of steps if it is none; in whole numbers of Python."""
    found = (code - STEP_OFFSET) * pow(STEP_FACTOR, -1, 2**64) % 2**64
    return found - 2**64 if found >= 2**63 else found


def decode(data: bytes, offset: int) -> PointsBatch:
    """Decode slots that begin at an offset."""
    slots = view_points(data)
    return decode_points(0, offset, slots["stamp"] != 0, slots)


@pytest.mark.parametrize("step", STEPS)
def test_step_comes_back(step: int) -> None:
    """A step of 48 bits, also a negative one, is decoded as it was encoded, with its time."""
    batch = decode(pack(1.5, TIME_NS, step, series_id(16), HEADER_BYTES), HEADER_BYTES)
    assert (batch.step.tolist(), batch.time_ns.tolist()) == ([step], [TIME_NS])


def test_random_steps_come_back() -> None:
    """So does any other of 20,000 steps drawn from all 48 bits."""
    draw = random.Random(1)
    steps = [draw.randrange(-(2**47), 2**47) for _ in range(20_000)]
    data = b"".join(
        pack(0.0, TIME_NS, step, series_id(16), HEADER_BYTES + n * POINT_BYTES)
        for n, step in enumerate(steps)
    )
    assert decode(data, HEADER_BYTES).step.tolist() == steps


def test_fact_without_a_step_has_none() -> None:
    """No step is not step 0."""
    batch = decode(pack(1.5, TIME_NS, None, series_id(16), HEADER_BYTES), HEADER_BYTES)
    assert batch.step.tolist() == [NO_STEP]


@pytest.mark.parametrize("step", STEPS)
def test_step_code_is_never_zero_or_one_byte_away_from_it(step: int) -> None:
    """A changed byte cannot make a step appear, disappear, or become another."""
    code = step_code(step)
    for shift in range(0, 64, 8):
        for change in range(1, 256):
            changed = code ^ change << shift
            assert changed != 0
            assert not -(2**47) <= step_of(changed) < 2**47
    assert code != 0
    assert step_of(code) == step


def test_a_time_without_a_step_is_not_one_byte_away_from_one_with_a_step() -> None:
    """The other way round, for every byte that could change."""
    for shift in range(0, 64, 8):
        for change in range(1, 256):
            assert not -(2**47) <= step_of(change << shift) < 2**47


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -2.25e-300, 5e-324, 1.7976931348623157e308])
def test_value_comes_back_bit_for_bit(value: float) -> None:
    """Signed zero, subnormals and the largest double are decoded with the same bits."""
    batch = decode(pack(value, TIME_NS, None, series_id(16), HEADER_BYTES), HEADER_BYTES)
    assert struct.pack("<d", batch.value[0]) == struct.pack("<d", value)


def test_int_value_is_stored_as_a_float() -> None:
    """An int is packed as the double nearest to it."""
    batch = decode(pack(3, TIME_NS, None, series_id(16), HEADER_BYTES), HEADER_BYTES)
    assert batch.value.tolist() == [3.0]


def test_native_and_portable_packing_give_the_same_bytes() -> None:
    """What the fast packer of this machine writes is what the format says."""
    native, portable = bytearray(POINT_BYTES), bytearray(POINT_BYTES)
    fields = (-1.25, TIME_NS, TIME_NS ^ step_code(-9), -1.25, series_id(4096), 2**32 - 40)
    pack_point(native, 0, *fields)
    POINT.pack_into(portable, 0, *fields)
    assert native == portable


SLOTS = [
    (1.5, TIME_NS, None, 16, HEADER_BYTES),
    (0.0, TIME_NS, 0, 24, HEADER_BYTES + POINT_BYTES),
    (-0.0, 0, -1, 16, HEADER_BYTES + 77 * POINT_BYTES),
    (5e-324, 2**63 - 1, 2**47 - 1, 8 * (2**24 - 1), 65_536),
    (1e300, 1, None, 16, 2**32 - 16 - POINT_BYTES),
    (0.1, TIME_NS, -(2**47), 1 << 20, HEADER_BYTES + 1_000_000 * POINT_BYTES),
]


@pytest.mark.parametrize("slot", SLOTS)
def test_no_changed_byte_of_a_slot_goes_unseen(
    slot: tuple[float, int, int | None, int, int],
) -> None:
    """Each of 40 bytes changed to each of 255 other values: never a point, always counted."""
    value, time_ns, step, series, offset = slot
    intact = pack(value, time_ns, step, series_id(series), offset)
    assert len(decode(intact, offset).value) == 1
    changed = np.frombuffer(intact * (POINT_BYTES * 255), np.uint8).copy()
    changed = changed.reshape(POINT_BYTES, 255, POINT_BYTES)
    for index in range(POINT_BYTES):
        changed[index, :, index] ^= np.arange(1, 256, dtype=np.uint8)
    for each in changed.reshape(-1, POINT_BYTES):
        batch = decode(each.tobytes(), offset)
        assert len(batch.value) == 0
        # A stamp that has become 0 looks like a call that never returned.
        assert (batch.damaged, batch.unacknowledged) == ((0, 1) if not each[36:].any() else (1, 0))


def test_slot_at_another_place_is_damaged() -> None:
    """A whole slot is valid only where it was written."""
    batch = decode(
        pack(1.5, TIME_NS, None, series_id(16), HEADER_BYTES), HEADER_BYTES + POINT_BYTES
    )
    assert (len(batch.value), batch.damaged) == (0, 1)


def test_stamp_that_came_after_the_first_look_does_not_count() -> None:
    """A slot without a stamp in the first reading is unacknowledged, whatever the second shows."""
    slots = view_points(pack(1.5, TIME_NS, None, series_id(16), HEADER_BYTES))
    batch = decode_points(0, HEADER_BYTES, np.array([False]), slots)
    assert (len(batch.value), batch.unacknowledged, batch.damaged) == (0, 1, 0)


def test_stamp_covers_the_largest_segment() -> None:
    """The last slot of the largest segment has an offset of 32 bits."""
    assert HEADER_BYTES + (MAX_SEGMENT_SLOTS - 1) * POINT_BYTES < 2**32
    assert HEADER_BYTES + (MAX_SEGMENT_SLOTS + 1) * POINT_BYTES > 2**32


@pytest.mark.parametrize("offset", [16, 24, 4096, 8 * (2**24 - 1)])
def test_series_id_comes_back(offset: int) -> None:
    """An id leads to its offset, and no changed byte of it leads anywhere."""
    identifier = series_id(offset)
    assert series_offset(identifier) == offset
    assert identifier < 2**32
    for shift in range(0, 32, 8):
        assert all(series_offset(identifier ^ change << shift) is None for change in range(1, 256))


def test_no_series_is_no_id() -> None:
    """0 stands for no series, and is no valid id."""
    assert series_offset(0) is None


def test_series_id_beyond_128_mib_is_an_error() -> None:
    """There is no id for an offset that does not fit."""
    with pytest.raises(OverflowError, match=r"series\.log is full"):
        series_id(1 << 27)


def test_header_comes_back() -> None:
    """A header is decoded as it was encoded, with or without what follows it."""
    header = SegmentHeader(POINTS_MAGIC, 2**40, 65_536 * 40, TIME_NS)
    page = pack_header(header).ljust(HEADER_BYTES, b"\0")
    assert unpack_header(page, POINTS_MAGIC) == header
    assert unpack_header(page, EVENTS_MAGIC) is None


def test_no_changed_byte_of_a_header_goes_unseen() -> None:
    """Each of 36 bytes changed to each of 255 other values; and a header that is cut."""
    packed = pack_header(SegmentHeader(EVENTS_MAGIC, 4_096, 1 << 22, TIME_NS))
    for index in range(len(packed)):
        for change in range(1, 256):
            changed = bytearray(packed)
            changed[index] ^= change
            assert unpack_header(bytes(changed), EVENTS_MAGIC) is None
        assert unpack_header(packed[:index], EVENTS_MAGIC) is None


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 8), (8, 8), (9, 16), (4096, 4096)])
def test_padding_goes_up_to_a_multiple_of_eight(size: int, expected: int) -> None:
    """A size is rounded up to the alignment of frames."""
    assert padded(size) == expected
