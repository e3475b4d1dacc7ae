# SPDX-License-Identifier: Apache-2.0
"""The uncertainty of a share."""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["wilson_interval"]


def wilson_interval(
    successes: float, count: float, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Wilson's score interval for a probability (Wilson 1927).

    It covers about as often as it says also where successes are rare or few were counted, which the
    usual `p ± z·sqrt(p(1-p)/n)` does not.

    Args:
        successes: How many of them, 0 to `count`.
        count: How many were counted, or are worth counting, above 0.
        confidence: Probability that such intervals cover the true one, 0 to 1, exclusive.

    Raises:
        ValueError: An argument is outside its bounds.
    """
    if not 0 <= successes <= count or count <= 0 or not 0 < confidence < 1:
        raise ValueError(f"no interval for {successes} of {count} at {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / count
    middle = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    low = 0.0 if successes == 0 else (middle - reach) / scale
    high = 1.0 if successes == count else (middle + reach) / scale
    return max(0.0, low), min(1.0, high)
