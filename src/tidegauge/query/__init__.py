# SPDX-License-Identifier: Apache-2.0
"""The read side: questions about recorded facts, answered from one snapshot each.

Nothing here records, delivers or changes anything.
"""

from __future__ import annotations

from tidegauge.query.errors import readable_errors
from tidegauge.query.query import Query

__all__ = ["Query", "readable_errors"]
