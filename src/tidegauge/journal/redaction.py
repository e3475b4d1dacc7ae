# SPDX-License-Identifier: Apache-2.0
"""Blanking what facts that were stored say of a user, in the files of a slot, where it stands.

The newest file of a lane stays until it is full, and the file of series for good, so what was
stored is still there. It is written over with frames of the same length and number that are as
valid as before, so that whoever still reads there finds a fact without the user, and no damage.
The owner of the slot may go on recording: it never writes to these places again.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from tidegauge.journal.events import encode
from tidegauge.journal.frames import Frame, encode_frame, scan_frames
from tidegauge.journal.layout import EVENTS_MAGIC, FIRST_SERIES_OFFSET, HEADER_BYTES, series_id
from tidegauge.journal.segment import lane_segments
from tidegauge.journal.series import SERIES_FILE, SeriesEntry, entries_in
from tidegauge.model.personal import FREE_TEXT, USER_COLUMN, USER_LABELS, names_user
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import TABLES

__all__ = ["redact_slot"]

_decode = msgspec.msgpack.Decoder().decode
_COLUMNS = {name: tuple(column.name for column in table.columns) for name, table in TABLES.items()}
_METADATA = "metadata"
# Places of a row's parts: kind, table, time, series, columns.
_KIND, _TABLE, _SERIES, _VALUES = 0, 1, 3, 4


def redact_slot(directory: Path, forms: Collection[str], *, stored_events: int) -> int:
    """Blank a user in the files of a slot.

    Of facts that name them in a label the label goes, of all others what says who it was and what
    they wrote. Facts of the lane of points hold no text.

    Args:
        directory: The slot's directory.
        forms: What the user is known as.
        stored_events: The position of the lane of events before which everything is stored. What
            comes later is left as it is, but for labels: an entry of the file of series is for all
            facts of the series.

    Returns:
        How many frames were written over.

    Raises:
        OSError: A file cannot be written.
    """
    theirs = _series_of(directory / SERIES_FILE, forms)
    count = 0
    for file in lane_segments(directory, "events", EVENTS_MAGIC):
        stop = HEADER_BYTES + stored_events - file.first_position
        count += _redact_events(file.path, stop, forms, set(theirs))
    # Last, so that a second attempt after a crash still knows whose the series were.
    return count + _redact_series(directory / SERIES_FILE, forms)


def _redact_events(path: Path, stop: int, forms: Collection[str], theirs: set[int]) -> int:
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # freed in this moment
        return 0
    changes = []
    for frame in scan_frames(data, HEADER_BYTES):
        if frame.end > stop:
            break
        payload = _blanked(frame, forms, theirs)
        if payload is not None:
            changes.append((frame.offset, encode_frame(frame.ordinal, payload)))
    _overwrite(path, changes)
    return len(changes)


def _blanked(frame: Frame, forms: Collection[str], theirs: set[int]) -> bytes | None:
    """The payload of the same length without the user; None if it is not about them."""
    before = frame.payload.tobytes()
    try:
        fact: list[Any] = _decode(before)
        kind = fact[_KIND]
        values = fact[_VALUES]
        named = values if kind == "r" else dict(zip(_COLUMNS[fact[_TABLE]], values, strict=False))
        is_theirs = fact[_SERIES] in theirs
    except (msgspec.DecodeError, LookupError, TypeError):  # a batch, or of another version
        return None
    metadata = named.get(_METADATA)
    if not (
        is_theirs
        or named.get(USER_COLUMN) in forms
        or (isinstance(metadata, str) and names_user(metadata, forms))
    ):
        return None
    blank = {
        name: _filler(name, named[name])
        for name in (USER_COLUMN, *FREE_TEXT, _METADATA)
        if isinstance(named.get(name), str)
    }
    after = named | blank
    fact[_VALUES] = after if kind == "r" else [after[name] for name in list(named)]
    payload = encode(fact)
    return payload if payload != before and len(payload) == len(before) else None


def _filler(name: str, text: str) -> str:
    """Something of the same length that says nothing."""
    size_bytes = len(text.encode())
    return "{" + " " * (size_bytes - 2) + "}" if name == _METADATA else "*" * size_bytes


def _series_of(path: Path, forms: Collection[str]) -> list[int]:
    """The series that name the user in a label."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return [
        identifier
        for identifier, entry, _ in entries_in(data[FIRST_SERIES_OFFSET:], FIRST_SERIES_OFFSET)
        if isinstance(entry, SeriesKey) and _without_user(entry, forms) != entry
    ]


def _redact_series(path: Path, forms: Collection[str]) -> int:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return 0
    theirs = set(_series_of(path, forms))
    changes = []
    for frame in scan_frames(data, FIRST_SERIES_OFFSET):
        if frame.ordinal != frame.offset or series_id(frame.offset) not in theirs:
            continue
        entry = msgspec.msgpack.decode(frame.payload, type=SeriesEntry)
        shorter = msgspec.msgpack.encode(SeriesEntry(_without_user(entry.key, forms)))
        # Zeros up to the next entry: a gap, which readers skip. No id is given out there, for the
        # slot's page and the file's length say where new ones begin.
        changes.append(
            (
                frame.offset,
                encode_frame(frame.ordinal, shorter).ljust(frame.end - frame.offset, b"\0"),
            )
        )
    _overwrite(path, changes)
    return len(changes)


def _without_user(key: SeriesKey, forms: Collection[str]) -> SeriesKey:
    labels = tuple(
        (name, value) for name, value in key.labels if not (name in USER_LABELS and value in forms)
    )
    return SeriesKey(key.metric, key.dimensions, labels)


def _overwrite(path: Path, changes: list[tuple[int, bytes]]) -> None:
    if not changes:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for offset, data in changes:
            written = os.pwrite(descriptor, data, offset)
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes were written to {path}")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
