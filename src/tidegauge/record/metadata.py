# SPDX-License-Identifier: Apache-2.0
"""Metadata of facts: from a dict of whatever a program has to JSON."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegauge.journal.events import MAX_EVENT_BYTES
from tidegauge.model.errors import MetricValidationError

__all__ = ["metadata_json", "not_a_dict"]


def metadata_json(metadata: Mapping[str, object]) -> str:
    """The JSON text of metadata.

    Raises:
        MetricValidationError: They are not a dict, cannot be written as JSON, or are too large.
    """
    if not isinstance(metadata, Mapping):
        raise not_a_dict("metadata", metadata, reason="bad_metadata")
    try:
        text = _encode(dict(metadata))
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise MetricValidationError(
            f"metadata cannot be written as JSON ({error})",
            reason="bad_metadata",
            got=metadata,
            allowed="a dict of texts, numbers, dates, lists and dicts",
            fix="Turn the value in question into text.",
        ) from error
    if len(text) > MAX_EVENT_BYTES:
        raise MetricValidationError(
            "metadata are too large",
            reason="bad_metadata",
            got=f"{len(text)} bytes of JSON",
            allowed=f"at most {MAX_EVENT_BYTES} bytes with one fact",
            fix="Store the rest elsewhere, and record where.",
        )
    return text.decode()


def not_a_dict(what: str, got: object, *, reason: str) -> MetricValidationError:
    """The error that says that something is not a dict."""
    return MetricValidationError(
        f"{what} are not a dict" if what.endswith("s") else f"{what} is not a dict",
        reason=reason,
        got="None" if got is None else got,
        allowed="a dict from name to value",
        fix="Give the names as keys.",
    )


def _plain(value: object) -> object:
    """What JSON can carry of a value that it does not know: numbers of arrays, or its text."""
    tolist = getattr(value, "tolist", None)  # NumPy and PyTorch
    try:
        return tolist() if callable(tolist) else str(value)
    except Exception as error:  # somebody's `__str__`
        raise TypeError(f"a {type(value).__name__} has no text") from error


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
