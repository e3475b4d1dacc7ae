# SPDX-License-Identifier: Apache-2.0
"""Labels, numbers and probabilities that are to be measured, checked and as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.given import column_array, is_missing, time_list

__all__ = [
    "LARGEST",
    "MOST_CLASSES",
    "Coded",
    "Label",
    "array_of",
    "check_length",
    "check_rows_sum",
    "code_labels",
    "code_names",
    "numbers",
    "probabilities",
]

#: What tells a class or a group apart.
Label = str | int | float | bool

#: Numbers that are larger cannot be squared and added up; nothing is divided by one over it.
LARGEST = 1e100

#: More classes than this are taken for numbers that were given by mistake.
MOST_CLASSES = 2_000

#: Integers within a span of this are looked up in a table instead of sorted.
_SPAN = 1 << 16

#: How far from 1 the probabilities of a row may add up to.
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Labels as numbers.

    Attributes:
        names: What each number stands for, in ascending order unless given in another.
        codes: One array of numbers per array of labels; shape (n,), int64.
    """

    names: tuple[Label, ...]
    codes: tuple[np.ndarray, ...]


def array_of(values: Any, name: str) -> np.ndarray:
    """Values as an array of one or two dimensions; a single column has one.

    Args:
        values: An array, a list, or a column of pandas, polars or Arrow.
        name: What it is called in errors.

    Raises:
        QueryError: It is empty, or its rows differ in length.
    """
    array = column_array(values, name)
    is_list = isinstance(values, list | tuple) and array.dtype.kind in "US"
    if is_list and not all(isinstance(each, str) for each in values):
        # Beside a text, numpy makes a text of a number, and of NaN the text "nan".
        array = np.asarray(values, dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2):
        raise QueryError(f"{name} is no column of values", got=values, allowed="one value per row")
    if not array.size:
        raise QueryError(f"{name} is empty", allowed="one row or more")
    return array


def check_length(array: np.ndarray, name: str, n: int) -> None:
    """Refuse a column that has not a value for each row.

    Raises:
        QueryError: Its length is another.
    """
    if len(array) != n:
        raise QueryError(
            f"{name} has not as many rows as y_true", got=len(array), allowed=f"{n} rows"
        )


def numbers(values: Any, name: str, *, n: int | None = None) -> np.ndarray:
    """Numbers as float64; shape (n,).

    Args:
        values: As for `array_of`.
        name: What it is called in errors.
        n: How many there have to be, if that is known.

    Raises:
        QueryError: One of them is missing, beyond `LARGEST` or no number, or there are more or
            fewer.
    """
    array = array_of(values, name)
    if array.ndim != 1:
        raise QueryError(f"{name} has several columns", got=array.shape, allowed="one column")
    if n is not None:
        check_length(array, name, n)
    array = _finite(array, name)
    if np.abs(array).max() > LARGEST:
        raise QueryError(
            f"{name} has a number that is too large to be squared",
            got=float(array[np.abs(array).argmax()]),
            allowed=f"up to {LARGEST:g}",
        )
    return array


def probabilities(values: Any, name: str, *, n: int) -> np.ndarray:
    """Probabilities; shape (n,), or (n, n_classes) with rows that add up to 1.

    Floats of any width stay what they are, as the smallest probability depends on it.

    Raises:
        QueryError: One of them is missing or not within 0 and 1, or rows do not add up.
    """
    array = array_of(values, name)
    check_length(array, name, n)
    kind = array.dtype
    array = _finite(array, name)
    if array.min() < 0 or array.max() > 1:
        wrong = array[(array < 0) | (array > 1)]
        raise QueryError(
            f"{name} has a value that is no probability",
            got=float(wrong[0]),
            allowed="0 to 1",
            fix="Pass probabilities, such as predict_proba's, and not scores.",
        )
    return array.astype(kind) if kind in (np.float32, np.float16) else array


def check_rows_sum(array: np.ndarray, name: str) -> None:
    """Refuse rows of probabilities that do not add up to 1.

    Raises:
        QueryError: One does not.
    """
    off = np.abs(array.sum(axis=1, dtype=float) - 1)
    worst = int(off.argmax())
    if off[worst] > _ROUNDING:
        raise QueryError(
            f"a row of {name} does not add up to 1",
            got=f"{float(array[worst].sum()):.6g} in row {worst}",
            allowed="probabilities of all classes",
        )


def code_labels(
    arrays: Sequence[np.ndarray], names: Sequence[str], *, labels: Sequence[Any] | None = None
) -> Coded:
    """Labels of several columns as numbers, the same number for the same label.

    Where nothing but 0 and 1 is there, both are classes, even if one of them does not occur.

    Args:
        arrays: Columns of labels: texts, booleans or numbers without fractions; shape (n,) each.
        names: What they are called in errors.
        labels: All classes, in the order in which they are to be numbered.

    Raises:
        QueryError: A label is missing, of another kind than the others, a fraction, or not among
            `labels`; or there are more than `MOST_CLASSES`.
    """
    for array, name in zip(arrays, names, strict=True):
        if array.ndim != 1:
            raise QueryError(f"{name} has several columns", got=array.shape, allowed="one column")
    arrays = [_plain(array) for array in arrays]
    is_number = [array.dtype.kind in "biuf" for array in arrays]
    if all(is_number):
        coded = _code_numbers(arrays, names)
    elif any(is_number):
        for array, name in zip(arrays, names, strict=True):
            if missing := sum(map(is_missing, array.tolist())):
                raise _missing(name, missing)
        kinds = (f"{name}: {array.dtype}" for name, array in zip(names, arrays, strict=True))
        raise _different_kinds(kinds)
    else:
        coded = _code_others(arrays, names)
        if len({isinstance(each, str) for each in coded.names}) > 1:
            raise _different_kinds(sorted({type(each).__name__ for each in coded.names}))
    if len(coded.names) > MOST_CLASSES:
        raise QueryError(
            f"{names[0]} has too many classes", got=len(coded.names), allowed=f"{MOST_CLASSES}"
        )
    return coded if labels is None else _numbered_as(coded, array_of(labels, "labels"))


def code_names(values: Any, name: str, *, n: int) -> Coded:
    """A column that says what each row belongs to, such as a user, as numbers.

    Raises:
        QueryError: One is missing, or there are more or fewer than rows.
    """
    array = _plain(array_of(values, name))
    if array.ndim != 1:
        raise QueryError(f"{name} has several columns", got=array.shape, allowed="one column")
    check_length(array, name, n)
    if array.dtype.kind in "biuf":
        found, codes = np.unique(_finite(array, name, as_float=False), return_inverse=True)
        return Coded(tuple(found.tolist()), (codes,))
    return _code_others([array], [name])


def _finite(array: np.ndarray, name: str, *, as_float: bool = True) -> np.ndarray:
    if array.dtype.kind in "cmM":  # numpy would make numbers of these
        raise _no_number(name, array)
    try:
        found = array.astype(float, copy=False) if as_float else array
        good = np.isfinite(found)
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_number(name, array) from error
    if not good.all():
        raise _missing(name, int(len(good) - good.all(axis=tuple(range(1, good.ndim))).sum()))
    return found


def _plain(array: np.ndarray) -> np.ndarray:
    """An array of objects that are all booleans or all numbers, as an array of those."""
    if array.dtype.kind != "O":
        return array
    values = array.tolist()
    kinds = set(map(type, values))
    if any(issubclass(kind, np.generic) for kind in kinds):
        values = [each.item() if isinstance(each, np.generic) else each for each in values]
        kinds = set(map(type, values))
        array = np.array(values, dtype=object)
    if kinds <= {bool} or kinds <= {int} or kinds <= {int, float}:
        return np.array(values)
    return array


def _code_numbers(arrays: Sequence[np.ndarray], names: Sequence[str]) -> Coded:
    whole = [_whole(array, name) for array, name in zip(arrays, names, strict=True)]
    low = min(int(array.min()) for array in whole)
    span = max(int(array.max()) for array in whole) - low + 1
    if span <= _SPAN:
        shifted = [array - low if low else array for array in whole]
        seen = sum(np.bincount(array, minlength=span) for array in shifted)
        found = np.flatnonzero(seen) + low
    else:
        found = np.unique(np.concatenate([np.unique(array) for array in whole]))
    if set(found.tolist()) <= {0, 1}:
        is_bool = all(array.dtype.kind == "b" for array in arrays)
        return Coded((False, True) if is_bool else (0, 1), tuple(whole))
    if span > _SPAN:
        codes = tuple(np.searchsorted(found, array) for array in whole)
    else:
        table = np.cumsum(seen > 0) - 1
        codes = tuple(table[array] for array in shifted)
    return Coded(tuple(found.tolist()), codes)


def _whole(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind == "f":
        array = _finite(array, name)
    low, high = array.min().item(), array.max().item()
    if not -(2**63) <= low <= high < 2**63:
        raise QueryError(
            f"{name} has a label that is too large",
            got=high if high >= 2**63 else low,
            allowed="whole numbers of 64 bits",
        )
    found = array.astype(np.int64, copy=False)
    if array.dtype.kind == "f" and not np.array_equal(found, array):
        raise QueryError(
            f"{name} has a fraction, so these are no classes",
            got=float(array[found != array][0]),
            allowed="texts, booleans, whole numbers",
            fix='Measure numbers by regression_metrics, or with task="regression"; cut '
            "probabilities with `threshold`.",
        )
    return found


def _code_others(arrays: Sequence[np.ndarray], names: Sequence[str]) -> Coded:
    """Number what is no number: texts, times and all else that can be hashed and put in order."""
    listed = [time_list(each) if each.dtype.kind in "mM" else each.tolist() for each in arrays]
    found: set[Any] = set()
    try:
        for values, name in zip(listed, names, strict=True):
            mine = set(values)
            if missing := {each for each in mine if is_missing(each)}:
                raise _missing(name, sum(each in missing or is_missing(each) for each in values))
            found |= mine
        ordered = sorted(found, key=lambda each: (type(each).__name__, each))
    except TypeError as error:
        raise QueryError(
            f"{names[0]} cannot be put in order",
            got=str(error),
            allowed="texts, booleans, whole numbers, times",
        ) from error
    code = {label: number for number, label in enumerate(ordered)}
    codes = [np.fromiter(map(code.__getitem__, values), np.int64, len(values)) for values in listed]
    return Coded(tuple(ordered), tuple(codes))


def _numbered_as(coded: Coded, labels: np.ndarray) -> Coded:
    wanted = tuple(labels.tolist())
    number = {label: at for at, label in enumerate(wanted)}
    if len(number) != len(wanted):
        raise QueryError("a class is named twice", got=list(wanted))
    seen = np.zeros(len(coded.names), dtype=bool)
    for codes in coded.codes:
        seen[np.bincount(codes, minlength=len(seen)) > 0] = True
    for label, is_there in zip(coded.names, seen, strict=True):
        if is_there and label not in number:
            raise QueryError(
                "a label is not among `labels`",
                got=label,
                allowed=", ".join(map(repr, wanted)),
                fix="Name all classes, in the order of the columns of y_prob.",
            )
    table = np.array([number.get(label, -1) for label in coded.names])
    return Coded(wanted, tuple(table[codes] for codes in coded.codes))


def _different_kinds(kinds: Iterable[str]) -> QueryError:
    return QueryError(
        "labels are of different kinds",
        got=", ".join(kinds),
        fix="Use the same labels everywhere.",
    )


def _no_number(name: str, array: np.ndarray) -> QueryError:
    return QueryError(f"{name} has something that is no number", got=array[:1].tolist())


def _missing(name: str, count: int) -> QueryError:
    return QueryError(
        f"{name} has values that are missing",
        got=f"{count} of them NaN, None or infinite",
        fix="Leave these rows out, and say how many they are.",
    )
