# SPDX-License-Identifier: Apache-2.0
"""Running sums and products down the columns of a matrix."""

from __future__ import annotations

import itertools

import numpy as np

__all__ = ["running"]

#: Columns from which on an operation per row is faster than NumPy's way from element to element.
_WIDE = 64


def running(operation: np.ufunc, values: np.ndarray) -> np.ndarray:
    """At each place, what the operation makes of its column from the top down to it.

    The same as `operation.accumulate`, to the last bit, whichever way it is done.

    Args:
        operation: `numpy.add` or `numpy.multiply`.
        values: Shape (depth, n_columns).
    """
    if values.shape[1] < _WIDE:
        found: np.ndarray = operation.accumulate(values, axis=0)
        return found
    found = np.array(values, order="C")
    for above, place in itertools.pairwise(found):
        operation(above, place, out=place)
    return found
