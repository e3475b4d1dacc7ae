# SPDX-License-Identifier: Apache-2.0
"""Why a fact was dropped: the closed list of reasons, in the order of their counters on disk.

The order is part of the journal's format: append, never reorder.
"""

from __future__ import annotations

__all__ = ["REASONS"]

#: reason -> what it means, in one line for people.
REASONS: dict[str, str] = {
    "bad_name": "the metric's name cannot be made to fit the grammar, or is ambiguous",
    "unknown_metric": "the name is not in the catalogue and the catalogue is closed",
    "bad_value": "the value is not a number (a bool, a string, an array, None)",
    "not_finite": "the value is NaN or infinite",
    "out_of_range": "the value is outside the metric's min and max",
    "bad_label": "a label's name or value is not allowed",
    "bad_step": "the step is not a whole number within 48 bits",
    "bad_time": "the time cannot be read or lies before 1970",
    "bad_metadata": "the metadata cannot be written as JSON or is too large",
    "budget": "the journal has used up its byte budget because followers are behind",
    "disk_full": "the file system had no room for the journal",
    "unavailable": "the journal's directory cannot be written",
    "damaged": "bytes on disk changed after they were written",
    "deleted": "the journal's directory was deleted under the process",
    "internal": "an error inside tidegauge itself; the log has the details",
    "bad_unit": "the unit is not a code that the catalogue knows",
}
