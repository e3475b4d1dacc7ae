# SPDX-License-Identifier: Apache-2.0
"""The series that occur in some rows: looked up once each, spread over the rows as integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.model.series import DIMENSIONS, SeriesKey
from tidegauge.store.arrays import from_list, from_numpy

__all__ = ["UNKNOWN", "Resolve", "SeriesRows"]

#: The number of a series that cannot be resolved.
UNKNOWN = -1

_MAP = pa.map_(pa.string(), pa.string())

#: Tells what a series id of a slot means; None if nobody knows any more.
Resolve = Callable[[int], SeriesKey | None]

# An id is an offset with check bits below, so ids without them are dense enough to index a table.
_CHECK_BITS = 8
_MOST_INDEXED = 1 << 22


class SeriesRows:
    """The series of some rows, numbered from 0 as they come."""

    def __init__(self) -> None:
        self._keys: list[SeriesKey] = []
        self._slots: list[str] = []
        self._numbers: dict[tuple[str, int], int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def number(self, slot: str, series: int, resolve: Resolve) -> int:
        """The number of one series of a slot; `UNKNOWN` if it cannot be resolved."""
        number = self._numbers.get((slot, series))
        if number is None:
            key = resolve(series)
            number = UNKNOWN if key is None else len(self._keys)
            if key is not None:
                self._keys.append(key)
                self._slots.append(slot)
            self._numbers[slot, series] = number
        return number

    def numbers(
        self, slot: str, series: npt.NDArray[np.uint32], resolve: Resolve
    ) -> npt.NDArray[np.int32]:
        """The numbers of an array of ids, int32 of the same shape (n,)."""
        if not len(series):
            return np.empty(0, np.int32)
        index = series >> np.uint32(_CHECK_BITS)
        if int(index.max()) < _MOST_INDEXED:
            ids = np.zeros(int(index.max()) + 1, np.uint32)
            ids[index] = series
            if np.array_equal(ids[index], series):
                numbers = np.full(len(ids), UNKNOWN, np.int32)
                for at in np.flatnonzero(ids):
                    numbers[at] = self.number(slot, int(ids[at]), resolve)
                found: npt.NDArray[np.int32] = numbers[index]
                return found
        unique, inverse = np.unique(series, return_inverse=True)
        known = [self.number(slot, int(each), resolve) for each in unique]
        return np.array(known, np.int32)[inverse]

    def ranks(self) -> npt.NDArray[np.uint32]:
        """The place of each series in the order of metric, dimensions, labels; shape (len,)."""
        keys = [(key.metric, key.dimensions, key.labels) for key in self._keys]
        ranks = np.empty(len(keys), np.uint32)
        ranks[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
        return ranks

    def texts(self, numbers: npt.NDArray[np.int32]) -> dict[str, pa.Array]:
        """The columns `slot`, `metric` and the dimensions, for rows of these numbers."""
        dimensions = [dict(key.dimensions) for key in self._keys]
        texts: dict[str, Sequence[str | None]] = {
            name: [each.get(name) for each in dimensions] for name in DIMENSIONS
        }
        texts["slot"] = self._slots
        texts["metric"] = [key.metric for key in self._keys]
        return {name: _spread(values, numbers) for name, values in texts.items()}

    def labels(self, numbers: npt.NDArray[np.int32]) -> pa.DictionaryArray:
        """The column `labels`, as a dictionary of maps."""
        maps = from_list([key.labels for key in self._keys], _MAP)
        return pa.DictionaryArray.from_arrays(from_numpy(numbers, pa.int32()), maps)


def _spread(values: Sequence[str | None], numbers: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    distinct = dict.fromkeys(value for value in values if value is not None)
    places: dict[str | None, int] = {value: at for at, value in enumerate(distinct)}
    codes = np.array([places.get(value, -1) for value in values], np.int32)
    absent = None
    if len(codes) and (codes == codes[0]).all():  # the same for all, as most dimensions are
        spread = np.zeros(len(numbers), np.int32)
        absent = np.ones(len(numbers), bool) if codes[0] < 0 else None
    else:
        spread = codes[numbers]
        absent = spread < 0 if None in values else None
    indices = from_numpy(spread, pa.int32(), absent=absent)
    return pa.DictionaryArray.from_arrays(indices, from_list(list(distinct), pa.string()))
