# SPDX-License-Identifier: Apache-2.0
"""What callers give: columns as arrays in which what is missing is still missing."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError

__all__ = [
    "column_array",
    "is_missing",
    "is_share",
    "number_array",
    "time_list",
]

#: Units that Python's times do not have; numpy makes whole numbers of them.
_FINE = ("ns", "ps", "fs", "as")


def column_array(values: Any, name: str) -> np.ndarray:
    """Values as an array; what a masked array hides is NaN, or None where there is no NaN.

    Args:
        values: An array, a list, or a column of pandas, polars or Arrow.
        name: What it is called in errors.

    Raises:
        QueryError: Its rows differ in length.
    """
    if isinstance(values, np.ma.MaskedArray):
        if not np.ma.is_masked(values):
            return np.asarray(values)
        if values.dtype.kind == "f":
            return np.asarray(values.filled(np.nan))
        array = np.array(values.data, dtype=object)
        array[np.ma.getmaskarray(values)] = None
        return array
    try:
        return np.asarray(values)
    except ValueError as error:
        raise QueryError(
            f"rows of {name} differ in length", got=values, allowed="as many values in each row"
        ) from error


def number_array(values: Any, name: str) -> np.ndarray:
    """Values as an array of float64; None becomes NaN.

    Args:
        values: As for `column_array`.
        name: What it is called in errors.

    Raises:
        QueryError: They are no numbers: texts, times and complex numbers are none.
    """
    array = column_array(values, name)
    try:
        if array.dtype.kind in "biufO":
            return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_numbers(name, values) from error
    raise _no_numbers(name, values)


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas' NA."""
    try:
        return value is None or bool(value != value)  # noqa: PLR0124  (NaN is not itself)
    except TypeError:  # pandas.NA is neither equal nor different
        return True


def time_list(times: np.ndarray) -> list[Any]:
    """Times or durations of numpy as Python's own, as far as those are as fine.

    Args:
        times: Of the kind M or m; shape (n,). What is missing becomes None.
    """
    if np.datetime_data(times.dtype)[0] not in _FINE:
        return list(times.tolist())
    coarse = times.astype(f"{times.dtype.kind}8[us]")
    if ((coarse == times) | np.isnat(times)).all():
        return list(coarse.tolist())
    return [None if np.isnat(each) else each for each in times]


def is_share(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    number: Any = value if isinstance(value, Real) else -1
    return bool(0 <= number <= 1)


def _no_numbers(name: str, values: object) -> QueryError:
    return QueryError(f"{name} holds no numbers", got=values, allowed="arrays or lists of numbers")
