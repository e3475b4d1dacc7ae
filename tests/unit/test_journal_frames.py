# SPDX-License-Identifier: Apache-2.0
"""Frames are found among damage, and nothing that is not one is taken for one."""

from __future__ import annotations

import pytest

from tidegauge.journal.frames import encode_frame, scan_frames

THREE = [(0, b"first"), (7, b""), (2**40 + 1, b"third" * 20)]


def found(data: bytes, start: int = 0) -> list[tuple[int, bytes]]:
    """Ordinals and payloads of the frames in some bytes."""
    return [(frame.ordinal, bytes(frame.payload)) for frame in scan_frames(data, start)]


def encoded() -> bytes:
    """Three frames in a row."""
    return b"".join(encode_frame(ordinal, payload) for ordinal, payload in THREE)


def test_frames_come_back() -> None:
    """What is encoded is found, in order, with ordinals of 64 bits and empty payloads."""
    assert found(encoded()) == THREE


def test_frames_are_aligned() -> None:
    """A frame takes a multiple of 8 bytes, so the next one begins at such an offset."""
    assert [len(encode_frame(0, b"x" * size)) for size in (0, 1, 8, 9)] == [24, 32, 32, 40]
    ends = [frame.end for frame in scan_frames(encoded())]
    assert ends == [32, 56, 184]


def test_scan_begins_where_it_is_told() -> None:
    """Frames before the start are not seen."""
    assert found(encoded(), 32) == THREE[1:]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_no_changed_byte_of_a_frame_goes_unseen(lost: int) -> None:
    """Each byte of a frame changed in each bit: that frame is lost, and no other.

    Except in the four bytes that are always zero and in the padding, which nobody reads.
    """
    starts = [0, 32, 56]
    start, payload = starts[lost], THREE[lost][1]
    read = [*range(20), *range(24, 24 + len(payload))]
    for index in read:
        for bit in range(8):
            data = bytearray(encoded())
            data[start + index] ^= 1 << bit
            assert found(bytes(data)) == [each for each in THREE if each != THREE[lost]]


def test_truncation_costs_the_frames_it_cuts() -> None:
    """Of data that ends early, every frame that is still whole is found."""
    data = encoded()
    for size in range(len(data)):
        # 180 is the end of the last payload; the padding behind it is not missed.
        whole = sum(size >= end for end in (29, 56, 180))
        assert found(data[:size]) == THREE[:whole]


def test_frame_is_found_behind_anything() -> None:
    """Garbage, zeros and half a frame in front of a frame do not hide it."""
    frame = encode_frame(3, b"payload")
    for garbage in (b"\0" * 64, b"tFG1" * 16, encode_frame(9, b"x" * 100)[:64], bytes(range(64))):
        assert found(garbage + frame) == [(3, b"payload")]


def test_frame_at_an_odd_offset_is_none() -> None:
    """Only multiples of 8 are looked at."""
    assert found(b"\0" * 4 + encode_frame(3, b"payload")) == []


def test_length_that_lies_does_not_lead_beyond_the_data() -> None:
    """A length of gigabytes is damage, not an attempt to read them."""
    data = bytearray(encode_frame(3, b"payload") + encode_frame(4, b"next"))
    data[4:8] = b"\xff\xff\xff\x7f"
    assert found(bytes(data)) == [(4, b"next")]
