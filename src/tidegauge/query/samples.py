# SPDX-License-Identifier: Apache-2.0
"""Values at hand, of any data frame, as the two distributions that drift is told from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from tidegauge.model.errors import QueryError
from tidegauge.query.frames import table_of, value_array
from tidegauge.statistics.drift.counts import Counts, counted_texts, counted_values

__all__ = ["counts_of"]


def counts_of(reference: Any, current: Any, before: Any, now: Any) -> Counts:
    """Count the values of both sides.

    Args:
        reference: Numbers or texts, as for `value_array`.
        current: What is compared.
        before: The block that each value of the reference is of; None if all are independent.
        now: The same of `current`.

    Raises:
        QueryError: They cannot be compared, or the blocks are not those of the values.
    """
    if current is None:
        raise QueryError("there is nothing to compare the values with", fix="Give both.")
    if (before is None) != (now is None):
        raise QueryError("blocks are given of one side only", fix="Give both, or none.")
    sides = [value_array(reference), value_array(current)]
    blocks: dict[str, Any] = {}
    if before is not None:
        (ours, is_day), (others, _) = _blocks(before, len(sides[0])), _blocks(now, len(sides[1]))
        block = "day" if is_day else "block"
        blocks = {"reference_days": ours, "current_days": others, "block": block}
    is_text = [each.dtype.kind == "O" for each in sides]
    if not any(is_text):
        return counted_values(*sides, **blocks)
    if not all(is_text):
        # Of numbers of which none is there nobody knows that they are none.
        numbers = is_text.index(False)
        if not np.isnan(sides[numbers]).all():
            raise QueryError("texts cannot be compared with numbers", fix="Give both as texts.")
        sides[numbers] = sides[numbers].astype(object)
        sides[numbers][:] = None
    return counted_texts(*sides, **blocks)


def _blocks(given: Any, count: int) -> tuple[np.ndarray, bool]:
    """The number of the block that each value is of, and whether blocks are times."""
    column = table_of({"blocks": given})["blocks"]
    labels = column.to_pylist()
    if len(labels) != count:
        raise QueryError(
            "each value has one block", got=f"{len(labels)} blocks", allowed=f"{count}, as values"
        )
    if any(each is None or (isinstance(each, float) and math.isnan(each)) for each in labels):
        raise QueryError("a block is missing", fix="Leave out the values that have none.")
    try:
        number_of = {label: number for number, label in enumerate(sorted(set(labels)))}
    except TypeError as error:
        allowed = "numbers, texts, dates or times"
        raise QueryError("blocks have no such names", got=column.type, allowed=allowed) from error
    is_time = bool(pa.types.is_date(column.type) or pa.types.is_timestamp(column.type))
    return np.array([number_of[each] for each in labels], dtype=np.int64), is_time
