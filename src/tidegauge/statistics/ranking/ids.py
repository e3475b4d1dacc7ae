# SPDX-License-Identifier: Apache-2.0
"""Identifiers of any kind as numbers, and rows grouped by them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.given import column_array, is_missing

__all__ = ["Groups", "codes_of", "grouped", "id_list"]


@dataclass(frozen=True, slots=True)
class Groups:
    """Which rows have the same identifier.

    Attributes:
        ids: The identifiers, in the order in which they first appear.
        lengths: How many rows each has; shape (n_ids,).
        order: Rows, those of an identifier beside each other and in their order; None if they are
            so already.
    """

    ids: list[Hashable]
    lengths: np.ndarray
    order: np.ndarray | None


def grouped(ids: Any) -> Groups:
    """Find the rows of each identifier.

    Args:
        ids: One for each row: a sequence or an array of anything hashable, in any order.

    Raises:
        QueryError: One is missing (None or NaN) or cannot be hashed.
    """
    if hasattr(ids, "__array__"):
        array = column_array(ids, "identifiers")
        if array.ndim == 1 and len(array) and array.dtype.kind in "iuUS":
            found = _beside_each_other(array)
            if found is not None:
                return found
            if array.dtype.kind in "iu":
                return _sorted(array)
    codes, each = codes_of(ids)
    lengths = np.bincount(codes, minlength=len(each))
    is_sorted = bool((codes[1:] >= codes[:-1]).all())
    return Groups(each, lengths, None if is_sorted else np.argsort(codes, kind="stable"))


def codes_of(ids: Any) -> tuple[np.ndarray, list[Hashable]]:
    """Number identifiers in the order in which they first appear.

    Returns:
        The number of each row, shape (n_rows,), and the identifiers by number.

    Raises:
        QueryError: As for `grouped`.
    """
    values = id_list(ids)
    try:
        numbers: dict[Hashable, int] = dict.fromkeys(values, 0)
    except TypeError as error:
        raise QueryError(
            "an identifier cannot be hashed", got=str(error), allowed="numbers, texts, tuples"
        ) from error
    each = list(numbers)
    _check_ids(each)
    numbers.update(zip(each, range(len(each)), strict=True))
    codes = np.fromiter(map(numbers.__getitem__, values), dtype=np.int64, count=len(values))
    return codes, each


def id_list(ids: Any) -> list[Hashable]:
    """The identifiers as Python's own values.

    Raises:
        QueryError: They are no sequence, or an array of more than one dimension.
    """
    if hasattr(ids, "__array__"):
        array = column_array(ids, "identifiers")
        if array.ndim != 1:
            raise _no_sequence(f"an array of shape {array.shape}")
        # NumPy's times of nanoseconds are plain numbers to Python, and a missing one is among them.
        return [*array] if array.dtype.kind in "Mm" else array.tolist()
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise _no_sequence(ids)
    return list(ids)


def _beside_each_other(ids: np.ndarray) -> Groups | None:
    """The groups if the rows of each are beside each other, without looking every row up."""
    heads = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
    each = ids[heads]
    if len(np.unique(each)) < len(each):
        return None
    return Groups(each.tolist(), np.diff(heads, append=len(ids)), None)


def _sorted(ids: np.ndarray) -> Groups:
    """The groups of whole numbers: sorting them is faster than looking every row up."""
    order = np.argsort(ids, kind="stable")
    ascending = ids[order]
    heads = np.flatnonzero(np.concatenate(([True], ascending[1:] != ascending[:-1])))
    by_appearance = np.argsort(order[heads])
    lengths = np.diff(heads, append=len(ids))[by_appearance]
    heads = heads[by_appearance]
    moved = np.repeat(heads - (np.cumsum(lengths) - lengths), lengths) + np.arange(len(ids))
    return Groups(ascending[heads].tolist(), lengths, order[moved])


def _check_ids(ids: Sequence[Hashable]) -> None:
    missing = [each for each in ids if is_missing(each)]
    if missing:
        raise QueryError(
            "an identifier is missing", got=missing[0], fix="Leave out rows without one."
        )


def _no_sequence(got: object) -> QueryError:
    return QueryError("identifiers are one for each row", got=got, allowed="a sequence of them")
