# SPDX-License-Identifier: Apache-2.0
"""The categories that exist without a user's catalogue.

What each one holds is said in the vocabulary (`builtin/*.yaml`), not here.
"""

from __future__ import annotations

import enum

__all__ = ["BUILTIN_CATEGORIES", "MetricCategory"]


class MetricCategory(enum.StrEnum):
    """The built-in categories: the part of a metric's name before the colon."""

    USAGE = "usage"
    MODEL = "model"
    PIPELINE = "pipeline"
    CUSTOM = "custom"
    API = "api"
    LLM = "llm"
    COST = "cost"
    RESOURCE = "resource"
    SATISFACTION = "satisfaction"
    FEATURE = "feature"
    LEARNING = "learning"
    OPTIMIZATION = "optimization"
    ERROR = "error"
    BUSINESS = "business"


#: The same as plain text, for membership tests.
BUILTIN_CATEGORIES: frozenset[str] = frozenset(category.value for category in MetricCategory)
