# SPDX-License-Identifier: Apache-2.0
"""Taking a user out of the rows of a table: the whole row, or only what says who it was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.model.personal import FREE_TEXT, USER_COLUMN, USER_LABELS, names_user
from tidegauge.model.tables import Table
from tidegauge.model.times import TimeRange
from tidegauge.store.arrays import from_list, from_numpy, to_numpy
from tidegauge.store.matching import Mask, label_values, mask_of
from tidegauge.store.schema import columns_of

__all__ = ["Erasure"]

_METADATA = "metadata"
_PERSONAL = (USER_COLUMN, *FREE_TEXT, _METADATA)


@dataclass(frozen=True, slots=True)
class Erasure:
    """Takes a user out of a table; see `tidegauge.store.edit.Edit`.

    Attributes:
        table: The table.
        forms: What the user is known as.
        deletes: Whether whole rows go. If not, the user, what they wrote and metadata do, and the
            label; numbers and everything else stay.
    """

    table: Table
    forms: Collection[str]
    deletes: bool

    @property
    def time_range(self) -> TimeRange:
        """All time."""
        return TimeRange()

    @property
    def columns(self) -> Sequence[str]:
        """The columns that may name a user."""
        own = {column.name for column in columns_of(self.table)}
        return [name for name in (USER_COLUMN, "labels", _METADATA) if name in own]

    @property
    def reorders(self) -> bool:
        """Rows of several series become rows of one where a label goes."""
        return not self.deletes

    def mask(self, rows: pa.Table) -> Mask:
        """The rows that are about the user."""
        found = np.zeros(rows.num_rows, bool)
        if USER_COLUMN in rows.schema.names:
            found |= mask_of(rows[USER_COLUMN], self.forms)
        for label in USER_LABELS:
            found |= mask_of(label_values(rows["labels"], label), self.forms)
        return found | self._in_metadata(rows[_METADATA])

    def apply(self, rows: pa.Table, mask: Mask) -> pa.Table:
        """The rows without the user."""
        if self.deletes:
            return rows.take(from_numpy(np.flatnonzero(~mask), pa.int64()))
        flags = from_list(mask.tolist(), pa.bool_())
        for name in _PERSONAL:
            if (at := rows.schema.get_field_index(name)) >= 0:
                field = rows.schema.field(at)
                nothing = pa.nulls(1, field.type)[0]
                rows = rows.set_column(at, field, pc.if_else(flags, nothing, rows.column(at)))
        return self._without_labels(rows)

    def _in_metadata(self, column: pa.ChunkedArray) -> Mask:
        found = np.zeros(len(column), bool)
        # Few rows have metadata, and fewer such a key; what has none need not be decoded.
        hints = pc.match_substring(column, '"user')
        places = np.flatnonzero(to_numpy(hints.cast(pa.uint8())))
        texts = column.take(from_numpy(places, pa.int64())).to_pylist()
        for place, text in zip(places, texts, strict=True):
            found[place] = names_user(text, self.forms)
        return found

    def _without_labels(self, rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("labels")
        has_label = np.zeros(rows.num_rows, bool)
        for label in USER_LABELS:
            has_label |= mask_of(label_values(rows["labels"], label), self.forms)
        if not has_label.any():
            return rows
        # Those of the few rows behind all others, and then each row takes its own.
        places = np.flatnonzero(has_label)
        column, field = rows.column(at), rows.schema.field(at)
        theirs = column.take(from_numpy(places, pa.int64())).to_pylist()
        kept = [[pair for pair in pairs if not self._is_user(*pair)] for pairs in theirs]
        chosen = np.arange(rows.num_rows)
        chosen[places] = rows.num_rows + np.arange(len(places))
        both = pa.chunked_array([*column.chunks, from_list(kept, field.type)], type=field.type)
        return rows.set_column(at, field, both.take(from_numpy(chosen, pa.int64())))

    def _is_user(self, name: str, value: str) -> bool:
        return name in USER_LABELS and value in self.forms
