# SPDX-License-Identifier: Apache-2.0
"""The column `metadata` of a row in a SQLite file: the caller's JSON, and what has no column.

The latter is under the key `tidegauge`, and only where there is something: labels and dimensions,
and columns of our table that the file's table lacks.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegauge.model.errors import MetricValidationError

__all__ = ["RESERVED_KEY", "Beyond", "pack", "unpack"]

#: The key of a row's metadata that is ours.
RESERVED_KEY = "tidegauge"


class Beyond(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a row has that is in no column of the file.

    Attributes:
        labels: Labels and dimensions.
        columns: Columns of our table, by name.
        metadata: The metadata themselves, where they are no JSON object or use the key `tidegauge`.
    """

    labels: dict[str, str] = {}
    columns: dict[str, str | bool | int | float] = {}
    metadata: msgspec.Raw = msgspec.Raw()


_NOTHING = Beyond()
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_beyond = msgspec.json.Decoder(Beyond).decode
_encode = msgspec.json.Encoder().encode


def pack(
    metadata: str | None, labels: Mapping[str, str], columns: Mapping[str, str | bool | int | float]
) -> str | None:
    """The metadata of a row as it is written; None if there is nothing.

    Args:
        metadata: As the store has them.
        labels: Labels and dimensions.
        columns: What the file has no column for.
    """
    if metadata is None:
        if not labels and not columns:
            return None
        return _text({RESERVED_KEY: Beyond(dict(labels), dict(columns))})
    try:
        parts: dict[str, object] = dict(_object(metadata))
    except msgspec.DecodeError:
        parts = {RESERVED_KEY: None}
    if RESERVED_KEY in parts:
        whole = msgspec.Raw(metadata.encode())
        return _text({RESERVED_KEY: Beyond(dict(labels), dict(columns), whole)})
    if not labels and not columns:
        return metadata
    return _text({**parts, RESERVED_KEY: Beyond(dict(labels), dict(columns))})


def unpack(cell: object) -> tuple[str | None, Beyond]:
    """The metadata of a row as the store keeps them, and what was in them that is ours.

    Args:
        cell: The cell. What is no JSON object is kept as `{"text": …}`.

    Raises:
        MetricValidationError: It cannot be written as UTF-8.
    """
    text = cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell or "")
    if not text.strip():
        return None, _NOTHING
    try:
        parts = _object(text)
    except msgspec.DecodeError:
        return _text({"text": text}), _NOTHING
    except UnicodeEncodeError as error:
        raise _not_utf8(text) from error
    ours = _NOTHING
    if (raw := parts.get(RESERVED_KEY)) is not None:
        try:
            ours = _beyond(raw)
        except msgspec.DecodeError:  # somebody else's key of that name
            return _text(parts), _NOTHING
        del parts[RESERVED_KEY]
    if bytes(ours.metadata):
        return bytes(ours.metadata).decode(), ours
    return (_text(parts) if parts else None), ours


def _text(parts: Mapping[str, object]) -> str:
    return _encode(parts).decode()


def _not_utf8(text: str) -> MetricValidationError:
    return MetricValidationError(
        "metadata cannot be written as UTF-8",
        reason="bad_metadata",
        got=text,
        allowed="text that is UTF-8",
    )
