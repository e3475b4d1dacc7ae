# SPDX-License-Identifier: Apache-2.0
"""Bringing values to a scale on which they fluctuate as much at the top as at the bottom."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import special

__all__ = ["Transform", "least_skewed", "size_of", "skewness"]

#: What was done to values.
Transform = Literal["none", "log", "logit"]


def least_skewed(values: np.ndarray) -> tuple[np.ndarray, Transform]:
    """The values themselves, their logarithm or their logit, whichever is least skewed.

    The logarithm comes into question if all values are above 0, the logit if all are between 0 and
    1, exclusive. The choice looks at one series alone, so it cannot make two of them alike.

    Args:
        values: Shape (n,), NaN where there is none; at least one is there.
    """
    known = values[np.isfinite(values)]
    candidates: list[tuple[np.ndarray, Transform]] = [(values, "none")]
    if known.min() > 0:
        candidates.append((np.log(values), "log"))
    if known.min() > 0 and known.max() < 1:
        candidates.append((special.logit(values), "logit"))
    return min(candidates, key=lambda each: abs(skewness(each[0])))


def skewness(values: np.ndarray) -> float:
    """The third moment of the standardised values; 0 if they do not vary."""
    known = values[np.isfinite(values)] / size_of(values)
    centred = known - known.mean()
    variance = (centred**2).mean()
    return float((centred**3).mean() / variance**1.5) if variance > 0 else 0.0


def size_of(values: np.ndarray) -> float:
    """A power of 2 near the largest value: what is divided by it keeps its digits.

    Squares of the largest numbers that there are would be infinite.

    Args:
        values: NaN where there is none.

    Returns:
        1 if there is no value other than 0.
    """
    largest = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    # The largest exponent of a power that is a number is 1,023.
    return math.ldexp(1.0, min(math.frexp(largest)[1], 1_023))
