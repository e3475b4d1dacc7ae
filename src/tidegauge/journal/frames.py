# SPDX-License-Identifier: Apache-2.0
"""Length- and CRC-framed payloads: how they are written, and how they are found among damage."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tidegauge.journal.layout import FRAME, FRAME_ALIGNMENT, FRAME_MAGIC, frame_checksum, padded

__all__ = ["Frame", "encode_frame", "scan_frames"]

_MAGIC = FRAME_MAGIC.to_bytes(4, "little")


class Frame(msgspec.Struct, frozen=True):
    """One intact frame.

    Attributes:
        offset: Where it starts in the scanned bytes.
        end: Where the next one may start.
        ordinal: The number its writer gave it.
        payload: What it carries.
    """

    offset: int
    end: int
    ordinal: int
    payload: memoryview


def encode_frame(ordinal: int, payload: bytes) -> bytes:
    """Frame a payload, padded to the alignment."""
    head = FRAME.pack(FRAME_MAGIC, len(payload), ordinal, frame_checksum(payload, ordinal))
    return (head + payload).ljust(padded(FRAME.size + len(payload)), b"\0")


def scan_frames(data: bytes, start: int = 0) -> Iterator[Frame]:
    """Find every intact frame from `start` on, skipping whatever does not check out.

    Args:
        data: The file's bytes; offsets are relative to them.
        start: Aligned offset to begin at.
    """
    view = memoryview(data)
    offset = start
    while (offset := _next_magic(data, offset)) >= 0:
        if (frame := _read(view, offset)) is not None:
            yield frame
            offset = frame.end
        else:
            offset += FRAME_ALIGNMENT


def _next_magic(data: bytes, start: int) -> int:
    offset = data.find(_MAGIC, start)
    while offset >= 0 and offset % FRAME_ALIGNMENT:
        offset = data.find(_MAGIC, offset + 1)
    return offset


def _read(view: memoryview, offset: int) -> Frame | None:
    body = offset + FRAME.size
    if body > len(view):
        return None
    _, length, ordinal, checksum = FRAME.unpack_from(view, offset)
    payload = view[body : body + length]
    if len(payload) != length or frame_checksum(payload, ordinal) != checksum:
        return None
    return Frame(offset, padded(body + length), ordinal, payload)
