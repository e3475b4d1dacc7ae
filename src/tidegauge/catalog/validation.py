# SPDX-License-Identifier: Apache-2.0
"""Whether a fact is one the catalogue accepts: its value, step, labels and unit.

These are the complete checks, made when a series is first seen and when a fast path has refused
a value and the reason is wanted. They import neither NumPy nor PyTorch: their scalars are known
by what they can do.
"""

from __future__ import annotations

import math
import numbers
import operator
from decimal import Decimal
from typing import SupportsFloat

from tidegauge.catalog.labels import check_label, check_labels, is_bool
from tidegauge.catalog.units import check_unit
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.spec import MetricSpec

__all__ = [
    "STEP_MAX",
    "STEP_MIN",
    "check_label",
    "check_labels",
    "check_step",
    "check_unit",
    "check_value",
    "range_text",
    "read_number",
]

#: Steps are whole numbers of 48 bits with a sign.
STEP_MIN, STEP_MAX = -(2**47), 2**47 - 1

_NUMBERS = "an int, float, Decimal, Fraction, or a NumPy or PyTorch value of one element"
# NumPy's dtype kinds that hold no number, though their items may turn into one.
_NOT_NUMBER_KINDS = {
    "b": "is a bool",
    "m": "is a duration",
    "M": "is a date",
    "S": "is text",
    "U": "is text",
}


def check_value(spec: MetricSpec, value: object) -> float:
    """Return a value as the 64-bit float it is recorded as.

    Args:
        spec: The metric; its `min` and `max` are inclusive.
        value: An int, float, Decimal or Fraction; or anything of one element with `item()`, as
            NumPy scalars, PyTorch tensors and arrays of one element have; or anything else with
            `__float__`.

    Raises:
        MetricValidationError: The value is no number (a bool, text, None, complex, a date, a
            masked element, an array that has not exactly one element, an object that fails when
            asked for its number; reason `bad_value`), is NaN or infinite (`not_finite`), or lies
            outside the metric's bounds (`out_of_range`).

    Example:
        >>> check_value(MetricSpec(name="custom:x", description="x"), 3)
        3.0
    """
    number = _as_float(spec, value)
    if not math.isfinite(number):
        raise MetricValidationError(
            f"value of metric {spec.name!r} is not finite",
            reason="not_finite",
            got=value,
            allowed="finite numbers",
            fix="Leave the fact out when there is no number: absence is not zero.",
        )
    if (spec.min is not None and number < spec.min) or (spec.max is not None and number > spec.max):
        raise MetricValidationError(
            f"value of metric {spec.name!r} is out of range",
            reason="out_of_range",
            got=value,
            allowed=range_text(spec),
            fix=f"Check that the value is in the metric's unit, {spec.unit!r}.",
        )
    return number


def check_step(step: int) -> int:
    """Return a training step as a plain int.

    Args:
        step: An int, or anything that is one exactly (a NumPy integer), within 48 bits.

    Raises:
        MetricValidationError: It is a bool, a float, text, or too large (reason `bad_step`).
    """
    number: int | None = None
    if not is_bool(step):
        try:
            number = operator.index(step)
        except TypeError:
            number = None
    if number is None or not STEP_MIN <= number <= STEP_MAX:
        raise MetricValidationError(
            "step is not a whole number" if number is None else "step is outside 48 bits",
            reason="bad_step",
            got=step,
            allowed=f"whole numbers from {STEP_MIN} to {STEP_MAX}",
            fix="Pass int(step)." if isinstance(step, float) else "Leave the step out.",
        )
    return number


def read_number(value: object) -> float | str:
    """The number that a value is, see `check_value`; or, in words, what it is instead.

    A number that is too large for a float is infinite. Never raises.
    """
    if type(value) is float:
        return value
    try:
        return _read_float(value)
    except Exception:  # noqa: BLE001 (a caller's object: whatever it raises, it is not a number)
        return _sized(value)


def range_text(spec: MetricSpec) -> str:
    """Say which values a metric accepts, in words; empty where it has no bounds."""
    if spec.max is None:
        return "" if spec.min is None else f"{spec.min:g} or more"
    return f"{spec.max:g} or less" if spec.min is None else f"{spec.min:g} to {spec.max:g}"


def _as_float(spec: MetricSpec, value: object) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return _converted(value)
    try:
        number = _read_float(value)
    except Exception as error:  # a caller's object: whatever it raises, it is not a number
        raise _no_number(spec, value, _sized(value)) from error
    if isinstance(number, str):
        raise _no_number(spec, value, number)
    return number


def _read_float(value: object) -> float | str:
    """The number, or what the value is instead."""
    problem = _not_a_number(value)
    if problem is None and callable(item := getattr(value, "item", None)):
        value = item()
        problem = _not_a_number(value)
    if problem is not None:
        return problem
    return _converted(value)  # type: ignore[arg-type]


def _converted(value: SupportsFloat) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _not_a_number(value: object) -> str | None:
    """Say what a value is if it is known not to be a number."""
    if value is None:
        return "is None"
    if is_bool(value):
        return "is a bool"
    if isinstance(value, str | bytes | bytearray):
        return "is text"
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        return "is complex"
    kind = _NOT_NUMBER_KINDS.get(getattr(getattr(value, "dtype", None), "kind", ""))
    if kind is not None:
        return kind
    if _is_masked(value):
        return "is masked"
    if isinstance(value, numbers.Real | Decimal):
        return None
    if not hasattr(value, "item") and not hasattr(type(value), "__float__"):
        return _sized(value)
    return None


def _is_masked(value: object) -> bool:
    # Of NumPy's masked arrays, whose `item()` gives whatever number lies under the mask.
    any_masked = getattr(getattr(value, "mask", None), "any", None)
    return callable(any_masked) and bool(any_masked())


def _sized(value: object) -> str:
    try:
        shape = getattr(value, "shape", None)
    except Exception:  # noqa: BLE001 (as above)
        shape = None
    if isinstance(shape, tuple):
        return f"has the shape {tuple(shape)}"
    return f"is of type {type(value).__name__}"


def _no_number(spec: MetricSpec, value: object, problem: str) -> MetricValidationError:
    if problem == "is a bool":
        fix = "Record 1 or 0 if a count is meant, or the share of successes."
    elif problem == "is text":
        fix = "Convert it with float() where it comes from; text belongs into labels or metadata."
    elif problem in ("is None", "is masked"):
        fix = "Leave the fact out: absence is not zero."
    elif problem.startswith("has the shape"):
        fix = "Record one number: a mean, a sum, or each element by itself."
    else:
        fix = "Record one number."
    return MetricValidationError(
        f"value of metric {spec.name!r} {problem}",
        reason="bad_value",
        got=value,
        allowed=_NUMBERS,
        fix=fix,
    )
