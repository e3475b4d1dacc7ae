# SPDX-License-Identifier: Apache-2.0
"""What a series is called inside an MLflow run, and what its tags are called.

MLflow knows a metric by one key within a run, so labels have to become part of it. A key may hold
word characters, `/`, `.`, `-`, space and, where MLflow does not run on Windows, `:`; it has at most
250 characters and is in the normal form of a POSIX path.

- Without labels the key is the metric's MLflow name and nothing else.
- Each label adds `/<label>:<value>`, in the order of the labels' names; with the styles `slash` and
  `underscore`, which are free of colons, `/<label>.<value>`. MLflow's page then shows all series of
  a metric in one section.
- A value that holds anything but word characters, `.`, `-` and inner spaces has each other
  character replaced by `-` and ends in `-` and 8 hexadecimal digits of the BLAKE2b hash of the
  value as it was, so that different values never share a key.
- A key that would be longer than 250 characters is cut to 233 and ends in `-` and 16 digits of the
  hash of the whole key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

__all__ = [
    "KEY_LENGTH",
    "definition_tag",
    "is_readable",
    "labels_tag",
    "metadata_tag",
    "metric_key",
]

#: Most characters of a metric's or tag's key.
KEY_LENGTH = 250

_ODD = re.compile(r"[^\w.\- ]")
_ODD_LABEL = re.compile(r"[^\w]")
_LONG_DIGITS = 16
_SHORT_DIGITS = 8


def metric_key(name: str, labels: Iterable[tuple[str, str]], *, style: str) -> str:
    """Build the key of a series.

    Args:
        name: The metric's MLflow name in the same style.
        labels: Pairs of label and value, sorted by label.
        style: `as_given`, `slash` or `underscore`.
    """
    joint = ":" if style == "as_given" else "."
    parts = [f"/{_label(label)}{joint}{_value(value)}" for label, value in labels]
    return _cut(name + "".join(parts)) if parts else name


def is_readable(key: str, labels: Iterable[tuple[str, str]], *, style: str) -> bool:
    """Whether the labels can be read back from the key, because nothing was replaced or cut."""
    joint = ":" if style == "as_given" else "."
    return key.endswith("".join(f"/{label}{joint}{value}" for label, value in labels))


def definition_tag(name: str) -> str:
    """Key of the tag that says what a metric is; `name` is its MLflow name without labels."""
    return _cut(f"tidegauge.metric.{name}")


def labels_tag(key: str) -> str:
    """Key of the tag that spells out the labels of a key from which they cannot be read back."""
    return _cut(f"tidegauge.labels.{key}")


def metadata_tag(key: str) -> str:
    """Key of the tag with the latest metadata recorded for a metric's key."""
    return _cut(f"tidegauge.metadata.{key}")


def _label(label: str) -> str:
    return _replaced(_ODD_LABEL, label) if _ODD_LABEL.search(label) else label


def _value(value: str) -> str:
    odd = not value or _ODD.search(value) or value != value.strip()
    return _replaced(_ODD, value) if odd else value


def _replaced(odd: re.Pattern[str], text: str) -> str:
    return f"{odd.sub('-', text.strip())}-{_hash(text, _SHORT_DIGITS)}"


def _cut(key: str) -> str:
    if len(key) <= KEY_LENGTH:
        return key
    return f"{key[: KEY_LENGTH - _LONG_DIGITS - 1]}-{_hash(key, _LONG_DIGITS)}"


def _hash(text: str, digits: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=digits // 2).hexdigest()
