# SPDX-License-Identifier: Apache-2.0
"""What each user of a data frame has on top and below of a ratio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.query.frames import Frame, number_columns, table_of
from tidegauge.statistics.ratios import Sums

__all__ = ["user_sums"]


def user_sums(frame: Frame | Mapping[str, Any], of: str, per: str, user: str) -> tuple[Sums, bool]:
    """Sum up what users did, each of whom is a cluster.

    Args:
        frame: With any number of rows for each user.
        of: The column on top.
        per: The column below.
        user: The column that tells users apart; rows without one are users of their own.

    Returns:
        The sums, and whether the ratio is a share of what was counted: all numbers are whole, and
        no user has more on top than below. An amount of money is never so many trials.

    Raises:
        QueryError: A column is missing, holds no numbers or a negative one below.
    """
    table = table_of(frame)
    if user not in table.column_names:
        raise QueryError(
            "the data frame has no such column", got=user, allowed=", ".join(table.column_names)
        )
    numbers = number_columns(table, besides=user)
    for name in (of, per):
        if name not in numbers:
            raise QueryError(
                "the data frame has no such column of numbers",
                got=name,
                allowed=", ".join(numbers),
            )
        if not np.isfinite(numbers[name]).all():
            raise QueryError(f"a number in column {name!r} is missing", fix="Drop these rows.")
    places: dict[object, int] = {}
    keys = (object() if each is None else each for each in table[user].to_pylist())
    at = np.array([places.setdefault(key, len(places)) for key in keys], dtype=np.int64)
    tops = np.bincount(at, weights=numbers[of], minlength=len(places))
    bottoms = np.bincount(at, weights=numbers[per], minlength=len(places))
    if (numbers[per] < 0).any():
        raise QueryError(f"a number in column {per!r} is below 0", allowed="0 or more")
    is_counted = all((numbers[name] == np.floor(numbers[name])).all() for name in (of, per))
    is_share = is_counted and bool((numbers[of] >= 0).all() and (tops <= bottoms).all())
    return Sums.of(zip(tops.tolist(), bottoms.tolist(), strict=True)), is_share
