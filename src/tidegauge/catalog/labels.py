# SPDX-License-Identifier: Apache-2.0
"""What a label may be called and what it may hold, for declarations and for recorded facts."""

from __future__ import annotations

import numbers
import re
from collections.abc import Mapping
from typing import TypeGuard

from tidegauge.model.errors import MetricValidationError
from tidegauge.model.series import DIMENSIONS
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import COMMON_COLUMNS, POINTS

__all__ = [
    "LABEL_NAME_PATTERN",
    "MAX_LABEL_VALUE_CHARS",
    "RESERVED_LABELS",
    "check_label",
    "check_label_name",
    "check_labels",
    "is_bool",
]

#: A label's name: what Prometheus takes without quoting, and Python takes as a keyword.
LABEL_NAME_PATTERN = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]{0,99}\Z")

MAX_LABEL_VALUE_CHARS = 1000

#: Names a label may not have: the columns of the points table, which would be shadowed in SQL;
#: the arguments of the record calls; and what Prometheus keeps for histograms and summaries.
RESERVED_LABELS: frozenset[str] = frozenset(
    {column.name for column in (*COMMON_COLUMNS, *POINTS.columns)} - set(DIMENSIONS)
    | {"name", "timestamp"}
    | {"le", "quantile"}
)


def check_label_name(name: object) -> str:
    """Return a label's name unchanged if a label may be called so.

    Raises:
        MetricValidationError: It is reserved or does not fit the grammar (reason `bad_label`).
    """
    if not isinstance(name, str) or not LABEL_NAME_PATTERN.match(name):
        raise MetricValidationError(
            "label name does not fit the grammar",
            reason="bad_label",
            got=name,
            allowed="letters, digits and '_', not beginning with a digit or '__', "
            "at most 100 characters",
            fix="Rename the label.",
        )
    if name in RESERVED_LABELS:
        raise MetricValidationError(
            "label name is reserved",
            reason="bad_label",
            got=name,
            allowed=f"any name but {', '.join(sorted(RESERVED_LABELS))}",
            fix="Rename the label, for example with the thing it describes in front.",
        )
    return name


def check_label(spec: MetricSpec, name: str, value: object) -> str:
    """Return the value a label is recorded with.

    Args:
        spec: The metric. A label it does not declare is open: it may hold any value.
        name: The label's name.
        value: A text (a `StrEnum` member counts as its value) or a whole number of 64 bits, also
            one of NumPy's.

    Raises:
        MetricValidationError: The name is not allowed, or the value is empty, not in the closed
            set, too long, not writable as UTF-8, or neither text nor whole number (reason
            `bad_label`).
    """
    check_label_name(name)
    if isinstance(value, str):
        text = str(value)
    elif _is_whole(value) and -(2**63) <= int(value) < 2**63:
        text = str(int(value))
    else:
        raise _wrong_type(spec, name, value)
    declared = spec.labels.get(name)
    if declared is not None and declared.values and text not in declared.values:
        raise MetricValidationError(
            f"label {name!r} of metric {spec.name!r} has a closed set of values",
            reason="bad_label",
            got=value,
            allowed=", ".join(declared.values),
            fix="Use one of them, or add the value to the metric in your catalogue.",
        )
    if not text:
        raise MetricValidationError(
            f"label {name!r} of metric {spec.name!r} is empty",
            reason="bad_label",
            got=value,
            allowed="any text of one character or more",
            fix="Leave the label out: an absent label means unknown.",
        )
    if len(text) > MAX_LABEL_VALUE_CHARS:
        raise MetricValidationError(
            f"label {name!r} of metric {spec.name!r} has {len(text)} characters",
            reason="bad_label",
            got=value,
            allowed=f"at most {MAX_LABEL_VALUE_CHARS} characters",
            fix="Put long text into the metadata of the fact.",
        )
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise MetricValidationError(
            f"label {name!r} of metric {spec.name!r} cannot be written as UTF-8",
            reason="bad_label",
            got=value,
            allowed="text without lone surrogates",
            fix="Decode the bytes it came from with errors='replace'.",
        )
    return text


def check_labels(spec: MetricSpec, labels: Mapping[str, object]) -> dict[str, str]:
    """Check all labels of a fact, the required ones among them.

    Returns:
        Name to recorded value, in the order given.

    Raises:
        MetricValidationError: As `check_label`, or a required label is missing (`bad_label`).
    """
    checked = {name: check_label(spec, name, value) for name, value in labels.items()}
    missing = [
        name for name, label in spec.labels.items() if label.required and name not in checked
    ]
    if missing:
        raise MetricValidationError(
            f"metric {spec.name!r} needs the label {missing[0]!r}",
            reason="bad_label",
            got=sorted(checked),
            allowed=f"the labels {', '.join(sorted({*spec.labels}))}",
            fix=f"Pass {missing[0]}=… with the fact, or set it in the context.",
        )
    return checked


def is_bool(value: object) -> bool:
    """Whether a value is a bool, also one of NumPy's, or an array of them."""
    return isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b"


def _is_whole(value: object) -> TypeGuard[numbers.Integral]:
    # NumPy's durations call themselves integers, but are not to be had as one.
    whole = isinstance(value, numbers.Integral) and hasattr(value, "__index__")
    return whole and not is_bool(value)


def _wrong_type(spec: MetricSpec, name: str, value: object) -> MetricValidationError:
    if value is None:
        what, fix = "is None", "Leave the label out: an absent label means unknown."
    elif is_bool(value) and not getattr(value, "shape", ()):
        what, fix = "is a bool", f"Write {str(value).lower()!r}."
    else:
        what = f"is of type {type(value).__name__}"
        fix = "Turn it into text yourself; keep the number of distinct values small."
    return MetricValidationError(
        f"label {name!r} of metric {spec.name!r} {what}",
        reason="bad_label",
        got=value,
        allowed="a text or a whole number",
        fix=fix,
    )
