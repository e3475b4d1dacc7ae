# SPDX-License-Identifier: Apache-2.0
"""Two samples as arrays: one number per unit, whatever was given per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError

__all__ = [
    "LARGEST",
    "NO_VARIANCE",
    "TOO_LARGE",
    "Group",
    "array_of",
    "no_common_order",
    "read_group",
    "side_of",
    "size_of",
]

#: A variance below so much of the square of the largest value is the rounding error of none.
NO_VARIANCE = 1e-24

#: The squares of larger values are no numbers.
LARGEST = 1e150

#: Why nothing is known of them.
TOO_LARGE = "there are values beyond 1e150"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One side of a comparison, of which each unit is there once.

    Attributes:
        values: One number per unit; shape (n,), all finite.
        units: Who or what each is of; shape (n,), or None if nobody said.
        covariate: What was known of each unit beforehand; shape (n,), or None.
        left_out: How many rows had a number or the unit missing.
    """

    values: np.ndarray
    units: np.ndarray | None
    covariate: np.ndarray | None
    left_out: int

    @property
    def variance(self) -> float:
        """Variance of the values, by n - 1; 0 if they differ by rounding only."""
        found = float(self.values.var(ddof=1))
        return found if found > NO_VARIANCE * size_of(self.values) ** 2 else 0.0

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return float(self.values.mean())

    def at(self, rows: np.ndarray) -> Group:
        """Some units of it, in another order."""
        units = None if self.units is None else self.units[rows]
        covariate = None if self.covariate is None else self.covariate[rows]
        return Group(self.values[rows], units, covariate, self.left_out)

    def adjusted(self, slope: float, centre: float) -> Group:
        """The same without what the covariate explains."""
        if self.covariate is None:
            return self
        values = self.values - slope * (self.covariate - centre)
        return Group(values, self.units, None, self.left_out)


def read_group(
    values: np.ndarray,
    *,
    denominators: np.ndarray | None = None,
    units: np.ndarray | None = None,
    covariate: np.ndarray | None = None,
) -> Group:
    """Bring rows to one number per unit.

    Rows in which a number or the unit is missing are left out. A unit with several rows counts
    once, with their mean. Of ratios, both sums are taken per unit, and each unit's number is the
    ratio of all and what the unit moves it by, times the number of units: its mean is the ratio of
    sums, and its spread that of the ratio (delta method).

    Args:
        values: Shape (n,).
        denominators: What values are divided by; shape (n,).
        units: Who or what each row is of; shape (n,), any type that can be sorted.
        covariate: What was known of each unit beforehand; shape (n,).
    """
    numbers = [each for each in (values, denominators, covariate) if each is not None]
    known = np.all([np.isfinite(each) for each in numbers], axis=0)
    if units is not None:
        known &= ~np.array([_is_missing(each) for each in units.tolist()], dtype=bool)
    left_out = int((~known).sum())
    values = values[known]
    denominators = None if denominators is None else denominators[known]
    covariate = None if covariate is None else covariate[known]
    if units is not None:
        try:
            units, row_of = np.unique(units[known], return_inverse=True)
        except TypeError as error:
            raise no_common_order() from error
        rows = np.maximum(np.bincount(row_of, minlength=len(units)), 1)
        if covariate is not None:
            covariate = np.bincount(row_of, covariate) / rows
        values = np.bincount(row_of, values)
        if denominators is None:
            values = values / rows
        else:
            denominators = np.bincount(row_of, denominators)
    if denominators is not None and len(values):
        values = _as_ratio(values, denominators)
    return Group(values, units, covariate, left_out)


def size_of(values: np.ndarray) -> float:
    """The largest distance to 0 of those that are known; 0 if none is."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def array_of(given: Any, what: str) -> np.ndarray:
    """Numbers that somebody gave as a list, an array, or a column of a data frame; shape (n,).

    What is not finite becomes NaN.

    Raises:
        QueryError: They are no numbers, or not one after the other, or beyond `LARGEST`.
    """
    try:
        array = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise QueryError(
            f"{what} cannot be read as numbers", got=given, allowed="a list or array of numbers"
        ) from error
    if array.ndim != 1:
        raise QueryError(
            f"{what} must be numbers one after the other",
            got=given,
            allowed="a list or array with one dimension",
        )
    array = np.where(np.isfinite(array), array, np.nan)
    if size_of(array) > LARGEST:
        raise QueryError(
            f"{what} has numbers that are too large", got=size_of(array), allowed="up to 1e150"
        )
    return array


def side_of(given: Any, index: int, count: int, what: str, *, are_numbers: bool) -> Any:
    """One of a pair that belongs to the two samples; None if there is no pair.

    Raises:
        QueryError: It is no pair, or the one has another length than its sample.
    """
    if given is None:
        return None
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
        raise QueryError(
            f"{what} must be a pair", got=given, allowed=f"({what} of before, {what} of after)"
        )
    side = array_of(given[index], what) if are_numbers else np.asarray(given[index])
    if side.shape != (count,):
        sample = ("before", "after")[index]
        raise QueryError(
            f"{what} must have one entry for each of {sample}",
            got=f"{side.size} entries",
            allowed=f"{count}",
        )
    return side


def _is_missing(unit: object) -> bool:
    try:
        return unit is None or bool(unit != unit)  # noqa: PLR0124  (what NaN is known by)
    except TypeError:  # pandas' NA says neither yes nor no
        return True


def _as_ratio(values: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    size = denominators.mean()
    if size == 0:
        raise QueryError(
            "what values are divided by adds up to 0", fix="Give denominators above 0."
        )
    ratio = values.mean() / size
    return np.asarray(ratio + (values - ratio * denominators) / size)


def no_common_order() -> QueryError:
    """Numbers and texts at once, or what cannot be compared at all."""
    return QueryError(
        "units cannot be compared with one another", fix="Make all of them text, or all numbers."
    )
