# SPDX-License-Identifier: Apache-2.0
"""Sums of floats that come out the same in whatever order and grouping the values arrive.

Every process of a service folds the journals by itself, a little earlier or later than the others.
Were their sums of floats to differ in the last bit, a counter would seem to go down from one scrape
to the next, and Prometheus takes that for a restart and adds the whole total again.

So a sum is kept as an integer: the number of units of 2**-96, in digits of 32 bits. Adding integers
is exact, so neither order nor grouping matters. Digits beyond the lowest are rounded away from each
value by itself, which no order changes either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["N_DIGITS", "ExactSums"]

#: Digits of a sum: from 2**-96 to 2**160.
N_DIGITS = 8
_BITS = 32
_UNITS = 2.0 ** (_BITS * np.arange(N_DIGITS) - 96.0)
# Adding this to a float and taking it away again rounds it to a multiple of the unit.
_ROUNDERS = 1.5 * 2.0**52 * _UNITS
# Values from here on are whole numbers that the digits have no room for. They are rare, so that
# integers of Python will do.
_HUGE = 2.0**158
_UNITS_OF_ONE = 1 << 96
# A digit of a value has 31 bits: so many of them fit into a float, and an int64, without rounding.
_MOST_VALUES = 1 << 20
_MOST_UNCARRIED = 1 << 31

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class ExactSums:
    """Sums by number of a cell, 0 to `size`.

    Attributes:
        size: How many cells there are.
    """

    def __init__(self) -> None:
        self.size = 0
        self._digits: Ints = np.zeros((N_DIGITS, 0), np.int64)
        self._huge: dict[int, int] = {}
        self._uncarried = 0

    def grow(self, size: int) -> None:
        """Have at least `size` cells; new ones are zero."""
        if size > self._digits.shape[1]:
            room = max(size, 2 * self._digits.shape[1], 64) - self._digits.shape[1]
            self._digits = np.pad(self._digits, ((0, 0), (0, room)))
        self.size = max(self.size, size)

    def add(self, cells: npt.NDArray[Any], values: Floats) -> None:
        """Add finite values of shape (n,) to the cells with these numbers, of shape (n,)."""
        for start in range(0, len(cells), _MOST_VALUES):
            part = slice(start, start + _MOST_VALUES)
            self._add(cells[part], values[part])

    def totals(self) -> Floats:
        """The sums, of shape (size,), rounded to floats; infinite beyond the largest one.

        A sum that has grown never comes out smaller: lower digits are added first, and rounding
        never lets them reach more than one unit of the next.
        """
        self._carry()
        digits = self._digits[:, : self.size]
        negative = digits[-1] < 0
        magnitude = np.where(negative, -digits, digits)
        _carried(magnitude)
        total = np.zeros(self.size)
        for digit, unit in zip(magnitude, _UNITS, strict=True):
            total = digit * unit + total
        total = np.where(negative, -total, total)
        for cell, units in self._huge.items():
            total[cell] = _quotient(_joined(digits[:, cell].tolist()) + units * _UNITS_OF_ONE)
        return total

    def taken(self, cells: npt.NDArray[Any]) -> ExactSums:
        """The sums of these cells alone, numbered from 0."""
        found = ExactSums()
        found._digits = self._digits[:, cells]
        found._huge = {
            at: self._huge[cell] for at, cell in enumerate(cells.tolist()) if cell in self._huge
        }
        found.size, found._uncarried = len(cells), self._uncarried
        return found

    def dump(self) -> tuple[bytes, dict[int, str]]:
        """The sums, for `load`: the digits, and by cell, in hex, what they had no room for."""
        self._carry()
        digits = np.ascontiguousarray(self._digits[:, : self.size], "<i8")
        return digits.tobytes(), {cell: hex(units) for cell, units in sorted(self._huge.items())}

    @classmethod
    def load(cls, digits: bytes, huge: Mapping[int, str]) -> ExactSums:
        """The inverse of `dump`.

        Raises:
            ValueError: These are no sums.
        """
        sums = cls()
        sums._digits = np.frombuffer(digits, "<i8").astype(np.int64).reshape(N_DIGITS, -1)
        sums.size = sums._digits.shape[1]
        sums._huge = {cell: int(units, 16) for cell, units in huge.items()}
        if not all(0 <= cell < sums.size for cell in sums._huge):
            raise ValueError("there is a sum of no cell")
        return sums

    def _add(self, cells: npt.NDArray[Any], values: Floats) -> None:
        rest = values
        largest = float(np.abs(rest).max(initial=0.0))
        if largest >= _HUGE:
            huge = np.abs(values) >= _HUGE
            for cell, value in zip(cells[huge].tolist(), values[huge].tolist(), strict=True):
                self._huge[cell] = self._huge.get(cell, 0) + int(value)
            rest = np.where(huge, 0.0, values)
            largest = float(np.abs(rest).max())
        few = len(cells) * 8 < self.size
        for at in range(N_DIGITS - 1, -1, -1):
            unit = _UNITS[at]
            if largest * 4 < unit and at:  # it would round to nothing
                continue
            part = (rest + _ROUNDERS[at]) - _ROUNDERS[at]
            units = part / unit
            if few:
                np.add.at(self._digits[at], cells, units.astype(np.int64))
            else:
                sums = np.bincount(cells, units, self.size)
                self._digits[at, : len(sums)] += sums.astype(np.int64)
            rest = rest - part
            if not rest.any():
                break
        self._uncarried += len(cells)
        if self._uncarried >= _MOST_UNCARRIED - _MOST_VALUES:
            self._carry()

    def _carry(self) -> None:
        _carried(self._digits)
        self._uncarried = 0


def _carried(digits: Ints) -> None:
    """Bring all digits but the highest into 0 to 2**32 - 1, in place."""
    for at in range(N_DIGITS - 1):
        carry = digits[at] >> _BITS
        digits[at] -= carry << _BITS
        digits[at + 1] += carry


def _joined(digits: list[int]) -> int:
    """The number of units that the digits stand for."""
    return sum(digit << (_BITS * at) for at, digit in enumerate(digits))


def _quotient(units: int) -> float:
    """A number of units as the nearest float; infinite if it is too large."""
    try:
        return units / _UNITS_OF_ONE
    except OverflowError:
        return math.inf if units > 0 else -math.inf
